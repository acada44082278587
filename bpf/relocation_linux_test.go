// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"encoding/binary"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/kernelbtf"
)

// What only some kernels have, and the code that asks before it reads. Everything
// else must be in every kernel: a misspelt field is in none.
var (
	rssAtomic = []string{"byte_off mm_struct___atomic.rss_stat.count"} // read_rss
	rssPerCPU = []string{"byte_off mm_struct___percpu.rss_stat"}       // read_rss
	parent    = []string{"byte_off kernfs_node___plain.parent"}        // kn_parent
	rcuParent = []string{"byte_off kernfs_node___rcu.__parent"}        // kn_parent
	exitMmap  = []string{"byte_off trace_event_raw_exit_mmap.mm"}      // its tracepoint
	markTask  = []string{                                              // mark_victim_has_fields
		"byte_off trace_event_raw_mark_victim.__data_loc_comm",
		"byte_off trace_event_raw_mark_victim.uid",
		"byte_off trace_event_raw_mark_victim.total_vm",
		"byte_off trace_event_raw_mark_victim.anon_rss",
		"byte_off trace_event_raw_mark_victim.file_rss",
		"byte_off trace_event_raw_mark_victim.shmem_rss",
		"byte_off trace_event_raw_mark_victim.pgtables",
		"byte_off trace_event_raw_mark_victim.oom_score_adj",
	}
)

// The programs of an architecture's object against each kernel of it.
func TestRelocation(t *testing.T) {
	for _, tt := range []struct {
		kernel string
		absent [][]string
		ptRegs string // whether bpf_task_pt_regs is there
	}{
		{"amd64-5.10old", [][]string{rcuParent, rssPerCPU, exitMmap, markTask}, "0"},
		{"amd64-5.10", [][]string{rcuParent, rssPerCPU, exitMmap}, "0"},
		{"amd64-6.1", [][]string{rcuParent, rssPerCPU}, "1"},
		{"amd64-6.12", [][]string{rcuParent, rssAtomic}, "1"},
		{"amd64-7.2", [][]string{parent, rssAtomic}, "1"},
		{"arm64-6.1", [][]string{rcuParent, rssPerCPU}, "1"},
		{"arm64-6.12", [][]string{rcuParent, rssAtomic}, "1"},
	} {
		t.Run(tt.kernel, func(t *testing.T) {
			arch, _, _ := strings.Cut(tt.kernel, "-")
			object, kernel := loadObject(t, arch), kernelbtf.Load(t, tt.kernel)
			got := relocate(t, object, kernel)
			want := slices.Sorted(slices.Values(slices.Concat(tt.absent...)))
			var absent []string
			for name, result := range got {
				if result == "absent" {
					absent = append(absent, name)
				}
			}
			slices.Sort(absent)
			if !slices.Equal(absent, want) {
				t.Errorf("this kernel lacks\n%q\nexpected\n%q", absent, want)
			}
			exists := func(list []string) string {
				if slices.Contains(want, list[0]) {
					return "0"
				}
				return "1"
			}
			for name, want := range map[string]string{
				"field_exists kernfs_node___rcu.__parent":    exists(rcuParent),
				"field_exists mm_struct___percpu.rss_stat":   exists(rssPerCPU),
				"type_exists mm_rss_stat":                    exists(rssAtomic),
				"type_exists mem_cgroup":                     "1",
				"type_exists css_set":                        "1",
				"enumval_exists bpf_func_id___pt_regs":       tt.ptRegs,
				"type_size upid":                             "16",
				"enumval_value cgroup_subsys_id":             enumValue(t, kernel, "cgroup_subsys_id", "memory_cgrp_id"),
				"type_size percpu_counter":                   sizeOf(t, kernel, "percpu_counter"),
				"byte_off task_struct.comm":                  memberOffset(t, kernel, "task_struct", "comm"),
				"byte_off oom_control.chosen_points":         memberOffset(t, kernel, "oom_control", "chosen_points"),
				"byte_off trace_event_raw_mark_victim.pid":   memberOffset(t, kernel, "trace_event_raw_mark_victim", "pid"),
				"byte_off trace_event_raw_sys_exit.ret":      memberOffset(t, kernel, "trace_event_raw_sys_exit", "ret"),
				"byte_off mem_cgroup___swap.swap.max":        "",
				"byte_off css_set.subsys":                    memberOffset(t, kernel, "css_set", "subsys"),
				"byte_off signal_struct.oom_flag_origin":     "",
				"byte_off trace_event_raw_sys_enter.args[0]": "",
			} {
				if result, ok := got[name]; !ok || want != "" && result != want {
					t.Errorf("%s is %q (%v), want %q", name, result, ok, want)
				}
			}
			sameSizes(t, object.Types, kernel, got)
			timexIsUAPI(t, kernel)
		})
	}
}

