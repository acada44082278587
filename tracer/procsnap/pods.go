// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/oomtrace/oomtrace/decode/event"
)

// podsLimit bounds each index. A node has some hundred pods at most.
const podsLimit = 4096

// Where the kubelet names what runs: a folder a pod, <namespace>_<name>_<uid>,
// and a link a container, <pod>_<namespace>_<container>-<id>.log.
const (
	logDir        = "var/log"
	podsDir       = "pods"
	containersDir = "containers"
)

// Pods knows the names of the pods and containers of this node before anything
// happens to them: it is read at the start and kept current by inotify. On a
// machine that is no node it is empty. It is safe for concurrent use, and a nil
// *Pods knows nothing.
type Pods struct {
	dir     string // of logDir
	limit   int    // of each index
	watcher *watcher
	watched map[int]string // by watch descriptor, the folder's name below dir; "" is dir
	done    chan struct{}

	mu         sync.RWMutex
	pods       map[string]podName       // by uid
	containers map[string]containerName // by id
	full       bool                     // names were left out
	added      func(*event.Container, *event.Pod)
}

type podName struct{ namespace, name string }

type containerName struct {
	podName
	container string
}

var errFull = errors.New("there are more than are kept")

// OpenPods reads the names of the pods below o.Root. The error, if any, says why
// they will not be kept current, or that there are too many: the Pods that comes
// with it knows what could be read. Close ends it.
func OpenPods(o Options) (*Pods, error) { return openPods(o, podsLimit) }

func openPods(o Options, limit int) (*Pods, error) {
	root := o.Root
	if root == "" {
		root = "/"
	}
	p := &Pods{
		dir:        filepath.Join(root, logDir),
		limit:      limit,
		watched:    map[int]string{},
		done:       make(chan struct{}),
		pods:       map[string]podName{},
		containers: map[string]containerName{},
	}
	w, err := newWatcher()
	if err != nil {
		close(p.done)
		p.scan(podsDir)
		p.scan(containersDir)
		return p, fmt.Errorf("watch pods: %w", errors.Join(err, p.isFull()))
	}
	p.watcher = w
	// The folders come with the kubelet, which may be started after this.
	err = errors.Join(p.watch(""), p.watch(podsDir), p.watch(containersDir), p.isFull())
	go func() {
		defer close(p.done)
		// It can only fail by being closed.
		_ = w.read(p.apply)
	}()
	if err != nil {
		return p, fmt.Errorf("watch pods: %w", err)
	}
	return p, nil
}

// Close ends the watch. What is known stays.
func (p *Pods) Close() error {
	if p == nil || p.watcher == nil {
		return nil
	}
	err := p.watcher.close()
	<-p.done
	return err
}

// watch adds a folder below p.dir, then reads it; a missing one is no error.
func (p *Pods) watch(name string) error {
	wd, err := p.watcher.add(filepath.Join(p.dir, name))
	if err == nil {
		p.watched[wd] = name
	} else if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	p.scan(name)
	return err
}

// scan reads the names in a folder below p.dir.
func (p *Pods) scan(name string) {
	if name == "" {
		return
	}
	f, err := os.Open(filepath.Join(p.dir, name))
	if err != nil {
		return
	}
	defer f.Close()
	for seen := 0; seen < 2*p.limit; {
		names, err := f.Readdirnames(256)
		seen += len(names)
		for _, n := range names {
			p.add(name, n)
		}
		if err != nil { // io.EOF, or nothing to be done
			return
		}
	}
	p.mu.Lock()
	p.full = true
	p.mu.Unlock()
}

// apply follows one change of a watched folder.
func (p *Pods) apply(c change) {
	dir, ok := p.watched[c.wd]
	switch {
	case c.overflow:
		p.mu.Lock()
		clear(p.pods)
		clear(p.containers)
		p.mu.Unlock()
		p.scan(podsDir)
		p.scan(containersDir)
	case !ok:
	case c.ignored:
		delete(p.watched, c.wd)
	case dir == "":
		if c.added && (c.name == podsDir || c.name == containersDir) {
			// A failure leaves what the scan found.
			_ = p.watch(c.name)
		}
	case c.added:
		p.add(dir, c.name)
	default:
		p.remove(dir, c.name)
	}
}

