// SPDX-License-Identifier: Apache-2.0

package unitfile

import (
	"io/fs"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		want  Properties
	}{
		{"a service", []string{"[Unit]\nMemoryMax=1\n[Service]\nExecStart=/bin/x\nMemoryMax = 2G\nMemoryHigh=1536M\nMemorySwapMax=0\nTasksMax=15%\nOOMScoreAdjust=-500\nOOMPolicy=continue\n"},
			Properties{MemoryMax: "2147483648", MemoryHigh: "1610612736", MemorySwapMax: "0", TasksMax: "15%", OOMScoreAdjust: "-500", OOMPolicy: "continue"}},
		{"a drop-in goes before it", []string{"[Service]\nMemoryMax=1G\nTasksMax=10\n", "[Service]\nMemoryMax=infinity\n"},
			Properties{MemoryMax: "infinity", TasksMax: "10"}},
		{"and may unset it", []string{"[Service]\nMemoryMax=1G\n", "[Service]\nMemoryMax=\n"}, Properties{}},
		{"what systemd passes over", []string{"[Service]\nMemoryMax=1G\nMemoryMax=much\nMemoryHigh=-1\nMemorySwapMax=200%\nTasksMax=9999999999999999999G\nOOMScoreAdjust=2000\nOOMPolicy=never\n"},
			Properties{MemoryMax: "1073741824"}},
		{"comments and continued lines", []string{"[Service]\n# MemoryMax=1\nMemoryMax=\\\n; a comment\n  512K\n"}, Properties{MemoryMax: "524288"}},
		{"v1's limit", []string{"[Service]\nMemoryLimit=1K\n"}, Properties{MemoryMax: "1024"}},
		{"goes behind v2's", []string{"[Service]\nMemoryMax=2K\nMemoryLimit=1K\n"}, Properties{MemoryMax: "2048"}},
		{"no end of line, no section", []string{"MemoryMax=1", "[Service]\nMemoryMax=7"}, Properties{MemoryMax: "7"}},
	} {
		var p Properties
		for _, f := range tt.files {
			p.Add([]byte(f))
		}
		if diff := cmp.Diff(tt.want, p); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// root is a host's root folder.
type root struct{ fstest.MapFS }

func (r root) Names(dir string) []string {
	entries, err := fs.ReadDir(r, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRead(t *testing.T) {
	files := root{fstest.MapFS{}}
	for name, max := range map[string]string{
		"usr/lib/systemd/system/cart.service":                         "1K",
		"etc/systemd/system/cart.service":                             "2K",
		"etc/systemd/system/cart.service.d/override.conf":             "3K",
		"etc/systemd/system.control/cart.service.d/50-MemoryMax.conf": "4K",
		"usr/lib/systemd/system/cart.service.d/override.conf":         "5K", // the one in /etc goes before
		"etc/systemd/system/cart.service.d/zzz.txt":                   "6K", // no drop-in
		"usr/lib/systemd/system/job@.service":                         "7K",
		"etc/systemd/system/job@.service.d/a.conf":                    "8K",
		"etc/systemd/system/user-.slice.d/10-defaults.conf":           "9K",
		"usr/lib/systemd/system/service.d/10-timeout.conf":            "10K",
		"run/systemd/transient/run-u7.service":                        "11K",
		"etc/passwd":                                                  "12K",
		"run/systemd/transient/session-3.scope":                       "13K",
		"run/systemd/transient/session-3.scope.d/50-MemoryMax.conf":   "14K",
		`etc/systemd/system/system-serial\x2dgetty.slice`:             "15K",
		"etc/systemd/system/long-name-of-unit.service.d/1.conf":       "16K",
		"etc/systemd/system/long-.service.d/2.conf":                   "17K",
		"etc/systemd/system/long-name-.service.d/3.conf":              "18K",
	} {
		files.MapFS[name] = &fstest.MapFile{Data: []byte("[Service]\nMemoryMax=" + max + "\n")}
	}
	for _, tt := range []struct {
		unit, max string // in KiB
		found     []string
	}{
		{"cart.service", "3", []string{
			"/etc/systemd/system/cart.service",
			"/usr/lib/systemd/system/service.d/10-timeout.conf",
			"/etc/systemd/system.control/cart.service.d/50-MemoryMax.conf",
			"/etc/systemd/system/cart.service.d/override.conf",
		}},
		{"job@1.service", "8", []string{
			"/usr/lib/systemd/system/job@.service",
			"/usr/lib/systemd/system/service.d/10-timeout.conf",
			"/etc/systemd/system/job@.service.d/a.conf",
		}},
		{"user-1000.slice", "9", []string{"/etc/systemd/system/user-.slice.d/10-defaults.conf"}},
		{"run-u7.service", "10", []string{"/run/systemd/transient/run-u7.service", "/usr/lib/systemd/system/service.d/10-timeout.conf"}},
		{"session-3.scope", "14", []string{"/run/systemd/transient/session-3.scope", "/run/systemd/transient/session-3.scope.d/50-MemoryMax.conf"}},
		{`system-serial\x2dgetty.slice`, "15", []string{`/etc/systemd/system/system-serial\x2dgetty.slice`}},
		{"long-name-of-unit.service", "18", []string{
			"/etc/systemd/system/long-name-of-unit.service.d/1.conf",
			"/usr/lib/systemd/system/service.d/10-timeout.conf",
			"/etc/systemd/system/long-.service.d/2.conf",
			"/etc/systemd/system/long-name-.service.d/3.conf",
		}},
		{"none.scope", "", nil},
		{"../../../etc/passwd", "", nil},
		{"../../passwd.service", "", nil},
		{"a b.service", "", nil},
		{".service", "", nil},
		{"", "", nil},
	} {
		p, found := Read(files, tt.unit)
		want := Properties{}
		if n, err := strconv.Atoi(tt.max); err == nil {
			want.MemoryMax = strconv.Itoa(n << 10)
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.unit, diff)
		}
		if diff := cmp.Diff(tt.found, found); diff != "" {
			t.Errorf("%s, files (-want +got):\n%s", tt.unit, diff)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, tt := range []struct {
		size string
		want uint64 // 0: none
	}{{"1024", 1024}, {"25%", 256}, {"infinity", 0}, {"", 0}, {"x%", 0}} {
		got := Bytes(tt.size, 1024)
		if (got == nil) != (tt.want == 0) || got != nil && *got != tt.want {
			t.Errorf("%q: %v", tt.size, got)
		}
	}
	if Bytes("25%", 0) != nil {
		t.Error("a share of nothing known")
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte("[Service]\nMemoryMax=2G\nMemoryHigh=10%\nTasksMax=\\\n7\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var p Properties
		p.Add(file)
		for _, size := range []string{p.MemoryMax, p.MemoryHigh, p.MemorySwapMax, p.TasksMax} {
			if size != "" && size != "infinity" && Bytes(size, 1<<30) == nil {
				t.Errorf("%q is no size", size)
			}
		}
	})
}
