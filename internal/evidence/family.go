// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// family is the files of one log that was rotated, the oldest first.
type family struct {
	paths []string
	kind  timeline.Kind
}

// name is what the source is called.
func (f *family) name() string { return f.paths[len(f.paths)-1] }

// rotated is how logrotate and savelog name old files: kern.log.1, kern.log.2.gz,
// messages-20260620, messages-20260620.xz, messages-20260620-1781900000.gz.
var rotated = regexp.MustCompile(`^(.+?)(?:\.(\d{1,4})|-(\d{8}(?:-?\d+)?))?(?:\.(?:gz|xz|zst|bz2|lz4))?$`)

// member is a file of a family, and its place in it.
type member struct {
	path string
	age  int    // of .N: the higher the older
	date string // of -YYYYMMDD: the lower the older
}

// families puts the files of one log together; the order is that of the first of each.
func families(inputs []Named) []family {
	type key struct {
		stem string
		kind timeline.Kind
	}
	var order []key
	members := map[key][]member{}
	for _, in := range inputs {
		k, m := key{in.Path, in.Kind}, member{path: in.Path}
		if in.Path != "-" {
			dir, base := filepath.Split(filepath.Clean(in.Path))
			if g := rotated.FindStringSubmatch(base); g != nil {
				k.stem = dir + g[1]
				m.age, _ = strconv.Atoi(g[2])
				m.date = g[3]
			}
		}
		if members[k] == nil {
			order = append(order, k)
		}
		if !slices.ContainsFunc(members[k], func(o member) bool { return o.path == m.path }) {
			members[k] = append(members[k], m)
		}
	}
	var out []family
	for _, k := range order {
		slices.SortStableFunc(members[k], older)
		f := family{kind: k.kind}
		for _, m := range members[k] {
			f.paths = append(f.paths, m.path)
		}
		out = append(out, f)
	}
	return out
}

// older puts the oldest first, and what has neither number nor date last.
func older(a, b member) int {
	plain := func(m member) int {
		if m.age == 0 && m.date == "" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(plain(a), plain(b)), cmp.Compare(b.age, a.age), cmp.Compare(a.date, b.date))
}
