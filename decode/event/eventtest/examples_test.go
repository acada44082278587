// SPDX-License-Identifier: Apache-2.0

package eventtest_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// What is tested with the examples is tested with every field of the model.
// The exceptions are what an encoder adds to a line that is too long.
func TestExamplesFillEveryField(t *testing.T) {
	set := map[string]bool{"Event.Truncated": false, "Kill.Details": false}
	for _, e := range eventtest.All() {
		fill(reflect.ValueOf(e), set)
	}
	for _, field := range slices.Sorted(maps.Keys(set)) {
		encoders := field == "Event.Truncated" || field == "Kill.Details"
		if set[field] == encoders {
			t.Errorf("%s: filled is %v", field, set[field])
		}
	}
	if len(set) < 150 {
		t.Errorf("only %d fields seen", len(set))
	}
}

// fill notes for each struct field below v whether it is ever not zero.
func fill(v reflect.Value, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), set)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), set)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[event.Event]().PkgPath() {
			return // time.Time
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			fill(v.Field(i), set)
		}
	}
}

func TestHostileCommsFitTheKernel(t *testing.T) {
	full, mended := false, false
	for _, e := range eventtest.Hostile() {
		if e.Kill == nil {
			continue
		}
		v := e.Kill.Victim
		n := len(*v.Comm)
		if v.CommHex != "" {
			n, mended = len(v.CommHex)/2, true
		}
		if n > 15 {
			t.Errorf("comm %q has %d bytes", *v.Comm, n)
		}
		full = full || n == 15
	}
	if !full || !mended {
		t.Errorf("a full comm: %v, one that had to be mended: %v", full, mended)
	}
}

func TestExamplesAreTheCallersOwn(t *testing.T) {
	eventtest.Kill().Kill.Victim.Cgroup.Path = "changed"
	eventtest.Kill().Host.Labels["rack"] = "changed"
	if e := eventtest.Kill(); e.Kill.Victim.Cgroup.Path == "changed" || e.Host.Labels["rack"] == "changed" {
		t.Error("two examples share memory")
	}
}
