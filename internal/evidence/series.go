// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

// part is one file of a series.
type part struct {
	path string
	file io.ReadCloser // nil: to be opened
	size int64
}

// series reads files one after the other, unpacked. One that cannot be read is left out,
// and said by err.
type series struct {
	ctx      context.Context
	o        *Options
	list     []part
	next     int
	current  io.Reader // unpacked
	closers  []func()
	ended    bool // the last byte that was read ends a line
	growing  bool // a watcher may be writing the last one
	problems []error

	done        int64 // bytes of the files that were read
	total       int64
	told        int64
	compression string
	modTime     time.Time
}

func (o *Options) series(ctx context.Context, paths []string) *series {
	s := &series{ctx: ctx, o: o, ended: true}
	for _, p := range paths {
		s.add(part{path: p})
	}
	return s
}

// open begins to read files.
func (o *Options) open(ctx context.Context, paths []string) *series { return o.series(ctx, paths) }

func (s *series) add(p part) {
	if p.path != "-" {
		if st, err := os.Stat(p.path); err == nil && st.Mode().IsRegular() {
			p.size = st.Size()
			s.total += p.size
			s.modTime = st.ModTime()
		}
	}
	s.list = append(s.list, p)
}

// size is that of all files, nil if it is not known.
func (s *series) size() *int64 {
	if s.total == 0 {
		return nil
	}
	return &s.total
}

// parts are the names of the files, if there are several.
func (s *series) parts() []string {
	if len(s.list) < 2 {
		return nil
	}
	var out []string
	for _, p := range s.list {
		name := source(filepath.Base(p.path))
		out = append(out, name.Path)
	}
	return out
}

// err says what could not be read.
func (s *series) err() error { return errors.Join(s.problems...) }

// Read implements io.Reader.
func (s *series) Read(p []byte) (int, error) {
	for {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		if s.current == nil {
			if s.next == len(s.list) {
				return 0, io.EOF
			}
			if !s.ended && len(p) > 0 { // no line goes from one file into the next
				p[0], s.ended = '\n', true
				return 1, nil
			}
			s.begin()
			continue
		}
		n, err := s.current.Read(p)
		if n > 0 {
			s.ended = p[n-1] == '\n'
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.problem(err)
			}
			s.end()
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (s *series) problem(err error) {
	if s.ctx.Err() != nil {
		return
	}
	text := reason(err)
	if len(s.list) > 1 {
		text = filepath.Base(s.list[s.next-1].path) + ": " + text
	}
	s.problems = append(s.problems, errors.New(text))
}

// begin opens the next file and finds out how to unpack it.
func (s *series) begin() {
	p := &s.list[s.next]
	s.next++
	file := p.file
	if file == nil {
		var err error
		if file, err = Open(s.ctx, s.o.Stdin, p.path); err != nil {
			s.problem(err)
			return
		}
	}
	p.file = nil
	s.closers = append(s.closers, func() { file.Close() })
	in := bufio.NewReaderSize(&counted{file, s, p.path}, 64<<10)
	how := compression(in)
	if how != "" && s.compression == "" {
		s.compression = how
	}
	r, stop, err := unpack(how, in)
	if err != nil {
		s.problem(err)
		s.end()
		return
	}
	if stop != nil {
		s.closers = append(s.closers, stop)
	}
	s.current = r
}

func (s *series) end() {
	for _, f := range s.closers {
		f()
	}
	s.closers, s.current = nil, nil
}

// close closes what is open, and what was handed over open.
func (s *series) close() {
	s.end()
	for _, p := range s.list[s.next:] {
		if p.file != nil {
			p.file.Close()
		}
	}
	s.next = len(s.list)
}

// counted counts what is read of a file.
type counted struct {
	r    io.Reader
	s    *series
	path string
}

// tellEvery is after how many bytes progress is told.
const tellEvery = 4 << 20

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.s.done += int64(n)
	if c.s.o.Progress != nil && c.s.done-c.s.told >= tellEvery {
		c.s.told = c.s.done
		c.s.o.Progress(c.path, c.s.done, c.s.total)
	}
	return n, err
}

// compression names what a file is compressed with, by its first bytes.
func compression(in *bufio.Reader) string {
	head, _ := in.Peek(6) // an error shows at the first read
	for _, c := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"}, {"\x04\x22\x4d\x18", "lz4"},
	} {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.name
		}
	}
	return ""
}

// maxWindow bounds the memory that unpacking takes: what 'zstd --ultra' makes at most.
const maxWindow = 128 << 20

// unpack reads a compressed file; stop, if not nil, ends that.
func unpack(how string, in io.Reader) (r io.Reader, stop func(), err error) {
	switch how {
	case "":
		return in, nil, nil
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("unpack gzip: %w", err)
		}
		return wrapped{z, how}, nil, nil
	case "bzip2":
		return wrapped{bzip2.NewReader(in), how}, nil, nil
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return wrapped{z, how}, z.Close, nil
	}
	cat := map[string]string{"xz": "xzcat", "lz4": "lz4cat"}[how]
	return nil, nil, fmt.Errorf("compressed with %s, which is not unpacked here; have %s unpack it, and give what that prints as \"-\"", how, cat)
}

// wrapped names what failed.
type wrapped struct {
	r   io.Reader
	how string
}

func (w wrapped) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("unpack %s: cut off; all before it was read", w.how)
	case err != nil && !errors.Is(err, io.EOF):
		err = fmt.Errorf("unpack %s: %w; all before it was read", w.how, err)
	}
	return n, err
}
