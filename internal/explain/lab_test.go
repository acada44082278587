// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// What is to be said of the lab's real kernel logs, by the name of what was done there.
var lab = map[string]struct {
	say    []string
	silent []string
}{
	"allocating_task":     {say: []string{"allocating-task (high)"}, silent: []string{"protected-hog"}},
	"deadlock_panic":      {say: []string{"deadlock (high)"}, silent: []string{"panicked"}},
	"global":              {say: []string{"victim-dominates (medium)", "swap-absent (high)"}, silent: []string{"machine-full", "fragmentation", "protected-hog", "unaccounted"}},
	"memcg":               {say: []string{"limit-reached (low)"}, silent: []string{"limit-too-small", "growth-victim", "swap-absent"}},
	"memcg_group":         {say: []string{"limit-reached (low)"}, silent: []string{"fork-bomb", "crowd", "repeated"}},
	"memcg_noprey":        {say: []string{"no-victim (high)"}, silent: []string{"limit-reached", "deadlock"}},
	"memcg_parent":        {say: []string{"limit-reached (low)"}},
	"memcg_v1":            {say: []string{"limit-reached (low)"}, silent: []string{"kmem-limit"}},
	"numa_cpuset":         {say: []string{"nodes-exhausted (high)"}, silent: []string{"swap-absent", "machine-full"}},
	"numa_mempolicy":      {say: []string{"nodes-exhausted (high)"}, silent: []string{"swap-absent", "machine-full"}},
	"oom_reaper":          {say: []string{"victim-dominates (medium)"}, silent: []string{"victim-stuck"}},
	"panic_on_oom":        {say: []string{"panicked (high)"}, silent: []string{"deadlock"}},
	"panic_on_oom2_memcg": {say: []string{"panicked (high)"}},
	"sysrq_f":             {say: []string{"sysrq (high)"}, silent: []string{"machine-full", "swap-absent"}},
}

func TestLab(t *testing.T) {
	seen := map[string]bool{}
	for name, log := range labLogs(t) {
		what := strings.TrimSuffix(path.Base(name), path.Ext(name))
		want, ok := lab[what]
		if !ok {
			t.Errorf("%s: not known what is to be said", name)
			continue
		}
		seen[what] = true
		b := timeline.New(timeline.Options{})
		if err := b.Log(t.Context(), timeline.Input{Source: timeline.Source{Path: name}, Reader: bytes.NewReader(log)}); err != nil {
			t.Fatal(err)
		}
		d := b.Document()
		fs := Find(d, nil)
		said := strings.Split(ids(fs), ", ")
		for _, s := range want.say {
			if !slices.Contains(said, s) {
				t.Errorf("%s: want %s, found %s", name, s, ids(fs))
			}
		}
		for _, f := range fs {
			if slices.Contains(want.silent, f.ID) {
				t.Errorf("%s: %s speaks: %s", name, f.ID, f.Summary)
			}
			checkFinding(t, name, d, f)
		}
	}
	for what := range lab {
		if !seen[what] {
			t.Errorf("no log of %s", what)
		}
	}
}

// labLogs are those of what was done with each kernel in the lab.
func labLogs(t *testing.T) map[string][]byte {
	t.Helper()
	file, err := os.Open("../../decode/kmsg/testdata/lab.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	logs := map[string][]byte{}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return logs
		}
		if err != nil {
			t.Fatal(err)
		}
		switch path.Ext(h.Name) {
		case ".kmsg", ".console":
			if logs[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}
