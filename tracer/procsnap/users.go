// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	// usersLimit bounds the users that are kept, the first ones of the file.
	usersLimit = 4096
	// usersSize bounds what is read of the file.
	usersSize = 1 << 20
	// userNameLimit is LOGIN_NAME_MAX.
	userNameLimit = 256
)

// users are the names of /etc/passwd, read anew when it was changed.
type users struct {
	path  string
	first string // the file as process 1 sees it, which must be the same; "" not to ask

	mu    sync.Mutex
	stamp fileStamp // of what was read
	names map[uint32]string
}

// fileStamp tells whether a file is still what was read.
type fileStamp struct {
	dev, ino     uint64
	size         int64
	sec, nsec    int64
	csec, cnsec  int64
	notTheSystem bool
}

func newUsers(o Options) *users {
	const passwd = "etc/passwd"
	u := &users{path: filepath.Join(o.Root, passwd)}
	if o.Root == "/" {
		// In a container / is the container's, whose users are others.
		u.first = filepath.Join(o.Proc, "1/root", passwd)
	}
	return u
}

// User is the host's name for a uid of the initial user namespace; "" if /etc/passwd
// has none. Other sources of names are not asked: they may ask the network.
func (r *Reader) User(uid uint32) string {
	u := r.users
	u.mu.Lock()
	defer u.mu.Unlock()
	if stamp := u.stat(); stamp != u.stamp {
		u.names, u.stamp = nil, stamp
		if !stamp.notTheSystem {
			u.names = u.read()
		}
	}
	return u.names[uid]
}

func (u *users) stat() fileStamp {
	var st, host unix.Stat_t
	if err := unix.Stat(u.path, &st); err != nil {
		return fileStamp{notTheSystem: true}
	}
	s := fileStamp{dev: st.Dev, ino: st.Ino, size: st.Size}
	s.sec, s.nsec = st.Mtim.Unix()
	s.csec, s.cnsec = st.Ctim.Unix()
	// Who may not look at process 1 sees no reason for doubt.
	if u.first != "" && unix.Stat(u.first, &host) == nil {
		s.notTheSystem = host.Dev != st.Dev || host.Ino != st.Ino
	}
	return s
}

func (u *users) read() map[uint32]string {
	// A fifo or a device would hold the worker.
	fd, err := openAt(unix.AT_FDCWD, u.path, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	names := map[uint32]string{}
	left := usersSize
	// What was read serves.
	_ = eachLine(func(b []byte) (int, error) {
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, b[:min(len(b), left)]) })
		left -= max(n, 0)
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: u.path, Err: err}
		}
		return n, nil
	}, make([]byte, 4<<10), func(line []byte) { parseUser(names, line) })
	return names
}

// parseUser takes "name:password:uid:…" (passwd(5)). The first name of a uid counts, as
// for getpwuid(3).
func parseUser(names map[uint32]string, line []byte) {
	name, rest, _ := bytes.Cut(line, []byte{':'})
	_, rest, _ = bytes.Cut(rest, []byte{':'})
	number, _, ok := bytes.Cut(rest, []byte{':'})
	uid, err := strconv.ParseUint(string(number), 10, 32)
	if !ok || err != nil || len(name) == 0 || len(name) > userNameLimit || name[0] == '+' || name[0] == '-' || name[0] == '#' {
		return
	}
	if _, known := names[uint32(uid)]; known || len(names) >= usersLimit {
		return
	}
	clean, _ := event.CleanString(name)
	names[uint32(uid)] = clean
}
