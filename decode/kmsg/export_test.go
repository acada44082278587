// SPDX-License-Identifier: Apache-2.0

package kmsg

// Held is about how many bytes a parser holds of what was before.
func (p *Parser) Held() int {
	n := cap(p.shared.items) * 16
	for s := range p.shared.names.m {
		n += 2*len(s) + 48
	}
	for _, m := range p.machines {
		n += 1024 + (len(m.told.sets)+len(m.boots.past.sets))*32 + len(m.kills.ring)*128 + cap(m.part.text)
		for _, rep := range m.open {
			n += 2048 + cap(rep.Frames)*56
			if rep.Tasks != nil {
				n += cap(rep.Tasks.Rows)*96 + cap(rep.Tasks.names)
			}
		}
	}
	return n
}
