// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"strconv"
)

// leader is the pid of the process that a thread is of; 0 if that cannot be told. Its line
// is the third (task_state, fs/proc/array.c), behind a name whose line ends are escaped.
func (r *Reader) leader(tid int) int {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	file, err := r.readProc(strconv.Itoa(tid)+"/status", buf[:])
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(file) {
		if value, ok := bytes.CutPrefix(line, []byte("Tgid:")); ok {
			pid, _ := strconv.Atoi(string(bytes.TrimSpace(value)))
			return max(pid, 0)
		}
	}
	return 0
}
