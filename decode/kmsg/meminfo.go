// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"slices"
)

// memLine takes a line on the machine's memory: show_mem and show_free_areas, which are
// in mm/show_mem.c (6.4), lib/show_mem.c and mm/page_alloc.c.
func (p *machine) memLine(rep *Report, text []byte) bool {
	if rep.stage > stageMem || rep.foreign {
		return false
	}
	if rep.slabs && rep.slab(p, text) || rep.sites && rep.site(text) {
		return true
	}
	switch text[0] {
	case 'M':
		switch {
		case bytes.HasPrefix(text, []byte("Mem-Info:")), bytes.HasPrefix(text, []byte("Mem-info:")):
			if rep.Mem != nil {
				p.again(rep)
				return true
			}
			p.mem(rep)
			return true
		case bytes.HasPrefix(text, []byte("Memory allocations:")):
			rep.slabs, rep.sites = false, rep.Mem != nil
			return true
		}
	case 'a':
		if bytes.HasPrefix(text, []byte("active_anon:")) {
			if rep.Mem != nil && rep.Mem.Pages.ActiveAnon.OK {
				p.again(rep)
				return true
			}
			p.mem(rep)
			rep.counting = true
			return p.counters(rep, text)
		}
	case 'N':
		if b, ok := bytes.CutPrefix(text, []byte("Node ")); ok {
			rep.counting = false
			return p.nodeLine(rep, b)
		}
		return bytes.HasPrefix(text, []byte("Name ")) && rep.slabs
	case 'l':
		if b, ok := bytes.CutPrefix(text, []byte("lowmem_reserve[]:")); ok {
			return rep.reserve(b)
		}
	case 'C':
		if b, ok := bytes.CutPrefix(text, []byte("CPU ")); ok {
			return rep.perCPULine(b)
		}
	case 'U':
		if bytes.HasPrefix(text, []byte("Unreclaimable slab info:")) {
			p.mem(rep)
			rep.slabs, rep.sites = true, false
			return true
		}
	case 'S':
		if b, ok := bytes.CutPrefix(text, []byte("Swap cache stats: add ")); ok {
			return rep.swapCache(b)
		}
	case 'F', 'T':
		return p.swap(rep, text)
	}
	if text[0]-'0' <= 9 {
		return p.pagesLine(rep, text)
	}
	return false
}

// mem returns what is known of the machine's memory.
func (p *machine) mem(rep *Report) *MemInfo {
	rep.stage = stageMem
	if rep.Mem == nil {
		rep.Mem = &MemInfo{}
	}
	return rep.Mem
}

// counters reads a line of the machine's counters, in pages, which may be several in one
// record.
func (p *machine) counters(rep *Report, text []byte) bool {
	if rep.stage > stageMem || rep.foreign || rep.Mem == nil {
		return false
	}
	return rep.Mem.Pages.read(p, text)
}

// read reads "name:12 name:12kB name: 12kB name? yes" and says whether there was any.
func (c *Counters) read(p *machine, b []byte) bool {
	some := false
	for {
		b = trimSpaces(b)
		i := 0
		for i < len(b) && b[i] != ':' && b[i] != '?' && b[i] != ' ' {
			i++
		}
		if i == len(b) {
			return some
		}
		name, sep := b[:i], b[i]
		b = b[i+1:]
		if sep == ' ' {
			continue
		}
		b = trimSpaces(b)
		if sep == '?' {
			yes := bytes.HasPrefix(b, []byte("yes"))
			if string(name) == "all_unreclaimable" && (yes || bytes.HasPrefix(b, []byte("no"))) {
				c.AllUnreclaimable = Num{0, true}
				if yes {
					c.AllUnreclaimable.N = 1
				}
			}
			continue
		}
		n, size := digits(b)
		if size == 0 {
			continue
		}
		b, some = b[size:], true
		for len(b) > 0 && b[0] != ' ' { // kB, KB
			b = b[1:]
		}
		if f := c.field(name); f != nil {
			*f = num(n)
		} else if len(c.Other) < maxOther && len(name) > 0 && len(name) <= 48 {
			c.Other = append(c.Other, Named{p.names.of(name), n})
		}
	}
}

// nodeLine reads what stands behind "Node ":
//
//	0 active_anon:183860kB inactive_anon:0kB …
//	0 DMA free:904kB boost:0kB min:136kB …
//	0 DMA: 1*4kB (M) 0*8kB … = 900kB
//	0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB
//	0 DMA per-cpu:
func (p *machine) nodeLine(rep *Report, b []byte) bool {
	node, size := digits(b)
	if size == 0 || size > 4 || size == len(b) || b[size] != ' ' {
		return false
	}
	b = b[size+1:]
	m := p.mem(rep)
	if rest, ok := bytes.CutPrefix(b, []byte("hugepages_total=")); ok {
		return m.hugeTLB(int(node), rest)
	}
	word, rest, _ := bytes.Cut(b, []byte(" "))
	if i := bytes.IndexByte(word, ':'); i >= 0 && i < len(word)-1 {
		return m.node(int(node)).read(p, b)
	}
	if name, ok := bytes.CutSuffix(word, []byte(":")); ok {
		return p.blocks(rep, m.zone(p, int(node), name), rest)
	}
	z := m.zone(p, int(node), word)
	if z == nil {
		return true
	}
	if bytes.HasPrefix(rest, []byte("per-cpu:")) {
		rep.percpu = 1 + slices.IndexFunc(m.Zones, func(o Zone) bool { return o.Node == z.Node && o.Name == z.Name })
		return true
	}
	rep.percpu = 0
	rep.reserveOf = 1 + slices.IndexFunc(m.Zones, func(o Zone) bool { return o.Node == z.Node && o.Name == z.Name })
	return z.read(p, rest)
}

