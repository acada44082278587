// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// zoneExhausted: the one zone that an allocation could use is empty, and others are not.
func zoneExhausted(in *shortage) *draft {
	t, m := in.main.Trigger, in.main.Memory
	ram, ok := in.global()
	if !ok || t == nil || !is(t.Order, 0) || m == nil || len(t.GFPFlags) == 0 {
		return nil
	}
	var short, plenty []*event.Zone
	var free uint64
	for i := range m.Zones {
		z := &m.Zones[i]
		if usable(t.GFPFlags, z.Name) {
			yes, known := above(z, z.MinBytes)
			if !known || yes {
				return nil
			}
			short = append(short, z)
			continue
		}
		if yes, known := above(z, z.HighBytes); known && yes {
			plenty = append(plenty, z)
			free += *z.FreeBytes
		}
	}
	if len(short) == 0 || !share(free, ram, 5) {
		return nil
	}
	if free <= in.givenBack() {
		return in.freeLater(who(t.PID, t.Comm), free, "zone-exhausted")
	}
	d := in.about("zone-exhausted", timeline.High, "A zone of memory is used up that the allocation needed, while others are free")
	d.say("%s asked for a page with %s, which may come from zone %s only. There was none above the watermark; %s was free in zones that it could not use. The victim freed what may not even be there.", who(t.PID, t.Comm), strings.Join(t.GFPFlags, "|"), zoneNames(short), size(free))
	for _, z := range short {
		d.cite(in.at(), "Zone %s of node %d: %s free, min %s.", z.Name, z.Node, size(*z.FreeBytes), size(*z.MinBytes))
	}
	for _, z := range plenty {
		d.cite(in.at(), "Zone %s of node %d: %s free, high %s.", z.Name, z.Node, size(*z.FreeBytes), size(*z.HighBytes))
	}
	if a := in.asker(); a != "" {
		d.cite(in.at(), "Who asked, by the call trace: %s.", a)
	}
	d.RefutedBy = "Zones that were read after the kill, when they had filled or emptied already."
	var s shell
	s.look("", "grep -E '^Node|free |min |high |protection' /proc/zoneinfo")
	s.look("what is kept of each zone from allocations that could use a higher one", "sysctl vm.lowmem_reserve_ratio")
	d.do("Find out who needs this zone: a device that addresses 32 or 24 bits only, or a kernel that has too much RAM as movable (movablecore=, movable_node, hotplugged memory).", "A kill frees pages of any zone. What fills this one may be page cache or programs that could be elsewhere: a higher lowmem_reserve_ratio keeps them out.", "who maintains that driver, or the kernel's command line", s)
	return d
}

// usable says whether an allocation with these flags may take a page of the zone
// (gfp_zone, include/linux/gfp.h).
func usable(flags []string, zone string) bool {
	has := func(part string) bool {
		for _, f := range flags {
			if strings.Contains(f, part) {
				return true
			}
		}
		return false
	}
	switch dma32 := has("DMA32"); {
	case dma32:
		return zone == "DMA" || zone == "DMA32"
	case has("GFP_DMA"):
		return zone == "DMA"
	case zone == "Movable": // needs both
		return has("MOVABLE") && (has("HIGHMEM") || has("HIGHUSER"))
	case zone == "HighMem":
		return has("HIGHMEM") || has("HIGHUSER")
	case zone == "Device":
		return false
	}
	return true
}

func zoneNames(zones []*event.Zone) string {
	var names []string
	for _, z := range zones {
		if len(names) == 0 || names[len(names)-1] != z.Name {
			names = append(names, z.Name)
		}
	}
	return strings.Join(names, ", ")
}
