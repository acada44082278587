// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/internal/version"
)

// The binary that `make build` makes needs no library, knows its commit, and is
// the same from another folder.
func TestBuild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads ELF")
	}
	if testing.Short() {
		t.Skip("builds the command twice")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	build := func() string {
		dir := filepath.Join(t.TempDir(), "tree")
		copyTree := exec.CommandContext(t.Context(), "git", "clone", "--quiet", "--shared", root, dir)
		if out, err := copyTree.CombinedOutput(); err != nil {
			testenv.Skip(t, "no git checkout to build from: %s", out)
		}
		cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "build")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return filepath.Join(dir, "oomtrace")
	}
	first, second := build(), build()

	var sums [2][sha256.Size]byte
	for i, path := range []string{first, second} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
	}
	if sums[0] != sums[1] {
		t.Error("built in two folders, the binary differs")
	}

	file, err := elf.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: it has %v", p.Type)
		}
	}

	out, err := exec.CommandContext(t.Context(), first, "version", "-o", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var info version.Info
	if err := json.Unmarshal(out, &info); err != nil {
		t.Fatal(err)
	}
	if len(info.Commit) != 40 || info.Date == "" || info.Dirty == nil || *info.Dirty {
		t.Errorf("built from a clean checkout, it says %s", out)
	}
}
