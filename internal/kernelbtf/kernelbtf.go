// SPDX-License-Identifier: Apache-2.0

// Package kernelbtf gives tests the BTF of the kernels that oomtrace is made
// for, so that relocations and the choice of hooks can be tested without
// booting them.
package kernelbtf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/klauspost/compress/zstd"
)

const suffix = ".btf.zst"

// Names returns the kernels there are, arch-series such as amd64-6.1.
func Names(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir(tb), "*"+suffix))
	if err != nil || len(files) == 0 {
		tb.Fatalf("find kernels' BTF: %d files, %v", len(files), err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), suffix)
	}
	return files
}

// Load returns the BTF of a kernel.
func Load(tb testing.TB, name string) *btf.Spec {
	tb.Helper()
	spec, err := load(filepath.Join(dir(tb), name+suffix))
	if err != nil {
		tb.Fatalf("load BTF of %s: %v", name, err)
	}
	return spec
}

func load(path string) (*btf.Spec, error) {
	packed, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	raw, err := d.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return btf.LoadSpecFromReader(bytes.NewReader(raw))
}

// dir returns testdata/btf at the module's root, above the test's folder.
func dir(tb testing.TB) string {
	tb.Helper()
	at, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, "testdata", "btf")
		} else if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			tb.Fatalf("find the module's root: %v", err)
		}
	}
}