// Every kernel that the project keeps has its line above.
func TestRelocationCoversKernels(t *testing.T) {
	names := kernelbtf.Names(t)
	slices.Sort(names)
	want := []string{"amd64-5.10", "amd64-5.10old", "amd64-6.1", "amd64-6.12", "amd64-7.2", "arm64-6.1", "arm64-6.12"}
	if !slices.Equal(names, want) {
		t.Errorf("kernels %v, the test knows %v", names, want)
	}
}

// sameSizes checks that each member read is as large in the kernel as in the
// programs, which CO-RE alone does not: else a neighbour would be read with it.
func sameSizes(t *testing.T, local, kernel *btf.Spec, accesses map[string]string) {
	t.Helper()
	checked := 0
	for name, result := range accesses {
		path, ok := strings.CutPrefix(name, "byte_off ")
		if !ok || result == "absent" {
			continue
		}
		path, _, _ = strings.Cut(path, "[")
		parts := strings.Split(path, ".")
		typeName, _, _ := strings.Cut(parts[0], "___")
		ours, theirs := structNamed(t, local, parts[0]), structNamed(t, kernel, typeName)
		if ours == nil || theirs == nil {
			t.Errorf("%s: no such struct", path)
			continue
		}
		mine, other := memberType(ours, parts[1:]), memberType(theirs, parts[1:])
		if mine == nil || other == nil {
			t.Errorf("%s: no such member", path)
			continue
		}
		// Elements are read one by one; how many there are the kernel decides.
		if a, ok := mine.(*btf.Array); ok {
			b, ok := other.(*btf.Array)
			if !ok {
				t.Errorf("%s: no array", path)
				continue
			}
			mine, other = btf.UnderlyingType(a.Type), btf.UnderlyingType(b.Type)
		}
		if _, ok := mine.(*btf.Struct); ok {
			continue // its members count
		}
		a, err1 := btf.Sizeof(mine)
		b, err2 := btf.Sizeof(other)
		if err1 != nil || err2 != nil || a != b {
			t.Errorf("%s: %d bytes in the programs, %d in the kernel (%v, %v)", path, a, b, err1, err2)
		}
		checked++
	}
	if checked < 50 {
		t.Errorf("checked only %d members", checked)
	}
}

// timexIsUAPI checks that the kernel's own timex has the layout that the programs
// take it to have, that of the system call.
func timexIsUAPI(t *testing.T, kernel *btf.Spec) {
	t.Helper()
	theirs := structNamed(t, kernel, "__kernel_timex")
	if theirs == nil {
		t.Fatal("the kernel has no struct __kernel_timex")
	}
	offsets := map[string]uintptr{}
	ours := reflect.TypeFor[unix.Timex]()
	for i := range ours.NumField() {
		offsets[strings.ToLower(ours.Field(i).Name)] = ours.Field(i).Offset
	}
	checked := 0
	for _, m := range theirs.Members {
		want, ok := offsets[m.Name]
		if !ok {
			continue // padding
		}
		if uintptr(m.Offset.Bytes()) != want {
			t.Errorf("__kernel_timex.%s is at %d, not %d", m.Name, m.Offset.Bytes(), want)
		}
		checked++
	}
	if checked != 20 {
		t.Errorf("compared %d of 20 members of __kernel_timex", checked)
	}
}

func structNamed(t *testing.T, spec *btf.Spec, name string) *btf.Struct {
	t.Helper()
	types, err := spec.AnyTypesByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, typ := range types {
		if s, ok := btf.UnderlyingType(typ).(*btf.Struct); ok && typ.TypeName() == name {
			return s
		}
	}
	return nil
}

