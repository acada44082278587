// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/evidence"
	"github.com/oomtrace/oomtrace/internal/record"
)

// recording is what one argument of replay names: files that sessions go through.
type recording struct {
	name   string
	files  []recordedFile
	opened []*os.File // of a record
}

// recordedFile is one of them.
type recordedFile struct {
	name    string // for messages
	arg     string // for a shell
	growing bool   // a watcher may write to it
	// open is called once. Its error names the file.
	open func() (io.ReadCloser, error)
}

// openRecordings finds what the arguments name; none is the service's record. One of
// several that is not there is no error yet.
func openRecordings(ctx context.Context, env *cli.Env, args []string) (all []*recording, err error) {
	if err := checkPaths(args); err != nil {
		return nil, err
	}
	if len(args) == 0 {
		r, err := openRecord(record.DefaultDir)
		switch {
		case errors.Is(err, record.ErrNone):
			return nil, cli.Nothing(fmt.Errorf("%w; one is begun by 'systemctl enable --now oomtrace' or 'oomtrace watch --record %s'; or give the FILE or DIR of another", err, record.DefaultDir))
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w; try with sudo", err)
		case err != nil:
			return nil, err
		}
		return []*recording{r}, nil
	}
	for _, arg := range args {
		if st, err := os.Stat(arg); arg != "-" && err == nil && st.IsDir() {
			r, err := openRecord(arg)
			switch {
			case errors.Is(err, record.ErrNone) && len(args) == 1:
				return nil, cli.Nothing(err)
			case err != nil:
				r = &recording{name: arg, files: []recordedFile{{open: func() (io.ReadCloser, error) { return nil, err }}}}
			}
			all = append(all, r)
			continue
		}
		f := recordedFile{name: arg, arg: arg, open: func() (io.ReadCloser, error) { return evidence.Open(ctx, env.Stdin, arg) }}
		if arg == "-" {
			f.name = "standard input"
		}
		all = append(all, &recording{name: f.name, files: []recordedFile{f}})
	}
	return all, nil
}

// openRecord opens all files of the record in dir, before a watcher removes them.
func openRecord(dir string) (*recording, error) {
	files, err := record.OpenFiles(dir)
	if err != nil {
		return nil, err
	}
	r := &recording{name: dir}
	for i, f := range files {
		r.opened = append(r.opened, f)
		r.files = append(r.files, recordedFile{
			name: f.Name(), arg: f.Name(), growing: i == len(files)-1,
			open: func() (io.ReadCloser, error) { return f, nil },
		})
	}
	return r, nil
}

// closeRecordings closes what was not read.
func closeRecordings(all []*recording) {
	for _, r := range all {
		for _, f := range r.opened {
			f.Close()
		}
	}
}
