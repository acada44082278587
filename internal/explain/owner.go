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
	userUnit  = regexp.MustCompile(`^/user\.slice/user-[0-9]+\.slice/user@([0-9]{1,10})\.service/`)
	transient = regexp.MustCompile(`^run-.*\.service$|\.scope$`)
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
	// libvirt and crun set limits on a folder within the scope that systemd made for them.
	at := strings.TrimSuffix(strings.TrimSuffix(c.Path, "/libvirt"), "/container")
	last := path.Base(at)
	nested := inside(path.Dir(at))
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
	case ident.Container != nil && strings.Contains(last, ident.Container.ID) && !nested:
		o.kind, o.ctr = ownerContainer, ident.Container
		if v.Container != nil && v.Container.ID == ident.Container.ID {
			o.ctr = v.Container
		}
		o.label = containerName(o.ctr)
	case qemuScope.MatchString(last) && !nested:
		o.kind, o.domain = ownerLibvirt, unescape(qemuScope.FindStringSubmatch(last)[1])
		o.label = "libvirt, domain " + o.domain
	case ident.Container == nil && unitAt(c.Path) != "":
		o.kind, o.unit = ownerUnit, unitAt(c.Path)
		o.label = "systemd, unit " + o.unit
	case ident.Container == nil && unitAt(userPath(c.Path)) != "":
		o.kind, o.unit, o.uid = ownerUserUnit, unitAt(userPath(c.Path)), userUnit.FindStringSubmatch(c.Path)[1]
		o.label = "the systemd of user " + o.uid + ", unit " + o.unit
	case ident.Unit != "" && !strings.HasSuffix(ident.Unit, ".slice"), ident.Container != nil, strings.HasPrefix(c.Path, lxc):
		o.kind = ownerInside
		within := ident.Unit
		switch {
		case ident.Container != nil:
			within = "container " + short(ident.Container.ID)
		case strings.HasPrefix(c.Path, lxc):
			within = "another system on this host"
		}
		o.label = "what runs in " + within + " and made the cgroup " + c.Path
	}
	return o
}

// unitAt is the unit that a path is the folder of, "" if it is none of this manager's: its
// units are in slices, and in nothing else. One within a container, which has a manager of
// its own, may have the name of one of the host's.
func unitAt(cg string) string {
	parts := strings.Split(strings.TrimPrefix(cg, "/"), "/")
	for _, part := range parts[:len(parts)-1] {
		if !strings.HasSuffix(cgroup.Parse("/"+part).Unit, ".slice") {
			return ""
		}
	}
	return cgroup.Parse("/" + parts[len(parts)-1]).Unit
}

// hostUnit is the unit of the host's own manager that a path is in, however deep; "" if it
// is in a container, or a user's manager is between.
func hostUnit(cg string) string {
	if userUnit.MatchString(cg) {
		return ""
	}
	unit, at := "", ""
	for part := range strings.SplitSeq(strings.TrimPrefix(cg, "/"), "/") {
		at += "/" + part
		u := unitAt(at)
		if u == "" {
			break
		}
		unit = u
	}
	return unit
}

// userPath is what of a path a user's manager has made.
func userPath(cg string) string {
	if m := userUnit.FindString(cg); m != "" {
		return cg[len(m)-1:]
	}
	return ""
}

// lxc is what the folders of LXC's containers, and Proxmox's, begin with.
const lxc = "/lxc"

