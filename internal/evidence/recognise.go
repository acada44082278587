// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"errors"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// headSize is how much of a file is looked at to know what it is.
const headSize = 64 << 10

// others are what is known by its first bytes and cannot be read.
var others = []struct {
	at    int
	magic string
	what  string
}{
	{0, "KDUMP   ", crashDump}, {0, "DISKDUMP", crashDump}, {0, "makedumpfile\x00", crashDump},
	{0, "\x7fELF", "a crash dump or a program, which this version does not read; of a dump give its log: makedumpfile --dump-dmesg DUMP LOG"},
	{0, "\x96\xd5", sysstatData}, {0, "\xd5\x96", sysstatData},
	{0, "LPKSHHRH", "a file of the journal; give what 'journalctl --file FILE -k -o export' prints"},
	{0, "PK\x03\x04", "an archive; unpack it and give what is in it"},
	{257, "ustar", "an archive; unpack it and give what is in it"},
	{0, "SQLite format 3\x00", "a database"},
	{0, `{"schema":"oomtrace.timeline/`, "a timeline, which is no evidence itself; give what it was made of"},
	{0, `{"schema":"oomtrace.scores/`, "a ranking by 'oomtrace scores', which has no events"},
}

const (
	crashDump   = "a crash dump, which this version does not read; give its log: makedumpfile --dump-dmesg DUMP LOG"
	sysstatData = "sysstat's data (sa), which this version does not read"
)

// recognise says what a file is that begins with head. Of KindOther what says more.
func recognise(head []byte) (kind timeline.Kind, what string) {
	for _, o := range others {
		if len(head) > o.at && bytes.HasPrefix(head[o.at:], []byte(o.magic)) {
			return timeline.KindOther, o.what
		}
	}
	switch {
	case len(bytes.Trim(head, " \r\n\t\x00")) == 0:
		if len(head) == headSize {
			return timeline.KindOther, "nothing but blanks and NULs at its beginning"
		}
		return timeline.KindOther, "empty"
	case isRecord(head):
		return timeline.KindRecord, ""
	case isBinary(head):
		return timeline.KindOther, "not known: it is not text"
	}
	return timeline.KindKernelLog, ""
}

// isRecord says whether one of the first lines is an event.
func isRecord(head []byte) bool {
	s := event.NewScanner(bytes.NewReader(head))
	for range 16 {
		_, err := s.Next()
		var schema *event.SchemaError
		switch {
		case err == nil, errors.Is(err, event.ErrType):
			return true
		case errors.As(err, &schema):
			return strings.HasPrefix(schema.Found, "oomtrace/")
		case s.Raw() == nil:
			return false
		}
	}
	return false
}

// isBinary says whether most of it is nothing that a log has. NULs are left out: a crash
// leaves blocks of them in logs.
func isBinary(head []byte) bool {
	odd, all := 0, 0
	for _, c := range head {
		switch {
		case c == 0:
			continue
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b && c != 0x1e, c == 0x7f, c >= 0x80:
			odd++
		}
		all++
	}
	return odd*4 > all
}

// framed says whether a text is a kernel log beyond doubt: by its framing, or by what
// the kernel says.
func framed(head []byte) bool {
	for _, words := range []string{"invoked oom-killer", "Killed process ", "Linux version ", "Out of memory", "oom-kill:"} {
		if bytes.Contains(head, []byte(words)) {
			return true
		}
	}
	s := kmsg.NewScanner(bytes.NewReader(head))
	for range 64 {
		if _, err := s.Next(); err != nil {
			break
		}
	}
	f := s.Format()
	return f != "" && f != kmsg.FormatPlain
}
