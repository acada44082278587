// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// zone is one of the recorded ones, in pages.
func zone(node int, name string, free, low, min, high, managed, present uint64, protection ...uint64) event.Zone {
	page := uint64(os.Getpagesize())
	z := event.Zone{
		Node: node, Name: name, FreeBytes: u64(free * page), MinBytes: u64(min * page), LowBytes: u64(low * page), HighBytes: u64(high * page),
		ManagedBytes: u64(managed * page), PresentBytes: u64(present * page),
	}
	for _, p := range protection {
		z.ProtectionBytes = append(z.ProtectionBytes, p*page)
	}
	return z
}

func withBlocks(z event.Zone, largest int, blocks ...uint64) event.Zone {
	z.FreeBlocks = blocks
	if largest >= 0 {
		z.LargestFreeOrder = &largest
	}
	return z
}

// twoNodes is cut down from a machine with a node that has no memory in DMA; 5.10 has
// no line "promo".
const twoNodes = `Node 0, zone   Normal
  per-node stats
      nr_inactive_anon 1
  pages free     100
        min      20
        low      25
        high     30
        spanned  1000
        present  900
        managed  800
        protection: (0, 0)
      nr_free_pages 100
  pagesets
    cpu: 0
              count: 0
              high:  7
              batch: 1
Node 1, zone      DMA
  pages free     0
        min      0
        low      0
        high     0
        present  0
        managed  0
        protection: (0, 50)
Node 1, zone   Normal
  pages free     3
        min      40
        low      50
        high     60
        present  900
        managed  800
        protection: (0, 0)
`

func TestZones(t *testing.T) {
	dma := zone(0, "DMA", 3840, 38, 31, 45, 3840, 3998, 0, 3018, 8010, 8010, 8010)
	dma32 := zone(0, "DMA32", 772808, 7943, 6355, 9531, 772808, 782336, 0, 0, 4992, 4992, 4992)
	info := string(recorded(t, "zoneinfo"))
	node0 := zone(0, "Normal", 100, 25, 20, 30, 800, 900, 0, 0)
	node1 := zone(1, "Normal", 3, 50, 40, 60, 800, 900, 0, 0)
	for _, tt := range []struct {
		name, info, buddy, nodes string
		want                     []event.Zone
	}{
		{"two nodes", twoNodes, "", "", []event.Zone{node0, node1}},
		{"one of them", twoNodes, "", "1,7-9", []event.Zone{node1}},
		{"none of them", twoNodes, "", "2-3", nil},
		{"blocks", twoNodes, "Node 0, zone   Normal      8      2      0 \nNode 1, zone   Normal      0 0 0\nNode 2, zone Normal 1\n", "",
			[]event.Zone{withBlocks(node0, 1, 8, 2, 0), withBlocks(node1, -1, 0, 0, 0)}},
		{"broken blocks", twoNodes, "Node 0, zone\nNode 0, zone Normal 8 x\nNode 1, zoneNormal 5\nNode 1, zone Normal" + strings.Repeat(" 1", 40) + "\n", "", []event.Zone{node0, node1}},
		{"broken", "Node x, zone DMA\n pages free 1\nNode 0, zone\nNode 3, zone Odd\n  pages free\n  min -1\n  low 99999999999999999999\n  high 2\n  protection: (0, x)\n  managed 4\n", "", "",
			[]event.Zone{{Node: 3, Name: "Odd", HighBytes: u64(2 * uint64(os.Getpagesize()))}}},
		{"empty", "", "", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, Options{Proc: tree(t, map[string]string{"zoneinfo": tt.info, "buddyinfo": tt.buddy})})
			if diff := cmp.Diff(tt.want, r.zones(tt.nodes, tt.buddy != "")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	// As recorded: three zones, and one without memory.
	r := newReader(t, Options{Proc: tree(t, map[string]string{"zoneinfo": info, "buddyinfo": string(recorded(t, "buddyinfo"))})})
	got := r.zones("", true)
	if len(got) != 3 || got[2].Name != "Normal" || len(got[2].FreeBlocks) != 11 || *got[2].LargestFreeOrder != 10 {
		t.Fatalf("%+v", got)
	}
	for i := range got {
		got[i].FreeBlocks, got[i].LargestFreeOrder = nil, nil
	}
	if diff := cmp.Diff([]event.Zone{dma, dma32}, got[:2]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got = newReader(t, Options{}).zones("", true); len(got) == 0 || got[0].FreeBytes == nil || got[0].MinBytes == nil || got[0].FreeBlocks == nil {
		t.Errorf("of this machine: %+v", got)
	}
	if r = newReader(t, Options{Proc: t.TempDir()}); r.zones("", true) != nil {
		t.Error("zones of nothing")
	}
}

// The zones of many nodes are bounded, and a file longer than the buffer is read whole.
func TestZonesBounded(t *testing.T) {
	var info strings.Builder
	for node := range 200 {
		fmt.Fprintf(&info, "Node %d, zone Normal\n  pages free %d\n        managed 9\n        protection: (0)\n%s\n", node, node, strings.Repeat("              count: 0\n", 200))
	}
	r := newReader(t, Options{Proc: tree(t, map[string]string{"zoneinfo": info.String()})})
	if got := r.zones("", false); len(got) != zonesLimit || got[63].Node != 63 {
		t.Errorf("%d zones", len(got))
	}
	if got := r.zones("199", false); len(got) != 1 || *got[0].FreeBytes != uint64(199*os.Getpagesize()) {
		t.Errorf("the last zone is %+v", got)
	}
}

func TestEachLine(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"a\nbc\n", "a|bc"},
		{"a\n\nb", "a||b"},
		{"12345678\nx\n", "x"}, // as long as the buffer: no room for its end
		{"1234567\nx\n", "1234567|x"},
		{"aaaaaaaaaaaaaaaaaaaaaa\nb\ncccccccccccc", "b"},
	} {
		for step := 1; step < 9; step++ {
			in, got := []byte(tt.in), []string{}
			err := eachLine(func(b []byte) (int, error) {
				n := copy(b[:min(step, len(b))], in)
				in = in[n:]
				return n, nil
			}, make([]byte, 8), func(line []byte) { got = append(got, string(line)) })
			if text := strings.Join(got, "|"); err != nil || text != tt.want {
				t.Errorf("%q by %d: %q, %v; want %q", tt.in, step, text, err, tt.want)
			}
		}
	}
	if err := eachLine(func([]byte) (int, error) { return 0, unix.EIO }, make([]byte, 8), nil); err == nil {
		t.Error("an error is lost")
	}
}

func TestMemsAllowed(t *testing.T) {
	for _, tt := range []struct{ status, want string }{
		{"Name:\tx\nMems_allowed:\t00000000,00000003\nMems_allowed_list:\t0-1\n", "0-1"},
		{"Mems_allowed_list:\t0\n", "0"},
		{"Mems_allowed_list:\t0,2-3,7\n", "0,2-3,7"},
		{"Mems_allowed_list:\t\n", ""},
		{"Mems_allowed_list:\t0-\n", ""},
		{"Mems_allowed_list:\t0;rm\n", ""},
		{"Mems_allowed:\t1\n", ""},
		{"", ""},
	} {
		if got := parseMemsAllowed([]byte(tt.status)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.status, got, tt.want)
		}
	}
	r := newReader(t, Options{})
	ref := Ref{PID: os.Getpid(), TID: unix.Gettid()}
	a := r.answer(Request{Tasks: []Ref{ref}, Nodes: true})
	if _, err := os.Stat("/sys/fs/cgroup/cpuset"); a.Limit == nil && err == nil {
		t.Errorf("no nodes of this process: %+v", a)
	}
	ref.TID = 1 << 30
	if a := r.answer(Request{Tasks: []Ref{ref}, Nodes: true}); a.Limit != nil {
		t.Errorf("nodes of no thread: %+v", a.Limit)
	}
}

