// SPDX-License-Identifier: Apache-2.0

package killer

import (
	"path"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// programs are names of executables, which a comm is the first 15 bytes of.
var programs = map[string]event.Verdict{
	"systemd-oomd":     event.VerdictSystemdOOMD,
	"earlyoom":         event.VerdictEarlyOOM,
	"kubelet":          event.VerdictKubelet,
	"hyperkube":        event.VerdictKubelet,
	"systemd":          event.VerdictSystemd,
	"systemd-executor": event.VerdictSystemd,
	"systemd-shutdown": event.VerdictSystemd,

	"containerd":              event.VerdictRuntime,
	"containerd-shim":         event.VerdictRuntime,
	"containerd-shim-runc-v1": event.VerdictRuntime,
	"containerd-shim-runc-v2": event.VerdictRuntime,
	"dockerd":                 event.VerdictRuntime,
	"docker-containerd":       event.VerdictRuntime,
	"docker-containerd-shim":  event.VerdictRuntime,
	"docker-runc":             event.VerdictRuntime,
	"runc":                    event.VerdictRuntime,
	"crun":                    event.VerdictRuntime,
	"youki":                   event.VerdictRuntime,
	"runsc":                   event.VerdictRuntime,
	"conmon":                  event.VerdictRuntime,
	"conmonrs":                event.VerdictRuntime,
	"crio":                    event.VerdictRuntime,
	"podman":                  event.VerdictRuntime,
	"kata-runtime":            event.VerdictRuntime,
	"containerd-shim-kata-v2": event.VerdictRuntime,
	"systemd-nspawn":          event.VerdictRuntime,
}

// units are systemd units in which nobody else runs.
var units = map[string]event.Verdict{
	"systemd-oomd.service": event.VerdictSystemdOOMD,
	"earlyoom.service":     event.VerdictEarlyOOM,
	"kubelet.service":      event.VerdictKubelet,
	"containerd.service":   event.VerdictRuntime,
	"docker.service":       event.VerdictRuntime,
	"crio.service":         event.VerdictRuntime,
	"podman.service":       event.VerdictRuntime,
	"init.scope":           event.VerdictSystemd,
}

// commLen is TASK_COMM_LEN less the NUL.
const commLen = 15

// Judge finds out by name who sent a SIGKILL, unless its way says that already. It is to
// be called when all is known of the sender that will be.
func Judge(s *event.Sigkill) {
	if s.Verdict != event.VerdictOther || s.Sender == nil {
		return
	}
	t := s.Sender
	switch {
	case t.Exe != nil && programs[program(*t.Exe)] != "":
		s.Verdict, s.VerdictSource = programs[program(*t.Exe)], "exe"
	case units[t.Unit] != "":
		s.Verdict, s.VerdictSource = units[t.Unit], "unit"
	case t.Exe == nil && t.Comm != nil: // what its executable says it is not it is not
		if v := byComm(*t.Comm); v != "" {
			s.Verdict, s.VerdictSource = v, "comm"
		}
	}
}

// program is the name of an executable by its link in /proc.
func program(exe string) string {
	exe = strings.TrimSuffix(exe, " (deleted)")
	// runc runs a copy of itself that nobody can write to: /memfd:runc_cloned:/proc/self/exe
	if name, ok := strings.CutPrefix(exe, "/memfd:"); ok {
		name, _, _ = strings.Cut(name, ":")
		return strings.TrimSuffix(name, "_cloned")
	}
	return path.Base(exe)
}

func byComm(comm string) event.Verdict {
	if strings.HasPrefix(comm, "runc:[") { // its stages name themselves
		return event.VerdictRuntime
	}
	if v := programs[comm]; v != "" || len(comm) < commLen {
		return v
	}
	for name, v := range programs {
		if len(name) > commLen && name[:commLen] == comm {
			return v
		}
	}
	return ""
}
