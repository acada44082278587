// SPDX-License-Identifier: Apache-2.0

package kmsg

// Held is about how many bytes a parser holds of what was before.
func (p *Parser) Held() int {
	n := cap(p.items)*16 + len(p.told.ring)*8 + len(p.boots.past.ring)*8 + len(p.kills.ring)*128 + cap(p.part.text)
	for s := range p.names.m {
		n += 2*len(s) + 48
	}
	for _, rep := range p.open {
		n += 2048 + cap(rep.Frames)*56
		if rep.Tasks != nil {
			n += cap(rep.Tasks.Rows)*96 + cap(rep.Tasks.names)
		}
	}
	return n
}
