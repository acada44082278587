// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// ownerKind is who manages a limit.
type ownerKind int

const (
	ownerUnknown   ownerKind = iota // nobody that the path names
	ownerPod                        // the kubelet, by a pod's spec
	ownerNode                       // the kubelet, by what it leaves to pods
	ownerContainer                  // a container runtime
	ownerUnit                       // systemd
	ownerUserUnit                   // a user's systemd
	ownerLibvirt
	ownerInside // somebody within a unit or a container, to whom it is delegated
)

// owner is who a limit is to be changed through.
type owner struct {
	kind    ownerKind
	label   string // in words
	pod     *event.Pod
	ctr     *event.Container
	podWide bool // the limit is the pod's, not a container's
	unit    string
	uid     string // of the user whose systemd it is
	domain  string // libvirt's
	path    string // "" when it is not known for certain
	version int
	ctrl    string
}

var (
	dnsName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	hexID     = regexp.MustCompile(`^[0-9a-f]{12,64}$`)
	userUnit  = regexp.MustCompile(`/user@([0-9]{1,10})\.service/`)
	qemuScope = regexp.MustCompile(`^machine-qemu\\x2d[0-9]+\\x2d(.+)\.scope$`)
)

// ownerOf finds who manages the limit that was hit.
func ownerOf(l *event.Limit, v *event.Victim) owner {
	if l == nil || l.Cgroup == nil || l.Cgroup.Path == "" {
		return owner{label: "the owner of the limit, which the evidence does not name"}
	}
	c := l.Cgroup
	o := owner{version: c.Version, ctrl: c.Controller, label: "whoever made the cgroup " + c.Path}
	if c.PathHex != "" || c.Truncated {
		return o // a path that is not the whole path names nobody
	}
	o.path = c.Path
	ident := cgroup.Parse(c.Path)
	last := path.Base(c.Path)
	inner := cgroup.Parse("/" + last) // what the last part alone is
	switch {
	case ident.Pod != nil:
		o.kind, o.pod = ownerPod, ident.Pod
		if p := v.Pod; p != nil && p.UID == ident.Pod.UID {
			o.pod = p
		}
		o.label = "the spec of pod " + podName(o.pod)
		switch {
		case ident.Container == nil:
			o.podWide = true
		case v.Container != nil && v.Container.ID == ident.Container.ID:
			o.ctr = v.Container
			if o.ctr.Name != "" {
				o.label += ", container " + o.ctr.Name
			}
		default:
			o.ctr = ident.Container
		}
	case isKube(c.Path):
		o.kind, o.label = ownerNode, "the kubelet (what the node leaves to pods)"
	case ident.Container != nil && strings.Contains(last, ident.Container.ID):
		o.kind, o.ctr = ownerContainer, ident.Container
		if v.Container != nil && v.Container.ID == ident.Container.ID {
			o.ctr = v.Container
		}
		o.label = or(o.ctr.Runtime, "the container runtime") + ", container " + or(o.ctr.Name, short(o.ctr.ID))
	case qemuScope.MatchString(last):
		o.kind, o.domain = ownerLibvirt, unescape(qemuScope.FindStringSubmatch(last)[1])
		o.label = "libvirt, domain " + o.domain
	case ident.Unit != "" && inner.Unit == ident.Unit:
		o.kind, o.unit = ownerUnit, ident.Unit
		o.label = "systemd, unit " + o.unit
		if m := userUnit.FindStringSubmatch(c.Path); m != nil {
			o.kind, o.uid = ownerUserUnit, m[1]
			o.label = "the systemd of user " + m[1] + ", unit " + o.unit
		}
	case ident.Unit != "" && !strings.HasSuffix(ident.Unit, ".slice"), ident.Container != nil:
		o.kind = ownerInside
		o.label = "what runs in " + or(ident.Unit, "the container") + " and made the cgroup " + c.Path
	}
	return o
}

