// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/capability"
)

// Options for Open. The zero value traces OOM kills and clock changes with rings that
// hold some 300 and 500 of them.
type Options struct {
	NoOOM    bool // leave out OOM kills
	NoClock  bool // leave out clock changes
	Sigkills bool // trace every SIGKILL, whoever sends it
	// NoExec leaves out who processes are (see Identity). It is left out by itself
	// where nobody is killed: without OOM kills and SIGKILLs.
	NoExec bool

	// Ring sizes in bytes; rounded up to a power of two of at least a page.
	OOMRingBytes     int
	ClockRingBytes   int
	SigkillRingBytes int

	// Forbid lists kinds of rung not to use, for tests and for kernels whose
	// better rungs misbehave: see Kinds.
	Forbid []string
}

// Tracer is a set of attached programs.
type Tracer struct {
	spec      *ebpf.CollectionSpec
	maps      *ebpf.Collection
	kernel    kernel
	cache     *btf.Cache
	programs  map[string]*ebpf.Program
	links     []link.Link
	forbidden map[string]bool
	broken    map[string]error // kinds that cannot work here, found out once
	tracefs   tracefs
	hooks     []Hook
	warnings  []string
	gfpFormat []byte
	memlock   error // why RLIMIT_MEMLOCK could not be raised, where it counts

	threadRSSPages uint64

	// Whether the kernel counts what its programs and probes missed.
	knowsRecursion, knowsMissed bool

	oomRing, clockRing, sigkillRing *ringbuf.Reader // sigkillRing: nil if not asked for
	closeOnce                       sync.Once

	execs execs

	linksMu  sync.Mutex // of links from Open's end on, and of the two below
	detached bool
	missed   *uint64 // by the probes, up to when they were detached
}

// Open loads and attaches. It fails with ErrNotPermitted or ErrNotSupported when
// not one fact can be obtained; a fact that alone cannot is reported by Hooks. It
// can take seconds: an end of ctx is seen before each rung, and its error returned.
func Open(ctx context.Context, opts Options) (_ *Tracer, err error) {
	t := &Tracer{
		programs:  map[string]*ebpf.Program{},
		forbidden: map[string]bool{},
		broken:    map[string]error{},
		cache:     btf.NewCache(),
	}
	for _, kind := range opts.Forbid {
		if !slices.Contains(Kinds(), kind) {
			return nil, fmt.Errorf("unknown kind of hook %q: known are %s", kind, strings.Join(Kinds(), ", "))
		}
		t.forbidden[kind] = true
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	// Kernels before v5.11 charge maps to RLIMIT_MEMLOCK; on others nothing is done.
	if err := rlimit.RemoveMemlock(); err != nil {
		t.memlock = fmt.Errorf("this kernel charges maps to RLIMIT_MEMLOCK, which could not be raised (give CAP_SYS_RESOURCE, or ulimit -l unlimited): %w", err)
		t.warnings = append(t.warnings, t.memlock.Error())
	}
	// The cheapest question first: may we at all?
	if err := probe(); err != nil {
		return nil, t.withMemlock(err)
	}
	// Beside the kernel's types: either takes a fifth of the time that all of this does.
	object := sync.OnceValues(bpf.LoadOomtrace)
	go func() { _, _ = object() }()
	if t.kernel.types, err = t.cache.Kernel(); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, classify("read the kernel's BTF", err)
		}
		return nil, fmt.Errorf("%w: it has no BTF (CONFIG_DEBUG_INFO_BTF), without which the programs cannot know its structures: %w", ErrNotSupported, err)
	}
	if t.kernel.structHas("task_rss_stat", "count") {
		t.threadRSSPages = taskRSSFaults * uint64(max(1, faultAroundBytes/os.Getpagesize()))
	}
	t.knowsRecursion = t.kernel.structHas("bpf_prog_info", "recursion_misses")
	t.knowsMissed = t.kernel.structHas("bpf_link_info", "missed")
	if t.spec, err = object(); err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	if err := t.prepare(opts); err != nil {
		return nil, t.withMemlock(err)
	}
	served := 0
	for _, l := range opts.ladders() {
		h, err := t.climb(ctx, l)
		if err != nil {
			return nil, err
		}
		if h.OK && l.fact != FactExec { // alone it tells nothing
			served++
		}
		if flag := map[string]string{FactInvocation: "have_invocation", FactFreed: "can_free"}[l.fact]; flag != "" && h.OK {
			if err := t.set(flag, uint32(1)); err != nil {
				return nil, err
			}
		}
		t.hooks = append(t.hooks, h)
	}
	if served == 0 {
		base := ErrNotSupported
		// Who has CAP_SYS_ADMIN and is refused has met a lack of the kernel's.
		if t.refused() && !capability.Has(unix.CAP_SYS_ADMIN) {
			if !capability.Has(unix.CAP_BPF) || !capability.Has(unix.CAP_PERFMON) {
				return nil, classify("attach", unix.EPERM)
			}
			base = ErrNotPermitted // each reason says what for
		}
		return nil, &UnservedError{Hooks: t.hooks, base: base}
	}
	if t.hookOK(FactTrigger) {
		t.gfpFormat = t.readGFPFormat()
	}
	t.derive()
	if t.hookOK(FactExec) {
		t.execs.m = t.maps.Maps["execs"]
	}
	t.release()
	return t, nil
}

