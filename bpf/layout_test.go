// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// objects are the committed ones, by the kernel's name of the architecture.
var objects = map[string]string{"amd64": "oomtrace_x86_bpfel", "arm64": "oomtrace_arm64_bpfel"}

func loadObject(t *testing.T, arch string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(objects[arch] + ".o")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// wireTypes are the Go types of every struct of wire.h.
var wireTypes = map[string]reflect.Type{
	"wire_header":    reflect.TypeFor[OomtraceWireHeader](),
	"wire_task":      reflect.TypeFor[OomtraceWireTask](),
	"wire_memcg":     reflect.TypeFor[OomtraceWireMemcg](),
	"wire_candidate": reflect.TypeFor[OomtraceWireCandidate](),
	"wire_effort":    reflect.TypeFor[OomtraceWireEffort](),
	"wire_choice":    reflect.TypeFor[OomtraceWireChoice](),
	"wire_moment":    reflect.TypeFor[OomtraceWireMoment](),
	"wire_kill":      reflect.TypeFor[OomtraceWireKill](),
	"wire_timex":     reflect.TypeFor[OomtraceWireTimex](),
	"wire_clock":     reflect.TypeFor[OomtraceWireClock](),
	"wire_stats":     reflect.TypeFor[OomtraceWireStats](),
	"wire_sigkill":   reflect.TypeFor[OomtraceWireSigkill](),
	"wire_exec":      reflect.TypeFor[OomtraceWireExec](),
}

// Size, offset and name of every field: the objects of both architectures against
// the Go types.
func TestLayout(t *testing.T) {
	for arch := range objects {
		spec := loadObject(t, arch)
		for name, goType := range wireTypes {
			t.Run(arch+"/"+name, func(t *testing.T) {
				var s *btf.Struct
				if err := spec.Types.TypeByName(name, &s); err != nil {
					t.Fatal(err)
				}
				sameLayout(t, name, s, goType)
			})
		}
	}
}

// Nothing of the contract is left out of the table above.
func TestWireTypesAreComplete(t *testing.T) {
	header, err := os.ReadFile("wire.h")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^struct (wire_\w+) \{`).FindAllStringSubmatch(string(header), -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(wireTypes)); !slices.Equal(got, names) {
		t.Errorf("the test knows %v, wire.h has %v", got, names)
	}
}

func sameLayout(t *testing.T, path string, c btf.Type, g reflect.Type) {
	t.Helper()
	c = btf.UnderlyingType(c)
	size, err := btf.Sizeof(c)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if size != int(g.Size()) {
		t.Errorf("%s: %d bytes in C, %d in Go", path, size, g.Size())
	}
	switch c := c.(type) {
	case *btf.Struct:
		var fields []reflect.StructField
		for _, f := range reflect.VisibleFields(g) {
			if f.Name != "_" { // structs.HostLayout
				fields = append(fields, f)
			}
		}
		if len(fields) != len(c.Members) {
			t.Fatalf("%s: %d fields in C, %d in Go", path, len(c.Members), len(fields))
		}
		end := uint32(0)
		for i, m := range c.Members {
			f := fields[i]
			if goName(m.Name) != f.Name || m.Offset.Bytes() != uint32(f.Offset) || m.BitfieldSize != 0 {
				t.Errorf("%s: field %s at %d in C, %s at %d in Go", path, m.Name, m.Offset.Bytes(), f.Name, f.Offset)
			}
			if m.Offset.Bytes() != end {
				t.Errorf("%s.%s: %d bytes of padding before it are not named", path, m.Name, m.Offset.Bytes()-end)
			}
			n, err := btf.Sizeof(m.Type)
			if err != nil {
				t.Fatal(err)
			}
			end = m.Offset.Bytes() + uint32(n)
			sameLayout(t, path+"."+m.Name, m.Type, f.Type)
		}
		if end != c.Size {
			t.Errorf("%s: %d bytes of padding behind it are not named", path, c.Size-end)
		}
	case *btf.Array:
		if g.Kind() != reflect.Array || g.Len() != int(c.Nelems) {
			t.Fatalf("%s: array of %d in C, %v in Go", path, c.Nelems, g)
		}
		sameLayout(t, path+"[]", c.Type, g.Elem())
	case *btf.Int:
		want := reflect.Uint8
		switch {
		case c.Encoding == btf.Signed && c.Size == 8:
			want = reflect.Int64
		case c.Encoding == btf.Signed && c.Size == 4:
			want = reflect.Int32
		case c.Encoding&btf.Signed != 0 || c.Name == "char":
			want = reflect.Int8
		case c.Size == 8:
			want = reflect.Uint64
		case c.Size == 4:
			want = reflect.Uint32
		case c.Size == 2:
			want = reflect.Uint16
		}
		if g.Kind() != want {
			t.Errorf("%s: %v in C, %v in Go", path, c, g)
		}
	default:
		t.Errorf("%s: %v is no type for the wire", path, c)
	}
}

// goName is bpf2go's name of a field.
func goName(c string) string {
	var b strings.Builder
	for _, part := range strings.Split(c, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// Every value of every enum, in both bindings, is that of both objects.
func TestEnums(t *testing.T) {
	for arch, file := range objects {
		spec := loadObject(t, arch)
		consts := generatedConsts(t, file+".go")
		checked := 0
		for _, name := range []string{"wire_kind", "wire_role", "wire_task_valid", "wire_kill_valid", "wire_clock_valid", "wire_clock_func",
			"wire_choice_valid", "wire_candidate_valid", "wire_nokill", "wire_moment_what", "wire_moment_valid",
			"wire_info", "wire_sigkill_valid", "wire_exec_flags"} {
			var e *btf.Enum
			if err := spec.Types.TypeByName(name, &e); err != nil {
				t.Fatal(err)
			}
			for _, v := range e.Values {
				goName := "Oomtrace" + goName(name) + v.Name
				got, ok := consts[goName]
				if !ok || got != v.Value {
					t.Errorf("%s: %s is %d in the object, %d (%v) in Go", arch, v.Name, v.Value, got, ok)
				}
				checked++
			}
		}
		if checked != len(consts) {
			t.Errorf("%s: the object has %d values, the bindings %d", arch, checked, len(consts))
		}
	}
}

// generatedConsts are the typed integer constants of a generated file.
func generatedConsts(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.INT {
			v, err := strconv.ParseUint(lit.Value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[spec.Names[0].Name] = v
		}
		return true
	})
	return out
}

// The bindings differ in what they embed alone, so that what is proved for one
// architecture's Go types holds for the other's.
func TestBindingsAgree(t *testing.T) {
	read := func(arch string) string {
		b, err := os.ReadFile(objects[arch] + ".go")
		if err != nil {
			t.Fatal(err)
		}
		s := strings.ReplaceAll(string(b), objects[arch], "OBJECT")
		return regexp.MustCompile(`(?m)^//go:build .*$`).ReplaceAllString(s, "")
	}
	if read("amd64") != read("arm64") {
		t.Error("the bindings of amd64 and arm64 differ: run 'make generate'")
	}
}

// The rings say in BTF what is in them.
func TestRings(t *testing.T) {
	for arch := range objects {
		spec := loadObject(t, arch)
		for name, want := range map[string]string{"oom_ring": "wire_kill", "clock_ring": "wire_clock", "sigkill_ring": "wire_sigkill"} {
			m := spec.Maps[name]
			if m == nil || m.Type != ebpf.RingBuf {
				t.Fatalf("%s: no ring %s", arch, name)
			}
			if s, ok := m.Value.(*btf.Struct); !ok || s.Name != want {
				t.Errorf("%s: %s holds %v, want %s", arch, name, m.Value, want)
			}
		}
	}
}