func FuzzZones(f *testing.F) {
	f.Add(recorded(f, "zoneinfo"), recorded(f, "buddyinfo"), "0-1")
	f.Add([]byte(twoNodes), []byte("Node 0, zone Normal 1 2"), "")
	f.Add([]byte("Node 0, zoneDMA"), []byte("Node 0, zoneDMA"), "-")
	f.Fuzz(func(t *testing.T, info, buddy []byte, nodes string) {
		p := zoneParser{page: 4096, nodes: nodes}
		for line := range bytes.Lines(info) {
			p.line(bytes.TrimSuffix(line, []byte{'\n'}))
		}
		zones := p.done()
		for line := range bytes.Lines(buddy) {
			parseFreeBlocks(zones, bytes.TrimSuffix(line, []byte{'\n'}))
		}
		if len(zones) > zonesLimit {
			t.Errorf("%d zones", len(zones))
		}
		for _, z := range zones {
			if len(z.FreeBlocks) > zoneListLimit || len(z.ProtectionBytes) > zoneListLimit || z.Node < 0 || z.Name == "" {
				t.Errorf("zone %+v", z)
			}
			if z.LargestFreeOrder != nil && z.FreeBlocks[*z.LargestFreeOrder] == 0 {
				t.Errorf("no free block of order %d in %v", *z.LargestFreeOrder, z.FreeBlocks)
			}
			if nodes == strconv.Itoa(z.Node+1) {
				t.Errorf("node %d is not in %q", z.Node, nodes)
			}
		}
	})
}

func BenchmarkZones(b *testing.B) {
	r := newReader(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if r.zones("", true) == nil {
			b.Fatal("no zones")
		}
	}
}
