// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
)

// gap is the space between columns.
const gap = 2

// settle fixes the width rules of tablewriter, which are global to the process:
// one answer whatever the locale, and no cache, which would keep up to 8192
// printed lines in memory.
var settle = sync.OnceFunc(func() {
	twwidth.SetOptions(twwidth.Options{})
	twwidth.SetCacheCapacity(0)
})

// displayWidth is the number of terminal columns that s takes.
func displayWidth(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return twwidth.WidthWithOptions(s, twwidth.Options{})
		}
	}
	return len(s)
}

func runeWidth(r rune) int {
	if ' ' <= r && r < 0x7f {
		return 1
	}
	return displayWidth(string(r))
}

// grid renders rows of fixed column widths into a buffer.
type grid struct {
	widths []int
	color  bool
	table  *tablewriter.Table // nil: a row is one line, and what is too long for its column moves the others
	buf    bytes.Buffer       // what tablewriter printed last
	cells  []string
}

// newGrid returns a grid of columns so wide, gaps not counted. With wrap, what is
// longer goes on below; else a row is one line.
func newGrid(widths []int, wrap, color bool) (*grid, error) {
	settle()
	g := &grid{widths: widths, color: color, cells: make([]string, len(widths))}
	if !wrap {
		return g, nil
	}
	columns := tw.NewMapper[int, int]()
	for i, w := range widths {
		if i < len(widths)-1 {
			w += gap
		}
		columns.Set(i, w)
	}
	// Cells come wrapped, so tablewriter only aligns.
	row := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
		Padding:    tw.CellPadding{Global: tw.PaddingNone},
	}
	g.table = tablewriter.NewTable(&g.buf,
		tablewriter.WithStringerCacheCustom(nil),
		tablewriter.WithStreaming(tw.StreamConfig{Enable: true, StrictColumns: true}),
		tablewriter.WithColumnWidths(columns),
		tablewriter.WithRowConfig(row),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithRendition(tw.Rendition{
			Borders:   tw.BorderNone,
			Settings:  tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
			Streaming: true,
		}),
	)
	if err := g.table.Start(); err != nil {
		return nil, fmt.Errorf("start table: %w", err)
	}
	return g, nil
}

// row appends the lines of one row to dst.
func (g *grid) row(dst []byte, cells []cell) ([]byte, error) {
	if g.table == nil {
		return g.line(dst, cells), nil
	}
	for i, c := range cells {
		g.cells[i] = strings.Join(c.wrap(g.widths[i], g.color), "\n")
	}
	g.buf.Reset()
	if err := g.table.Append(g.cells); err != nil {
		return dst, fmt.Errorf("append row: %w", err)
	}
	for line := range bytes.Lines(g.buf.Bytes()) {
		dst = append(dst, bytes.TrimRight(line, " \n")...)
		dst = append(dst, '\n')
	}
	if g.buf.Cap() > maxKeptBuffer {
		g.buf = bytes.Buffer{}
	}
	return dst, nil
}

// line appends one row as one line.
func (g *grid) line(dst []byte, cells []cell) []byte {
	for i, c := range cells {
		dst = append(dst, strings.Join(c.wrap(math.MaxInt, g.color), separator)...)
		if i < len(cells)-1 {
			used := displayWidth(strings.Join(c.wrap(math.MaxInt, false), separator))
			dst = append(dst, strings.Repeat(" ", max(0, g.widths[i]-used)+gap)...)
		}
	}
	return append(bytes.TrimRight(dst, " "), '\n')
}

func (g *grid) close() error {
	if g.table == nil {
		return nil
	}
	if err := g.table.Close(); err != nil {
		return fmt.Errorf("close table: %w", err)
	}
	return nil
}
