// SPDX-License-Identifier: Apache-2.0

package capability

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel shows of this process is what Has says.
func TestHas(t *testing.T) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "CapEff:")
	hex, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	effective, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for c := range unix.CAP_LAST_CAP + 1 {
		if got, want := Has(c), effective&(1<<c) != 0; got != want {
			t.Errorf("capability %d: %v, want %v", c, got, want)
		}
	}
}
