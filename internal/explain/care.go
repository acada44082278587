// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// care adds what to look at in the program that used the memory, before the next kill:
// a SIGKILL leaves it no time to tell anything itself.
func (in *shortage) care(d *draft, v *event.Victim) {
	const owner = "whoever runs the program"
	r := reachOf(v)
	var s shell
	switch programOf(v) {
	case programJVM:
		careJVM(d, v, r)
	case programGo:
		d.do("Set GOMEMLIMIT to some 90 % of the limit in the program's environment, and take a heap profile (/debug/pprof/heap, where it serves pprof).",
			"GOMEMLIMIT makes Go's collector work harder as it comes near; it does not bound what is still referenced, nor what cgo or mmap allocates, so a leak is killed all the same, after a time of heavy collection.", owner, shell{})
	case programNode:
		in.careNode(d, v, owner)
	case programPython:
		r.begin(&s)
		s.add(timeline.Disruptive, r.note+"; needs py-spy and ptrace rights there; stops it while it looks", r.prefix+"py-spy dump --pid "+r.pid, r.names...)
		d.do("Find out who allocates: start it with tracemalloc (PYTHONTRACEMALLOC=1) outside production and compare snapshots; bound the life of workers (max_requests of gunicorn, max-requests of uwsgi, --max-tasks-per-child of celery).",
			"Python gives memory back late: a worker stays as large as its largest request. Workers that are started anew bound a leak, and do not cure it; tracemalloc costs time and memory.", owner, s)
	case programPostgres:
		d.do("Bound what sessions may use together: work_mem is for each sort or hash of each query of each session, so max_connections · work_mem · some is to fit beside shared_buffers; pool the connections.",
			"shared_buffers is shared memory, counted once here and as shmem_rss in every backend that has touched it. When a backend is killed, the postmaster ends all sessions and recovers.", owner,
			look("as a user of the database", `psql -c "select name, setting, unit from pg_settings where name in ('shared_buffers','work_mem','maintenance_work_mem','max_connections','autovacuum_max_workers','huge_pages')"`))
		d.do("Keep the postmaster apart from its backends, as PostgreSQL's manual (Linux Memory Overcommit) shows: OOMScoreAdjust= in its unit (the manual has the lowest value; -900 does as well, and leaves the kernel a last resort), and PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj with PG_OOM_ADJUST_VALUE=0 in its environment, which puts backends back to 0.",
			"The postmaster does not grow, the backends do. Its manual also tells of strict overcommit: that makes allocations fail for every program of the machine, and is no cure here.", owner, shell{})
	case programMySQL:
		d.do("Make the sum fit: innodb_buffer_pool_size, and for each of max_connections what sort, join, read and temporary tables may take.",
			"The buffer pool fills up to its size and stays: growth up to there is no leak.", owner,
			look("as a user of the database", `mysql -e "show variables where variable_name in ('innodb_buffer_pool_size','max_connections','tmp_table_size','sort_buffer_size','join_buffer_size')"`))
	case programPHP:
		d.do("Make pm.max_children · (the size of one worker) fit the limit, and set pm.max_requests so that workers are started anew.",
			"Each worker is as large as its largest request, up to memory_limit.", owner, look("how large the workers are", "ps -eo pid,rss,args --sort=-rss | grep '[p]hp-fpm'"))
	case programNginx:
		d.do("See what nginx keeps in memory: worker_processes, worker_connections, buffers, proxy_cache keys_zone, modules.",
			"nginx itself does not grow with its uptime; a module or a buffer for each connection does.", owner, look("", "ps -C nginx -o pid,rss,args --sort=-rss"))
	case programRedis:
		d.do("Set maxmemory, with a maxmemory-policy, well below the limit, and leave room for the fork that a save or a rewrite makes.",
			"While the child of BGSAVE runs, each page that the parent writes is there twice, both in the same limit.", owner,
			look("", "redis-cli info memory"))
	}
}

