// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"testing"
	"time"
)

func TestReadDevice(t *testing.T) {
	for in, want := range map[string]Record{
		"6,123,456789,-;text\n": {Text: []byte("text"), Priority: 6,
			Moment: Moment{Seq: 123, HasSeq: true, Printk: 456789 * time.Microsecond, HasPrintk: true}},
		// A newline in a name is escaped, as is the backslash; a device's fields are not text.
		"3,7,1,c,caller=T12;Killed process 1 (a\\x0ab\\x5c)\n SUBSYSTEM=x\n DEVICE=y\n": {Text: []byte("Killed process 1 (a\nb\\)"), Priority: 3,
			Moment: Moment{Seq: 7, HasSeq: true, Printk: time.Microsecond, HasPrintk: true}, Caller: []byte("T12"), Continues: true},
		"14,8,2,-;by user space": {Text: []byte("by user space"), Priority: 14, User: true,
			Moment: Moment{Seq: 8, HasSeq: true, Printk: 2 * time.Microsecond, HasPrintk: true}},
		"6,9,3,-;\n": {Text: []byte{}, Priority: 6,
			Moment: Moment{Seq: 9, HasSeq: true, Printk: 3 * time.Microsecond, HasPrintk: true}},
	} {
		r := Record{Text: []byte("old"), Caller: []byte("old"), Reboot: true, User: true, BootID: []byte("old")}
		if !r.ReadDevice([]byte(in)) {
			t.Errorf("%q is refused", in)
			continue
		}
		if string(r.Text) != string(want.Text) || string(r.Caller) != string(want.Caller) || r.Moment != want.Moment ||
			r.Priority != want.Priority || r.Continues != want.Continues || r.User != want.User || r.Reboot || r.BootID != nil {
			t.Errorf("%q: %+v, want %+v", in, r, want)
		}
	}
	for _, in := range []string{"", "\n", "text", "6,123,456789", "6,123,456789,-", "6,123;x", "x,1,2,-;y", " SUBSYSTEM=x", "-1,2,3,-;x"} {
		r := Record{Text: []byte("old")}
		if r.ReadDevice([]byte(in)) || len(r.Text) != 0 || r.HasPrintk {
			t.Errorf("%q: %+v", in, r)
		}
	}
}

func FuzzReadDevice(f *testing.F) {
	f.Add([]byte("6,123,456789,-;te\\x0axt\n SUBSYSTEM=x\n"))
	f.Add([]byte("3,7,1,c,caller=T12;Killed process 1 (a)"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size := len(b)
		var r Record
		if r.ReadDevice(b); len(r.Text) > size {
			t.Errorf("%d bytes of text from %d", len(r.Text), size)
		}
	})
}

func BenchmarkReadDevice(b *testing.B) {
	line := []byte("6,123,456789,-;[  12345]     0 12345   441152    33840    32320     1520         0   409600        0             0 java\n")
	buf := make([]byte, len(line))
	var r Record
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, line)
		if !r.ReadDevice(buf) {
			b.Fatal("refused")
		}
	}
}
