// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// parseSystemd reads lines of the service manager, "cart.service: Main process exited,
// code=killed, status=9/KILL" (log_unit_full and its kin, src/core).
func parseSystemd(text []byte, r *Report) bool {
	unit, message := cutUnit(text)
	r.Unit = unit
	said := string(message)
	switch {
	case said == "A process of this unit has been killed by the OOM killer.":
		r.Kind, r.Signal = KindOOM, "SIGKILL"
		return true
	case said == "Failed with result 'oom-kill'.":
		r.Kind = KindResult
		return true
	case strings.HasPrefix(said, "systemd-oomd killed ") && strings.HasSuffix(said, " process(es) in this unit."):
		r.Kind, r.Signal, r.By = KindKill, "SIGKILL", event.VerdictSystemdOOMD
		count := strings.TrimSuffix(strings.TrimPrefix(said, "systemd-oomd killed "), " process(es) in this unit.")
		if n, err := strconv.Atoi(count); err == nil && n >= 0 { // "some" where it does not know
			r.Processes = &n
		}
		return true
	case strings.HasSuffix(said, "timed out. Killing."):
		r.Kind, r.Signal, r.Reason = KindKill, "SIGKILL", said
		return true
	}
	if rest, ok := bytes.CutPrefix(message, []byte("Killing process ")); ok {
		return parseKilling(rest, r)
	}
	// "Main process exited, …", "Control process exited, …"; in lower case before 236.
	if _, how, ok := strings.Cut(said, "rocess exited, code="); ok {
		code, status, ok := strings.Cut(how, ", status=")
		number, _, ok1 := strings.Cut(status, "/")
		if !ok || !ok1 || code != "killed" && code != "dumped" {
			return false
		}
		n, err := strconv.Atoi(number)
		r.Kind, r.Signal = KindExit, signalName(n)
		return err == nil && r.Signal != ""
	}
	return false
}

// cutUnit takes "cart.service: " off; unit is "" without it. Newer versions put an arrow
// before the unit of a line of higher priority.
func cutUnit(text []byte) (unit string, rest []byte) {
	name, after, ok := bytes.Cut(bytes.TrimPrefix(text, []byte("[🡕] ")), []byte(": "))
	if !ok || len(name) == 0 || len(name) > 255 || bytes.ContainsAny(name, " \t\n'\"") || !bytes.Contains(name, []byte(".")) {
		return "", text
	}
	unit, _ = event.CleanString(name)
	return unit, after
}

// parseKilling reads "4821 (serve) with signal SIGKILL.". The name may hold anything.
func parseKilling(rest []byte, r *Report) bool {
	number, rest, ok := bytes.Cut(rest, []byte(" ("))
	rest = bytes.TrimSuffix(rest, []byte("."))
	end := bytes.LastIndex(rest, []byte(") with signal "))
	pid, err := strconv.Atoi(string(number))
	if !ok || err != nil || pid <= 0 || end < 0 {
		return false
	}
	r.Kind, r.PID = KindKill, pid
	r.Comm, r.CommHex = event.CleanText(rest[:end])
	r.Signal, _ = event.CleanString(rest[end+len(") with signal "):])
	return strings.HasPrefix(r.Signal, "SIG")
}

// signalName names the signals that end a process for want of memory, or look like it.
func signalName(n int) string {
	switch n {
	case 6:
		return "SIGABRT"
	case 9:
		return "SIGKILL"
	case 11:
		return "SIGSEGV"
	case 15:
		return "SIGTERM"
	}
	return ""
}

// parseOOMD reads lines of systemd-oomd: "Killed PATH due to memory pressure for …", or
// memory and swap used; since 258 "Marked PATH for killing due to …", which comes some
// seconds ahead (src/oom/oomd-manager.c).
func parseOOMD(text []byte, r *Report) bool {
	said := string(text)
	path, reason := "", ""
	ok := false
	if rest, killed := strings.CutPrefix(said, "Killed "); killed {
		path, reason, ok = strings.Cut(rest, " due to ")
	} else if rest, marked := strings.CutPrefix(said, "Marked "); marked {
		path, reason, ok = strings.Cut(rest, " for killing due to ")
	}
	if !ok || path == "" || !strings.HasPrefix(reason, "memory ") {
		return false
	}
	r.Kind, r.Signal = KindKill, "SIGKILL"
	r.Cgroup, _ = event.CleanString([]byte(path))
	r.Reason, _ = event.CleanString([]byte(reason))
	return true
}