// ladders are those of the facts that are asked for, in the order in which they are
// attached.
func (o Options) ladders() []ladder {
	var all []ladder
	if !o.NoOOM {
		all = append(all, oomLadders()...)
	}
	if !o.NoClock {
		all = append(all, clockLadders()...)
	}
	if o.Sigkills {
		all = append(all, sigkillLadder())
	}
	if o.keepsExecs() {
		all = append(all, execLadder())
	}
	return all
}

// Facts are those that a Tracer with such options would obtain, as Hooks lists them.
func Facts(o Options) []string {
	var facts []string
	for _, l := range o.ladders() {
		facts = append(facts, l.fact)
	}
	return facts
}

// OfKills says whether a fact is about what the OOM killer does.
func OfKills(fact string) bool {
	return slices.ContainsFunc(oomLadders(), func(l ladder) bool { return l.fact == fact })
}

// keepsExecs says whether it may be asked who a process was.
func (o Options) keepsExecs() bool { return !o.NoExec && (!o.NoOOM || o.Sigkills) }

// refused says whether a kind of hook failed for want of a permission.
func (t *Tracer) refused() bool {
	for _, err := range t.broken {
		if errors.Is(err, os.ErrPermission) {
			return true
		}
	}
	return false
}

func (t *Tracer) hookOK(fact string) bool {
	return slices.ContainsFunc(t.hooks, func(h Hook) bool { return h.Fact == fact && h.OK })
}

// derive gives the facts that no hook of their own serves to the programs at
// mark_victim, which find most of them out by themselves: docs/hooks.md says what not.
func (t *Tracer) derive() {
	if !t.hookOK(FactKill) {
		return
	}
	for i := range t.hooks {
		switch h := &t.hooks[i]; {
		case h.OK:
		case h.Fact == FactTrigger, h.Fact == FactInvocation:
			h.OK, h.Method = true, MethodDerived
		case h.Fact == FactCandidates:
			h.OK, h.Method = true, MethodComputed
		}
	}
}

// readGFPFormat reads the format of a tracepoint that prints allocation flags;
// nil when tracefs cannot be had: then masks stay without names.
func (t *Tracer) readGFPFormat() []byte {
	var format []byte
	err := t.tracefs.do(func() (err error) {
		for _, root := range tracefsRoots() {
			if format, err = os.ReadFile(root + "/events/vmscan/mm_vmscan_direct_reclaim_begin/format"); err == nil {
				break
			}
		}
		return err
	})
	if err != nil {
		t.warnings = append(t.warnings, fmt.Sprintf("allocation flags have no names: %v", err))
	}
	return format
}

// A thread adds its own counts to its process's after so many faults
// (TASK_RSS_EVENTS_THRESH, check_sync_rss_stat, mm/memory.c), each of which can map as
// many pages of a file or of shared memory as lie around (fault_around_bytes).
const (
	taskRSSFaults    = 65
	faultAroundBytes = 64 << 10
)

// ThreadRSSPages is how many pages of a resident counter each thread may keep to
// itself on this kernel; 0 where there is no such cache, since commit f1a7941243c1
// ("mm: convert mm's rss stats into percpu_counter").
func (t *Tracer) ThreadRSSPages() uint64 { return t.threadRSSPages }

// GFPFormat is the format of a tracepoint that names allocation flags as this
// kernel does; nil when it could not be read or no hook sees such flags.
func (t *Tracer) GFPFormat() []byte { return t.gfpFormat }

// withMemlock adds to a refusal that the limit on locked memory may be its cause.
func (t *Tracer) withMemlock(err error) error {
	if t.memlock != nil && errors.Is(err, ErrNotPermitted) && !inUserNamespace() && (capability.Has(unix.CAP_BPF) || capability.Has(unix.CAP_SYS_ADMIN)) {
		return fmt.Errorf("%w; %w", err, t.memlock)
	}
	return err
}

// probe makes the smallest map: what every later step needs.
func probe() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return classify("create a BPF map", err)
	}
	return m.Close()
}

