// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"

	"github.com/oomtrace/oomtrace/decode/event"
)

// invoked stands in the first line of a report (dump_header, mm/oom_kill.c):
//
//	java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
//	java invoked oom-killer: gfp_mask=0x6200ca(…), nodemask=(null),  order=0, oom_score_adj=0   4.6 to 4.20
//	php-fpm invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=0, oom_score_adj=0           EL6
const invoked = " invoked oom-killer: gfp_mask=0x"

// findInvoked returns where that begins, which is behind a name of up to 15 bytes; -1 if
// it does not. It is for every line of a log, and in a hurry.
func findInvoked(text []byte) int {
	for i := 0; i <= maxComm && i+len(invoked) <= len(text); i++ {
		if text[i] == ' ' && text[i+1] == 'i' && string(text[i:i+len(invoked)]) == invoked {
			return i
		}
	}
	return -1
}

// maxComm is how long a name can be: TASK_COMM_LEN less the NUL.
const maxComm = 15

// head takes the first line of a report; invoked begins at i.
func (p *machine) head(r *Record, text []byte, i int) bool {
	var t Trigger
	if !t.read(p, text[i+len(invoked):]) {
		return false
	}
	t.Comm, t.HasComm = p.names.of(text[:i]), true
	p.closeOld(r)
	rep := p.begin(r)
	rep.Headed, rep.Trigger = true, t
	if _, policy, ok := bytes.Cut(text[i:], []byte("\n"+oomPolicy)); ok {
		rep.policy(p, policy)
	}
	return true
}

// oomPolicy begins the line behind the first one that names a BPF program's policy
// (Roman Gushchin's series "mm: BPF OOM", whose kills have a message of their own).
const oomPolicy = "oom_policy="

func (rep *Report) policy(p *machine, name []byte) {
	if name, _, _ = bytes.Cut(name, []byte("\n")); len(name) < 128 && rep.stage == stageHead {
		rep.Policy = p.names.of(name)
	}
}

// read reads what stands behind "gfp_mask=0x".
func (t *Trigger) read(p *machine, b []byte) bool {
	n := 0
	for n < len(b) && isHex(b[n]) && (b[n] < 'A' || b[n] > 'F') {
		n++
	}
	if n == 0 || n > 16 {
		return false
	}
	t.GFPMask = p.names.of(b[:n])
	b = b[n:]
	if len(b) > 0 && b[0] == '(' {
		flags, rest, ok := bytes.Cut(b[1:], []byte(")"))
		if !ok {
			return false
		}
		for f := range bytes.SplitSeq(flags, []byte("|")) {
			if len(f) > 0 && len(f) <= 48 && len(t.GFPFlags) < 64 {
				t.GFPFlags = append(t.GFPFlags, p.names.of(f))
			}
		}
		b = rest
	}
	if !t.Order.take(&b, "order=") {
		return false
	}
	t.OOMAdj.take(&b, "oom_adj=")
	return t.OOMScoreAdj.take(&b, "oom_score_adj=") || t.OOMAdj.OK
}

// take reads the number behind name and leaves what is behind that.
func (n *Int) take(b *[]byte, name string) bool {
	i := bytes.Index(*b, []byte(name))
	if i < 0 {
		return false
	}
	rest := (*b)[i+len(name):]
	minus := len(rest) > 0 && rest[0] == '-'
	if minus {
		rest = rest[1:]
	}
	v, size := digits(rest)
	if size == 0 || v > 1<<31 {
		return false
	}
	n.N, n.OK = int64(v), true
	if minus {
		n.N = -n.N
	}
	*b = rest[size:]
	return true
}

func isHex(c byte) bool { return c-'0' <= 9 || c-'a' <= 5 || c-'A' <= 5 }

// cpuset takes the second line of a report before 5.0: "java cpuset=/ mems_allowed=0-1".
func (p *machine) cpuset(r *Record, text []byte) bool {
	i := bytes.Index(text[:min(len(text), maxComm+len(" cpuset="))], []byte(" cpuset="))
	if i < 0 {
		return false
	}
	rep := p.named(r, text[:i])
	if rep == nil {
		return false
	}
	rest := text[i+len(" cpuset="):]
	if at := bytes.LastIndex(rest, []byte(" mems_allowed=")); at >= 0 {
		rep.Cpuset, rep.MemsAllowed = short(rest[:at]), nodes(rest[at+len(" mems_allowed="):])
	}
	return true
}

// cpuLine takes the line that dump_stack begins with (lib/dump_stack.c):
//
//	CPU: 0 UID: 0 PID: 123 Comm: java Not tainted 7.2.13+deb14-cloud-amd64 #1 …
//	CPU: 4 PID: 29481 Comm: sed Not tainted 3.10.0-514.6.1.el7.x86_64 #1
//	Pid: 23212, comm: php-fpm Not tainted 2.6.32-642.11.1.el6.x86_64 #1
func (p *machine) cpuLine(r *Record, text []byte) bool {
	var cpu, uid, pid Int
	var rest []byte
	switch {
	case bytes.HasPrefix(text, []byte("CPU: ")):
		var ok bool
		if text, rest, ok = bytes.Cut(text, []byte(" Comm: ")); !ok {
			return false
		}
		cpu.take(&text, "CPU: ")
		uid.take(&text, "UID: ")
		if !pid.take(&text, "PID: ") {
			return false
		}
	case bytes.HasPrefix(text, []byte("Pid: ")):
		var ok bool
		if text, rest, ok = bytes.Cut(text, []byte(", comm: ")); !ok || !pid.take(&text, "Pid: ") {
			return false
		}
	default:
		return false
	}
	comm, release := splitTaint(rest)
	if release == nil || pid.N < 0 || pid.N > maxPID {
		return false
	}
	rep := p.named(r, comm)
	if rep == nil || rep.Trigger.TID.OK {
		return rep != nil
	}
	t := &rep.Trigger
	t.TID = num(uint64(pid.N))
	if cpu.OK {
		t.CPU = num(uint64(cpu.N))
	}
	if uid.OK && uid.N >= 0 {
		t.UID = num(uint64(uid.N))
	}
	t.Release = p.names.of(release)
	rep.Release = orString(rep.Release, t.Release)
	if isX86Release(release) {
		p.shows(rep, 4096)
	}
	return true
}

