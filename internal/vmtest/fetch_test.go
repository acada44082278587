// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewest(t *testing.T) {
	names := strings.Fields("linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-56-cloud-amd64 linux-image-6.1.0-0.deb11.52-cloud-amd64 " +
		"linux-image-6.1.0-56-cloud-amd64-dbg linux-image-6.1.0-57-cloud-arm64 linux-image-6.12.9+deb13-cloud-amd64 linux-image-6.12.117+deb13-cloud-amd64 " +
		"linux-image-6.12.115+deb13.1-cloud-amd64 linux-image-6.12.120+deb12-cloud-amd64 linux-binary-7.2.9+deb14-cloud-amd64 linux-binary-7.2.12+deb13-cloud-amd64")
	want := map[string]string{
		"amd64-6.1":  "linux-image-6.1.0-56-cloud-amd64",
		"amd64-6.12": "linux-image-6.12.117+deb13-cloud-amd64",
		"amd64-7.2":  "linux-binary-7.2.12+deb13-cloud-amd64",
		"arm64-6.1":  "linux-image-6.1.0-57-cloud-arm64",
		"amd64-5.10": "", "arm64-6.12": "",
	}
	for _, k := range Kernels() {
		got, err := newest(names, k.packages[0])
		if got != want[k.String()] || (err == nil) != (got != "") {
			t.Errorf("%s: %q, %v; want %q", k, got, err, want[k.String()])
		}
	}
}

// A kernel in the cache is not fetched again: with no apt to be found, Fetch
// succeeds.
func TestFetchCached(t *testing.T) {
	cache := t.TempDir()
	k := Kernels()[0]
	if _, err := k.Cached(cache); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an empty cache: %v", err)
	}
	if err := os.MkdirAll(k.dir(cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(k.dir(cache), "packages"), []byte("linux-image 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	var said bytes.Buffer
	err := Fetch(context.Background(), cache, Kernels()[:1], false, func(f string, a ...any) { fmt.Fprintf(&said, f, a...) })
	if err != nil || said.String() != "amd64-5.10: linux-image 1" {
		t.Errorf("%v, said %q", err, said.String())
	}
	if err := Fetch(context.Background(), cache, Kernels(), false, t.Logf); err == nil {
		t.Error("kernels that are missing were fetched without apt")
	}
}
