// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

func BenchmarkScanner(b *testing.B) {
	_, records := recorded(b)
	for _, f := range framings {
		b.Run(strings.ReplaceAll(f.name, " ", "_"), func(b *testing.B) {
			var log []byte
			for len(log) < 8<<20 {
				for _, r := range records {
					log = append(log, f.write(r)...)
				}
			}
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				s := kmsg.NewScanner(bytes.NewReader(log))
				for {
					if _, err := s.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
