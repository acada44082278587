// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Places are where this machine keeps evidence. The zero value is where it usually does.
type Places struct {
	Record     string   // a watcher's record; "": record.DefaultDir
	Journalctl string   // the command; "": journalctl
	Boots      int      // of the journal, the running one included; 0: DefaultBoots
	Kmsg       string   // "": /dev/kmsg
	Logs       []string // patterns of files; nil: DefaultLogs
	// BootID is the running boot's.
	BootID string
}

// DefaultBoots is how many boots of the journal are read.
const DefaultBoots = 5

// DefaultLogs are where syslog daemons and boot scripts put the kernel's log.
func DefaultLogs() []string {
	return []string{"/var/log/kern.log*", "/var/log/messages*", "/var/log/syslog*", "/var/log/dmesg*"}
}

// Look adds what this machine has kept: a watcher's record, the journal, the kernel's
// own log, and files of syslog. Each place is a source, read or not.
func Look(ctx context.Context, b *timeline.Builder, o Options) error {
	p := o.Places
	dir := p.Record
	if dir == "" {
		dir = record.DefaultDir
	}
	if err := o.directory(ctx, b, dir, true); err != nil {
		return err
	}
	if err := o.journal(ctx, b); err != nil {
		return err
	}
	if err := o.kmsg(ctx, b); err != nil {
		return err
	}
	return o.logs(ctx, b)
}

// logs adds the files of syslog.
func (o *Options) logs(ctx context.Context, b *timeline.Builder) error {
	patterns := o.Places.Logs
	if patterns == nil {
		patterns = DefaultLogs()
	}
	var found []Named
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern) // the pattern is good
		for _, path := range paths {
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Size() > 0 {
				found = append(found, Named{Path: path})
			}
		}
	}
	if found == nil {
		src := source(strings.Join(patterns, " "))
		src.Default = true
		return refuse(b, src, timeline.KindOther, "there are none")
	}
	for _, f := range families(found) {
		if err := o.own(ctx, b, f); err != nil {
			return err
		}
	}
	return nil
}

// own adds a log of this machine.
func (o *Options) own(ctx context.Context, b *timeline.Builder, f family) error {
	mine := *o
	mine.mine = true
	return mine.read(ctx, b, f, true)
}

// journal adds what the journal has of the kernel's log, the running boot first.
func (o *Options) journal(ctx context.Context, b *timeline.Builder) error {
	command := o.Places.Journalctl
	if command == "" {
		command = "journalctl"
	}
	boots := o.Places.Boots
	if boots == 0 {
		boots = DefaultBoots
	}
	path, err := exec.LookPath(command)
	if err != nil {
		src := source(command)
		src.Default = true
		return refuse(b, src, timeline.KindOther, "there is no journalctl")
	}
	for n := range boots {
		more, err := o.journalOf(ctx, b, path, -n)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// journalOf adds one boot, if the journal has it.
func (o *Options) journalOf(ctx context.Context, b *timeline.Builder, path string, boot int) (ok bool, err error) {
	args := []string{"-k", "-b", strconv.Itoa(boot), "-o", "export", "--no-pager", "--quiet"}
	src := source("journalctl -k -b " + strconv.Itoa(boot) + " -o export")
	src.Default = true
	limited, cancel := context.WithTimeout(ctx, waitForOutput)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	var errors bytes.Buffer
	cmd.Stderr = &limitedBuffer{&errors, 4096}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return false, refuse(b, src, timeline.KindOther, err.Error())
	}
	head := make([]byte, 1)
	n, _ := io.ReadFull(out, head)
	if n == 0 {
		err := cmd.Wait()
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case boot < 0: // there is no such boot
			return false, nil
		case err != nil:
			return false, refuse(b, src, timeline.KindOther, firstLine(errors.String(), err))
		}
		return false, refuse(b, src, timeline.KindOther, "it has no line of the kernel in it, or none that may be read: run as root, or as a member of systemd-journal")
	}
	input := timeline.Input{Source: src, Reader: io.MultiReader(bytes.NewReader(head), out), Own: true}
	if err := b.Log(ctx, input); err != nil {
		cancel()
		_ = cmd.Wait() // it was ended
		return false, err
	}
	if err := cmd.Wait(); err != nil {
		b.Damaged(firstLine(errors.String(), err))
	}
	return true, nil
}

// firstLine is the first line that a command said of what failed, or else the error.
func firstLine(said string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if line == "" {
		return err.Error()
	}
	return line
}

// limitedBuffer keeps the beginning.
type limitedBuffer struct {
	b    *bytes.Buffer
	room int
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.room -= n
	l.b.Write(p[:n])
	return len(p), nil
}

// kmsg adds the kernel's own log, as far as it is there now.
func (o *Options) kmsg(ctx context.Context, b *timeline.Builder) error {
	path := o.Places.Kmsg
	if path == "" {
		path = "/dev/kmsg"
	}
	src := source(path)
	src.Default = true
	f, err := openKmsg(path)
	if err != nil {
		why := reason(err)
		if errors.Is(err, os.ErrPermission) {
			why = fmt.Sprintf("%v: run as root, or with CAP_SYSLOG", errors.Unwrap(err))
		}
		return refuse(b, src, timeline.KindKernelLog, why)
	}
	defer f.Close()
	return b.Log(ctx, timeline.Input{Source: src, Reader: f, Own: true, BootID: o.Places.BootID})
}
