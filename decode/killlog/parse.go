// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"slices"

	"github.com/oomtrace/oomtrace/decode/event"
)

// program is one whose lines are read.
type program struct {
	by    event.Verdict
	units []string // of systemd, in which nobody else runs
	parse func(text []byte, r *Report) bool
}

// programOf knows the programs by the names that they log with.
func programOf(ident string) (program, bool) {
	switch ident {
	case "systemd":
		return program{event.VerdictSystemd, []string{"init.scope"}, parseSystemd}, true
	case "systemd-oomd":
		return program{event.VerdictSystemdOOMD, []string{"systemd-oomd.service"}, parseOOMD}, true
	case "earlyoom":
		return program{event.VerdictEarlyOOM, []string{"earlyoom.service"}, parseEarlyOOM}, true
	case "kubelet", "hyperkube", "k3s", "rke2":
		return program{event.VerdictKubelet, []string{
			"kubelet.service", "k3s.service", "k3s-agent.service", "rke2-server.service", "rke2-agent.service",
		}, parseKubelet}, true
	case "containerd", "dockerd":
		return program{event.VerdictRuntime, []string{"containerd.service", "docker.service"}, parseRuntime}, true
	}
	return program{}, false
}

// Known says whether lines of this name are read at all.
func Known(ident string) bool {
	_, ok := programOf(ident)
	return ok
}

// maxText bounds what is read of a line.
const maxText = 16 << 10

// Parse reads a line; ok is false where it tells of no end of a process.
func Parse(l Line) (r Report, ok bool) {
	p, ok := programOf(l.Ident)
	if !ok {
		return Report{}, false
	}
	text := bytes.TrimRight(l.Text[:min(len(l.Text), maxText)], "\r\n")
	if !p.parse(text, &r) {
		return Report{}, false
	}
	if r.Unit == "" && p.by == event.VerdictSystemd {
		r.Unit, _ = event.CleanString([]byte(l.OfUnit))
	}
	if r.By == "" {
		r.By = p.by
	}
	r.Trust = trust(l.Writer, p.units)
	return r, true
}

// trust says who vouches for what a writer of a program's name wrote.
func trust(w *Writer, units []string) Trust {
	switch {
	case w == nil:
		return TrustLine
	case w.UID != nil && *w.UID == 0, slices.Contains(units, w.Unit):
		return TrustSystem
	}
	return TrustUser
}