// inside says whether a path is one of a container, a pod, or another system on the host,
// whose managers the host's commands do not reach.
func inside(cg string) bool {
	ident := cgroup.Parse(cg)
	return ident.Container != nil || ident.Pod != nil || strings.HasPrefix(cg, lxc) || strings.Contains(cg, ".scope/")
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
	memsw := kind == event.LimitMemsw
	if memsw {
		why += " The limit that was hit is that of memory and swap together (memory.memsw.limit_in_bytes, cgroup v1)."
	}
	switch o.kind {
	case ownerPod:
		d.raisePod(o, old, bytes, why)
	case ownerContainer:
		d.raiseContainer(o, old, bytes, memsw, why)
	case ownerUnit, ownerUserUnit:
		if memsw { // which systemd does not set
			o.kind = ownerUnknown
			d.raise(o, old, bytes, "", why)
			return
		}
		d.raiseUnit(o, old, bytes, why)
	case ownerLibvirt:
		d.do(fmt.Sprintf("Raise the domain's hard limit from %s to %s, or leave the domain without one, as libvirt's manual advises.", size(old), size(bytes)),
			why, o.label, command(timeline.Reversible, "in KiB; for the domain while it runs, its definition stays: --config is for its next start. Its name in the cgroup lacks characters such as _", "virsh memtune %s --live --hard-limit "+fmt.Sprint(bytes/kib), o.domain))
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
		d.do(fmt.Sprintf("Have the limit of %s raised to %s by whoever set it. Neither systemd, the kubelet nor a container runtime is known to have set it, by its path; written by hand, a value lasts until its owner writes again.", size(old), size(bytes)),
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
	if isStatic(o.pod) {
		var s shell
		if !named(o.pod) {
			s.find(o.pod)
		}
		d.do(fmt.Sprintf("Raise the container's memory limit from %s to %s in the manifest on the node, in the kubelet's staticPodPath (/etc/kubernetes/manifests by kubeadm): the kubelet starts the pod anew when the file changes, and what the API server shows is a mirror that cannot be changed.", size(old), size(bytes)), why, o.label, s)
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

// isStatic: of a pod that the kubelet has from a file the uid is a hash, not a UUID
// (pkg/kubelet/config/common.go).
func isStatic(p *event.Pod) bool { return len(p.UID) == 32 }

// find looks for a pod by its uid.
func (s *shell) find(p *event.Pod) {
	if isStatic(p) { // its mirror has a uid of its own
		s.look("which pod it is", `kubectl get pods -A -o custom-columns='HASH:.metadata.annotations.kubernetes\.io/config\.hash,NS:.metadata.namespace,NAME:.metadata.name' | grep -F -e %s`, p.UID)
		return
	}
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

func (d *draft) raiseContainer(o owner, old, bytes uint64, memsw bool, why string) {
	id := o.ctr.ID
	limit, option := "memory limit", "--memory="
	usage := usageFile(o)
	if memsw {
		limit, option = "limit of memory and swap together", "--memory-swap="
		usage = path.Join(path.Dir(usage), "memory.memsw.usage_in_bytes")
	}
	text := fmt.Sprintf("Raise the container's %s from %s to %s, and where it is started from (compose file, service), so that the next start has it.", limit, size(old), size(bytes))
	cli := containerCLI(o.ctr, o.path)
	if cli == "" || !hexID.MatchString(id) {
		d.do(text, why, o.label, shell{})
		return
	}
	note := "if it is refused for --memory-swap, raise that by as much in the same command"
	if memsw {
		note = ""
	}
	var s shell
	if o.ctr.Runtime != "containerd" { // nerdctl does not tell it so in all versions
		s.look("the limits now: of memory, and of memory and swap", cli+" inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' %s", id)
	}
	s.add(timeline.Reversible, note, cli+" update "+option+fmt.Sprint(bytes)+" %s", id)
	d.do(text, why, o.label, s)
	d.undo("Put the old limit back.", guardBelow(old)+" The command looks first.",
		command(timeline.Reversible, "", `[ "$(cat %s)" -lt `+fmt.Sprint(old)+` ] && `+cli+" update "+option+fmt.Sprint(old)+" %s", usage, id))
}

// containerCLI is the command that speaks to who runs a container; "" if that is not known.
// A user's containers are known to that user alone.
func containerCLI(c *event.Container, cg string) string {
	cli := map[string]string{"docker": "docker", "podman": "podman", "containerd": "nerdctl"}[c.Runtime]
	m := userUnit.FindStringSubmatch(cg)
	if m == nil || cli == "" {
		return cli
	}
	run := "/run/user/" + m[1]
	switch cli {
	case "docker":
		return "docker -H unix://" + run + "/docker.sock"
	case "podman":
		// podman goes back to where it was started from, which that user may not enter.
		return "env -C / sudo -u '#" + m[1] + "' XDG_RUNTIME_DIR=" + run + " podman"
	}
	return ""
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
	note := "until the next boot; for good without --runtime, or in the unit's own file"
	if transient.MatchString(o.unit) {
		note = "while the unit is there; the next one has what its maker asks for (systemd-run -p MemoryMax=, or who else starts it)"
	}
	if o.version == 1 {
		note += "; before systemd 231 (RHEL 7) MemoryLimit= is its name"
	}
	s.add(timeline.Reversible, note, o.systemctl()+" set-property --runtime %s "+property, o.unit)
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
	in.above(d, next)
	if u := in.unitNow(o.unit); u != nil && u.MemoryMax != "" {
		d.now("the files of %s have MemoryMax=%s.", u.Name, u.MemoryMax)
	}
	d.raise(o, limit, next, in.main.Limit.Kind, why)
}

// above tells of limits above the one that was hit that leave no room for a larger one.
func (in *shortage) above(d *draft, next uint64) {
	c := limitCgroup(in.main.Kill)
	if in.machine == nil || c == nil || c.Path == "" {
		return
	}
	for _, n := range in.machine.Cgroups {
		if n.MaxBytes != nil && *n.MaxBytes < next && n.Cgroup.Path != c.Path && strings.HasPrefix(c.Path, strings.TrimSuffix(n.Cgroup.Path, "/")+"/") {
			d.now("the limit of %s, above it, is %s: that is to be raised first.", n.Cgroup.Path, size(*n.MaxBytes))
		}
	}
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
