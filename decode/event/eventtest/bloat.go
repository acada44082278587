// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"encoding/hex"
	"reflect"
	"strconv"
	"sync"

	"github.com/oomtrace/oomtrace/decode/event"
)

// bloatTimes is how many times longer Bloat makes each list and map.
const bloatTimes = 3

// bloatWith remembers which strings the schema lets be anything, or any hex.
var bloatWith sync.Map // from type and path to "", "any" or "hex"

// Bloat makes e as large as the schema lets it be: every string becomes s, or s
// in hex where only hex will do, and every list and map gets longer. Words that
// the schema lists stay as they are.
func Bloat(e *event.Event, s string) {
	var long []func() // done at last: until then the lines to check stay short
	enc := event.Encoder{MaxLine: 1 << 30}
	takes := func(v reflect.Value, word string) bool {
		was := v.String()
		defer v.SetString(was)
		v.SetString(word)
		line, err := enc.Append(nil, e)
		return err == nil && Check(line) == nil
	}
	eachString(reflect.ValueOf(e).Elem(), string(e.Type), func(path string, v reflect.Value) {
		with, known := bloatWith.Load(path)
		if !known {
			switch {
			case takes(v, "\x01"):
				with = "any"
			case takes(v, "abcdef"):
				with = "hex"
			default:
				with = ""
			}
			bloatWith.Store(path, with)
		}
		switch with {
		case "any":
			long = append(long, func() { v.SetString(s) })
		case "hex":
			long = append(long, func() { v.SetString(hex.EncodeToString([]byte(s))) })
		}
	})
	for _, set := range long {
		set()
	}
	lengthen(reflect.ValueOf(e).Elem(), s)
}

// eachString calls f for every string below v that is not empty.
func eachString(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachString(v.Elem(), path, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), path, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				eachString(v.Field(i), path+"."+field.Name, f)
			}
		}
	case reflect.String:
		if v.Len() > 0 {
			f(path, v)
		}
	}
}

// lengthen repeats what is in the lists and maps below v.
func lengthen(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			lengthen(v.Elem(), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				lengthen(v.Field(i), s)
			}
		}
	case reflect.Slice:
		once := v.Slice(0, v.Len())
		for range bloatTimes - 1 {
			v.Set(reflect.AppendSlice(v, once))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			for i := range bloatTimes {
				v.SetMapIndex(reflect.ValueOf(s+strconv.Itoa(i)+key.String()), v.MapIndex(key))
			}
		}
	}
}