func (in *shortage) careNode(d *draft, v *event.Victim, owner string) {
	text := "Set --max-old-space-size (MiB, in NODE_OPTIONS) to some 75 % of the limit, so that a leak ends in V8's own error with a trace and, with --heapsnapshot-near-heap-limit=1, in a snapshot."
	why := "It bounds V8's old generation alone: Buffers, native modules and young objects are outside. A snapshot stops the program, may need as much memory again as the heap, and holds secrets: write it to a disk, not to tmpfs. To write one where there is no room brings the next kill sooner."
	if n, ok := option(v.Cmdline, "--max-old-space-size="); ok {
		if mb, ok := jvmSize(n + "m"); ok {
			text = fmt.Sprintf("It runs with --max-old-space-size of %s", size(mb))
			if limit, has := in.memcg(); has && mb >= limit {
				text += fmt.Sprintf(", which the limit of %s cuts off: set it to some 75 %% of the limit.", size(limit))
			} else {
				text += ": what it has above that is Buffers and native memory, which process.memoryUsage() tells apart (external, arrayBuffers)."
			}
		}
	}
	d.do(text, why, owner, shell{})
}

// careJVM is what to ask a JVM before the next kill.
func careJVM(d *draft, v *event.Victim, r reach) {
	var s shell
	r.begin(&s)
	s.add(timeline.ReadOnly, "a short stop of all threads; "+r.note, r.prefix+"jcmd "+r.pid+" Thread.print", r.names...)
	s.add(timeline.ReadOnly, "only if it was started with -XX:NativeMemoryTracking=summary, which costs 5 to 10 percent by its manual", r.prefix+"jcmd "+r.pid+" VM.native_memory summary", r.names...)
	s.add(timeline.Disruptive, "stops all threads while it counts; without -all it collects the whole heap first", r.prefix+"jcmd "+r.pid+" GC.class_histogram -all", r.names...)
	why := "A JVM that the kernel kills writes nothing: -XX:+HeapDumpOnOutOfMemoryError is for an error that the JVM itself throws, when the heap is full, and never for a SIGKILL."
	if _, on := option(v.Cmdline, "-XX:+HeapDumpOnOutOfMemoryError"); on {
		why += " It is on here, and did not fire."
	}
	d.do("Before the next kill, ask the JVM: threads, native memory, the classes that fill the heap.", why, "whoever runs the JVM", s)

	s = shell{}
	r.begin(&s)
	s.add(timeline.Disruptive, "DIR is a directory on a disk, with room for the whole heap, that its user may write to and others not read", r.prefix+"jcmd "+r.pid+" GC.heap_dump DIR/heap.hprof", r.names...)
	d.do("Only if the histogram does not tell: a heap dump, to a volume on disk and not to tmpfs or an emptyDir of medium Memory.",
		"It stops all threads until it is written, is as large as the heap, and holds what the heap holds, secrets too. What is written is charged to the same limit, as page cache, or on tmpfs for good: near the limit the dump itself may bring the kill. Making the JVM immune first is no cure: then another is killed, or nobody can be.",
		"whoever runs the JVM", s)
}

// jvmParts tells what a JVM's memory beside the heap may be, as far as its options tell.
func jvmParts(v *event.Victim) string {
	var parts []string
	stack := uint64(mib)
	said := "the default of 1 MiB"
	for _, f := range []string{"-Xss", "-XX:ThreadStackSize="} {
		if s, ok := option(v.Cmdline, f); ok {
			if f != "-Xss" {
				s += "k"
			}
			if n, ok := jvmSize(s); ok {
				stack, said = n, f+" of "+size(n)
			}
		}
	}
	if v.Threads != nil {
		parts = append(parts, fmt.Sprintf("stacks of %d threads, at the most %s with %s", *v.Threads, size(uint64(*v.Threads)*stack), said))
	} else {
		parts = append(parts, "thread stacks (how many threads is not known)")
	}
	for _, f := range []struct{ flag, bound, none string }{
		{"-XX:MaxMetaspaceSize=", "metaspace, at the most ", "metaspace, which has no bound"},
		{"-XX:MaxDirectMemorySize=", "direct buffers, at the most ", "direct buffers, at the most as much as the heap"},
		{"-XX:ReservedCodeCacheSize=", "compiled code, at the most ", "compiled code, at the most 240 MiB by default"},
	} {
		if s, ok := option(v.Cmdline, f.flag); ok {
			if n, ok := jvmSize(s); ok {
				parts = append(parts, f.bound+size(n))
				continue
			}
		}
		parts = append(parts, f.none)
	}
	return strings.Join(append(parts, "the collector's own structures", "malloc arenas and native libraries, which native memory tracking does not see"), "; ")
}
