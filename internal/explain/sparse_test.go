// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"reflect"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

// optionals are the fields of v, however deep, that may be unknown.
func optionals(v reflect.Value, visit func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.CanSet() {
			visit(v)
		}
		optionals(v.Elem(), visit)
	case reflect.Struct:
		for i := range v.NumField() {
			optionals(v.Field(i), visit)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			visit(v)
			optionals(v.Index(0), visit)
		}
	case reflect.String:
		if v.Len() > 0 && v.CanSet() {
			visit(v)
		}
	}
}

// Whatever field of a kill, or fact of the machine, is unknown: no rule falls over, and
// what is said keeps the rules of advice.
func TestUnknownFields(t *testing.T) {
	tried := 0
	for _, s := range scenarios() {
		d := document(s.events...)
		without := func(v reflect.Value) {
			tried++
			old := reflect.ValueOf(v.Interface())
			v.SetZero()
			for _, f := range Find(d, s.machine) {
				checkShape(t, s.name, d, f)
			}
			v.Set(old)
		}
		for _, e := range s.events[:1] {
			for _, payload := range []any{e.Kill, e.NoKill, e.Sigkill} {
				optionals(reflect.ValueOf(payload), without)
			}
			optionals(reflect.ValueOf(&e.Host).Elem(), without)
			optionals(reflect.ValueOf(&e.BoottimeNS).Elem(), without)
		}
		optionals(reflect.ValueOf(s.machine), without)
	}
	if tried < 1000 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// A number of any size makes no rule fall over or say that a way back is none.
func TestExtremeNumbers(t *testing.T) {
	numbers := []uint64{0, 1<<64 - 1}
	for _, s := range scenarios() {
		d := document(s.events...)
		for _, e := range s.events[:1] {
			if e.Kill == nil {
				continue
			}
			optionals(reflect.ValueOf(e.Kill), func(v reflect.Value) {
				var set func(n uint64)
				switch p := v.Interface().(type) {
				case *uint64:
					old := *p
					defer func() { *p = old }()
					set = func(n uint64) { *p = n }
				case *int64:
					old := *p
					defer func() { *p = old }()
					set = func(n uint64) { *p = int64(n) }
				case *int:
					old := *p
					defer func() { *p = old }()
					set = func(n uint64) { *p = int(n) }
				default:
					return
				}
				for _, n := range numbers {
					set(n)
					for _, f := range Find(d, s.machine) {
						checkShape(t, s.name, d, f)
					}
				}
			})
		}
	}
}

// A limit is the same in each boot.
func TestHistoryAcrossBoots(t *testing.T) {
	d := document(unit(0), unit(7200), unit(14400))
	for i := range d.Entries {
		d.Entries[i].Boot = i
		d.Entries[i].BoottimeNS = event.Ptr(uint64(5e9)) // each soon after its boot
	}
	fs := Find(d, nil)
	for _, f := range fs {
		if f.ID == "repeated" && len(f.About) == 3 {
			return
		}
	}
	t.Errorf("a limit that is hit after each boot: %s", ids(fs))
}
