// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

var nodeList = regexp.MustCompile(`^[0-9]+([,-][0-9]+)*$`)

// nodesExhausted: the nodes that a cpuset or a policy allows ran out, the machine did
// not.
func nodesExhausted(in *shortage) *draft {
	m := in.main.Memory
	if in.main.Scope != event.ScopeCpuset && in.main.Scope != event.ScopeMempolicy || m == nil || m.TotalBytes == nil {
		return nil
	}
	free := m.AvailableBytes
	if free == nil {
		free = m.FreeBytes
	}
	if free == nil {
		return nil
	}
	var there uint64 // on the nodes that are allowed
	for _, z := range m.Zones {
		if z.FreeBytes != nil && in.allows(z.Node) {
			there += *z.FreeBytes
		}
	}
	if l := in.main.Limit; m.AgeMS != nil && (l == nil || !nodeList.MatchString(l.Nodes)) {
		return nil // of which nodes it was, and what they had, nothing is known
	}
	elsewhere := *free - min(*free, there)
	if !share(elsewhere, *m.TotalBytes, 10) || in.found["fragmentation"] {
		return nil
	}
	c := timeline.Medium
	if share(elsewhere, *m.TotalBytes, 25) && len(m.Zones) > 0 {
		c = timeline.High
	}
	cpuset := in.main.Scope == event.ScopeCpuset
	what, nodes := "its memory policy", ""
	if cpuset {
		what = "its cpuset"
	}
	if l := in.main.Limit; l != nil && nodeList.MatchString(l.Nodes) {
		nodes = l.Nodes
	}
	t := in.main.Trigger
	asker := "The one that asked"
	if t != nil {
		asker = who(t.PID, t.Comm)
	}
	d := in.about("nodes-exhausted", c, "The NUMA nodes that were allowed ran out, while the machine had memory")
	d.say("%s may use the memory of certain NUMA nodes only, by %s", asker, what)
	if nodes != "" {
		d.Summary += " (" + nodes + ")"
	}
	d.Summary += ". There was none left on these, and " + size(elsewhere) + " on others. The kernel killed among those who may use these nodes."
	d.cite(in.at(), "Free or available %s of %s, %s of it on the nodes that were allowed.", size(*free), size(*m.TotalBytes), size(there))
	d.RefutedBy = "Memory elsewhere that was there only after the kill, since the victim had it: its size is in the same entry."
	var s shell
	s.look("free memory by node", "grep -H MemFree /sys/devices/system/node/node*/meminfo")
	if t != nil && t.PID != 0 {
		s.look("what it is bound to, if it still runs", "grep -E '^(Mems_allowed_list|Cpus_allowed_list)' /proc/%s/status; head -3 /proc/%s/numa_maps", itoa(t.PID), itoa(t.PID))
	}
	if !cpuset {
		d.do("Have the program prefer its nodes instead of being bound to them: numactl --preferred or --interleave for --membind, MPOL_PREFERRED for MPOL_BIND in what it calls itself.", "A preference falls back to other nodes, which is slower; a bind ends in a kill.", "whoever starts the program", s)
		return d
	}
	d.do("Find out who bound it: a cpuset of systemd (AllowedMemoryNodes=), a container's cpuset-mems, the kubelet's memory manager (policy Static), a batch system.", "", "the owner of the cpuset", s)
	if t == nil || t.Cgroup == nil || t.Cgroup.Version == 1 || nodes == "" { // systemd has it for cgroup v2 alone
		return d
	}
	ident, unit := cgroup.Parse(t.Cgroup.Path), hostUnit(t.Cgroup.Path)
	if ident.Pod != nil || ident.Container != nil || unit == "" {
		return d
	}
	s = shell{}
	s.look("the nodes that have memory, and what is set", "nodes=$(cat /sys/devices/system/node/has_memory); systemctl show -p AllowedMemoryNodes %s", unit)
	s.add(timeline.Reversible, "if the unit's AllowedMemoryNodes= is what binds it; until the next boot", `systemctl set-property --runtime %s AllowedMemoryNodes="$nodes"`, unit)
	d.do("Allow the unit the other nodes as well.", "Memory of another node is slower, and there.", "systemd, unit "+unit, s)
	d.undo("Bind it to the old nodes again.", "Only while those have room for all that it has: what is elsewhere is moved there, and what does not fit brings the next kill. The command looks first.",
		command(timeline.Reversible, "", `awk -v used="$(systemctl show --value -p MemoryCurrent %s)" '/MemFree:/{n+=$4} END{exit !(used~/^[0-9]+$/ && used+0<n*1024)}'`+meminfoOf(nodes)+` && systemctl set-property --runtime %s AllowedMemoryNodes=`+nodes, unit, unit))
	return d
}

// meminfoOf are the files that tell what is free on the nodes of a list.
func meminfoOf(nodes string) string {
	var files strings.Builder
	for node := range nodesMost {
		if listed(nodes, node) {
			files.WriteString(" /sys/devices/system/node/node" + itoa(node) + "/meminfo")
		}
	}
	return files.String()
}

// nodesMost is MAX_NUMNODES of the largest kernels.
const nodesMost = 1024

// allows says whether a node is one of those that were allowed, or may be: the kernel's
// report has the zones of these alone, a reading of /proc/zoneinfo those of all.
func (in *shortage) allows(node int) bool {
	l := in.main.Limit
	if l == nil || !nodeList.MatchString(l.Nodes) {
		return true
	}
	return listed(l.Nodes, node)
}

// listed says whether a node is in a list such as "0-1,3".
func listed(nodes string, node int) bool {
	for part := range strings.SplitSeq(nodes, ",") {
		first, last, _ := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b, err2 := strconv.Atoi(cmp.Or(last, first))
		if err == nil && err2 == nil && a <= node && node <= b {
			return true
		}
	}
	return false
}
