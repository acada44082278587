// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Lab boots kernels for a test: it holds the programs that go into guests and
// bounds how many guests run at once.
type Lab struct {
	cache string
	dir   string // build results
	slots chan struct{}

	mu       sync.Mutex
	programs map[string][]byte // by package and architecture
}

// NewLab returns a lab for the test, or skips the test with the reason unless
// OOMTRACE_VM=1. With that set, whatever is missing fails the test.
func NewLab(t testing.TB) *Lab {
	t.Helper()
	if os.Getenv("OOMTRACE_VM") != "1" {
		t.Skip("boots virtual machines: set OOMTRACE_VM=1, or run `make vmtest`")
	}
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return &Lab{
		cache:    cache,
		dir:      t.TempDir(),
		slots:    make(chan struct{}, runtime.NumCPU()),
		programs: map[string][]byte{},
	}
}

// program returns the static executable of the main package pkg (an import
// path), built once an architecture.
func (l *Lab) program(pkg, arch string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := pkg + " " + arch
	if b, ok := l.programs[key]; ok {
		return b, nil
	}
	out := filepath.Join(l.dir, filepath.Base(pkg)+"-"+arch)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s for %s: %w\n%s", pkg, arch, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build %s for %s: %w", pkg, arch, err)
	}
	l.programs[key] = b
	return b, nil
}
