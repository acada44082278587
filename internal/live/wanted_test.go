// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/internal/filter"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// What is named and not there is said, and that it has come, once.
func TestWanted(t *testing.T) {
	root := t.TempDir()
	pods, containers := filepath.Join(root, "var/log/pods"), filepath.Join(root, "var/log/containers")
	id := strings.Repeat("c0ffee42", 8)
	mkdir := func(dir string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(filepath.Join(pods, "shop_cart-1_8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"))
	mkdir(containers)
	f := filter.Filter{
		Pods: []string{"cart-*", "pay-1"}, Namespaces: []string{"shop", "bank"},
		Containers: []string{"app", id[:8]}, Cgroups: []string{"/x"},
	}
	said := make(chan string, 16)
	s := &session{opts: Options{
		Proc: procsnap.Options{Root: root, Cgroup: t.TempDir()},
		Warn: func(w string) { said <- w },
	}}
	for _, n := range f.Names() {
		w := Wanted{Flag: n.Kind, Value: n.Value}
		if n.Kind != "cgroup" {
			w.Names = n.Means
		}
		s.opts.Wanted = append(s.opts.Wanted, w)
	}
	var err error
	if s.reader, err = procsnap.New(s.opts.Proc); err != nil {
		t.Fatal(err)
	}
	if s.pods, err = procsnap.OpenPods(s.opts.Proc); err != nil {
		t.Fatal(err)
	}
	s.lookForWanted()
	want := []string{
		"whether there are the cgroups that --cgroup names is not known: no hierarchy with the memory controller at " + s.opts.Proc.Cgroup + ", nor at memory or unified below it",
		"--container app: no such container now; what happens in it is shown once it appears",
		"--container " + id[:8] + ": no such container now; what happens in it is shown once it appears",
		"--pod pay-1: no such pod now; what happens in it is shown once it appears",
		"--namespace bank: no such namespace now; what happens in it is shown once it appears",
	}
	if !slices.Equal(s.warns, want) {
		t.Errorf("said at the start:\n%s", strings.Join(s.warns, "\n"))
	}

	mkdir(filepath.Join(pods, "bank_pay-1_9f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"))
	mkdir(filepath.Join(containers, "pay-1_bank_app-"+id+".log"))
	mkdir(filepath.Join(pods, "bank_pay-1_0f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"))
	var got []string
	for range 4 {
		select {
		case w := <-said:
			got = append(got, w)
		case <-time.After(20 * time.Second):
			t.Fatalf("said alone: %q", got)
		}
	}
	slices.Sort(got)
	want = []string{
		"--container app: it is there now", "--container " + id[:8] + ": it is there now",
		"--namespace bank: it is there now", "--pod pay-1: it is there now",
	}
	if !slices.Equal(got, want) {
		t.Errorf("said later: %q", got)
	}
	if err := s.pods.Close(); err != nil {
		t.Error(err)
	}
	if len(said) > 0 || len(s.absent.wanted) > 0 {
		t.Errorf("said twice: %q, left %v", <-said, s.absent.wanted)
	}
}

// Without a kubelet the name of a container means nothing.
func TestWantedNames(t *testing.T) {
	s := &session{}
	var err error
	if s.reader, err = procsnap.New(procsnap.Options{Root: t.TempDir(), Cgroup: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	for _, n := range (&filter.Filter{Containers: []string{"web", "c0ffee"}}).Names() {
		s.opts.Wanted = append(s.opts.Wanted, Wanted{Flag: n.Kind, Value: n.Value, Names: n.Means})
	}
	s.lookForWanted()
	if len(s.warns) != 2 || !strings.HasSuffix(s.warns[0], "give the beginning of its id)") || strings.Contains(s.warns[1], "kubelet") {
		t.Errorf("%q", s.warns)
	}
}