func (p *Pods) add(dir, name string) {
	var c *event.Container
	var pod *event.Pod
	p.mu.Lock()
	switch dir {
	case podsDir:
		if uid, n, ok := parsePodDir(name); ok {
			put(p, p.pods, uid, n)
			pod = n.event(uid)
		}
	case containersDir:
		if id, n, ok := parseContainerLog(name); ok {
			put(p, p.containers, id, n)
			c, pod = n.events(id)
		}
	}
	added := p.added
	p.mu.Unlock()
	if pod != nil && added != nil {
		added(c, pod)
	}
}

func (n podName) event(uid string) *event.Pod {
	return &event.Pod{UID: uid, Namespace: n.namespace, Name: n.name}
}

// events are a container and its pod.
func (n containerName) events(id string) (*event.Container, *event.Pod) {
	return &event.Container{ID: id, Name: n.container}, &event.Pod{Namespace: n.namespace, Name: n.name}
}

// Each calls f for every pod, whose container is nil, and for every container with its
// pod: now for those that are known, and from another goroutine for one that comes later.
func (p *Pods) Each(f func(*event.Container, *event.Pod)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.added = f
	pods, containers := maps.Clone(p.pods), maps.Clone(p.containers)
	p.mu.Unlock()
	for uid, n := range pods {
		f(nil, n.event(uid))
	}
	for id, n := range containers {
		f(n.events(id))
	}
}

// Empty says whether no pod or container is known, as on a machine without a kubelet.
func (p *Pods) Empty() bool {
	if p == nil {
		return true
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.pods)+len(p.containers) == 0
}

func (p *Pods) remove(dir, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch dir {
	case podsDir:
		if uid, _, ok := parsePodDir(name); ok {
			delete(p.pods, uid)
		}
	case containersDir:
		if id, _, ok := parseContainerLog(name); ok {
			delete(p.containers, id)
		}
	}
}

func put[V any](p *Pods, m map[string]V, key string, v V) {
	if _, known := m[key]; !known && len(m) >= p.limit {
		p.full = true
		return
	}
	m[key] = v
}

// Fill sets the names of a container and of a pod, either of which may be nil,
// where they are absent and known.
func (p *Pods) Fill(c *event.Container, pod *event.Pod) {
	if p == nil {
		return
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	var known containerName
	if c != nil {
		known = p.containers[c.ID]
		if c.Name == "" {
			c.Name = known.container
		}
	}
	if pod != nil && pod.Name == "" {
		name, ok := p.pods[pod.UID]
		if !ok {
			name = known.podName
		}
		pod.Namespace, pod.Name = name.namespace, name.name
	}
}

// Full says whether names were left out, at the start or since: there were more
// than fit.
func (p *Pods) Full() bool {
	if p == nil {
		return false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.full
}

func (p *Pods) isFull() error {
	if p.Full() {
		return errFull
	}
	return nil
}

// parsePodDir reads <namespace>_<name>_<uid>.
func parsePodDir(dir string) (uid string, pod podName, ok bool) {
	namespace, rest, ok1 := strings.Cut(dir, "_")
	name, uid, ok2 := strings.Cut(rest, "_")
	if !ok1 || !ok2 || !isDNSName(namespace) || !isDNSName(name) || !isDNSName(uid) {
		return "", podName{}, false
	}
	return uid, podName{namespace, name}, true
}

// parseContainerLog reads <pod>_<namespace>_<container>-<64 hex digits>.log.
func parseContainerLog(file string) (id string, c containerName, ok bool) {
	file, ok = strings.CutSuffix(file, ".log")
	dash := strings.LastIndexByte(file, '-')
	if !ok || dash < 0 || len(file)-dash-1 != 64 {
		return "", containerName{}, false
	}
	id = file[dash+1:]
	pod, rest, ok1 := strings.Cut(file[:dash], "_")
	namespace, container, ok2 := strings.Cut(rest, "_")
	if !ok1 || !ok2 || !isDNSName(pod) || !isDNSName(namespace) || !isDNSName(container) || !isDNSName(id) {
		return "", containerName{}, false
	}
	return id, containerName{podName{namespace, pod}, container}, true
}

// isDNSName accepts the characters of Kubernetes' names, a subset of DNS's.
func isDNSName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}
