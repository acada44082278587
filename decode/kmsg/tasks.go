// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"

	"github.com/oomtrace/oomtrace/decode/badness"
)

// Tasks is the table of the processes that could have been chosen, and of those that
// are immune: dump_tasks, mm/oom_kill.c.
type Tasks struct {
	Rows []Task
	// LeftOut counts the rows beyond maxTasks, Odd those that could not be read.
	LeftOut, Odd int
	// Has says which columns the kernel printed.
	Has Columns

	names []byte
	order []column
}

// Task is a row. The columns that the table does not have are 0; Swap and Pgtables are
// in pages and bytes, all other memory is in pages.
type Task struct {
	PID, TGID       int32
	UID             uint32
	Adj, OldAdj     int32
	TotalVM, RSS    uint64
	Anon, File, Shm uint64
	Pgtables, Swap  uint64
	CPU             int32
	name            [2]uint32 // where in names
}

// Columns is a set of columns.
type Columns uint16

// Columns that not all kernels have.
const (
	HasTGID Columns = 1 << iota
	HasUID
	HasTotalVM
	HasRSS
	HasSplitRSS // Anon, File, Shm: 6.8
	HasPgtables // in bytes; Pgtables is 0 without HasPgtables and HasPTEs
	HasPTEs     // nr_ptes, and nr_pmds (4.0): pages of page tables; Pgtables is in pages
	HasSwap
	HasAdj
	HasOldAdj
	HasCPU
)

// maxTasks bounds the rows that are kept of a table.
const maxTasks = 16384

// Comm is a row's name, raw bytes.
func (t *Tasks) Comm(row *Task) string { return string(t.names[row.name[0]:row.name[1]]) }

// Find returns the row of the process pid, or of the process that has the thread pid in
// the table; nil if there is none.
func (t *Tasks) Find(pid int) *Task {
	if t == nil {
		return nil
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; int(r.PID) == pid || int(r.TGID) == pid {
			return r
		}
	}
	return nil
}

// column is what a column of the table is.
type column uint8

const (
	colOther column = iota
	colPID
	colUID
	colTGID
	colTotalVM
	colRSS
	colAnon
	colFile
	colShm
	colPgtables
	colPTEs
	colSwap
	colCPU
	colOldAdj
	colAdj
)

// lastHeader is the header of the last table, which the next one has again.
type lastHeader struct {
	text  []byte
	table *Tasks
}

// of makes a table of a header; nil if it is none.
func (l *lastHeader) of(text []byte) *Tasks {
	if l.table == nil || !bytes.Equal(l.text, text) {
		t := tableHeader(text)
		if t == nil {
			return nil
		}
		l.text, l.table = append(l.text[:0], text...), t
	}
	return &Tasks{
		Has: l.table.Has, order: l.table.order,
		Rows: make([]Task, 0, 16), names: make([]byte, 0, 128),
	}
}

// tableHeader reads the line above a table: "[ pid ]   uid  tgid … name". The columns
// are found by their names, since kernels differ.
func tableHeader(text []byte) *Tasks {
	rest, ok := bytes.CutPrefix(text, []byte("["))
	if !ok {
		return nil
	}
	inner, rest, ok := bytes.Cut(rest, []byte("]"))
	if !ok || string(bytes.TrimSpace(inner)) != "pid" {
		return nil
	}
	t := &Tasks{order: []column{colPID}}
	last := ""
	for name := range bytes.FieldsSeq(rest) {
		last = string(name)
		c, has := colOther, Columns(0)
		switch last {
		case "uid":
			c, has = colUID, HasUID
		case "tgid":
			c, has = colTGID, HasTGID
		case "total_vm":
			c, has = colTotalVM, HasTotalVM
		case "rss":
			c, has = colRSS, HasRSS
		case "rss_anon":
			c, has = colAnon, HasSplitRSS
		case "rss_file":
			c, has = colFile, HasSplitRSS
		case "rss_shmem":
			c, has = colShm, HasSplitRSS
		case "pgtables_bytes":
			c, has = colPgtables, HasPgtables
		case "nr_ptes", "nr_pmds", "nr_puds":
			c, has = colPTEs, HasPTEs
		case "swapents":
			c, has = colSwap, HasSwap
		case "cpu":
			c, has = colCPU, HasCPU
		case "oom_adj":
			c, has = colOldAdj, HasOldAdj
		case "oom_score_adj":
			c, has = colAdj, HasAdj
		case "name":
			continue
		}
		t.order, t.Has = append(t.order, c), t.Has|has
		if len(t.order) > maxColumns {
			return nil
		}
	}
	if last != "name" || t.Has&HasTGID == 0 {
		return nil
	}
	return t
}

// maxColumns bounds what is taken for a table.
const maxColumns = 24

// row reads a row of the table and says whether it is one. The name is the last column
// and may be anything, so the others are read from the front.
func (t *Tasks) row(text []byte) bool {
	if len(text) == 0 || text[0] != '[' {
		return false
	}
	var r Task
	rest := text[1:]
	for i, c := range t.order {
		rest = trimSpaces(rest)
		minus := len(rest) > 0 && rest[0] == '-'
		if minus {
			rest = rest[1:]
		}
		n, size := digits(rest)
		if size == 0 {
			return false
		}
		rest = rest[size:]
		if i == 0 {
			rest = trimSpaces(rest)
			if len(rest) == 0 || rest[0] != ']' {
				return false
			}
			rest = rest[1:]
		}
		signed := int32(min(n, 1<<31-1))
		if minus {
			signed, n = -signed, 0
		}
		switch c {
		case colPID:
			r.PID = signed
		case colTGID:
			r.TGID = signed
		case colUID:
			r.UID = uint32(min(n, 1<<32-1))
		case colTotalVM:
			r.TotalVM = n
		case colRSS:
			r.RSS = n
		case colAnon:
			r.Anon = n
		case colFile:
			r.File = n
		case colShm:
			r.Shm = n
		case colPgtables, colPTEs:
			r.Pgtables += n
		case colSwap:
			r.Swap = n
		case colCPU:
			r.CPU = signed
		case colOldAdj:
			r.OldAdj = signed
		case colAdj:
			r.Adj = signed
		}
	}
	if len(rest) == 0 || rest[0] != ' ' {
		return false
	}
	name := rest[1:]
	if len(name) > maxComm {
		// The log may have others' lines behind it.
		if end := bytes.LastIndexByte(name[:maxComm+1], '\n'); end >= 0 {
			name = name[:end]
		}
	}
	if len(name) > maxComm || r.TGID <= 0 || r.PID <= 0 || r.Adj < badness.MinAdj || r.Adj > badness.MaxAdj {
		return false
	}
	if len(t.Rows) >= maxTasks {
		t.LeftOut++
		return true
	}
	r.name = [2]uint32{uint32(len(t.names)), uint32(len(t.names) + len(name))}
	t.names = append(t.names, name...)
	t.Rows = append(t.Rows, r)
	return true
}

func trimSpaces(b []byte) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}
