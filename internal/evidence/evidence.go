// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Named is an input that somebody names.
type Named struct {
	Path string // of a file or directory; "-" is standard input
	// Kind is what it has to be; "" is by content.
	Kind timeline.Kind
}

// Options say how inputs are read.
type Options struct {
	Stdin io.Reader // for "-"
	// Progress, if not nil, is told now and then how far a source is read, in bytes of
	// the file; size is 0 where it is not known.
	Progress func(path string, done, size int64)
	// Places are where to look when nothing is named.
	Places Places
	// Lines, if not nil, gives what a log is written to as well, while it is read; nil:
	// to nothing.
	Lines func(source string) io.Writer

	mine bool // this machine wrote them
}

// Read adds the named inputs to a timeline, in their order; files of one rotated log go
// together, the oldest first. It fails only when ctx has ended: what is wrong with an
// input stands in its source.
func Read(ctx context.Context, b *timeline.Builder, inputs []Named, o Options) error {
	for _, f := range families(inputs) {
		if err := o.read(ctx, b, f, false); err != nil {
			return err
		}
	}
	return nil
}

// read adds one input, which may be the files of one log.
func (o *Options) read(ctx context.Context, b *timeline.Builder, f family, byDefault bool) error {
	path := f.paths[len(f.paths)-1]
	src := source(f.name())
	src.Default = byDefault
	if path != "-" {
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return refuse(b, src, timeline.KindOther, reason(err))
		case st.IsDir():
			return o.directory(ctx, b, path, byDefault)
		}
	}
	s := o.open(ctx, f.paths)
	defer s.close()
	return o.content(ctx, b, f.kind, s, src)
}

// content adds what a series of files holds.
func (o *Options) content(ctx context.Context, b *timeline.Builder, want timeline.Kind, s *series, src timeline.Source) error {
	in := bufio.NewReaderSize(s, headSize)
	head, err := in.Peek(headSize)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	src.SizeBytes, src.Compression, src.Parts = s.size(), s.compression, s.parts()
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return refuse(b, src, timeline.KindOther, reason(err))
	}
	kind, what := recognise(head)
	switch {
	case len(head) == 0 && s.err() != nil:
		return refuse(b, src, timeline.KindOther, s.err().Error())
	case kind == timeline.KindOther:
		return refuse(b, src, kind, what)
	case want != "" && kind != want:
		return refuse(b, src, kind, "it is "+kindWords(kind)+", not "+kindWords(want))
	}
	input := timeline.Input{Source: src, Reader: in, ModTime: s.modTime, Own: o.mine, Growing: s.growing}
	if kind == timeline.KindKernelLog && o.Lines != nil {
		if w := o.Lines(src.Path); w != nil {
			input.Reader = io.TeeReader(in, w)
		}
	}
	read := b.Log
	if kind == timeline.KindRecord {
		read = b.Record
	}
	if err := read(ctx, input); err != nil {
		return err
	}
	if err := s.err(); err != nil {
		b.Damaged(err.Error())
	}
	return nil
}

func kindWords(k timeline.Kind) string {
	switch k {
	case timeline.KindKernelLog:
		return "a log"
	case timeline.KindRecord:
		return "a record of events"
	}
	return "something else"
}

// refuse adds a source that is not read.
func refuse(b *timeline.Builder, src timeline.Source, kind timeline.Kind, why string) error {
	src.Kind, src.Error = kind, why
	b.NotRead(src)
	return nil
}

// source begins one.
func source(path string) timeline.Source {
	var s timeline.Source
	s.Path, s.PathHex = event.CleanString([]byte(path))
	return s
}

// reason is an error without the path that its source names already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return err.Error() + ": run as root, or as a user who may read it"
	}
	return err.Error()
}

// directory adds a record of ours, or else the logs that lie in a directory, not those in
// directories below it.
func (o *Options) directory(ctx context.Context, b *timeline.Builder, dir string, byDefault bool) error {
	src := source(dir)
	src.Default = byDefault
	files, err := record.OpenFiles(dir)
	if err == nil {
		err = o.recorded(ctx, b, files, src)
		if err != nil || byDefault {
			return err
		}
	} else if !errors.Is(err, record.ErrNone) || byDefault {
		return refuse(b, src, timeline.KindDirectory, reason(err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return refuse(b, src, timeline.KindDirectory, reason(err))
	}
	var logs []Named
	below, other := 0, 0
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch st, err := os.Stat(path); {
		case slices.ContainsFunc(files, func(f *os.File) bool { return f.Name() == path }):
		case err != nil:
			other++
		case st.IsDir():
			below++
		case !st.Mode().IsRegular() || !o.telling(ctx, path):
			other++
		default:
			logs = append(logs, Named{Path: path})
		}
	}
	for _, f := range families(logs) {
		if err := o.read(ctx, b, f, false); err != nil {
			return err
		}
	}
	switch {
	case len(logs)+len(files) == 0:
		return refuse(b, src, timeline.KindDirectory, fmt.Sprintf(
			"no kernel log and no record of events in it: %d other files, and %d directories, which are not looked into", other, below))
	case below > 0 && len(files) == 0:
		// What was asked for was read: this is no error.
		src.Notes = []string{fmt.Sprintf("%d directories in it are not looked into; name them", below)}
		return refuse(b, src, timeline.KindDirectory, "")
	}
	return nil
}

// recorded adds the files of a watcher's record.
func (o *Options) recorded(ctx context.Context, b *timeline.Builder, files []*os.File, src timeline.Source) error {
	s := o.series(ctx, nil)
	s.growing = true
	for _, f := range files {
		s.add(part{path: f.Name(), file: f})
	}
	defer s.close()
	return o.content(ctx, b, timeline.KindRecord, s, src)
}

// telling says whether a file in a directory is one that a timeline is made of.
func (o *Options) telling(ctx context.Context, path string) bool {
	s := o.open(ctx, []string{path})
	defer s.close()
	in := bufio.NewReaderSize(s, headSize)
	head, _ := in.Peek(headSize)
	if s.err() != nil {
		return true // it is to be said
	}
	kind, _ := recognise(head)
	return kind == timeline.KindRecord || kind == timeline.KindKernelLog && framed(head)
}

// waitForOutput is how long a command that tells of a boot may take.
const waitForOutput = 2 * time.Minute
