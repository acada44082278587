// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// heapOf is the most that the heap of a JVM may be, and by which option.
func heapOf(v *event.Victim, limit uint64) (heap uint64, by string, ok bool) {
	if programOf(v) != programJVM {
		return 0, "", false
	}
	for _, f := range []string{"-Xmx", "-XX:MaxHeapSize="} {
		if s, has := option(v.Cmdline, f); has {
			if n, good := jvmSize(s); good {
				return n, f + s, true
			}
		}
	}
	if s, has := option(v.Cmdline, "-XX:MaxRAMPercentage="); has {
		if p, err := strconv.ParseFloat(s, 64); err == nil && p > 0 && p <= 100 {
			return uint64(float64(limit) * p / 100), "-XX:MaxRAMPercentage=" + s, true
		}
	}
	return 0, "", false
}

// crowded is the part of a limit, in percent, from which a heap leaves no room for what
// else a JVM needs.
const crowded = 90

// jvmHeap: the heap may become as large as the limit.
func jvmHeap(in *shortage) *draft {
	limit, ok := in.memcg()
	v := &in.main.Victim
	if !ok {
		return nil
	}
	heap, by, ok := heapOf(v, limit)
	if !ok || !share(heap, limit, crowded) {
		return nil
	}
	anon, ok := known(v.AnonRSSBytes)
	if !ok || !share(anon, limit, 75) { // something else filled the limit
		return nil
	}
	c := timeline.High
	if heap < limit {
		c = timeline.Medium
	}
	d := in.about("jvm-heap-over-limit", c, "The Java heap may grow as large as the memory limit")
	d.say("%s may use a heap of %s (%s) under a limit of %s: %s is left for all that is not heap. The JVM has no reason to collect before the kernel kills it.", victimName(v), size(heap), by, size(limit), size(limit-min(limit, heap)))
	d.cite(in.at(), "%s has %s on its command line; the limit is %s; its anonymous memory was %s.", victimName(v), by, size(limit), size(anon))
	if anon > heap {
		d.cite(in.at(), "%s of that cannot be heap.", size(anon-heap))
	}
	d.cite(in.at(), "What else it needs: %s.", jvmParts(v))
	d.RefutedBy = "A heap that stays small until the kill (GC log, jcmd GC.heap_info): then what fills the limit is outside of the heap. An -Xmx that JAVA_TOOL_OPTIONS or a later option overrides (jcmd VM.flags)."
	fit := heap / 3 * 4
	d.do(fmt.Sprintf("Have the heap and the limit fit: either a heap of some %s (three quarters of the limit; -XX:MaxRAMPercentage=75 says the same), or a limit of some %s for this heap.", size(limit/4*3), size(fit)),
		"Three quarters is a rule of thumb: native memory tracking tells what this program needs beside the heap. A smaller heap turns a leak into a java.lang.OutOfMemoryError, which leaves traces.", "whoever starts the JVM", shell{})
	in.raiseTo(d, fit, fmt.Sprintf("Only if the heap is to stay as it is. Computed: %s · 4/3, so that a quarter is left beside it.", size(heap)))
	careJVM(d, v, reachOf(v))
	return d
}

// jvmOffHeap: it is not the heap that fills the limit.
func jvmOffHeap(in *shortage) *draft {
	limit, ok := in.memcg()
	v := &in.main.Victim
	if !ok {
		return nil
	}
	heap, by, ok := heapOf(v, limit)
	anon, has := known(v.AnonRSSBytes)
	if !ok || !has || share(heap, limit, crowded) || !share(anon, limit, 75) || anon <= heap {
		return nil
	}
	outside := anon - heap
	if !share(outside, limit, 20) { // as much is usual
		return nil
	}
	d := in.about("jvm-off-heap", timeline.High, "What fills the limit is not the Java heap")
	d.say("%s had %s of anonymous memory, and its heap is no more than %s (%s): at least %s is outside of the heap. A smaller -Xmx does not cure that.", victimName(v), size(anon), size(heap), by, size(outside))
	d.cite(in.at(), "Anonymous memory %s, limit %s, %s on the command line.", size(anon), size(limit), by)
	d.cite(in.at(), "What it can be: %s. The kernel does not tell them apart.", jvmParts(v))
	d.RefutedBy = "jcmd VM.flags that shows a larger MaxHeapSize than the command line, as JAVA_TOOL_OPTIONS sets it."
	d.do("Start it with -XX:NativeMemoryTracking=summary, take a baseline, and compare when it has grown. What the kernel counts above the tracking's total is malloc and native libraries: try MALLOC_ARENA_MAX=2.",
		"Each of metaspace, threads, direct buffers, code and malloc has a bound of its own: -XX:MaxMetaspaceSize, fewer threads, -XX:MaxDirectMemorySize, -XX:ReservedCodeCacheSize, MALLOC_ARENA_MAX. Tracking costs 5 to 10 percent by its manual, and needs a restart.", "whoever starts the JVM", shell{})
	careJVM(d, v, reachOf(v))
	return d
}

// raiseTo advises a limit that was computed.
func (in *shortage) raiseTo(d *draft, bytes uint64, why string) {
	limit, ok := in.memcg()
	if !ok || bytes <= limit || in.raised(d, limit) {
		return
	}
	const unit = 64 * mib
	bytes = (bytes + unit - 1) / unit * unit
	if m := in.machine; m != nil && m.Memory != nil && m.Memory.AvailableBytes != nil && *m.Memory.AvailableBytes < bytes-limit {
		return
	}
	d.raise(ownerOf(in.main.Limit, &in.main.Victim), limit, bytes, in.main.Limit.Kind, why)
}
