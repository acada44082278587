// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/testenv"
)

// insideEnv marks the test binary that runs in a pid namespace of its own.
const insideEnv = "OOMTRACE_TEST_PIDNS"

func TestInitPIDNamespace(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("runs outside")
	}
	outside, err := newReader(t, Options{}).InitPIDNamespace()
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || outside != (link == "pid:[4026531836]") {
		t.Errorf("initial pid namespace %v, and this process is in %s, %v", outside, link, err)
	}
	if _, err := newReader(t, Options{Proc: t.TempDir()}).InitPIDNamespace(); err == nil {
		t.Error("no error without any process")
	}

	testenv.Privileged(t)
	if !outside {
		testenv.Skip(t, "the tests run in a pid namespace already")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestInsidePIDNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in a pid namespace of its own: %v\n%s", err, out)
	}
}

func TestInsidePIDNamespace(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs as a child of TestInitPIDNamespace")
	}
	if pid := os.Getpid(); pid != 1 {
		t.Fatalf("pid %d in a new namespace", pid)
	}
	// The old /proc still shows the initial namespace's pids, and serves.
	if ok, err := newReader(t, Options{}).InitPIDNamespace(); err != nil || !ok {
		t.Errorf("the host's /proc seen from a pid namespace: %v, %v", ok, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	if err := unix.Mount("proc", own, "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(own, 0); err != nil {
			t.Error(err)
		}
	}()
	r := newReader(t, Options{Proc: own})
	if ok, err := r.InitPIDNamespace(); err != nil || ok {
		t.Errorf("a pid namespace's own /proc: %v, %v", ok, err)
	}
}