func podName(p *event.Pod) string {
	switch {
	case p.Name == "":
		return p.UID
	case p.Namespace == "":
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

func short(id string) string { return id[:min(len(id), 12)] }

// unescape undoes systemd's \x2d and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if i+4 <= len(s) && s[i] == '\\' && s[i+1] == 'x' {
			if _, err := fmt.Sscanf(s[i+2:i+4], "%02x", &c); err == nil {
				b.WriteByte(c)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// named says whether a pod is known by names that a command may hold.
func named(p *event.Pod) bool {
	return p != nil && dnsName.MatchString(p.Namespace) && dnsName.MatchString(p.Name)
}

// raise adds the step that sets the limit to bytes, and the way back to old.
func (d *draft) raise(o owner, old, bytes uint64, kind event.LimitKind, why string) {
	if kind == event.LimitMemsw {
		why += " The limit that was hit is that of memory and swap together (memory.memsw.limit_in_bytes): raise both."
	}
	switch o.kind {
	case ownerPod:
		d.raisePod(o, old, bytes, why)
	case ownerContainer:
		d.raiseContainer(o, old, bytes, why)
	case ownerUnit, ownerUserUnit:
		d.raiseUnit(o, old, bytes, why)
	case ownerLibvirt:
		d.do(fmt.Sprintf("Raise the domain's hard limit from %s to %s, or leave the domain without one, as libvirt's manual advises.", size(old), size(bytes)),
			why, o.label, command(timeline.Reversible, "in KiB; for the running domain only", "virsh memtune %s --live --hard-limit "+fmt.Sprint(bytes/kib), o.domain))
		d.undo("Put the old limit back.", guardBelow(old)+" The command looks first.",
			command(timeline.Reversible, "", `[ "$(virsh dommemstat %s | awk '/^rss/{print $2}')" -lt `+fmt.Sprint(old/kib)+` ] && virsh memtune %s --live --hard-limit `+fmt.Sprint(old/kib), o.domain, o.domain))
	case ownerNode:
		d.do("All pods together reached what the kubelet leaves to pods: have fewer or smaller pods on the node, or less reserved (kubeReserved, systemReserved, evictionHard in the kubelet's configuration).",
			"What the pods use together is more than the node leaves to them; who asked for memory at the wrong moment is killed, or who is largest.", o.label, look("what is asked for and what the node has", `kubectl describe nodes`))
	default:
		var s shell
		if o.path != "" {
			s.look("the limit and what is used now", "cat "+strings.Join(limitFiles(o), " "), pathsOf(o)...)
		}
		d.do(fmt.Sprintf("Have the limit of %s raised to %s by whoever set it. Neither systemd, the kubelet nor a container runtime is known to manage this cgroup by its path; written by hand, a value lasts until its owner writes again.", size(old), size(bytes)),
			why, o.label, s)
	}
}

// limitFiles are a %s for each of pathsOf.
func limitFiles(o owner) []string { return []string{"%s", "%s"}[:len(pathsOf(o))] }

// pathsOf are the files that tell a limit and its usage.
func pathsOf(o owner) []string {
	if o.version == 1 {
		dir := path.Join("/sys/fs/cgroup", or(o.ctrl, "memory"), o.path)
		return []string{dir + "/memory.limit_in_bytes", dir + "/memory.usage_in_bytes"}
	}
	dir := path.Join("/sys/fs/cgroup", o.path)
	return []string{dir + "/memory.max", dir + "/memory.current"}
}

// usageFile is the one of them that tells the usage.
func usageFile(o owner) string { return pathsOf(o)[1] }

// guardBelow is the guard of a limit's way back: a limit that is set below the usage
// reclaims, and kills if that does not do (memory_max_write, mm/memcontrol.c).
func guardBelow(old uint64) string {
	return "Only while what is used is well below " + size(old) + ": a limit that is set below the usage kills."
}

func (d *draft) raisePod(o owner, old, bytes uint64, why string) {
	if o.podWide {
		var s shell
		if named(o.pod) {
			s.look("limits of the containers, of the pod, and volumes in memory", "kubectl -n %s get pod %s -o yaml", o.pod.Namespace, o.pod.Name)
		} else {
			s.find(o.pod)
		}
		d.do(fmt.Sprintf("Raise the pod's limit of %s to %s in its manifest. It is that of the pod as a whole: the sum of its containers' limits, or spec.resources; volumes of medium Memory count in it.", size(old), size(bytes)), why, o.label, s)
		return
	}
	text := fmt.Sprintf("Raise the container's memory limit from %s to %s in the manifest of the workload, so that the next rollout does not undo it.", size(old), size(bytes))
	if !named(o.pod) || o.ctr == nil || !dnsName.MatchString(o.ctr.Name) {
		var s shell
		s.find(o.pod)
		d.do(text, why, o.label, s)
		return
	}
	resources := func(n uint64) string { return "--limits=memory=" + quantity(n) }
	if o.pod.QoS == "guaranteed" {
		resources = func(n uint64) string { return "--limits=memory=" + quantity(n) + " --requests=memory=" + quantity(n) }
		why += " The pod is of QoS class Guaranteed: request and limit are raised together, or it becomes Burstable and its oom_score_adj rises from -997."
	}
	var s shell
	s.look("who owns the pod; of a ReplicaSet take its Deployment. Then set workload=deployment/NAME (or statefulset/NAME, daemonset/NAME)",
		`kubectl -n %s get pod %s -o jsonpath='{range .metadata.ownerReferences[*]}{.kind}/{.name}{"\n"}{end}'`, o.pod.Namespace, o.pod.Name)
	const set = `kubectl -n %s set resources "${workload:?}" -c %s `
	s.add(timeline.Disruptive, "starts the workload's pods anew, one after another", set+resources(bytes), o.pod.Namespace, o.ctr.Name)
	d.do(text, why, o.label, s)
	d.undo("Put the old limit back.", "Only if the limit is still the one that was set here, which the command looks at, and what the container uses is well below "+size(old)+".",
		command(timeline.Disruptive, "starts the pods anew", `[ "$(kubectl -n %s get "${workload:?}" -o jsonpath='{.spec.template.spec.containers[?(@.name=="%s")].resources.limits.memory}')" = `+quantity(bytes)+` ] && `+set+resources(old),
			o.pod.Namespace, o.ctr.Name, o.pod.Namespace, o.ctr.Name))
}

// find looks for a pod by its uid.
func (s *shell) find(p *event.Pod) {
	s.look("which pod it is", "kubectl get pods -A -o custom-columns=UID:.metadata.uid,NS:.metadata.namespace,NAME:.metadata.name | grep -F -e %s", p.UID)
}

// quantity is a number of bytes as Kubernetes writes it: in its canonical form, so that it
// reads back the same (k8s.io/apimachinery/pkg/api/resource).
func quantity(n uint64) string {
	for _, u := range []struct {
		bytes uint64
		name  string
	}{{1 << 40, "Ti"}, {gib, "Gi"}, {mib, "Mi"}, {kib, "Ki"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprint(n/u.bytes) + u.name
		}
	}
	return fmt.Sprint(n)
}

func (d *draft) raiseContainer(o owner, old, bytes uint64, why string) {
	id := o.ctr.ID
	text := fmt.Sprintf("Raise the container's memory limit from %s to %s, and where it is started from (compose file, service), so that the next start has it.", size(old), size(bytes))
	cli := map[string]string{"docker": "docker", "podman": "podman", "containerd": "nerdctl"}[o.ctr.Runtime]
	if cli == "" || !hexID.MatchString(id) {
		d.do(text, why, o.label, shell{})
		return
	}
	var s shell
	if cli != "nerdctl" { // which does not tell it so in all versions
		s.look("the limits now: of memory, and of memory and swap", cli+" inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' %s", id)
	}
	s.add(timeline.Reversible, "if it is refused for --memory-swap, raise that by as much in the same command", cli+" update --memory="+fmt.Sprint(bytes)+" %s", id)
	d.do(text, why, o.label, s)
	d.undo("Put the old limit back.", guardBelow(old)+" The command looks first.",
		command(timeline.Reversible, "", `[ "$(cat %s)" -lt `+fmt.Sprint(old)+` ] && `+cli+" update --memory="+fmt.Sprint(old)+" %s", usageFile(o), id))
}

// systemctl is how the owner's systemd is spoken to.
func (o owner) systemctl() string {
	if o.kind == ownerUserUnit {
		return "sudo -u '#" + o.uid + "' XDG_RUNTIME_DIR=/run/user/" + o.uid + " systemctl --user"
	}
	return "systemctl"
}

func (d *draft) raiseUnit(o owner, old, bytes uint64, why string) {
	var s shell
	s.look("the limits that are set, and what is used", o.systemctl()+" show -p MemoryMax -p MemoryHigh -p MemorySwapMax -p MemoryCurrent %s", o.unit)
	s.setProperty(o, "MemoryMax="+fmt.Sprint(bytes))
	d.do(fmt.Sprintf("Raise MemoryMax= of %s from %s to %s.", o.unit, size(old), size(bytes)), why, o.label, s)
	d.undo("Put the old limit back, if it still fits.", guardBelow(old)+" The command looks first.", o.lower("MemoryMax", old))
}

// unitNow is what the machine has of a unit, nil if nothing is known.
func (in *shortage) unitNow(name string) *Unit {
	if in.machine == nil || name == "" {
		return nil
	}
	for i := range in.machine.Units {
		if u := &in.machine.Units[i]; u.Name == name {
			return u
		}
	}
	return nil
}

// setProperty sets a property of a unit until the next boot; without --runtime, for good.
func (s *shell) setProperty(o owner, property string) {
	s.add(timeline.Reversible, "until the next boot; for good without --runtime, or in the unit's own file", o.systemctl()+" set-property --runtime %s "+property, o.unit)
}

// lower sets a limit of a unit to bytes, if less than that is used.
func (o owner) lower(property string, bytes uint64) shell {
	n := fmt.Sprint(bytes)
	return command(timeline.Reversible, "", `[ "$(`+o.systemctl()+` show --value -p MemoryCurrent %s)" -lt `+n+` ] && `+o.systemctl()+` set-property --runtime %s `+property+"="+n, o.unit, o.unit)
}

// step is the next larger limit to try: a quarter more, in whole steps of 16 or 64 MiB.
func step(limit uint64) uint64 {
	unit := uint64(64 * mib)
	if limit < 256*mib {
		unit = 16 * mib
	}
	n := limit + limit/4
	if n < limit { // a limit near 2^64
		return limit
	}
	return (n + unit - 1) / unit * unit
}

// raiseByStep advises the next larger limit, if the machine has room for it.
func (in *shortage) raiseByStep(d *draft, why string) {
	limit, ok := in.memcg()
	if !ok {
		return
	}
	if in.raised(d, limit) {
		return
	}
	next := step(limit)
	why += fmt.Sprintf(" %s is a step, a quarter more: what it would need cannot be told from a kill, since the limit cut it off at %s.", size(next), size(limit))
	o := ownerOf(in.main.Limit, &in.main.Victim)
	if m := in.machine; m != nil && m.Memory != nil && m.Memory.AvailableBytes != nil && *m.Memory.AvailableBytes < next-limit {
		d.do(fmt.Sprintf("Make room before the limit is raised: the machine has %s available, the step needs %s.", size(*m.Memory.AvailableBytes), size(next-limit)),
			"A larger limit without memory behind it turns the cgroup's shortage into the machine's.", o.label, look("", "free -m"))
		return
	}
	if u := in.unitNow(o.unit); u != nil && u.MemoryMax != "" {
		d.now("the files of %s have MemoryMax=%s.", u.Name, u.MemoryMax)
	}
	d.raise(o, limit, next, in.main.Limit.Kind, why)
}

// raised says that the limit has been raised since, and tells so.
func (in *shortage) raised(d *draft, limit uint64) bool {
	c := limitCgroup(in.main.Kill)
	if in.machine == nil || c == nil || c.Path == "" {
		return false
	}
	for _, n := range in.machine.Cgroups {
		if n.Cgroup.Path != c.Path {
			continue
		}
		switch {
		case n.MaxUnlimited:
			d.now("the cgroup has no limit.")
			return true
		case n.MaxBytes != nil && *n.MaxBytes > limit:
			d.now("the limit is %s: it has been raised since.", size(*n.MaxBytes))
			return true
		}
	}
	return false
}
