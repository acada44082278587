// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// FuzzScanner looks for panics, for records that are more than was read, for lines that
// are counted twice or lost, and for records that depend on how the bytes come in.
func FuzzScanner(f *testing.F) {
	_, records := recorded(f)
	for _, fr := range framings {
		var log []byte
		for _, r := range records[len(records)-6:] {
			log = append(log, fr.write(r)...)
		}
		f.Add(log)
	}
	for _, l := range scannerLogs {
		f.Add([]byte(l.log))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		s := kmsg.NewScanner(bytes.NewReader(log))
		var recs []rec
		last, begun := int64(0), map[int64]bool{}
		for {
			r, err := s.Next()
			if err != nil {
				if err != io.EOF && err != kmsg.ErrUTF16 {
					t.Fatal(err)
				}
				break
			}
			if len(r.Text)+len(r.Host)+len(r.Caller) > len(log) {
				t.Fatalf("%d bytes of text and more of %d read: %q", len(r.Text), len(log), r.Text)
			}
			// A container's line in pieces comes with the last of them.
			if inPieces := s.Format() == kmsg.FormatDocker || s.Format() == kmsg.FormatCRI; r.Line < last && !inPieces || begun[r.Line] {
				t.Fatalf("line %d after line %d", r.Line, last)
			}
			last = max(last, r.Line)
			begun[r.Line] = true
			recs = append(recs, toRec(s, r))
		}
		st := s.Stats()
		if st.Bytes != int64(len(log)) && len(recs) > 0 || st.Lines > int64(bytes.Count(log, []byte{'\n'}))+1 {
			t.Fatalf("%+v of %d bytes", st, len(log))
		}
		if int64(len(recs))+st.Foreign > st.Lines {
			t.Fatalf("%d records, %+v", len(recs), st)
		}
		var again []rec
		s = kmsg.NewScanner(iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(log))))
		for {
			r, err := s.Next()
			if err != nil {
				break
			}
			again = append(again, toRec(s, r))
		}
		if d := cmp.Diff(recs, again); d != "" {
			t.Fatalf("it depends on how much a read gives:\n%s", d)
		}
	})
}
