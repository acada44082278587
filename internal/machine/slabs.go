// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/explain"
)

// slabsTold is how many caches are told of.
const slabsTold = 10

func (f *facts) slabs(context.Context) (func(*explain.Machine), []Gap) {
	file, err := os.ReadFile(filepath.Join(f.proc, "slabinfo"))
	if err != nil {
		return nil, gap(err)
	}
	slabs := parseSlabinfo(string(file), uint64(os.Getpagesize()))
	return func(m *explain.Machine) { m.Slabs = slabs }, nil
}

// parseSlabinfo reads lines
//
//	dentry 12 16 192 21 1 : tunables 0 0 0 : slabdata 4 4 0
//
// of objects in use, objects, the size of one, objects and pages to a slab, and behind
// slabdata slabs in use and slabs (cache_show and print_slabinfo_header,
// mm/slab_common.c), and returns those that hold most, the largest first.
func parseSlabinfo(file string, page uint64) []event.Slab {
	var slabs []event.Slab
	for line := range strings.Lines(file) {
		f := strings.Fields(line)
		if len(f) < 16 || f[6] != ":" || f[7] != "tunables" || f[12] != "slabdata" && f[13] != "slabdata" {
			continue
		}
		at := slices.Index(f, "slabdata")
		used, err1 := strconv.ParseUint(f[1], 10, 40)
		size, err2 := strconv.ParseUint(f[3], 10, 23)
		pages, err3 := strconv.ParseUint(f[5], 10, 23)
		if len(f) < at+3 || err1 != nil || err2 != nil || err3 != nil || pages == 0 {
			continue
		}
		n, err := strconv.ParseUint(f[at+2], 10, 24)
		if err != nil || n == 0 {
			continue
		}
		name, _ := event.CleanString([]byte(f[0]))
		slabs = append(slabs, event.Slab{Name: name, UsedBytes: used * size, TotalBytes: n * pages * page})
	}
	slices.SortStableFunc(slabs, func(a, b event.Slab) int { return cmp.Compare(b.TotalBytes, a.TotalBytes) })
	return slabs[:min(len(slabs), slabsTold)]
}
