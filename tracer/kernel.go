// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// kernel answers what the running kernel's BTF says.
type kernel struct {
	types *btf.Spec
}

// function fails unless the kernel has a function of that name whose parameters
// are pointers to the named structs ("" for any type). A name that the compiler
// inlined, or changed parameters, make a hook lie in silence.
func (k kernel) function(name string, params ...string) error {
	var fn *btf.Func
	if err := k.types.TypeByName(name, &fn); err != nil {
		if errors.Is(err, btf.ErrNotFound) {
			return fmt.Errorf("no function %s in the kernel's BTF", name)
		}
		return fmt.Errorf("look up %s: %w", name, err)
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok || len(proto.Params) != len(params) {
		return fmt.Errorf("%s has another prototype than expected", name)
	}
	for i, want := range params {
		if want != "" && pointee(proto.Params[i].Type) != want {
			return fmt.Errorf("parameter %d of %s is no struct %s *", i, name, want)
		}
	}
	return nil
}

// pointee is the name of the struct that t points to, or "".
func pointee(t btf.Type) string {
	p, ok := btf.UnderlyingType(t).(*btf.Pointer)
	if !ok {
		return ""
	}
	s, ok := btf.UnderlyingType(p.Target).(*btf.Struct)
	if !ok {
		return ""
	}
	return s.Name
}

// tracepoint fails unless the tracepoint exists and passes n arguments.
func (k kernel) tracepoint(name string, n int) error {
	proto, err := k.tracepointProto(name)
	if err != nil {
		return err
	}
	if got := len(proto.Params) - 1; got != n {
		return fmt.Errorf("tracepoint %s passes %d arguments, not %d", name, got, n)
	}
	return nil
}

// tracepointProto is the prototype of a tracepoint's probes; the first parameter
// is the probe's own data.
func (k kernel) tracepointProto(name string) (*btf.FuncProto, error) {
	var def *btf.Typedef
	if err := k.types.TypeByName("btf_trace_"+name, &def); err != nil {
		if errors.Is(err, btf.ErrNotFound) {
			return nil, fmt.Errorf("no tracepoint %s in the kernel's BTF", name)
		}
		return nil, fmt.Errorf("look up tracepoint %s: %w", name, err)
	}
	p, ok := def.Type.(*btf.Pointer)
	if !ok {
		return nil, fmt.Errorf("tracepoint %s: unexpected BTF", name)
	}
	proto, ok := p.Target.(*btf.FuncProto)
	if !ok || len(proto.Params) < 1 {
		return nil, fmt.Errorf("tracepoint %s: unexpected BTF", name)
	}
	return proto, nil
}

// tracepointFirst fails unless the tracepoint exists and its first argument is a pointer
// to the named struct, a number ("int"), or anything ("").
func (k kernel) tracepointFirst(name, want string) error {
	proto, err := k.tracepointProto(name)
	if err != nil || want == "" {
		return err
	}
	if len(proto.Params) < 2 {
		return fmt.Errorf("tracepoint %s passes nothing", name)
	}
	_, number := btf.UnderlyingType(proto.Params[1].Type).(*btf.Int)
	if want == "int" && !number || want != "int" && pointee(proto.Params[1].Type) != want {
		return fmt.Errorf("tracepoint %s has another prototype than expected", name)
	}
	return nil
}

// markVictimHasTask says which of the two prototypes mark_victim has:
// (struct task_struct *, uid_t), or (int pid) before commit 72ba14deb40a
// ("mm: update mark_victim tracepoints fields"), which stable series took too.
func (k kernel) markVictimHasTask() (bool, error) {
	proto, err := k.tracepointProto("mark_victim")
	if err != nil {
		return false, err
	}
	if len(proto.Params) < 2 {
		return false, errors.New("tracepoint mark_victim passes nothing")
	}
	if pointee(proto.Params[1].Type) == "task_struct" {
		return true, nil
	}
	if _, ok := btf.UnderlyingType(proto.Params[1].Type).(*btf.Int); ok {
		return false, nil
	}
	return false, errors.New("tracepoint mark_victim has an unknown prototype")
}

// structHas says whether a struct, or a struct or union inside it, has a member.
func (k kernel) structHas(name, member string) bool {
	var s *btf.Struct
	return k.types.TypeByName(name, &s) == nil && hasMember(s.Members, member)
}

func hasMember(members []btf.Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
		switch t := m.Type.(type) {
		case *btf.Struct:
			if hasMember(t.Members, name) {
				return true
			}
		case *btf.Union:
			if hasMember(t.Members, name) {
				return true
			}
		}
	}
	return false
}
