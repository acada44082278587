// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	testHash = "8daa50c3a64c9ff60bb9eab7b44b56fd"
	testID2  = "35b97177dada20362ab90d90ac63cd54e8a41cf87bea34f270631b6da17f4a93"
)

func knownPods(t *testing.T, root string) *Pods {
	t.Helper()
	p, err := OpenPods(Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// names returns what p knows of a container and a pod.
func names(p *Pods, id, uid string) string {
	c, pod := event.Container{ID: id}, event.Pod{UID: uid}
	p.Fill(&c, &pod)
	return fmt.Sprintf("%s/%s/%s", pod.Namespace, pod.Name, c.Name)
}

// eventually waits until p knows want; inotify tells it soon, but not at once.
func eventually(t *testing.T, p *Pods, id, uid, want string) {
	t.Helper()
	for deadline := time.Now().Add(soon); ; {
		got := names(p, id, uid)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("knows %q, want %q", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPods(t *testing.T) {
	root := tree(t, map[string]string{
		"var/log/pods/default_web-7d4b9c_" + testUID + "/web/0.log": "",
		"var/log/pods/kube-system_etcd-node1_" + testHash + "/":     "",
		"var/log/pods/not a pod/":                                   "",
		"var/log/containers/web-7d4b9c_default_web-" + testID + ".log": "-> /var/log/pods/default_web-7d4b9c_" + testUID +
			"/web/0.log",
		"var/log/containers/readme.log": "",
	})
	p := knownPods(t, root)
	for _, tt := range []struct{ id, uid, want string }{
		{testID, testUID, "default/web-7d4b9c/web"},
		{testID2, testHash, "kube-system/etcd-node1/"},
		// The pod's folder may come late: the link has its name too.
		{testID, "unknown", "default/web-7d4b9c/web"},
		{"unknown", "unknown", "//"},
	} {
		if got := names(p, tt.id, tt.uid); got != tt.want {
			t.Errorf("container %s of pod %s: %q, want %q", tt.id, tt.uid, got, tt.want)
		}
	}
	p.Fill(nil, nil)
	(*Pods)(nil).Fill(&event.Container{}, nil)

	// A pod comes and goes.
	link := filepath.Join(root, "var/log/containers/db-0_prod_db-"+testID2+".log")
	dir := filepath.Join(root, "var/log/pods/prod_db-0_11111111-2222-3333-4444-555555555555")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	eventually(t, p, testID2, "11111111-2222-3333-4444-555555555555", "prod/db-0/db")
	for _, name := range []string{link, dir} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, p, testID2, "11111111-2222-3333-4444-555555555555", "//")
}

// TestPodsLater starts before the kubelet ever ran.
func TestPodsLater(t *testing.T) {
	root := tree(t, map[string]string{"var/log/": ""})
	p := knownPods(t, root)
	for _, dir := range []string{"pods/default_web_" + testUID, "containers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/log", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(root, "var/log/containers/web_default_web-"+testID+".log")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	eventually(t, p, testID, testUID, "default/web/web")
}

func TestPodsWithoutKubelet(t *testing.T) {
	if got := names(knownPods(t, t.TempDir()), testID, testUID); got != "//" {
		t.Errorf("knows %q", got)
	}
	if err := (*Pods)(nil).Close(); err != nil {
		t.Error(err)
	}
}

func TestPodsBounded(t *testing.T) {
	const limit = 40
	p := &Pods{limit: limit, pods: map[string]podName{}, containers: map[string]containerName{}}
	for i := range limit + 1 {
		if p.Full() {
			t.Fatalf("full with %d pods", len(p.pods))
		}
		p.add(podsDir, fmt.Sprintf("ns_pod_%032x", i))
	}
	if len(p.pods) != limit || !p.Full() {
		t.Errorf("%d pods, full: %v", len(p.pods), p.Full())
	}
	if (*Pods)(nil).Full() {
		t.Error("nil is full")
	}

	// Too many at the start; and more names than are looked at, which are none.
	for _, name := range []string{"pod_ns_c-%064x.log", "%d"} {
		root := tree(t, map[string]string{"var/log/containers/": ""})
		for i := range limit + 1 {
			if err := os.Symlink("x", filepath.Join(root, "var/log/containers", fmt.Sprintf(name, i))); err != nil {
				t.Fatal(err)
			}
		}
		p, err := openPods(Options{Root: root}, limit/2)
		if !errors.Is(err, errFull) || !p.Full() {
			t.Errorf("error %v, full: %v", err, p.Full())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPodsOverflow loses events, as a slow reader of inotify does.
func TestPodsOverflow(t *testing.T) {
	root := tree(t, map[string]string{
		"var/log/pods/default_web_" + testUID + "/":                   "",
		"var/log/containers/web_default_web-" + testID + ".log":       "-> x",
		"var/log/containers/half_default_half-" + testID[1:] + ".log": "-> x",
	})
	p := &Pods{
		dir:        filepath.Join(root, logDir),
		limit:      podsLimit,
		pods:       map[string]podName{"stale": {}},
		containers: map[string]containerName{"stale": {}},
	}
	p.apply(change{wd: -1, overflow: true})
	if got := names(p, testID, testUID); got != "default/web/web" || len(p.pods) != 1 || len(p.containers) != 1 {
		t.Errorf("after an overflow: %q, %v, %v", got, p.pods, p.containers)
	}
}

func TestPodsConcurrent(t *testing.T) {
	root := tree(t, map[string]string{"var/log/pods/": ""})
	p := knownPods(t, root)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				names(p, testID, testUID)
			}
		})
	}
	for i := range 200 {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("var/log/pods/ns_pod_%032x", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	eventually(t, p, "", fmt.Sprintf("%032x", 199), "ns/pod/")
}

func TestParseNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		uid  string
		want podName
	}{
		{"default_web_" + testUID, testUID, podName{"default", "web"}},
		{"default_a.b-c_" + testHash, testHash, podName{"default", "a.b-c"}},
		{"default_web", "", podName{}},
		{"default__" + testUID, "", podName{}},
		{"a_b_c_d", "", podName{}},
		{"a_<b>_c", "", podName{}},
		{"", "", podName{}},
	} {
		uid, got, ok := parsePodDir(tt.name)
		if uid != tt.uid || got != tt.want || ok != (tt.uid != "") {
			t.Errorf("parsePodDir(%q) = %q, %v, %v", tt.name, uid, got, ok)
		}
	}
	for _, tt := range []struct {
		name string
		want containerName
	}{
		{"web-0_default_my-app-" + testID + ".log", containerName{podName{"default", "web-0"}, "my-app"}},
		{"web-0_default_my-app-" + testID, containerName{}},
		{"web-0_default_-" + testID + ".log", containerName{}},
		{"web-0_" + testID + ".log", containerName{}},
		{testID + ".log", containerName{}},
		{strings.Repeat("-", 70) + ".log", containerName{}},
	} {
		id, got, ok := parseContainerLog(tt.name)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(containerName{}, podName{})); diff != "" || ok != (id == testID) {
			t.Errorf("parseContainerLog(%q): %q, %v, -want +got:\n%s", tt.name, id, ok, diff)
		}
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00ns_pod_uid\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		p := &Pods{limit: podsLimit, watched: map[int]string{1: podsDir, 2: containersDir}, pods: map[string]podName{}, containers: map[string]containerName{}}
		parseChanges(buf, p.apply)
		for uid, name := range p.pods {
			if !isDNSName(uid) || !isDNSName(name.name) {
				t.Errorf("pod %q %+v", uid, name)
			}
		}
	})
}
