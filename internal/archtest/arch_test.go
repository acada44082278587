// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/oomtrace/oomtrace/"

// imports lists who may not import what. Patterns match whole paths: a folder of
// this module without the module's name, and an import path, this module's ones
// without its name too.
var imports = []struct {
	from, to string
	except   string // folders that may
	why      string
}{
	{from: `decode(/.*)?`, to: `tracer(/.*)?|internal/.*`, why: "decoders stand alone"},
	{from: `decode(/.*)?`, to: `bpf`, except: `decode/wire`, why: "only the wire decoder knows the wire types"},
	{from: `.*`, to: `github\.com/cilium/ebpf/(link|ringbuf|perf)`, except: `tracer(/.*)?|internal/vmtest(/.*)?`, why: "only tracer attaches and reads rings"},
	{from: `.*`, to: `internal/schematest`, except: `.*test`, why: "it is for tests"},
	{from: `.*`, to: `internal/render`, except: `cmd/oomtrace|internal/render`, why: "only the command prints"},
	{from: `.*`, to: `github\.com/olekukonko/.*`, except: `internal/render`, why: "tables are drawn in one place"},
	{from: `.*`, to: `github\.com/spf13/cobra`, except: `cmd/oomtrace|internal/cli`, why: "flags are read in the command"},
	{from: `.*`, to: `cmd/.*`, why: "nothing imports the command"},
	{from: `tracer(/.*)?`, to: `internal/(cli|timeline|explain)`, why: "data flows on from the tracer, never back"},
	{from: `internal/explain`, to: `tracer(/.*)?`, why: "findings are made of what is handed in, on any OS"},
	{from: `.*`, to: `log(/.*)?`, why: "a library never logs, and the command reports errors once"},
}

type source struct {
	path string // from the root
	dir  string
	file *ast.File
}

func TestImportDirections(t *testing.T) {
	checked := 0
	for _, src := range sources(t) {
		if strings.HasSuffix(src.path, "_test.go") {
			continue
		}
		for _, spec := range src.file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to = strings.TrimPrefix(to, module)
			for _, rule := range imports {
				checked++
				if whole(rule.from, src.dir) && whole(rule.to, to) && !whole(rule.except, src.dir) {
					t.Errorf("%s imports %s: %s", src.path, to, rule.why)
				}
			}
		}
	}
	if checked == 0 {
		t.Fatal("found no import to check")
	}
}

// The tests test the rules too: each must catch what it is there for.
func TestImportRulesCatch(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		allowed  bool
	}{
		{"decode/event", "tracer", false},
		{"decode", "internal/testenv", false},
		{"tracer/procsnap", "github.com/cilium/ebpf/link", true},
		{"cmd/oomtrace", "github.com/cilium/ebpf/ringbuf", false},
		{"internal/cli", "internal/render", false},
		{"cmd/oomtrace", "internal/render", true},
		{"tracer", "log/slog", false},
		{"internal/timeline", "internal/schematest", false},
		{"internal/timeline/timelinetest", "internal/schematest", true},
	} {
		allowed := true
		for _, rule := range imports {
			if whole(rule.from, tt.from) && whole(rule.to, tt.to) && !whole(rule.except, tt.from) {
				allowed = false
			}
		}
		if allowed != tt.allowed {
			t.Errorf("%s importing %s: allowed %v, want %v", tt.from, tt.to, allowed, tt.allowed)
		}
	}
}

func whole(pattern, s string) bool {
	return pattern != "" && regexp.MustCompile("^(?:"+pattern+")$").MatchString(s)
}

func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, src := range sources(t) {
		name := src.file.Name.Name
		if strings.HasSuffix(name, "_test") || strings.HasSuffix(src.path, "_test.go") {
			continue
		}
		text := ""
		if src.file.Doc != nil {
			text = src.file.Doc.Text()
		}
		has := strings.HasPrefix(text, "Package "+name+" ") || name == "main" && strings.HasPrefix(text, "Command ")
		documented[src.dir] = documented[src.dir] || has
	}
	for dir, has := range documented {
		if !has {
			t.Errorf("no file in %s has a package comment", dir)
		}
	}
}

// TestLicence looks for the SPDX line: in C dual licensed, elsewhere Apache.
func TestLicence(t *testing.T) {
	const apache, kernel = "Apache-2.0", "(GPL-2.0-only OR BSD-2-Clause)"
	want := map[string]string{".go": apache, ".sh": apache, ".c": kernel, ".h": kernel}
	identifier := regexp.MustCompile(`SPDX-License-Identifier: (.*?)(?: \*/)?\n`)
	walk(t, func(path string) {
		licence := want[filepath.Ext(path)]
		if licence == "" {
			return
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		head := data[:min(400, len(data))]
		found := identifier.FindSubmatch(head)
		if (found == nil || !bytes.Contains(found[1], []byte(licence))) && !bytes.Contains(head, []byte("DO NOT EDIT")) {
			t.Errorf("%s: the first lines have no SPDX-License-Identifier with %s", path, licence)
		}
	})
}

const root = "../.."

// walk visits the project's own files, by their paths from the root.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	walk(t, func(path string) {
		if filepath.Ext(path) != ".go" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), file: file})
	})
	return out
}
