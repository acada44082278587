// SPDX-License-Identifier: Apache-2.0

package event

// Verdict is who sent a SIGKILL, as far as names tell.
type Verdict string

// Verdicts.
const (
	VerdictKernelOOM   Verdict = "kernel-oom" // only where OOM kills have no event of their own
	VerdictKernel      Verdict = "kernel"     // for another reason than memory, or one not known
	VerdictSystemdOOMD Verdict = "systemd-oomd"
	VerdictEarlyOOM    Verdict = "earlyoom"
	VerdictKubelet     Verdict = "kubelet"
	VerdictRuntime     Verdict = "runtime" // a container runtime
	VerdictSystemd     Verdict = "systemd"
	VerdictOther       Verdict = "other"
)

// Via is how a SIGKILL came to be sent.
type Via string

// Ways.
const (
	ViaKill          Via = "kill" // kill(2) or pidfd_send_signal(2), to a group of processes too
	ViaTgkill        Via = "tgkill"
	ViaSigqueue      Via = "sigqueue"
	ViaTimer         Via = "timer"
	ViaCgroupKill    Via = "cgroup.kill"
	ViaPIDNamespace  Via = "pid-namespace" // its init ended
	ViaParentDeath   Via = "parent-death"  // PR_SET_PDEATHSIG
	ViaPtrace        Via = "ptrace"
	ViaCPULimit      Via = "cpu-limit" // RLIMIT_CPU, RLIMIT_RTTIME
	ViaMemoryFailure Via = "memory-failure"
	ViaSysrq         Via = "sysrq"
	ViaBPF           Via = "bpf"
	ViaOOMKiller     Via = "oom-killer"
)

// Sigkill is one process that a SIGKILL ended, whoever sent it.
type Sigkill struct {
	Victim Task `json:"victim"`
	// Sender is who caused the signal; absent where nobody did, or it cannot be told.
	Sender  *Task   `json:"sender,omitempty"`
	Verdict Verdict `json:"verdict"`
	// VerdictSource is by what of the sender it was found: via, exe, unit or comm.
	VerdictSource string `json:"verdict_source,omitempty"`
	Via           Via    `json:"via,omitempty"` // absent when it is not known
	// Sources names every field that did not come from the best rung.
	Sources  map[string]string `json:"sources,omitempty"`
	Snapshot *SnapshotState    `json:"snapshot,omitempty"`
}
