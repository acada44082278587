// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	// zonesLimit bounds the zones that are kept. A node has five at most.
	zonesLimit = 64
	// zoneListLimit bounds a list of a zone: MAX_NR_ZONES, and MAX_ORDER + 1, are below.
	zoneListLimit = 16
)

// zones reads the memory zones of the nodes, a list such as "0-1" (all, if it is ""),
// and with blocks how their free memory is divided.
func (r *Reader) zones(nodes string, blocks bool) []event.Zone {
	p := zoneParser{page: uint64(os.Getpagesize()), nodes: nodes}
	// The statistics of each CPU are in it: it may be long.
	if err := r.eachLine("zoneinfo", p.line); err != nil {
		return nil
	}
	zones := p.done()
	if blocks && len(zones) > 0 {
		// What was read of it serves.
		_ = r.eachLine("buddyinfo", func(line []byte) { parseFreeBlocks(zones, line) })
	}
	return zones
}

// eachLine hands the lines of a file below Options.Proc to f, without their ends. Lines
// longer than the buffer are left out.
func (r *Reader) eachLine(name string, f func([]byte)) error {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	fd, err := openAt(unix.AT_FDCWD, filepath.Join(r.opts.Proc, name), unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return eachLine(func(b []byte) (int, error) {
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, b) })
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		return n, nil
	}, buf[:], f)
}

// eachLine reads, until read gives nothing, by way of buf.
func eachLine(read func([]byte) (int, error), buf []byte, f func([]byte)) error {
	kept, long := 0, false // bytes of a line that goes on; it is too long
	for {
		n, err := read(buf[kept:])
		if err != nil {
			return err
		}
		if n == 0 {
			if kept > 0 && !long {
				f(buf[:kept])
			}
			return nil
		}
		rest := buf[:kept+n]
		for {
			line, after, ok := bytes.Cut(rest, []byte{'\n'})
			if !ok {
				break
			}
			if !long {
				f(line)
			}
			rest, long = after, false
		}
		if kept = copy(buf, rest); kept == len(buf) {
			kept, long = 0, true
		}
	}
}

// zoneParser reads /proc/zoneinfo (zoneinfo_show_print, mm/vmstat.c).
type zoneParser struct {
	page  uint64
	nodes string // "": all
	zones []event.Zone
	in    bool // within the last one, ahead of its statistics
}

func (p *zoneParser) line(line []byte) {
	if rest, ok := bytes.CutPrefix(line, []byte("Node ")); ok {
		node, name, _, ok := parseZoneName(rest)
		p.drop()
		if p.in = ok && len(p.zones) < zonesLimit && inList(p.nodes, node); p.in {
			p.zones = append(p.zones, event.Zone{Node: node, Name: name})
		}
		return
	}
	if !p.in {
		return
	}
	z := &p.zones[len(p.zones)-1]
	text := string(bytes.TrimSpace(line))
	if list, ok := strings.CutPrefix(text, "protection: ("); ok {
		p.in = false // counters of names that repeat follow
		list, ok := strings.CutSuffix(list, ")")
		for n := range strings.SplitSeq(list, ", ") {
			pages, err := strconv.ParseUint(n, 10, 64)
			if err != nil || !ok || pages > 1<<50 || len(z.ProtectionBytes) == zoneListLimit {
				z.ProtectionBytes = nil
				return
			}
			z.ProtectionBytes = append(z.ProtectionBytes, pages*p.page)
		}
		return
	}
	text = strings.TrimPrefix(text, "pages ")
	name, value, _ := strings.Cut(text, " ")
	for _, c := range [...]counter{
		{"free", &z.FreeBytes}, {"min", &z.MinBytes}, {"low", &z.LowBytes}, {"high", &z.HighBytes},
		{"present", &z.PresentBytes}, {"managed", &z.ManagedBytes},
	} {
		if name != c.name || *c.value != nil {
			continue
		}
		if pages, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil && pages <= 1<<50 {
			*c.value = event.Ptr(pages * p.page)
		}
	}
}