// node returns a node, which may be one that is not kept.
func (m *MemInfo) node(n int) *Counters {
	for i := range m.Nodes {
		if m.Nodes[i].Node == n {
			return &m.Nodes[i].Counters
		}
	}
	if len(m.Nodes) >= maxNodes {
		m.LeftOut++
		return &Counters{}
	}
	m.Nodes = append(m.Nodes, Node{Node: n})
	return &m.Nodes[len(m.Nodes)-1].Counters
}

// zone returns a zone, nil if there are too many.
func (m *MemInfo) zone(p *machine, node int, name []byte) *Zone {
	// The last ones first: lines of a zone follow each other.
	for i := len(m.Zones) - 1; i >= 0; i-- {
		if z := &m.Zones[i]; z.Node == node && z.Name == string(name) {
			return z
		}
	}
	if len(m.Zones) >= maxZones || len(name) == 0 || len(name) > 32 {
		m.LeftOut++
		return nil
	}
	if m.Zones == nil {
		m.Zones = make([]Zone, 0, 4)
	}
	m.Zones = append(m.Zones, Zone{Node: node, Name: p.names.of(name)})
	return &m.Zones[len(m.Zones)-1]
}

// blocks reads "1*4kB (M) 0*8kB … = 900kB". The smallest block is a page.
func (p *machine) blocks(rep *Report, z *Zone, b []byte) bool {
	if z == nil || len(z.Blocks) > 0 {
		return true
	}
	list := make([]Block, 0, 11)
	for {
		b = trimSpaces(b)
		if rest, ok := bytes.CutPrefix(b, []byte("= ")); ok {
			kB(&rest, &z.FreeBlocksKB)
			break
		}
		n, size := digits(b)
		if size == 0 || size == len(b) || b[size] != '*' {
			break
		}
		b = b[size+1:]
		var blockKB Num
		if !kB(&b, &blockKB) || len(list) >= maxBlocks {
			break
		}
		block := Block{Count: n, SizeKB: blockKB.N}
		b = trimSpaces(b)
		if len(b) > 0 && b[0] == '(' {
			if types, rest, ok := bytes.Cut(b[1:], []byte(")")); ok {
				block.Types, b = p.names.of(types[:min(len(types), 16)]), rest
			}
		}
		list = append(list, block)
	}
	if len(list) == 0 {
		return false
	}
	z.Blocks = list
	p.shows(rep, list[0].SizeKB*1024)
	return true
}

// reserve reads a zone's "lowmem_reserve[]: 0 194 194", in pages.
func (rep *Report) reserve(b []byte) bool {
	if rep.Mem == nil || rep.reserveOf == 0 {
		return true
	}
	z := &rep.Mem.Zones[rep.reserveOf-1]
	rep.reserveOf = 0
	for f := range bytes.FieldsSeq(b) {
		n, ok := wholeNumber(f)
		if !ok || len(z.ProtectionPages) >= maxReserves {
			break
		}
		z.ProtectionPages = append(z.ProtectionPages, n)
	}
	return true
}

// perCPULine reads what stands behind "CPU ": "   0: hi:  186, btch:  31 usd:  13".
func (rep *Report) perCPULine(b []byte) bool {
	if rep.Mem == nil || rep.percpu == 0 || rep.percpu > len(rep.Mem.Zones) {
		return true
	}
	var c PerCPU
	for _, f := range []struct {
		name string
		n    *uint64
	}{{"", &c.CPU}, {": hi:", &c.High}, {", btch:", &c.Batch}, {" usd:", &c.Used}} {
		rest, ok := bytes.CutPrefix(b, []byte(f.name))
		if !ok {
			return false
		}
		rest = trimSpaces(rest)
		n, size := digits(rest)
		if size == 0 {
			return false
		}
		*f.n, b = n, rest[size:]
	}
	if rep.perCPU++; rep.perCPU > maxPerCPU {
		rep.Mem.LeftOut++
		return true
	}
	z := &rep.Mem.Zones[rep.percpu-1]
	z.PerCPU = append(z.PerCPU, c)
	return true
}

