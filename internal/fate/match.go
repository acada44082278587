// SPDX-License-Identifier: Apache-2.0

package fate

import (
	"path"
	"strings"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
)

// subject is a process, by whatever is known of it.
type subject struct {
	pid       int
	tid       *int
	comm      *string
	commHex   string
	unit      string
	cgroup    *event.Cgroup
	container *event.Container
	pod       *event.Pod
}

func ofVictim(v *event.Victim) subject {
	return subject{v.PID, v.TID, v.Comm, v.CommHex, v.Unit, v.Cgroup, v.Container, v.Pod}
}

func ofTask(t *event.Task) subject {
	return subject{t.PID, t.TID, t.Comm, t.CommHex, t.Unit, t.Cgroup, t.Container, t.Pod}
}

// fits says whether a process is one that the question is about.
func (q *Question) fits(s subject) bool {
	if s.cgroup != nil {
		id := cgroup.Parse(event.RawString(s.cgroup.Path, s.cgroup.PathHex))
		if s.unit == "" {
			s.unit = id.Unit
		}
		if s.container == nil && s.pod == nil {
			s.container, s.pod = id.Container, id.Pod
		}
	}
	switch {
	case q.PID > 0 && s.pid != q.PID && (s.tid == nil || *s.tid != q.PID):
	case q.Comm != "" && (s.comm == nil || !sameComm(q.Comm, event.RawString(*s.comm, s.commHex))):
	case q.Unit != "" && s.unit != q.Unit:
	case q.Container != "" && !q.fitsContainer(s.container):
	case q.Pod != "" && !q.fitsPod(s.pod):
	default:
		return true
	}
	return false
}

// Owns says whether a unit, a container and a pod are those that the question is about,
// whatever the process in there.
func (q *Question) Owns(unit string, c *event.Container, p *event.Pod) bool {
	asked := *q
	asked.PID, asked.Comm = 0, ""
	return asked != (Question{}) && asked.fits(subject{unit: unit, container: c, pod: p})
}

// sameComm: the kernel keeps the first 15 bytes of a name.
func sameComm(asked, comm string) bool {
	const commLen = 15
	return comm == asked || len(asked) > commLen && comm == asked[:commLen]
}

// idShown is how much of an id has to be given at least.
const idShown = 8

func (q *Question) fitsContainer(c *event.Container) bool {
	return c != nil && (c.Name == q.Container || len(q.Container) >= idShown && strings.HasPrefix(c.ID, q.Container))
}

func (q *Question) fitsPod(p *event.Pod) bool {
	if p == nil {
		return false
	}
	return p.Name == q.Pod || p.Namespace != "" && p.Namespace+"/"+p.Name == q.Pod || p.UID == q.Pod
}

// concerns says whether a line is about the question. Lines that name no process are
// about all that were in the unit, the cgroup, the container or the pod.
func (q *Question) concerns(r *killlog.Report) bool {
	s := subject{pid: r.PID, comm: r.Comm, commHex: r.CommHex, unit: r.Unit, pod: r.Pod}
	if r.Container != "" {
		s.container = &event.Container{ID: r.Container}
	}
	if r.Cgroup != "" {
		s.cgroup = &event.Cgroup{Path: r.Cgroup}
	} else if id := cgroup.Parse("/" + r.Unit); r.Unit != "" && (id.Container != nil || id.Pod != nil) {
		// A container's scope is a unit to systemd.
		s.container, s.pod = id.Container, id.Pod
		if r.Pod != nil {
			s.pod = r.Pod
		}
	}
	asked := *q
	if r.PID == 0 {
		if asked.Unit == "" && asked.Container == "" && asked.Pod == "" {
			return false // whether the process was in there is not told
		}
		asked.PID, asked.Comm = 0, ""
	} else if r.Comm == nil {
		asked.Comm = ""
	}
	if s.unit == "" && s.cgroup == nil && r.PID > 0 {
		asked.Unit = "" // the line names the process alone
		if s.container == nil {
			asked.Container = ""
		}
		if s.pod == nil {
			asked.Pod = ""
		}
		if asked.PID == 0 && asked.Comm == "" {
			return false
		}
	}
	if asked.Unit != "" && s.cgroup != nil && under(r.Cgroup, asked.Unit) {
		asked.Unit = ""
		if asked == (Question{}) {
			return true
		}
	}
	return asked != (Question{}) && asked.fits(s)
}

// under says whether a unit is a folder of a cgroup's path: what is killed is all below.
func under(cgroup, unit string) bool { return path.Base(cgroup) == unit }