// drop takes back the last zone if there is no memory in it.
func (p *zoneParser) drop() {
	if n := len(p.zones); n > 0 && p.zones[n-1].ManagedBytes != nil && *p.zones[n-1].ManagedBytes == 0 {
		p.zones = p.zones[:n-1]
	}
}

func (p *zoneParser) done() []event.Zone {
	p.drop()
	return p.zones
}

// parseZoneName reads "0, zone   Normal", and what may stand behind it.
func parseZoneName(text []byte) (node int, name string, rest [][]byte, ok bool) {
	number, after, ok := bytes.Cut(text, []byte(", zone "))
	node, err := strconv.Atoi(string(number))
	f := bytes.Fields(after)
	if !ok || err != nil || node < 0 || len(f) == 0 || len(f[0]) > 32 {
		return 0, "", nil, false
	}
	name, _ = event.CleanString(f[0])
	return node, name, f[1:], true
}

// parseFreeBlocks reads a line of /proc/buddyinfo (frag_show_print, mm/vmstat.c): the
// zone, then the number of free blocks of each order.
func parseFreeBlocks(zones []event.Zone, line []byte) {
	line, ok := bytes.CutPrefix(line, []byte("Node "))
	node, name, counts, ok1 := parseZoneName(line)
	i := slices.IndexFunc(zones, func(z event.Zone) bool { return z.Node == node && z.Name == name })
	if !ok || !ok1 || i < 0 {
		return
	}
	z := &zones[i]
	z.LargestFreeOrder, z.FreeBlocks = nil, nil
	for order, f := range counts {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil || order == zoneListLimit {
			z.LargestFreeOrder, z.FreeBlocks = nil, nil
			return
		}
		z.FreeBlocks = append(z.FreeBlocks, n)
		if n > 0 {
			z.LargestFreeOrder = event.Ptr(order)
		}
	}
}

// memsAllowed reads the NUMA nodes that the cpuset of a thread allows.
func (r *Reader) memsAllowed(ref Ref) (string, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	dir, _, err := r.openTask(ref.PID, ref.StartBoottimeNS, buf[:])
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	name := "status"
	if ref.TID > 0 {
		name = "task/" + strconv.Itoa(ref.TID) + "/status"
	}
	n, err := readAt(dir, name, buf[:])
	if err != nil {
		return "", orGone(err)
	}
	if nodes := parseMemsAllowed(buf[:n]); nodes != "" {
		return nodes, nil
	}
	return "", errors.New("no nodes in status")
}

// parseMemsAllowed reads the line "Mems_allowed_list:	0-1" (cpuset_task_status_allowed,
// kernel/cgroup/cpuset.c).
func parseMemsAllowed(status []byte) string {
	for line := range bytes.Lines(status) {
		if list, ok := bytes.CutPrefix(line, []byte("Mems_allowed_list:")); ok {
			if list := string(bytes.TrimSpace(list)); isList(list) {
				return list
			}
			return ""
		}
	}
	return ""
}

// isList says whether s is a list of numbers and ranges, "0-1,4".
func isList(s string) bool {
	ok := len(s) > 0 && len(s) <= 256
	for part := range strings.SplitSeq(s, ",") {
		_, _, valid := parseRange(part)
		ok = ok && valid
	}
	return ok
}

// inList says whether n is in such a list; everything is in an empty one.
func inList(list string, n int) bool {
	if list == "" {
		return true
	}
	for part := range strings.SplitSeq(list, ",") {
		if from, to, ok := parseRange(part); ok && from <= n && n <= to {
			return true
		}
	}
	return false
}

func parseRange(s string) (from, to int, ok bool) {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 31)
	b, err2 := strconv.ParseUint(last, 10, 31)
	return int(a), int(b), err1 == nil && err2 == nil
}