// hugeTLB reads "0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB".
func (m *MemInfo) hugeTLB(node int, b []byte) bool {
	h := HugeTLB{Node: node}
	for _, f := range []struct {
		name string
		n    *uint64
	}{{"", &h.Total}, {" hugepages_free=", &h.Free}, {" hugepages_surp=", &h.Surplus}, {" hugepages_size=", &h.SizeKB}} {
		rest, ok := bytes.CutPrefix(b, []byte(f.name))
		if !ok {
			return false
		}
		n, size := digits(rest)
		if size == 0 {
			return false
		}
		*f.n, b = n, rest[size:]
	}
	if len(m.HugeTLB) >= maxHugeTLB {
		m.LeftOut++
		return true
	}
	m.HugeTLB = append(m.HugeTLB, h)
	return true
}

// slab reads "dentry                   1024KB       2048KB" (dump_unreclaimable_slab,
// mm/slab_common.c). A cache's name has no space.
func (rep *Report) slab(p *machine, text []byte) bool {
	var f [3][]byte
	i := 0
	for w := range bytes.FieldsSeq(text) {
		if i == len(f) {
			return false
		}
		f[i] = w
		i++
	}
	if i < len(f) {
		return false
	}
	used, u := digits(f[1])
	total, t := digits(f[2])
	if u == 0 || t == 0 || string(f[1][u:]) != "KB" || string(f[2][t:]) != "KB" || len(f[0]) > 64 {
		return false
	}
	if len(rep.Mem.Slabs) >= maxSlabs {
		rep.Mem.LeftOut++
		return true
	}
	rep.Mem.Slabs = append(rep.Mem.Slabs, Slab{p.names.of(f[0]), used, total})
	return true
}

// site reads "    48.1 MiB     6171 mm/slub.c:1884 func:alloc_slab_page" or the same with
// " [module]" before func (__show_mem, mm/show_mem.c).
func (rep *Report) site(text []byte) bool {
	if len(rep.Mem.Sites) >= maxSites {
		return false
	}
	f := bytes.Fields(text[:min(len(text), 512)])
	if len(f) < 5 || len(f) > 6 {
		return false
	}
	calls, ok := wholeNumber(f[2])
	name, is := bytes.CutPrefix(f[len(f)-1], []byte("func:"))
	if !ok || !is {
		return false
	}
	s := AllocSite{Size: string(f[0]) + " " + string(f[1]), Calls: calls, Where: string(f[3]), Func: string(name)}
	if len(f) == 6 {
		s.Module = string(bytes.Trim(f[4], "[]"))
	}
	rep.Mem.Sites = append(rep.Mem.Sites, s)
	return true
}

// swapCache reads "3171300, delete 3151732, find 175974644/176167521".
func (rep *Report) swapCache(b []byte) bool {
	if rep.Mem == nil {
		return true
	}
	m := rep.Mem
	for _, f := range []struct {
		name string
		n    *Num
	}{{"", &m.SwapAdd}, {", delete ", &m.SwapDelete}, {", find ", &m.SwapHits}, {"/", &m.SwapFinds}} {
		rest, ok := bytes.CutPrefix(b, []byte(f.name))
		if !ok {
			return false
		}
		n, size := digits(rest)
		if size == 0 {
			return false
		}
		*f.n, b = num(n), rest[size:]
	}
	return true
}

// swap reads "Free swap  = 0kB" and "Total swap = 0kB".
func (p *machine) swap(rep *Report, text []byte) bool {
	var n *Num
	b, ok := bytes.CutPrefix(text, []byte("Free swap"))
	if !ok {
		if b, ok = bytes.CutPrefix(text, []byte("Total swap")); !ok {
			return false
		}
		n = &p.mem(rep).TotalSwapKB
	} else {
		n = &p.mem(rep).FreeSwapKB
	}
	b, ok = bytes.CutPrefix(trimSpaces(b), []byte("= "))
	return ok && kB(&b, n)
}

// pagesLine reads "65403 pages RAM" and the like.
func (p *machine) pagesLine(rep *Report, text []byte) bool {
	n, size := digits(text)
	if size == 0 {
		return false
	}
	m := rep.Mem
	if m == nil {
		return false // only with others of their kind: "0 pages in …" can be anything
	}
	var f *Num
	switch string(bytes.TrimRight(text[size:], " \r")) {
	case " total pagecache pages", " pagecache pages":
		f = &m.PagecachePages
	case " pages in swap cache":
		f = &m.SwapCachePages
	case " pages RAM":
		f = &m.RAMPages
	case " pages HighMem/MovableOnly", " pages HighMem", " pages of HIGHMEM":
		f = &m.HighMemPages
	case " pages reserved", " reserved pages":
		f = &m.ReservedPages
	case " pages cma reserved":
		f = &m.CMAReservedPages
	case " pages hwpoisoned":
		f = &m.HWPoisonedPages
	case " pages shared":
		f = &m.SharedPages
	case " pages non-shared":
		f = &m.NonSharedPages
	default:
		return false
	}
	rep.slabs = false
	*f = num(n)
	return true
}