// memberType is the type of a member by its path, through members without a name.
func memberType(t btf.Type, path []string) btf.Type {
	t = btf.UnderlyingType(t)
	if len(path) == 0 {
		return t
	}
	var members []btf.Member
	switch t := t.(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		switch m.Name {
		case path[0]:
			if m.BitfieldSize != 0 {
				return nil
			}
			return memberType(m.Type, path[1:])
		case "":
			if found := memberType(m.Type, path); found != nil {
				return found
			}
		}
	}
	return nil
}

func memberOffset(t *testing.T, spec *btf.Spec, name, member string) string {
	t.Helper()
	if s := structNamed(t, spec, name); s != nil {
		for _, m := range s.Members {
			if m.Name == member {
				return strconv.Itoa(int(m.Offset.Bytes()))
			}
		}
	}
	t.Errorf("the kernel has no %s.%s", name, member)
	return ""
}

func sizeOf(t *testing.T, spec *btf.Spec, name string) string {
	t.Helper()
	s := structNamed(t, spec, name)
	if s == nil {
		t.Fatalf("the kernel has no %s", name)
	}
	return strconv.Itoa(int(s.Size))
}

func enumValue(t *testing.T, spec *btf.Spec, name, value string) string {
	t.Helper()
	var e *btf.Enum
	if err := spec.TypeByName(name, &e); err != nil {
		t.Fatal(err)
	}
	for _, v := range e.Values {
		if v.Name == value {
			return strconv.FormatUint(v.Value, 10)
		}
	}
	t.Fatalf("enum %s has no %s", name, value)
	return ""
}

// relocate resolves every access of every program and says what became of each:
// its value, or "absent".
func relocate(t *testing.T, spec *ebpf.CollectionSpec, kernel *btf.Spec) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, prog := range spec.Programs {
		var relos []*btf.CORERelocation
		for i := range prog.Instructions {
			if r := btf.CORERelocationMetadata(&prog.Instructions[i]); r != nil {
				relos = append(relos, r)
			}
		}
		fixups, err := btf.CORERelocate(relos, []*btf.Spec{kernel}, binary.LittleEndian, func(btf.Type) (btf.TypeID, error) { return 1, nil })
		if err != nil {
			t.Fatalf("%s: %v", prog.Name, err)
		}
		for i, f := range fixups {
			_, result, _ := strings.Cut(f.String(), "=")
			if _, target, ok := strings.Cut(result, "->"); ok {
				result = target
			} else {
				result = "absent"
			}
			name := access(t, spec.Types, relos[i].String())
			if had, ok := out[name]; ok && had != result {
				t.Errorf("%s: %s in %s, %s elsewhere", name, result, prog.Name, had)
			}
			out[name] = result
		}
	}
	return out
}

var relocation = regexp.MustCompile(`^CORERelocation\((\w+), \w+:"(\w+)"\[([0-9:]+)\]`)

// access names what a relocation is about by kind, type and members.
func access(t *testing.T, local *btf.Spec, relo string) string {
	t.Helper()
	m := relocation.FindStringSubmatch(relo)
	if m == nil {
		t.Fatalf("not understood: %s", relo)
	}
	types, err := local.AnyTypesByName(m[2])
	// They are found by the name without its flavour.
	types = slices.DeleteFunc(types, func(typ btf.Type) bool { return typ.TypeName() != m[2] })
	if err != nil || len(types) != 1 {
		t.Fatalf("%s: %d types, %v", relo, len(types), err)
	}
	name := m[1] + " " + m[2]
	typ := btf.UnderlyingType(types[0])
	for _, index := range strings.Split(m[3], ":")[1:] {
		i, err := strconv.Atoi(index)
		if err != nil {
			t.Fatal(err)
		}
		switch at := typ.(type) {
		case *btf.Struct:
			name, typ = name+"."+at.Members[i].Name, btf.UnderlyingType(at.Members[i].Type)
		case *btf.Array:
			name, typ = name+"["+index+"]", btf.UnderlyingType(at.Type)
		default:
			t.Fatalf("%s: %v has no members", relo, typ)
		}
	}
	return name
}
