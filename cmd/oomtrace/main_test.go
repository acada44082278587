// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/scores/scorestest"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/simulate"
	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/internal/timeline/timelinetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oomtrace":         main,
		simulate.ChildName: main,
		noBPFName:          noBPF,
		managerName:        manager,
	})
}

// TestScripts runs the stories of testdata/script, which read as the manual.
// Beside testscript's own commands they have
//
//	code N COMMAND [ARG...]	run the command, which must exit with code N
//	record FILE		write the example events as watch would record them
//	conforms FILE [scores]	check each line of FILE against the published schema, of events or scores
//	conforms FILE timeline	check FILE against the published schema of timelines
//	nobpf N COMMAND [ARG...]	as code, where bpf(2) answers ENOSYS
//	exec manager SOCKET	print what a service manager would be told
//
// and the conditions [privileged] and [exists:PATH].
func TestScripts(t *testing.T) {
	if testenv.Unprivileged() == "" {
		testenv.AloneWithTheClock(t)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     scriptCode,
			"record":   scriptRecord,
			"conforms": scriptConforms,
			"nobpf":    scriptNoBPF,
		},
		Condition: func(cond string) (bool, error) {
			if path, ok := strings.CutPrefix(cond, "exists:"); ok {
				_, err := os.Stat(path)
				return err == nil, nil
			}
			if cond != "privileged" {
				return false, errors.New("unknown condition")
			}
			return testenv.Unprivileged() == "" || testenv.Required(), nil
		},
	})
}

func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func scriptRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: record FILE")
	}
	var lines []byte
	var encoder event.Encoder
	for _, e := range eventtest.All() {
		var err error
		lines, err = encoder.Append(lines, e)
		ts.Check(err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), lines, 0o600))
}

func scriptConforms(ts *testscript.TestScript, neg bool, args []string) {
	check := eventtest.Check
	switch {
	case !neg && len(args) == 1:
	case !neg && len(args) == 2 && args[1] == "scores":
		check = scorestest.Check
	case !neg && len(args) == 2 && args[1] == "timeline":
		ts.Check(timelinetest.Check([]byte(ts.ReadFile(args[0]))))
		return
	default:
		ts.Fatalf("usage: conforms FILE [scores|timeline]")
	}
	lines := bytes.Split(bytes.TrimSpace([]byte(ts.ReadFile(args[0]))), []byte("\n"))
	for i, line := range lines {
		if err := check(line); err != nil {
			ts.Fatalf("line %d: %v", i+1, err)
		}
	}
}

// Every command has a summary, an example unless it only holds others, and a
// place in the help.
func TestCommandsAreDocumented(t *testing.T) {
	root := newRoot(&cli.Env{})
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" && cmd.Name() != "help" && cmd.Name() != "completion" {
			t.Errorf("%s is in no group", cmd.Name())
		}
		commands := cmd.Commands()
		if len(commands) == 0 {
			commands = append(commands, cmd)
		}
		for _, cmd := range commands {
			if cmd.Parent().Name() == "completion" || cmd.Name() == "help" {
				continue
			}
			if cmd.Short == "" || cmd.Example == "" {
				t.Errorf("%s lacks a summary or an example", cmd.CommandPath())
			}
		}
	}
}

// A run whose context has ended ends with success: it did what it could.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, err := os.Pipe() // never written to: without the context, replay would wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	args := []string{"-"}
	if fifo, ok := makeFIFO(t); ok { // nobody opens it to write
		args = append(args, fifo)
	}
	for _, arg := range args {
		var stdout, stderr bytes.Buffer
		if code := run(ctx, []string{"oomtrace", "replay", arg}, r, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d: %s", arg, code, &stderr)
		}
	}
}

// makeFIFO makes a named pipe, where that is possible.
func makeFIFO(t *testing.T) (path string, ok bool) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	return path, exec.Command("mkfifo", path).Run() == nil
}
