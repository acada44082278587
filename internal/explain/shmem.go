// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// What a kind of memory must be of what ran out, in percent, to be named as its cause.
const (
	partSome = 25
	partMost = 50
)

// shmem: files in tmpfs and shared memory, which are no process's own.
func shmem(in *shortage) *draft {
	room, ok := in.room()
	if !ok {
		return nil
	}
	var n *uint64
	if in.main.Scope == event.ScopeMemcg {
		if s := in.stat(); s != nil {
			n = s.ShmemBytes
		}
	} else if m := in.main.Memory; m != nil {
		n = m.ShmemBytes
	}
	if n == nil || !share(*n, room, partSome) {
		return nil
	}
	c := timeline.Medium
	if share(*n, room, partMost) {
		c = timeline.High
	}
	d := in.about("shmem", c, "Memory is full of tmpfs files or shared memory")
	d.say("%s of %s was shmem: files in tmpfs (/dev/shm, /run, volumes of medium Memory), System V and POSIX shared memory.", size(*n), in.place())
	d.cite(in.at(), "shmem %s, %s of %s.", size(*n), percent(*n, room), in.place())
	mapped, by := in.mapsMost()
	switch {
	case by == nil:
		d.and("A kill gives back only what no file holds: files stay until they are removed.")
	case mapped == 0:
		d.and("No process that is listed has any of it mapped: these are files, which stay when a process is killed.")
	case mapped < *n/2:
		d.and("No process that is listed has more than %s of it mapped: most is files, and those stay when a process is killed.", size(mapped))
		d.cite(in.at(), "The most that one process has mapped: %s by %s.", size(mapped), who(by.PID, by.Comm))
	default:
		d.and("%s has %s of it mapped.", who(by.PID, by.Comm), size(mapped))
		d.cite(in.at(), "shmem_rss of %s: %s.", who(by.PID, by.Comm), size(mapped))
	}
	if change := in.shmemChange(); change > 0 && share(uint64(change), room, grewSome) && in.main.Scope == event.ScopeGlobal {
		d.cite(in.at(), "It grew by %s in the %s that were sampled.", size(uint64(change)), lasting(*in.main.LeadUp.SpanMS))
	}
	d.RefutedBy = "The same amount of shmem at times when nothing is killed, and something else that has grown since."
	in.planShmem(d, *n)
	if programOf(&in.main.Victim) == programPostgres {
		in.care(d, &in.main.Victim)
	}
	return d
}

// mapsMost is the listed process that has most shared memory mapped.
func (in *shortage) mapsMost() (uint64, *event.Candidate) {
	v := &in.main.Victim
	list := append(in.main.Candidates[:len(in.main.Candidates):len(in.main.Candidates)],
		event.Candidate{PID: v.PID, Comm: v.Comm, ShmemRSSBytes: v.ShmemRSSBytes})
	var by *event.Candidate
	for i := range list {
		if c := &list[i]; c.ShmemRSSBytes != nil && (by == nil || *c.ShmemRSSBytes > *by.ShmemRSSBytes) {
			by = c
		}
	}
	if by == nil {
		return 0, nil
	}
	return *by.ShmemRSSBytes, by
}

func (in *shortage) shmemChange() int64 {
	l := in.main.LeadUp
	if l == nil || l.MemoryChange == nil || l.MemoryChange.ShmemBytes == nil || l.SpanMS == nil {
		return 0
	}
	return *l.MemoryChange.ShmemBytes
}

func (in *shortage) planShmem(d *draft, n uint64) {
	const owner = "whoever writes the files"
	v := &in.main.Victim
	var s shell
	if in.main.Scope == event.ScopeMemcg && named(v.Pod) && v.Container != nil && dnsName.MatchString(v.Container.Name) {
		s.look("tmpfs within the container", "kubectl -n %s exec %s -c %s -- df -h -t tmpfs", v.Pod.Namespace, v.Pod.Name, v.Container.Name)
	} else {
		s.look("tmpfs and how full", "findmnt -t tmpfs -o TARGET,SIZE,USED")
		s.look("shared memory: in all, and who made and used it last", "ipcs -m -u; ipcs -m -p")
	}
	s.add(timeline.Irreversible, "FILE is one that its owner does not need; memory comes back when nobody has it open any more", "rm -i -- FILE")
	d.do("Find the files or segments, and have their owner remove what is not needed.", "They are charged to the cgroup that wrote them first, and stay there until they are removed.", owner, s)

	if v.Pod != nil && in.main.Scope == event.ScopeMemcg {
		d.do("Bound the volumes of medium Memory with sizeLimit in the pod's spec, or have them on disk; what they may hold counts in the containers' limits.", "A full volume gives its writer ENOSPC, which it can handle, and no kill.", "the spec of pod "+podName(v.Pod), shell{})
		return
	}
	if in.machine == nil || in.main.Scope == event.ScopeMemcg { // whose files they are, the machine's tmpfs do not tell
		return
	}
	for _, m := range in.machine.Tmpfs {
		if m.UsedBytes < n/4 || m.SizeBytes <= m.UsedBytes || managedMount(m.Target) {
			continue
		}
		to := (m.UsedBytes/mib + 1) * mib
		d.now("%s holds %s, and may hold %s.", m.Target, size(m.UsedBytes), size(m.SizeBytes))
		if to >= m.SizeBytes {
			continue
		}
		if s := command(timeline.Reversible, "until it is mounted anew; for good in fstab or its unit", "mount -o remount,size="+fmt.Sprint(to)+" %s", m.Target); s.refused == 0 {
			d.do(fmt.Sprintf("Keep %s from growing further: bound it at %s, just above what it holds.", m.Target, size(to)), "Its writers then get ENOSPC instead of the machine's memory.", "whoever mounts it", s)
			d.undo("Give it its old size back.", "Only while RAM has room for all that it may hold then. The command looks first.", command(timeline.Reversible, "", available(m.SizeBytes)+" && mount -o remount,size="+fmt.Sprint(m.SizeBytes)+" %s", m.Target))
		}
	}
}

// managedMount says whether a tmpfs is the kubelet's or a container runtime's, who bound it
// themselves (sizeLimit, --shm-size).
func managedMount(target string) bool {
	for _, dir := range []string{"/var/lib/kubelet/", "/var/lib/docker/", "/var/lib/containers/", "/run/containerd/", "/run/containers/"} {
		if strings.HasPrefix(target, dir) {
			return true
		}
	}
	return false
}
