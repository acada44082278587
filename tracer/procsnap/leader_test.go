// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLeader(t *testing.T) {
	r := newReader(t, Options{})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, tid := range []int{os.Getpid(), unix.Gettid()} {
		if got := r.leader(tid); got != os.Getpid() {
			t.Errorf("%d is a thread of %d, want %d", tid, got, os.Getpid())
		}
	}
	// A name cannot make a line: its line ends are escaped.
	fake := newReader(t, Options{Proc: tree(t, map[string]string{
		"7/status": "Name:\tTgid:\\nTgid:\t1\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nNgid:\t0\n",
		"8/status": "Name:\tx\n",
		"9/status": "Name:\tx\nTgid:\tmany\n",
	})})
	for pid, want := range map[int]int{7: 7, 8: 0, 9: 0, 10: 0} {
		if got := fake.leader(pid); got != want {
			t.Errorf("%d: %d, want %d", pid, got, want)
		}
	}
	a := r.answer(Request{Tasks: []Ref{{PID: os.Getpid()}, {PID: unix.Gettid(), Leader: true}}})
	if a.Tasks[0].Leader != 0 || a.Tasks[1].Leader != os.Getpid() {
		t.Errorf("%+v", a.Tasks)
	}
}

func TestOOMKills(t *testing.T) {
	for file, want := range map[string]string{
		"nr_free_pages 1\noom_kill 29\nnuma_hit 1\n": "29",
		"nr_free_pages 1\n":                          "none",
		"oom_kill 2":                                 "none", // cut
	} {
		r := newReader(t, Options{Proc: tree(t, map[string]string{"vmstat": file})})
		n, err := r.OOMKills()
		got := "none"
		if n != nil {
			got = fmt.Sprint(*n)
		}
		if err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", file, got, err, want)
		}
	}
	if _, err := newReader(t, Options{Proc: tree(t, map[string]string{"x": ""})}).OOMKills(); err == nil {
		t.Error("no error without the file")
	}
}
