// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strconv"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
)

// pfKthread is PF_KTHREAD of include/linux/sched.h.
const pfKthread = 0x00200000

func taskHas(t *bpf.OomtraceWireTask, bit bpf.OomtraceWireTaskValid) bool {
	return has(uint64(t.Valid), bit)
}

// cgroupOf is the task's cgroup; nil when it was not read.
func cgroupOf(t *bpf.OomtraceWireTask, tail []int8) *event.Cgroup {
	if !taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP) {
		return nil
	}
	c := &event.Cgroup{Version: 2, ID: hex(t.CgroupId)}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP_V1) {
		c.Version, c.Controller = 1, "memory"
	}
	if path, ok := pathOf(t, tail); ok {
		c.Truncated = taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_PATH_CUT)
		c.Path, c.PathHex = event.CleanString(path)
	}
	return c
}

// pathOf is the path of the task's cgroup, as the kernel has it.
func pathOf(t *bpf.OomtraceWireTask, tail []int8) ([]byte, bool) {
	off, n := int(t.PathOff), int(t.PathLen)
	if !taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_PATH) || off+n > len(tail) {
		return nil, false
	}
	return path(tail[off : off+n]), true
}

func hex(v uint64) string { return strconv.FormatUint(v, 16) }

// task decodes a trigger or a caller.
func task(t *bpf.OomtraceWireTask, tail []int8) event.Task {
	out := event.Task{PID: int(t.Pid), Cgroup: cgroupOf(t, tail)}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_PID) && t.Tid != 0 {
		out.TID = event.Ptr(int(t.Tid))
	}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_COMM) {
		out.Comm, out.CommHex = cText(t.Comm[:])
	}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_UID) {
		out.UID = event.Ptr(t.Uid)
	}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_START) {
		out.StartBoottimeNS = event.Ptr(t.StartBoottimeNs)
	}
	if taskHas(t, bpf.OomtraceWireTaskValidWIRE_TASK_FLAGS) {
		out.KThread = event.Ptr(t.Flags&pfKthread != 0)
	}
	if out.Cgroup != nil {
		id := cgroup.Parse(out.Cgroup.Path)
		out.Container, out.Pod, out.Unit = id.Container, id.Pod, id.Unit
	}
	return out
}
