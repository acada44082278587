// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Enum is a flag value that takes one of a few words. What Value is before the
// flags are read is the default.
type Enum struct {
	Value   string
	Choices []string
}

// Set takes one of the choices.
func (e *Enum) Set(s string) error {
	if !slices.Contains(e.Choices, s) {
		return fmt.Errorf("must be one of %s", strings.Join(e.Choices, ", "))
	}
	e.Value = s
	return nil
}

// String returns the value.
func (e *Enum) String() string { return e.Value }

// Type names the value in help texts.
func (e *Enum) Type() string { return strings.Join(e.Choices, "|") }

// Complete registers the choices for completion of the named flag.
func (e *Enum) Complete(cmd *cobra.Command, flag string) {
	complete(cmd, flag, e.Choices...)
}

// Enums is a flag value that takes some of a few words, separated by commas or by
// giving the flag again. What Value is before the flags are read is the default.
type Enums struct {
	Value   []string
	Choices []string

	given bool
}

// Set takes words of the choices; the first time they replace the default.
func (e *Enums) Set(s string) error {
	words := strings.Split(s, ",")
	for _, word := range words {
		if !slices.Contains(e.Choices, word) {
			return fmt.Errorf("%q is none of %s", word, strings.Join(e.Choices, ", "))
		}
	}
	if !e.given {
		e.Value, e.given = nil, true
	}
	for _, word := range words {
		if !slices.Contains(e.Value, word) {
			e.Value = append(e.Value, word)
		}
	}
	return nil
}

// String returns the words, separated by commas.
func (e *Enums) String() string { return strings.Join(e.Value, ",") }

// Type names the value in help texts.
func (e *Enums) Type() string { return strings.Join(e.Choices, "|") + ",..." }

// Complete registers the choices for completion of the named flag, behind a comma
// too.
func (e *Enums) Complete(cmd *cobra.Command, flag string) {
	completeFunc(cmd, flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		var words []string
		for _, choice := range e.Choices {
			if !slices.Contains(strings.Split(before, ","), choice) {
				words = append(words, before+choice)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

// complete offers fixed words for a flag.
func complete(cmd *cobra.Command, flag string, words ...string) {
	completeFunc(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeFunc offers words for a flag. It fails only for a flag that does not
// exist, which every test run would show.
func completeFunc(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// Word is a flag value that must not be empty. "" means that the flag was not
// given.
type Word string

// Set takes any text.
func (w *Word) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	*w = Word(s)
	return nil
}

// String returns the text.
func (w *Word) String() string { return string(*w) }

// Type names the value in help texts, where the usage does not.
func (w *Word) Type() string { return "text" }

// Words is a flag value that is given again for each of several texts.
type Words []string

// Set adds a text, commas included.
func (w *Words) Set(s string) error {
	if s == "" {
		return errEmpty
	}
	*w = append(*w, s)
	return nil
}

// String returns the texts, separated by commas.
func (w *Words) String() string { return strings.Join(*w, ",") }

// Type names the value in help texts, where the usage does not.
func (w *Words) Type() string { return "text" }

var errEmpty = errors.New("must not be empty")

// Count is a flag value: a whole number above 0. Zero means that the flag was not
// given.
type Count uint64

// Set takes a positive number.
func (c *Count) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n == 0 {
		return errors.New("must be a whole number above 0")
	}
	*c = Count(n)
	return nil
}

// String returns the number, "" for none.
func (c *Count) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*c), 10)
}

// Type names the value in help texts.
func (c *Count) Type() string { return "number" }

// Top is a flag value: how many of a list to show; 0 is all of them.
type Top uint64

// Set takes a number that is not negative.
func (t *Top) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return errors.New("must be a whole number; 0 is all")
	}
	*t = Top(n)
	return nil
}

// String returns the number.
func (t *Top) String() string { return strconv.FormatUint(uint64(*t), 10) }

// Type names the value in help texts.
func (t *Top) Type() string { return "number" }

// Duration is a flag value: a positive time such as 30s or 5m. Zero means that
// the flag was not given.
type Duration time.Duration

// Set takes what time.ParseDuration takes, if it is above zero.
func (d *Duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("not a duration such as 500ms, 30s or 5m")
	}
	if v <= 0 {
		return fmt.Errorf("must be longer than nothing")
	}
	*d = Duration(v)
	return nil
}

// String returns the value, "" for none.
func (d *Duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type names the value in help texts.
func (d *Duration) Type() string { return "duration" }

// Window is a flag value: a time such as 30s or 5m, or 0 for none. What it is before
// the flags are read is the default.
type Window time.Duration

// Set takes what time.ParseDuration takes, unless it is below zero.
func (w *Window) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("not a duration such as 500ms, 30s or 5m, nor 0 for none")
	}
	if v < 0 {
		return fmt.Errorf("must not be below 0")
	}
	*w = Window(v)
	return nil
}

// String returns the value.
func (w *Window) String() string { return time.Duration(*w).String() }

// Type names the value in help texts.
func (w *Window) Type() string { return "duration" }

// Bytes is a flag value: a size in bytes, given as 65536, 64KiB, 64MiB, 1GiB or
// with the bare letters k, M, G, which mean the same powers of 1024.
type Bytes uint64

// Set takes a positive size.
func (b *Bytes) Set(s string) error {
	number, unit := s, ""
	if i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		number, unit = s[:i], s[i:]
	}
	shift, known := map[string]uint{
		"": 0, "b": 0, "k": 10, "kib": 10, "m": 20, "mib": 20, "g": 30, "gib": 30,
	}[strings.ToLower(unit)]
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || !known || n == 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("not a size such as 65536, 64KiB, 64MiB or 1GiB")
	}
	*b = Bytes(n << shift)
	return nil
}

// String returns the value with the largest unit that divides it.
func (b *Bytes) String() string {
	n := uint64(*b)
	for _, u := range []struct {
		shift uint
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n != 0 && n&(1<<u.shift-1) == 0 {
			return strconv.FormatUint(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10)
}

// Type names the value in help texts.
func (b *Bytes) Type() string { return "size" }

// PIDs is a flag value: process ids, separated by commas or by giving the flag
// again.
type PIDs []int

// Set adds ids.
func (p *PIDs) Set(s string) error {
	for _, word := range strings.Split(s, ",") {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is no process id, which is a number above 0", word)
		}
		*p = append(*p, int(n))
	}
	return nil
}

// String returns the ids, separated by commas.
func (p *PIDs) String() string {
	words := make([]string, len(*p))
	for i, pid := range *p {
		words[i] = strconv.Itoa(pid)
	}
	return strings.Join(words, ",")
}

// Type names the value in help texts.
func (p *PIDs) Type() string { return "pid" }
