// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"encoding/binary"
	"sort"
)

const (
	blockLen  = 32       // entries a block: what a look-up unpacks at most
	chunkSize = 64 << 10 // memory grows by chunks, so nothing is copied or left over
	maxName   = 1023     // bytes; the kernel's KSYM_NAME_LEN is 512
	maxEntry  = 2*binary.MaxVarintLen64 + maxName
)

// segment holds entries in ascending order of address. An entry is a text
// symbol or a gap: an address where something else than named code begins, so
// that the symbol before it ends there.
//
// An entry is uvarint(distance to the entry before it << 1 | is text), then for
// text uvarint(len(name)) and the name. The distance is 0 for a block's first
// entry, whose address stands in the index.
type segment struct {
	chunks [][]byte
	blocks []block
	mods   []span

	used   bool
	last   uint64 // address of the last entry
	text   bool   // what it is
	filled int    // entries in the last block
}

type block struct {
	addr uint64
	pos  uint32 // chunk index * chunkSize + offset
}

// span says that symbols from addr on belong to a module.
type span struct {
	addr uint64
	mod  uint16
}

type entry struct {
	addr uint64
	name []byte
	text bool
}

// add takes an entry, a gap if name is empty. addr must not be below s.last. It
// returns false for what says nothing new: a gap where something else begins,
// and a further symbol of one address, of which the first stays, as the kernel
// chooses (get_symbol_pos in kernel/kallsyms.c).
func (s *segment) add(addr uint64, name []byte, mod uint16) bool {
	text := len(name) > 0
	if s.used && addr == s.last && (s.text || !text) {
		return false
	}
	s.put(addr, name, text)
	if n := len(s.mods); text && (n == 0 && mod != 0 || n > 0 && s.mods[n-1].mod != mod) {
		s.mods = append(s.mods, span{addr, mod})
	}
	return true
}

func (s *segment) put(addr uint64, name []byte, text bool) {
	delta := addr - s.last
	fresh := len(s.chunks) == 0 || cap(s.chunks[len(s.chunks)-1])-len(s.chunks[len(s.chunks)-1]) < maxEntry
	if fresh {
		s.chunks = append(s.chunks, make([]byte, 0, chunkSize))
	}
	c := len(s.chunks) - 1
	buf := s.chunks[c]
	if fresh || s.filled == blockLen || delta > 1<<32 {
		s.blocks = append(s.blocks, block{addr, uint32(c*chunkSize + len(buf))})
		s.filled, delta = 0, 0
	}
	head := delta << 1
	if text {
		head |= 1
	}
	buf = binary.AppendUvarint(buf, head)
	if text {
		buf = binary.AppendUvarint(buf, uint64(len(name)))
		buf = append(buf, name...)
	}
	s.chunks[c] = buf
	s.filled++
	s.used, s.last, s.text = true, addr, text
}

// find returns the last entry at or below addr, and whether there are more
// behind it.
func (s *segment) find(addr uint64) (at entry, ok, more bool) {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].addr > addr })
	more = i < len(s.blocks)
	if i == 0 {
		return entry{}, false, more
	}
	cur := s.blocks[i-1].addr
	for buf := s.bytes(i - 1); len(buf) > 0; {
		head, n := binary.Uvarint(buf)
		buf = buf[n:]
		cur += head >> 1
		if cur > addr {
			return at, true, true
		}
		at = entry{addr: cur, text: head&1 != 0}
		if at.text {
			size, n := binary.Uvarint(buf)
			at.name = buf[n : n+int(size)]
			buf = buf[n+int(size):]
		}
	}
	return at, true, more
}

// bytes returns the entries of block i.
func (s *segment) bytes(i int) []byte {
	pos := s.blocks[i].pos
	buf := s.chunks[pos/chunkSize]
	if i+1 < len(s.blocks) && s.blocks[i+1].pos/chunkSize == pos/chunkSize {
		buf = buf[:s.blocks[i+1].pos%chunkSize]
	}
	return buf[pos%chunkSize:]
}

// module returns the module index of the symbol at addr.
func (s *segment) module(addr uint64) uint16 {
	i := sort.Search(len(s.mods), func(i int) bool { return s.mods[i].addr > addr })
	if i == 0 {
		return 0
	}
	return s.mods[i-1].mod
}
