// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// ReadDevice makes r the record that one read(2) of /dev/kmsg gave: a line
// "6,123,456789,-;text" and below it the fields of a device (" SUBSYSTEM=…"), which are
// left out (devkmsg_read, kernel/printk/printk.c). r then refers to b, in which escapes are
// undone; no memory is taken. false: b is no such record, and r is as good as none.
func (r *Record) ReadDevice(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	r.Reboot = false
	f := frame{Record: r}
	if !f.kmsg(line) {
		f.start(line)
		r.Text = nil
		return false
	}
	r.Continues = f.flag == 'c' || f.flag == '+'
	r.Text = unescapeHex(f.text)
	return true
}
