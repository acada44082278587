// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/render"
)

// minRecordSize has room for some kills behind what each file begins with.
const minRecordSize = 64 << 10

// checkRecord returns usage errors.
func (f *watchFlags) checkRecord(cmd *cobra.Command) error {
	for _, name := range []string{"record-size", "record-keep"} {
		if cmd.Flags().Changed(name) && f.record == "" {
			return cli.Usagef("--%s is for what --record keeps; give that too", name)
		}
	}
	if f.recordSize < minRecordSize {
		return cli.Usagef("--record-size %s is too small; 64KiB is the least", &f.recordSize)
	}
	return nil
}

// openRecord opens the record that was asked for; nil is none.
func (f *watchFlags) openRecord(env *cli.Env) (*record.Recorder, error) {
	if f.record == "" {
		return nil, nil
	}
	rec, err := record.Open(string(f.record), record.Options{
		MaxLine: int(f.maxLine), Size: int64(f.recordSize), Keep: int(f.recordKeep),
		Warn: warnAside(env),
	})
	switch {
	case errors.Is(err, record.ErrTaken):
		return nil, fmt.Errorf("%w; end that one, or give --record another directory", err)
	case err != nil:
		return nil, fmt.Errorf("%w; give --record a directory that can be written to", err)
	}
	return rec, nil
}

// warnAside returns what warns and never waits, though stderr may: of many warnings at
// once the first are said.
func warnAside(env *cli.Env) func(string) {
	said := make(chan string, 8)
	go func() {
		for s := range said {
			env.Warnf("%s", render.Sanitize(s))
		}
	}()
	return func(s string) {
		select {
		case said <- s:
		default:
		}
	}
}
