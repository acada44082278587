// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

const module = "github.com/oomtrace/oomtrace/"

// Lab boots kernels for a test: it holds the programs that go into guests and
// bounds how many guests run at once.
type Lab struct {
	cache    string
	slots    chan struct{}
	programs map[string]map[string][]byte // of an architecture, by path in the guest
}

// NewLab returns a lab for the test, or skips the test with the reason unless
// OOMTRACE_VM=1. With that set, whatever is missing fails the test. The programs
// are main packages of this module, such as "cmd/oomtrace", which every guest has
// in its /bin.
func NewLab(t testing.TB, programs ...string) *Lab {
	t.Helper()
	if os.Getenv("OOMTRACE_VM") != "1" {
		t.Skip("boots virtual machines: set OOMTRACE_VM=1, or run `make vmtest`")
	}
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{cache: cache, slots: make(chan struct{}, runtime.NumCPU()), programs: map[string]map[string][]byte{}}
	// All of them now: a compiler beside the guests would slow these down.
	for _, arch := range []string{"amd64", "arm64"} {
		files := map[string]string{scenario.Guest: "internal/vmtest/guest"}
		for _, p := range programs {
			files["/bin/"+filepath.Base(p)] = p
		}
		l.programs[arch] = map[string][]byte{}
		for file, pkg := range files {
			if l.programs[arch][file], err = program(t.TempDir(), pkg, arch); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

// built holds the programs that were built, by package and architecture.
var built = map[string][]byte{}

// program returns the static executable of a main package, built in dir once a
// test run. Labs are made one at a time.
func program(dir, pkg, arch string) ([]byte, error) {
	key := pkg + " " + arch
	if b, ok := built[key]; ok {
		return b, nil
	}
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, module+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s for %s: %w\n%s", pkg, arch, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build %s for %s: %w", pkg, arch, err)
	}
	built[key] = b
	return b, nil
}
