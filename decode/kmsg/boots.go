// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"time"
)

// boots keeps the boots of a log apart. A boot begins where the framing's boot id
// changes, with the kernel's first line, or where the stamps go back.
//
// Stamps go back also where a daemon that was started again reads the kernel's ring
// once more. Then lines come again that were there before, stamp and all: so hashes of a
// part of the past lines are kept, and a new boot is on trial until some lines have come
// that would have been recognised.
type boots struct {
	index   int
	records int // of this boot so far
	began   bool
	id      string
	last    time.Duration // the highest stamp
	hasLast bool
	release string
	page    int // bytes; 0: not known

	found  *Boot // not told yet
	trial  int   // >0: that many lines more, and it is a boot
	before struct {
		index   int
		last    time.Duration
		release string
		page    int
	}
	past keys
	seed maphash.Seed
	made bool
}

const (
	// backBy is how far a stamp must go back to be of another boot: those of several
	// CPUs differ by less.
	backBy = 2 * time.Second
	// firstSampled is the first stamp of a line that can be recognised: in the first
	// moments of each boot the same lines have the same coarse stamps.
	firstSampled = time.Second
	// One of pastEvery lines is kept, by its hash.
	pastEvery = 8
	// trialLines is how many lines a boot is on trial for.
	trialLines = 64
	// commandLineWithin is how many records after the first line of a boot its command
	// line is waited for.
	commandLineWithin = 64
	// firstLines is how many lines there can be before the one with the version.
	firstLines = 8
)

// current is the index of the boot that is under way.
func (b *boots) current() int { return b.index }

// nextBoot numbers a boot.
func (s *shared) nextBoot() int {
	s.boots++
	return s.boots - 1
}

// boot notes what a record tells of its boot.
func (p *machine) boot(r *Record) {
	b := &p.boots
	if r.Reboot && b.began && len(r.BootID) == 0 {
		p.settle()
		p.newBoot()
	}
	switch {
	case len(r.BootID) > 0:
		if string(r.BootID) != b.id {
			if b.began {
				p.settle()
				p.newBoot()
			}
			b.id = p.names.of(r.BootID)
		}
	case r.HasPrintk:
		if b.hasLast && r.Printk+backBy < b.last {
			p.tryBoot()
		}
		if !b.hasLast || r.Printk > b.last {
			b.last, b.hasLast = r.Printk, true
		}
		if r.Printk >= firstSampled {
			p.sample(r)
		}
	}
	b.began = true
	if b.records++; b.found != nil && b.records > commandLineWithin {
		p.tellBoot()
	}
}

// tryBoot begins a boot that may turn out to be lines read again.
func (p *machine) tryBoot() {
	b := &p.boots
	p.settle()
	b.before.index, b.before.last, b.before.release, b.before.page = b.index, b.last, b.release, b.page
	b.index = p.nextBoot()
	b.last, b.hasLast, b.release, b.page, b.records = 0, false, "", 0, 0
	b.trial = trialLines
}

// newBoot begins a boot for sure.
func (p *machine) newBoot() {
	b := &p.boots
	b.index = p.nextBoot()
	b.last, b.hasLast, b.release, b.page, b.records = 0, false, "", 0, 0
}

// sample remembers a line, and recognises one.
func (p *machine) sample(r *Record) {
	b := &p.boots
	// The stamp alone decides, since not every line shall be hashed.
	sampled := uint64(r.Printk)*0x9e3779b97f4a7c15>>32%pastEvery == 0
	var h uint64
	if sampled {
		h = b.hash(r.Printk, r.Text)
	}
	if b.trial > 0 {
		if sampled && b.past.has(h) {
			p.readAgain()
			return
		}
		if b.trial--; b.trial == 0 {
			p.tellBoot()
		}
	}
	if sampled {
		b.past.add(h)
	}
}

// readAgain takes a boot on trial back: its lines were there before.
func (p *machine) readAgain() {
	b := &p.boots
	if b.trial == 0 {
		return
	}
	b.trial, b.found = 0, nil
	if p.shared.boots == b.index+1 {
		p.shared.boots--
	}
	b.index = b.before.index
	b.last, b.hasLast, b.release, b.page = max(b.last, b.before.last), true, b.before.release, b.before.page
}

// settle takes what is on trial for a boot, and tells of it.
func (p *machine) settle() {
	p.boots.trial = 0
	p.tellBoot()
}

