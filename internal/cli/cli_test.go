// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestCode(t *testing.T) {
	base := errors.New("x")
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{base, 1},
		{Usagef("x"), 2},
		{fmt.Errorf("wrapped: %w", Usage(base)), 2},
		{Unsupported(base), 3},
		{fmt.Errorf("no rung: %w", errors.ErrUnsupported), 3},
		{Nothing(base), 4},
		{fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}), 0},
		{errors.Join(syscall.EPIPE, base), 0},
	} {
		if got := Code(tt.err); got != tt.want {
			t.Errorf("Code(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
	if !errors.Is(Usage(base), base) || Usage(base).Error() != "x" {
		t.Error("Usage hides the error that it wraps")
	}
}

func TestValues(t *testing.T) {
	tests := []struct {
		name  string
		value pflag.Value
		arg   string
		want  string // "" means refused
	}{
		{"duration", new(Duration), "90s", "1m30s"},
		{"duration without unit", new(Duration), "90", ""},
		{"no duration", new(Duration), "0s", ""},
		{"past", new(Duration), "-1s", ""},
		{"window", new(Window), "90s", "1m30s"},
		{"no window", new(Window), "0", "0s"},
		{"window below", new(Window), "-1s", ""},
		{"window without unit", new(Window), "90", ""},
		{"bytes", new(Bytes), "1000", "1000"},
		{"bytes, whole unit", new(Bytes), "65536", "64KiB"},
		{"unit", new(Bytes), "64MiB", "64MiB"},
		{"short unit", new(Bytes), "2g", "2GiB"},
		{"no bytes", new(Bytes), "0", ""},
		{"decimal unit", new(Bytes), "64MB", ""},
		{"fraction", new(Bytes), "1.5GiB", ""},
		{"negative bytes", new(Bytes), "-1", ""},
		{"largest", new(Bytes), "8589934591GiB", "8589934591GiB"},
		{"overflow", new(Bytes), "8589934592GiB", ""},
		{"empty bytes", new(Bytes), "", ""},
		{"unit alone", new(Bytes), "MiB", ""},
		{"choice", &Enum{Choices: []string{"a", "b"}}, "b", "b"},
		{"no choice", &Enum{Choices: []string{"a", "b"}}, "c", ""},
		{"choices", &Enums{Choices: []string{"a", "b"}}, "b,a,b", "b,a"},
		{"no default left", &Enums{Value: []string{"a", "b"}, Choices: []string{"a", "b"}}, "b", "b"},
		{"choices, one wrong", &Enums{Choices: []string{"a", "b"}}, "a,c", ""},
		{"no choices", &Enums{Choices: []string{"a", "b"}}, "", ""},
		{"choice missing", &Enums{Choices: []string{"a", "b"}}, "a,", ""},
		{"word", new(Word), "a b", "a b"},
		{"no word", new(Word), "", ""},
		{"words", new(Words), "a,b", "a,b"},
		{"no words", new(Words), "", ""},
		{"top", new(Top), "3", "3"},
		{"all", new(Top), "0", "0"},
		{"top below", new(Top), "-1", ""},
		{"top too large", new(Top), "4294967296", ""},
		{"count", new(Count), "3", "3"},
		{"count 0", new(Count), "0", ""},
		{"count below", new(Count), "-1", ""},
		{"count of parts", new(Count), "1.5", ""},
		{"count too large", new(Count), "9223372036854775808", ""},
		{"pid", new(PIDs), "12", "12"},
		{"pids", new(PIDs), "12,13", "12,13"},
		{"pid 0", new(PIDs), "0", ""},
		{"pid too large", new(PIDs), "4294967296", ""},
		{"pid missing", new(PIDs), "1,", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.value.Set(tt.arg)
			switch {
			case tt.want == "" && err == nil:
				t.Errorf("%q was taken, as %s", tt.arg, tt.value)
			case tt.want != "" && err != nil:
				t.Errorf("%q was refused: %v", tt.arg, err)
			case tt.want != "" && tt.value.String() != tt.want:
				t.Errorf("%q became %s, want %s", tt.arg, tt.value, tt.want)
			}
		})
	}
}

// A value that was not given shows no default in the help.
func TestUnsetValuesAreEmpty(t *testing.T) {
	for _, v := range []pflag.Value{new(Duration), new(Count), new(Word), new(Words), new(PIDs), new(Enums)} {
		if v.String() != "" {
			t.Errorf("%T: %q", v, v)
		}
	}
}

// Words that were given again add up, and completion leaves out what is there.
func TestEnums(t *testing.T) {
	e := &Enums{Value: []string{"oom", "clock"}, Choices: []string{"oom", "clock", "kill"}}
	cmd := &cobra.Command{Use: "watch"}
	cmd.Flags().Var(e, "events", "what")
	e.Complete(cmd, "events")
	if err := cmd.ParseFlags([]string{"--events", "kill", "--events=oom"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kill", "oom"}, e.Value); diff != "" {
		t.Error(diff)
	}
	offer, ok := cmd.GetFlagCompletionFunc("events")
	if !ok {
		t.Fatal("no completion")
	}
	for typed, want := range map[string][]string{"": {"oom", "clock", "kill"}, "oom,c": {"oom,clock", "oom,kill"}} {
		if got, _ := offer(cmd, nil, typed); !cmp.Equal(want, got) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestPIDsAdd(t *testing.T) {
	var p PIDs
	for _, s := range []string{"1,2", "3"} {
		if err := p.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(PIDs{1, 2, 3}, p); diff != "" {
		t.Error(diff)
	}
}

func TestColor(t *testing.T) {
	for _, tt := range []struct {
		name     string
		env      map[string]string
		terminal bool
		want     bool
	}{
		{"terminal", nil, true, true},
		{"no terminal", nil, false, false},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, true, false},
		{"empty NO_COLOR", map[string]string{"NO_COLOR": ""}, true, true},
		{"dumb", map[string]string{"TERM": "dumb"}, true, false},
	} {
		env := Env{Getenv: func(name string) string { return tt.env[name] }}
		if got := env.color(tt.terminal); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if (&Env{}).color(true) != true {
		t.Error("an unknown environment turned colour off")
	}
}

func TestTerminal(t *testing.T) {
	if _, ok := (&Env{Stdout: &bytes.Buffer{}}).Terminal(); ok {
		t.Error("a buffer is a terminal")
	}
	if _, _, ok := (&Env{Stdout: &bytes.Buffer{}}).Screen(); ok {
		t.Error("a buffer is a screen")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, ok := (&Env{Stdout: null}).Terminal(); ok {
		t.Error("the null device is a terminal")
	}
}

func TestStyle(t *testing.T) {
	for _, tt := range []struct {
		args    string
		formats []string
		format  string
		zone    string
		refused string
	}{
		{"", []string{Table, Wide, JSON}, Table, "Local", ""},
		{"-o text --utc", []string{Table, Wide, JSON}, Table, "UTC", ""},
		{"-o table", []string{Text, JSON}, Table, "Local", ""},
		{"--output=wide --tz Asia/Tokyo", []string{Table, Wide, JSON}, Wide, "Asia/Tokyo", ""},
		{"-o wide", []string{Text, JSON}, "", "", "must be one of text, table, json"},
		{"--tz ../etc/passwd", []string{Table}, "", "", "unknown time zone"},
		{"--tz UTC --utc", []string{Table}, "", "", "exclude each other"},
	} {
		var out Output
		var got Style
		cmd := &cobra.Command{
			SilenceErrors: true, SilenceUsage: true,
			RunE: func(*cobra.Command, []string) (err error) {
				got, err = out.Style(&Env{Stdout: &bytes.Buffer{}})
				return err
			},
		}
		out.Register(cmd, tt.formats...)
		out.RegisterZone(cmd)
		cmd.SetFlagErrorFunc(FlagError)
		cmd.SetArgs(strings.Fields(tt.args))
		err := cmd.Execute()
		if tt.refused != "" {
			if err == nil || Code(err) != ExitUsage || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%q: error %v, want usage error with %q", tt.args, err, tt.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		want, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got.Format != tt.format || got.Location.String() != want.String() || got.Color || got.Width != 0 {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add("64MiB")
	f.Add("18446744073709551615k")
	f.Fuzz(func(t *testing.T, s string) {
		var b, again Bytes
		if b.Set(s) != nil {
			return
		}
		if err := again.Set(b.String()); err != nil || again != b {
			t.Errorf("%q became %s, which reads as %d, not %d (%v)", s, &b, again, b, err)
		}
	})
}