// prepare sets the constants of the object and creates the maps.
func (t *Tracer) prepare(opts Options) error {
	spec := t.spec
	// What is not asked for takes as little as the kernel lets it.
	if !opts.Sigkills {
		spec.Maps["sigkill_ring"].MaxEntries, opts.SigkillRingBytes = 1, 0
	}
	if !opts.keepsExecs() {
		spec.Maps["execs"].MaxEntries = 1
	}
	for name, size := range map[string]int{"oom_ring": opts.OOMRingBytes, "clock_ring": opts.ClockRingBytes, "sigkill_ring": opts.SigkillRingBytes} {
		if size > 0 {
			spec.Maps[name].MaxEntries = ringSize(size)
		} else {
			spec.Maps[name].MaxEntries = ringSize(int(spec.Maps[name].MaxEntries))
		}
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	hasTask, err := t.kernel.markVictimHasTask()
	if err != nil {
		hasTask = false // its ladder says why
	}
	constants := map[string]any{
		"nr_cpus":                uint32(cpus),
		"page_size":              uint32(os.Getpagesize()),
		"mark_victim_has_task":   hasTask,
		"mark_victim_has_fields": t.kernel.structHas("trace_event_raw_mark_victim", "anon_rss"),
		// Before bpf_task_pt_regs (v5.15) the registers are found by arithmetic
		// that is written for x86 only.
		"arch_has_syscall_nr": runtime.GOARCH == "amd64" || t.hasHelper("BPF_FUNC_task_pt_regs"),
	}
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	only := *spec
	only.Programs = nil
	if t.maps, err = ebpf.NewCollectionWithOptions(&only, ebpf.CollectionOptions{Cache: t.cache}); err != nil {
		return classify("create the BPF maps", err)
	}
	if t.oomRing, err = ringbuf.NewReader(t.maps.Maps["oom_ring"]); err != nil {
		return fmt.Errorf("open the OOM ring: %w", err)
	}
	if t.clockRing, err = ringbuf.NewReader(t.maps.Maps["clock_ring"]); err != nil {
		return fmt.Errorf("open the clock ring: %w", err)
	}
	if opts.Sigkills {
		if t.sigkillRing, err = ringbuf.NewReader(t.maps.Maps["sigkill_ring"]); err != nil {
			return fmt.Errorf("open the SIGKILL ring: %w", err)
		}
	}
	return nil
}

func (t *Tracer) hasHelper(name string) bool {
	var e *btf.Enum
	if t.kernel.types.TypeByName("bpf_func_id", &e) != nil {
		return false
	}
	return slices.ContainsFunc(e.Values, func(v btf.EnumValue) bool { return v.Name == name })
}

// maxRing bounds a ring: the kernel maps it twice and counts in 32 bits.
const maxRing = 1 << 30

// ringSize is the next size the kernel takes: a power of two, whole pages.
func ringSize(n int) uint32 {
	n = min(n, maxRing)
	size := os.Getpagesize()
	for size < n {
		size *= 2
	}
	return uint32(size)
}

func (t *Tracer) set(variable string, value any) error {
	v := t.maps.Variables[variable]
	if v == nil {
		return fmt.Errorf("set %s: no such variable", variable)
	}
	if err := v.Set(value); err != nil {
		return fmt.Errorf("set %s: %w", variable, err)
	}
	return nil
}

// SetPerCPUOffset tells the programs the address of the kernel's
// __per_cpu_offset array: from then on resident counters are exact on kernels
// that keep them per CPU.
func (t *Tracer) SetPerCPUOffset(addr uint64) error {
	return t.set("per_cpu_offset", addr)
}

// SetMemory tells the programs the machine's memory and swap, in pages: for the points
// that they compute themselves.
func (t *Tracer) SetMemory(ramPages, swapPages uint64) error {
	return errors.Join(t.set("ram_pages", ramPages), t.set("swap_pages", swapPages))
}

// release drops what only loading needs; kernel BTF is some megabytes.
func (t *Tracer) release() {
	t.spec, t.cache, t.kernel = nil, nil, kernel{}
	t.tracefs.close()
}

// Hooks reports how each fact is obtained.
func (t *Tracer) Hooks() []Hook { return slices.Clone(t.hooks) }

// Warnings lists what does not work as well as it could.
func (t *Tracer) Warnings() []string {
	return slices.Clone(t.warnings)
}

// Close detaches everything. A Run under way ends.
func (t *Tracer) Close() error {
	var errs []error
	t.closeOnce.Do(func() {
		errs = append(errs, t.detach())
		for _, p := range t.programs {
			errs = append(errs, p.Close())
		}
		for _, r := range []*ringbuf.Reader{t.oomRing, t.clockRing, t.sigkillRing} {
			if r != nil {
				errs = append(errs, r.Close())
			}
		}
		t.execs.close()
		if t.maps != nil {
			t.maps.Close()
		}
		t.tracefs.close()
	})
	return errors.Join(errs...)
}
