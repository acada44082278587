// SPDX-License-Identifier: Apache-2.0

//go:build linux

package devkmsg

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// Path is the kernel's log.
const Path = "/dev/kmsg"

// ErrNone says that there is no record for now.
var ErrNone = errors.New("no record for now")

const (
	// recordSize is the most that the kernel gives for one record (PRINTK_MESSAGE_MAX,
	// CONSOLE_EXT_LOG_MAX before 6.3).
	recordSize = 8 << 10
	// refusals in a row are those of a file that is no log.
	refusals = 1000
)

// Log is the kernel's log, from the oldest record on that it still holds. Its methods are
// for one goroutine, but for Stop and Lost.
type Log struct {
	fd, wake int
	read     func(fd int, b []byte) (int, error)
	buf      [recordSize]byte
	begun    bool
	first    uint64 // the oldest record's number
	next     uint64 // the number that comes next if none is lost
	lost     atomic.Uint64
}

// Open opens the log at path, [Path] for "". It fails with what is missing: the file, or a
// permission.
func Open(path string) (*Log, error) {
	if path == "" {
		path = Path
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	return New(fd)
}

// New returns the log that the file descriptor fd is open on, which Close closes. What is
// read from it must not block, and give one record a time.
func New(fd int) (*Log, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("read the kernel log: %w", err)
	}
	return &Log{fd: fd, wake: wake, read: unix.Read}, nil
}

// openError says what would do (check_syslog_permissions, kernel/printk/printk.c).
func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("open %s: %w; run as root, with CAP_SYSLOG, or with kernel.dmesg_restrict=0", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open %s: %w; in a container, give it the host's", path, err)
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// Next makes r the next record, which refers to the Log's own memory until Next is called
// again. It does not wait: without a record its error is [ErrNone]. Records that the
// kernel has overwritten before they were read are counted, and left out. Any other error
// ends the log.
func (l *Log) Next(r *kmsg.Record) error {
	for range refusals {
		n, err := l.read(l.fd, l.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return ErrNone
		case errors.Is(err, unix.EINTR),
			errors.Is(err, unix.EPIPE),  // what comes next was overwritten: the next read goes on behind
			errors.Is(err, unix.EINVAL): // a record that does not fit, and which is passed over
			continue
		case err != nil:
			return fmt.Errorf("read the kernel log: %w", err)
		case n == 0:
			return fmt.Errorf("read the kernel log: %w", io.ErrUnexpectedEOF)
		}
		if !r.ReadDevice(l.buf[:n]) {
			continue
		}
		if !l.begun {
			l.begun, l.first, l.next = true, r.Seq, r.Seq
		}
		if r.Seq > l.next {
			l.lost.Add(r.Seq - l.next)
		}
		l.next = r.Seq + 1
		return nil
	}
	return errors.New("read the kernel log: it gives none of its records")
}

// First is the number of the first record that was read; those of a boot count from 0.
// ok is false before there is one.
func (l *Log) First() (seq uint64, ok bool) { return l.first, l.begun }

// Lost counts records that were overwritten, or did not fit, since the first that was read.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Wait waits until there is a record, or until Stop: then it returns false. It takes a
// thread, which sleeps in poll(2), and no timer.
func (l *Log) Wait() (more bool, err error) {
	fds := []unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}, {Fd: int32(l.fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, fmt.Errorf("wait for the kernel log: %w", err)
		}
		return fds[0].Revents == 0, nil
	}
}

// Stop ends a Wait, and all later ones.
func (l *Log) Stop() {
	// It can fail only when it was called some 2^64 times.
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// Close implements io.Closer. No other method may be under way.
func (l *Log) Close() error {
	return errors.Join(unix.Close(l.fd), unix.Close(l.wake))
}