// splitTaint parts "java Not tainted 6.1.0-1 #1 …" or "java Tainted: G  W  6.1.0 #1 …".
// The name may hold either word, so the last one counts; nothing of the kernel's own
// behind it does.
func splitTaint(b []byte) (comm, release []byte) {
	const clean, tainted = " Not tainted ", " Tainted: "
	if i := bytes.LastIndex(b, []byte(clean)); i >= 0 {
		release, _, _ = bytes.Cut(b[i+len(clean):], []byte(" "))
		return b[:i], release
	}
	i := bytes.LastIndex(b, []byte(tainted))
	if i < 0 {
		return nil, nil
	}
	// The letters of the taint stand in columns; the first word with a digit ends them.
	for word := range bytes.FieldsSeq(b[i+len(tainted):]) {
		if word[0]-'0' <= 9 {
			return b[:i], word
		}
	}
	return nil, nil
}

func isX86Release(release []byte) bool {
	return bytes.Contains(release, []byte("x86_64")) || bytes.Contains(release, []byte("amd64")) || bytes.Contains(release, []byte("i686"))
}

// named returns the report under way whose trigger has this name, and notes where that
// shows that two reports come mixed.
func (p *machine) named(r *Record, comm []byte) *Report {
	rep := p.under(r)
	if rep == nil || !rep.Trigger.HasComm {
		return nil
	}
	if sameComm(rep.Trigger.Comm, comm) {
		if rep.Trigger.TID.OK && rep.caller == "" {
			if o := p.older(rep); o != nil && o.Trigger.Comm == rep.Trigger.Comm && !o.Trigger.TID.OK {
				return o
			}
		}
		return rep
	}
	if rep.caller != "" {
		return nil
	}
	for o := p.older(rep); o != nil; o = p.older(o) {
		if sameComm(o.Trigger.Comm, comm) {
			mix(rep, o)
			o.touched = p.n
			return o
		}
	}
	return nil
}

// sameComm compares names; one with a newline in it may have lost its first lines to a
// log that has a line for each.
func sameComm(trigger string, comm []byte) bool {
	return trigger == string(comm) || bytes.HasSuffix(comm, []byte("\n"+trigger))
}

// shows notes that a report shows the size of a page.
func (p *machine) shows(rep *Report, size uint64) {
	if rep.PageSize == 0 && isPageSize(size) {
		rep.PageSize = int(size)
		if rep.Boot == p.boots.current() {
			p.boots.page = int(size)
		}
	}
}

// frame takes a line of a call trace:
//
//	[<ffffffff81131420>] ? dump_header+0x90/0x1b0
//	ext4_filemap_fault+0x36/0x50 [ext4]
func (p *machine) frame(rep *Report, line []byte) bool {
	b := trimSpaces(line)
	var addr []byte
	if a, ok := bytes.CutPrefix(b, []byte("[<")); ok {
		if addr, b, ok = bytes.Cut(a, []byte(">]")); !ok {
			return false
		}
		b = trimSpaces(b)
	}
	sure := true
	if g, ok := bytes.CutPrefix(b, []byte("? ")); ok {
		b, sure = g, false
	}
	name, rest, ok := bytes.Cut(b, []byte("+0x"))
	if !ok || len(name) == 0 || len(name) > 512 || bytes.IndexByte(name, ' ') >= 0 {
		return false
	}
	var off uint64
	n := 0
	for n < len(rest) && isHex(rest[n]) && n < 8 {
		off = off<<4 | uint64(hexValue(rest[n]))
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != '/' {
		return false
	}
	if rep.stage > stageTrace || rep.Mixed || rep.foreign {
		return true
	}
	rep.stage = stageTrace
	f := event.Frame{Symbol: p.names.of(name), Offset: off}
	if _, mod, ok := bytes.Cut(rest, []byte(" [")); ok {
		if mod, _, ok = bytes.Cut(mod, []byte("]")); ok {
			mod, _, _ = bytes.Cut(mod, []byte(" ")) // a build id may follow
			f.Module = p.names.of(mod)
		}
	}
	if bytes.HasPrefix(addr, []byte("ffffffff8")) || f.Symbol == "page_fault" || f.Symbol == "asm_exc_page_fault" || bytes.HasPrefix(name, []byte("entry_SYSCALL_64")) {
		p.shows(rep, 4096) // the text of the kernel on x86-64, whose pages have one size
	}
	list := &rep.Frames
	if !sure {
		list = &rep.guessed
	}
	if *list == nil {
		*list = make([]event.Frame, 0, 24)
	}
	if len(*list) < maxFrames {
		*list = append(*list, f)
	}
	return true
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// short copies a name or path of a log, which is at most one line of it.
func short(b []byte) string { return string(b[:min(len(b), 4096)]) }

// nodes copies a list of nodes.
func nodes(b []byte) string { return string(b[:min(len(b), 256)]) }
