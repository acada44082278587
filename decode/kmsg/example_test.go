// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// A log of rsyslog's: the framing is found by its content. A daemon's line is marked, so
// that nothing that it says is taken for the kernel's word.
func ExampleScanner() {
	const log = `Jun 20 12:47:04 db1 kernel: [15180286.179791] Out of memory: Kill process 40738 (mysqld) score 16 or sacrifice child
Jun 20 12:47:04 db1 kernel: [15180286.180369] Killed process 40738, UID 27, (mysqld) total-vm:6424316kB, anon-rss:13128kB, file-rss:4kB
Jun 20 12:47:05 db1 mysqld_safe[812]: Number of processes running now: 0
`
	s := kmsg.NewScanner(strings.NewReader(log))
	for {
		r, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		if r.User {
			continue
		}
		fmt.Printf("line %d, %v after boot: %.30s…\n", r.Line, r.Printk, r.Text)
	}
	fmt.Println(s.Format(), s.Stats().Lines)
	// Output:
	// line 1, 4216h44m46.179791s after boot: Out of memory: Kill process 40…
	// line 2, 4216h44m46.180369s after boot: Killed process 40738, UID 27, …
	// syslog 3
}