func (p *machine) tellBoot() {
	if b := &p.boots; b.found != nil && b.trial == 0 {
		b.found.Boot = b.index
		p.items = append(p.items, b.found)
		b.found = nil
	}
}

// linux takes the first line of a boot: start_kernel, init/main.c.
func (p *machine) linux(r *Record, version []byte) {
	b := &p.boots
	release, _, _ := bytes.Cut(version, []byte(" "))
	if len(release) == 0 || len(release) > 128 || release[0]-'0' > 9 {
		return
	}
	// It is the first line but for a few (microcode; on arm64 "Booting Linux on …").
	if (b.records > firstLines || b.release != "") && len(r.BootID) == 0 {
		if r.HasPrintk {
			p.tryBoot()
			b.last, b.hasLast = r.Printk, true
		} else {
			p.settle()
			p.newBoot()
		}
		b.records = 1
	}
	b.release = p.names.of(release)
	b.found = &Boot{Header: p.makeHeader(r), Version: string(version[:min(len(version), 512)])}
}

// commandLine takes the kernel's command line: setup_arch (x86), arch/x86/kernel/setup.c,
// and start_kernel, init/main.c.
func (p *machine) commandLine(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("Command line: "))
	if !ok {
		if rest, ok = bytes.CutPrefix(text, []byte("Kernel command line: ")); !ok {
			return false
		}
	}
	if b := &p.boots; b.found != nil && b.found.CommandLine == "" {
		b.found.CommandLine = string(bytes.TrimRight(rest[:min(len(rest), 4096)], " "))
		if b.trial == 0 {
			p.tellBoot()
		}
	}
	return true
}

// hashTable finds the size of a page: "Dentry cache hash table entries: 32768 (order: 6,
// 262144 bytes, linear)" (alloc_large_system_hash, mm/mm_init.c) is 2^6 pages.
func (p *machine) hashTable(text []byte) {
	if p.boots.page != 0 || !bytes.HasPrefix(text, []byte("Dentry cache hash table entries: ")) && !bytes.HasPrefix(text, []byte("Inode-cache hash table entries: ")) {
		return
	}
	_, rest, ok := bytes.Cut(text, []byte("(order: "))
	if !ok {
		return
	}
	order, size := digits(rest)
	rest, ok = bytes.CutPrefix(rest[size:], []byte(", "))
	if !ok || size == 0 || order > 20 {
		return
	}
	n, size := digits(rest)
	if size == 0 || !bytes.HasPrefix(rest[size:], []byte(" bytes")) || n>>order<<order != n {
		return
	}
	p.setPage(n >> order)
}

// setPage notes the size of a page.
func (p *machine) setPage(n uint64) {
	if isPageSize(n) {
		p.boots.page = int(n)
	}
}

func isPageSize(n uint64) bool { return n >= 4096 && n <= 65536 && bits.OnesCount64(n) == 1 }

// hash is of a line and its stamp. It is the same within one run only.
func (b *boots) hash(stamp time.Duration, text []byte) uint64 {
	if !b.made {
		b.seed, b.made = maphash.MakeSeed(), true
	}
	h := maphash.Bytes(b.seed, text) ^ uint64(stamp)*0x9e3779b97f4a7c15
	return h ^ h>>29
}

// keys are hashes of something, the last 4096 or so.
type keys struct {
	sets [][keysInSet]uint64 // by the hash; the last one first
}

const (
	keySets   = 1024
	keysInSet = 4
)

func (k *keys) has(h uint64) bool {
	if k.sets == nil {
		return false
	}
	for _, v := range k.sets[h%keySets] {
		if v == h {
			return true
		}
	}
	return false
}

func (k *keys) add(h uint64) {
	if k.sets == nil {
		k.sets = make([][keysInSet]uint64, keySets)
	}
	set := &k.sets[h%keySets]
	copy(set[1:], set[:])
	set[0] = h
}

// first says whether what a line tells is told for the first time. Without a stamp of the
// kernel's that cannot be known.
func (p *machine) first(r *Record, text []byte) bool {
	if !r.HasPrintk || r.Printk < firstSampled {
		return true
	}
	h := p.boots.hash(r.Printk, text)
	if p.told.has(h) {
		p.readAgain()
		return false
	}
	p.told.add(h)
	return true
}
