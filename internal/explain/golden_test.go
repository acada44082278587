// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

var update = flag.Bool("update", false, "write the golden files")

// Every sentence that the scenarios make the rules say.
func TestGolden(t *testing.T) {
	var b bytes.Buffer
	commands := func(list []timeline.Command) {
		for _, c := range list {
			fmt.Fprintf(&b, "      %s  # %s: %s\n", c.Run, c.Class, c.Note)
		}
	}
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "== %s\n", s.name)
		for _, f := range Find(document(s.events...), s.machine) {
			fmt.Fprintf(&b, "%s (%s): %s\n  %s\n", f.ID, f.Confidence, f.Title, f.Summary)
			for _, e := range f.Evidence {
				fmt.Fprintf(&b, "  - %v %s\n", e.Entries, e.Text)
			}
			fmt.Fprintf(&b, "  refuted by: %s\n", f.RefutedBy)
			if f.Decide != nil {
				fmt.Fprintf(&b, "  question: %s\n", f.Question)
				commands([]timeline.Command{*f.Decide})
			}
			for i, a := range f.Actions {
				fmt.Fprintf(&b, "  %d. %s\n     why: %s\n     owner: %s\n", i+1, a.Text, a.Why, a.Owner)
				commands(a.Commands)
			}
			for _, r := range f.Rollback {
				fmt.Fprintf(&b, "  undo %d. %s\n     guard: %s\n", r.Undoes+1, r.Text, r.Guard)
				commands(r.Commands)
			}
		}
	}
	const file = "testdata/findings.golden"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got), go test -update to accept:\n%s", file, diff)
	}
}

// What the rules find is what the published schema says.
func TestFindingsAreOfTheSchema(t *testing.T) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(timeline.SchemaJSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("v1.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("v1.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios() {
		d := document(s.events...)
		for i := range d.Entries {
			d.Entries[i].SeenIn = []int{0}
		}
		d.Findings = Find(d, s.machine)
		var b bytes.Buffer
		if err := d.Write(&b); err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}
