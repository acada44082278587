// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
)

// commLen is TASK_COMM_LEN less the NUL.
const commLen = 15

// parseEarlyOOM reads
//
//	sending SIGTERM to process 57834 uid 1000 "code": badness 866, VmRSS 5 MiB
//
// where newer versions have oom_score, and a command line at the end (kill_process,
// kill.c). Name and command line may hold anything; the name ends within 15 bytes.
func parseEarlyOOM(text []byte, r *Report) bool {
	rest, ok := bytes.CutPrefix(text, []byte("sending "))
	signal, rest, ok1 := bytes.Cut(rest, []byte(" to process "))
	number, rest, ok2 := bytes.Cut(rest, []byte(" "))
	pid, err := strconv.Atoi(string(number))
	if !ok || !ok1 || !ok2 || err != nil || pid <= 0 || !isSignal(signal) {
		return false
	}
	if after, ok := bytes.CutPrefix(rest, []byte("uid ")); ok { // since 1.3
		number, after, ok := bytes.Cut(after, []byte(" "))
		uid, err := strconv.ParseUint(string(number), 10, 32)
		if !ok || err != nil {
			return false
		}
		r.UID, rest = event.Ptr(uint32(uid)), after
	}
	rest, ok = bytes.CutPrefix(rest, []byte(`"`))
	if !ok {
		return false
	}
	end := -1
	for _, next := range [...]string{`": badness `, `": oom_score `} {
		end = max(end, bytes.LastIndex(rest[:min(len(rest), commLen+len(next))], []byte(next)))
	}
	if end < 0 {
		return false
	}
	r.Kind, r.PID, r.Signal = KindKill, pid, string(signal)
	r.Comm, r.CommHex = event.CleanText(rest[:end])
	if _, after, ok := bytes.Cut(rest[end+1:], []byte(" VmRSS ")); ok {
		number, _, _ := bytes.Cut(after, []byte(" "))
		if mib, err := strconv.ParseUint(string(number), 10, 43); err == nil {
			r.RSSBytes = event.Ptr(mib << 20)
		}
	}
	return true
}

// isSignal says whether s is SIGKILL or SIGTERM, and not earlyoom's trial at its start.
func isSignal(s []byte) bool {
	return string(s) == "SIGKILL" || string(s) == "SIGTERM"
}
