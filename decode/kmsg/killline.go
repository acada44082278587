// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// killLine is "MESSAGE: Killed process 104 (java) total-vm:25640kB, anon-rss:…" taken
// apart.
type killLine struct {
	message, comm                        []byte
	pid                                  int
	hasComm, old                         bool // old: nothing stands behind the name, as in 2.6.32
	uid                                  Num
	totalVM, anon, file, shmem, pgtables Num
	adj                                  Int
}

const killedProcess = "Killed process "

// read takes the line apart (__oom_kill_process, mm/oom_kill.c, and what it was before):
//
//	Out of memory: Killed process 104 (java) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:1kB oom_score_adj:0
//	Killed process 104 (java) total-vm:1kB, anon-rss:1kB, file-rss:1kB[, shmem-rss:1kB]
//	Killed process 104, UID 27, (java) total-vm:1kB, anon-rss:1kB, file-rss:1kB              EL6
//	Killed process 104 (java), UID 27, total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB   EL7.6
//	Killed process 104 (java) vsz:1kB, anon-rss:1kB, file-rss:1kB                            2.6.33
//	Killed process 104 (java)                                                                2.6.32
//
// The name ends at the last ") total-vm:", since it may hold that, too. All that follows
// must be as the kernel prints it.
func (k *killLine) read(text []byte) bool {
	*k = killLine{}
	i := bytes.Index(text, []byte(killedProcess))
	if i < 0 || i > 0 && !bytes.HasSuffix(text[:i], []byte(": ")) {
		return false
	}
	k.message = bytes.TrimSuffix(text[:i], []byte(": "))
	b := text[i+len(killedProcess):]
	pid, size := digits(b)
	if size == 0 || pid == 0 || pid > maxPID {
		return false
	}
	k.pid, b = int(pid), b[size:]
	if skip(&b, ", UID ") && (!k.readUID(&b) || !skip(&b, ",")) || !skip(&b, " (") {
		return false
	}
	uid := k.uid
	for _, end := range [...]string{") total-vm:", "), UID ", ") vsz:"} {
		// The name has at most 15 bytes, so what may be in the log behind the line,
		// which is anybody's, does not count.
		at := bytes.LastIndex(b[:min(len(b), maxComm+len(end))], []byte(end))
		if at < 0 {
			continue
		}
		k.comm, k.hasComm = b[:at], true
		k.totalVM, k.anon, k.file, k.shmem, k.pgtables, k.adj, k.uid = Num{}, Num{}, Num{}, Num{}, Num{}, Int{}, uid
		rest := b[at+len(end):]
		if end == "), UID " && (!k.readUID(&rest) || !skip(&rest, ", total-vm:")) {
			continue
		}
		if k.readSizes(rest) {
			return true
		}
	}
	name, is := bytes.CutSuffix(b, []byte(")"))
	k.comm, k.hasComm, k.old = name, true, true
	return is && len(name) <= maxComm
}

// readSizes reads what stands behind the name and "total-vm:".
func (k *killLine) readSizes(b []byte) bool {
	if !kB(&b, &k.totalVM) || !field(&b, ", anon-rss:", &k.anon) || !field(&b, ", file-rss:", &k.file) {
		return false
	}
	if bytes.HasPrefix(b, []byte(", shmem-rss:")) && !field(&b, ", shmem-rss:", &k.shmem) {
		return false
	}
	if skip(&b, ", UID:") {
		if !k.readUID(&b) || bytes.HasPrefix(b, []byte(" pgtables:")) && !field(&b, " pgtables:", &k.pgtables) {
			return false
		}
		if bytes.HasPrefix(b, []byte(" oom_score_adj:")) && !k.adj.take(&b, " oom_score_adj:") {
			return false
		}
	}
	b = bytes.TrimLeft(b, " \r")
	return len(b) == 0 || b[0] == '\n'
}

func (k *killLine) readUID(b *[]byte) bool {
	uid, size := digits(*b)
	if size == 0 || uid > 1<<32-1 {
		return false
	}
	k.uid, *b = num(uid), (*b)[size:]
	return true
}

// skip takes a word off the front of b.
func skip(b *[]byte, word string) bool {
	rest, ok := bytes.CutPrefix(*b, []byte(word))
	if ok {
		*b = rest
	}
	return ok
}

// field reads name and a number of kB at the front of b.
func field(b *[]byte, name string, n *Num) bool {
	return skip(b, name) && kB(b, n)
}

// kB reads a number of kB at the front of b.
func kB(b *[]byte, n *Num) bool {
	v, size := digits(*b)
	if size == 0 {
		return false
	}
	rest, ok := bytes.CutPrefix((*b)[size:], []byte("kB"))
	if !ok {
		return false
	}
	*b, *n = rest, num(v)
	return true
}

// isMessage says whether the kernel itself puts m before a kill. A BPF program that
// handles OOMs may have its own, but then a report has told of the choice.
func isMessage(m []byte) bool {
	switch string(m) {
	case "", "Out of memory", "Out of memory (oom_kill_allocating_task)", "Memory cgroup out of memory",
		"No available memory (MPOL_BIND)", "No available memory in cpuset":
		return true
	}
	return false
}
