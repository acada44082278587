// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// storm repeats the report of a log up to a size, each with stamps of its own.
func storm(b *testing.B, file string, size int) []byte {
	b.Helper()
	text := lab(b)[file]
	i := bytes.Index(text, []byte("invoked oom-killer"))
	start := bytes.LastIndexByte(text[:i], '\n') + 1
	lines := strings.Split(strings.TrimSuffix(string(text[start:]), "\n"), "\n")
	var out bytes.Buffer
	for n := 0; out.Len() < size; n++ {
		for j, l := range lines {
			if k := strings.Index(l, "] "); strings.HasPrefix(l, "[ ") && k > 0 {
				fmt.Fprintf(&out, "[%5d.%06d] %s\n", 100+n, j, l[k+2:])
			} else {
				out.WriteString(l + "\n")
			}
		}
	}
	return out.Bytes()
}

func BenchmarkParser(b *testing.B) {
	for name, data := range map[string][]byte{
		"storm-global-7.2": storm(b, "7.2/global.dmesg", 16<<20),
		"storm-memcg-6.12": storm(b, "6.12/memcg_group.dmesg", 16<<20),
		"quiet":            bytes.Repeat([]byte("[12345.678901] audit: type=1400 audit(1700000000.123:456): apparmor=\"STATUS\" operation=\"profile_load\" name=\"snap.x\"\n"), 100_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				s := kmsg.NewScanner(bytes.NewReader(data))
				var p kmsg.Parser
				kills := 0
				for {
					r, err := s.Next()
					if err != nil {
						break
					}
					p.Add(r)
					for item := p.Next(); item != nil; item = p.Next() {
						kills++
					}
				}
				if name != "quiet" && kills == 0 {
					b.Fatal("no kills")
				}
			}
		})
	}
}

// BenchmarkScanner is what the records alone take of BenchmarkParser.
func BenchmarkScannerOfStorm(b *testing.B) {
	data := storm(b, "7.2/global.dmesg", 16<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := kmsg.NewScanner(bytes.NewReader(data))
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
