// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

func TestProtected(t *testing.T) {
	process := func(files map[string]string, pid int, comm, adj string, sizes ...uint64) {
		dir := strconv.Itoa(pid) + "/"
		files[dir+"stat"] = statLine(pid, comm, "S", 0, 500)
		files[dir+"status"] = statusFile("S (sleeping)", 1, sizes...)
		files[dir+"oom_score_adj"] = adj + "\n"
		files[dir+"comm"] = comm + "\n"
		files[dir+"cgroup"] = "0::/system.slice/" + comm + ".service\n"
	}
	files := map[string]string{}
	process(files, 10, "small", "-1000", 1, 2, 3, 1, 0)
	process(files, 11, "hog", "-900", 1000, 2, 3, 1, 0)
	process(files, 12, "other", "0", 9000, 2, 3, 1, 0)
	process(files, 13, "kthread", "-1000")
	process(files, 14, "odd", "x", 1, 2, 3, 1, 0)
	files["15/"] = "" // gone meanwhile
	r := newReader(t, Options{Proc: tree(t, files)})
	for _, tt := range []struct {
		adj  int
		want []int
	}{{-900, []int{11, 10}}, {-1000, []int{10}}, {-1001, nil}} {
		found, unreadable, err := r.Protected(t.Context(), tt.adj)
		if err != nil || unreadable != 1 || len(found) != len(tt.want) {
			t.Fatalf("at %d: %+v, %d unreadable, %v", tt.adj, found, unreadable, err)
		}
		for i, pid := range tt.want {
			if found[i].PID != pid {
				t.Errorf("at %d, place %d: %+v", tt.adj, i, found[i])
			}
		}
	}
	found, _, _ := r.Protected(t.Context(), -900)
	if h := found[0]; h.RSSBytes != 1005<<10 || h.OOMScoreAdj != -900 || *h.Comm != "hog" || h.Unit != "hog.service" {
		t.Errorf("%+v", h)
	}
}

func TestProcess(t *testing.T) {
	r := newReader(t, Options{})
	p, err := r.Process(os.Getpid())
	if err != nil || p.Dead || p.StartBoottimeNS == 0 || p.StartBoottimeNS > r.BoottimeNS() || p.Exe == nil || p.OOMScoreAdj == nil {
		t.Errorf("this process: %+v, %v", p, err)
	}
	// One that has ended, whose status nobody has asked for.
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for {
		p, err := r.Process(pid)
		if err != nil {
			t.Fatal(err)
		}
		if p.Dead {
			break
		}
	}
	_ = cmd.Wait()
	if p, err := r.Process(pid); !errors.Is(err, ErrGone) {
		t.Errorf("one that is gone: %+v, %v", p, err)
	}
}
