// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// devKmsg reads /dev/kmsg to the end of what is there. Each read(2) gives a record, and
// fails where there is no room for it (devkmsg_read, kernel/printk/printk.c).
type devKmsg struct {
	fd   int
	name string
	buf  [16 << 10]byte
	rest []byte // of buf
}

func openKmsg(path string) (io.ReadCloser, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &devKmsg{fd: fd, name: path}, nil
}

// Read implements io.Reader.
func (d *devKmsg) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		n, err := unix.Read(d.fd, d.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return 0, io.EOF
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue // what was next is overwritten: now it is the oldest there is
		case err != nil:
			return 0, fmt.Errorf("read %s: %w", d.name, err)
		}
		d.rest = d.buf[:n]
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (d *devKmsg) Close() error { return unix.Close(d.fd) }
