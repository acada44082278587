// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
)

// part is a field that an event can do without.
type part struct {
	path     string // of JSON names
	v        reflect.Value
	group    bool // holds several values
	required bool // must be there, if only as an empty list
}

// drop leaves out the next part of e's payload, or half of it when it is a list.
// It is false when all that is left is needed.
func (e *Event) drop() bool {
	payload, err := e.payload(false)
	if err != nil {
		return false
	}
	parts := appendParts(nil, "", reflect.ValueOf(payload).Elem())
	i := max(0, slices.IndexFunc(parts, func(p part) bool { return p.group }))
	if i == len(parts) {
		return false
	}
	p := parts[i]
	switch {
	case p.v.Kind() == reflect.Slice && p.v.Len() > 1:
		p.v.Set(p.v.Slice(0, p.v.Len()/2))
	case p.required && p.v.Kind() == reflect.Slice:
		p.v.Set(p.v.Slice(0, 0))
	case p.required:
		p.v.Clear()
	default:
		p.v.SetZero()
	}
	// Its name stands for those of what was in it.
	e.Truncated = slices.DeleteFunc(e.Truncated, func(path string) bool { return strings.HasPrefix(path, p.path+".") })
	e.truncate(p.path)
	return true
}

// appendParts appends the fields below the struct v that can be left out, the
// last first, and a group behind what is in it.
func appendParts(out []part, path string, v reflect.Value) []part {
	for i := v.NumField() - 1; i >= 0; i-- {
		f := v.Field(i)
		name, required := jsonField(v.Type().Field(i))
		name = join(path, name)
		switch f.Kind() {
		case reflect.Struct:
			out = appendParts(out, name, f)
		case reflect.Slice, reflect.Map:
			if f.Len() > 0 {
				out = append(out, part{name, f, large(f), required})
			}
		case reflect.Pointer:
			if f.IsNil() {
				continue
			}
			group := f.Elem().Kind() == reflect.Struct
			if group {
				out = appendParts(out, name, f.Elem())
			}
			out = append(out, part{name, f, group && large(f), required})
		case reflect.String:
			if !required && f.Len() > 0 {
				out = append(out, part{name, f, false, required})
			}
		}
	}
	return out
}

// large reports whether v takes more room than a string that is not cut.
func large(v reflect.Value) bool {
	b, err := json.Marshal(v.Interface())
	return err != nil || len(b) > keepString
}

// dropHead leaves out the next part of e's header.
func (e *Event) dropHead() bool {
	switch {
	case e.Host != nil && len(e.Host.Labels) > 0:
		e.Host.Labels = nil
		e.truncate("host.labels")
	case len(e.Truncated) > 1:
		e.Truncated = e.Truncated[:len(e.Truncated)/2]
	default:
		return false
	}
	return true
}

// jsonField returns a field's JSON name, and whether it is always there.
func jsonField(f reflect.StructField) (name string, required bool) {
	name, _, optional := strings.Cut(f.Tag.Get("json"), ",")
	return name, !optional
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// clone returns a copy of e that shares with it nothing that could be changed.
// Numbers that JSON cannot write are left out.
func (e *Event) clone() *Event {
	return clone(reflect.ValueOf(e)).Interface().(*Event)
}

func clone(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			break
		}
		if e := v.Elem(); e.Kind() == reflect.Float64 && (math.IsNaN(e.Float()) || math.IsInf(e.Float(), 0)) {
			break
		}
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(clone(v.Elem()))
	case reflect.Slice:
		if v.IsNil() {
			break
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(clone(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			break
		}
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for key, value := range v.Seq2() {
			out.SetMapIndex(key, value)
		}
	case reflect.Struct:
		out.Set(v)
		for i := range v.NumField() {
			if f := out.Field(i); f.CanSet() { // else it is time.Time's own
				f.Set(clone(v.Field(i)))
			}
		}
	default:
		out.Set(v)
	}
	return out
}
