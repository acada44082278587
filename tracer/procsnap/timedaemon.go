// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Daemon says whether a process is a time daemon. The zero value says no.
type Daemon struct {
	// By is what it was known by: unit, exe or socket; "" if it is none.
	By string
	// Name is that unit, the executable's path (and applet), or the socket.
	Name string
}

// How a time daemon is known.
const (
	ByUnit   = "unit"
	ByExe    = "exe"
	BySocket = "socket"
)

// The limits of a look at a process's sockets.
const (
	fdLimit      = 4096
	socketsLimit = 4 << 20 // bytes of one file of /proc/PID/net
)

// TimeDaemon says whether pid, started at startBoottimeNS (0: not known), is a
// time daemon: by its systemd unit (read from its cgroup if unit is "" or a mere
// slice), else by its executable, else by a socket that only a time daemon has.
// An executable counts by its name and its folder together, one that only root
// fills: anybody can call a file chronyd. What a process calls itself does not
// count, but for BusyBox, which takes from there what it is to be, once it is known
// to be BusyBox: its ntpd, as a client, has neither a name nor a socket that tells.
// The errors are those of Task.
func (r *Reader) TimeDaemon(pid int, startBoottimeNS uint64, unit string) (Daemon, error) {
	key := daemonKey{pid, startBoottimeNS}
	if d, ok := r.daemons.get(key); ok {
		return d, nil
	}
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	dir, st, err := r.openTask(pid, startBoottimeNS, buf[:])
	if err == nil && st.state == 'Z' {
		unix.Close(dir)
		err = ErrGone
	}
	if err != nil {
		return Daemon{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	defer unix.Close(dir)
	d := timeDaemon(dir, unit, buf[:])
	r.daemons.put(key, d)
	return d, nil
}

func timeDaemon(dir int, unit string, buf []byte) Daemon {
	if unit == "" || isSlice(unit) {
		if n, err := readAt(dir, "cgroup", buf); err == nil {
			var id Identity
			id.setCgroup(buf[:n])
			unit = id.Unit
		}
	}
	if IsTimeDaemonUnit(unit) {
		return Daemon{ByUnit, unit}
	}
	if exe := daemonExe(dir, buf); exe != "" {
		return Daemon{ByExe, exe}
	}
	if name := daemonSocket(dir); name != "" {
		return Daemon{BySocket, name}
	}
	return Daemon{}
}

// IsTimeDaemonUnit knows the systemd units of the time daemons, instances (ptp4l@eth0) too.
func IsTimeDaemonUnit(unit string) bool {
	name, ok := strings.CutSuffix(unit, ".service")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, "@")
	switch name {
	case "chrony", "chronyd", "chronyd-restricted", "ntp", "ntpd", "ntpsec", "ntpd-rs",
		"openntpd", "systemd-timesyncd", "ptp4l", "phc2sys", "timemaster":
		return true
	}
	return false
}

// daemonExe names the executable of the process if it is a time daemon's: "" if it
// is not. ntpd is that of ntp, NTPsec and OpenNTPD, ntp-daemon that of ntpd-rs.
func daemonExe(dir int, buf []byte) string {
	link, err := readlinkAt(dir, "exe", buf)
	exe := strings.TrimSuffix(string(link), " (deleted)")
	if err != nil || !inSystemFolder(exe) {
		return ""
	}
	switch path.Base(exe) {
	case "chronyd", "ntpd", "ntp-daemon", "systemd-timesyncd", "ptp4l", "phc2sys", "timemaster":
		return exe
	case "busybox":
		// "ntpd …", through a link of that name, or "busybox ntpd …".
		n, _ := readAt(dir, "cmdline", buf)
		args := strings.SplitN(string(buf[:n]), "\x00", 3)
		if path.Base(args[0]) == "busybox" {
			args = args[1:]
		}
		if len(args) > 0 && path.Base(args[0]) == "ntpd" {
			return exe + " ntpd"
		}
	}
	return ""
}

// inSystemFolder says whether a file is where packages put theirs.
func inSystemFolder(file string) bool {
	for _, folder := range [...]string{"/usr/", "/bin/", "/sbin/", "/lib/"} {
		if strings.HasPrefix(file, folder) {
			return true
		}
	}
	return false
}

// daemonSocket names the socket of the process that makes it a time daemon: UDP
// port 123 (NTP) or 323 (chrony's commands), or chronyd's unix socket; "" if it
// has none.
func daemonSocket(dir int) string {
	own := socketInodes(dir)
	if len(own) == 0 {
		return ""
	}
	for _, proto := range [...]string{"udp", "udp6"} {
		// sl local_address rem_address st queues tr retrnsmt uid timeout inode …
		port := findSocket(dir, "net/"+proto, own, 9, 1, func(local string) bool {
			return strings.HasSuffix(local, ":007B") || strings.HasSuffix(local, ":0143")
		})
		if i := strings.LastIndexByte(port, ':'); i >= 0 {
			n, _ := strconv.ParseUint(port[i+1:], 16, 16)
			return proto + " port " + strconv.FormatUint(n, 10)
		}
	}
	// Num RefCount Protocol Flags Type St Inode Path
	return findSocket(dir, "net/unix", own, 6, 7, func(name string) bool {
		return name == "/run/chrony/chronyd.sock" || name == "/var/run/chrony/chronyd.sock"
	})
}

// socketInodes returns the inodes of the process's open sockets.
func socketInodes(dir int) map[string]bool {
	fd, err := openAt(dir, "fd", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "fd")
	defer f.Close()
	names, _ := f.Readdirnames(fdLimit) // as many as could be read
	inodes := map[string]bool{}
	var buf [64]byte
	for _, name := range names {
		link, err := readlinkAt(fd, name, buf[:])
		if err != nil {
			continue
		}
		if inode, ok := bytes.CutPrefix(link, []byte("socket:[")); ok {
			inodes[string(bytes.TrimSuffix(inode, []byte("]")))] = true
		}
	}
	return inodes
}

// findSocket returns the column named value of the first line, in a table of
// sockets, whose inode is in own and whose value fits; "" if there is none.
func findSocket(dir int, name string, own map[string]bool, inode, value int, fits func(string) bool) string {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return ""
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, socketsLimit))
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) > max(inode, value) && own[columns[inode]] && fits(columns[value]) {
			return columns[value]
		}
	}
	return ""
}

const (
	daemonLimit = 256
	// A process that is no time daemon may become one: it opens its socket, or
	// executes another program.
	daemonNoTTL = time.Minute
)

type daemonKey struct {
	pid   int
	start uint64
}

type daemonEntry struct {
	Daemon
	until time.Time // zero: for good
}

// daemonCache keeps what was found of the last processes. Its zero value, with now
// set, is ready.
type daemonCache struct {
	now     func() time.Time
	mu      sync.Mutex
	entries map[daemonKey]daemonEntry
}

func (c *daemonCache) get(k daemonKey) (Daemon, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok || !e.until.IsZero() && c.now().After(e.until) {
		return Daemon{}, false
	}
	return e.Daemon, true
}

func (c *daemonCache) put(k daemonKey, d Daemon) {
	if k.start == 0 { // the pid alone does not name a process
		return
	}
	e := daemonEntry{Daemon: d}
	if d.By == "" {
		e.until = c.now().Add(daemonNoTTL)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[daemonKey]daemonEntry{}
	}
	if _, ok := c.entries[k]; !ok && len(c.entries) >= daemonLimit {
		for old := range c.entries { // any
			delete(c.entries, old)
			break
		}
	}
	c.entries[k] = e
}
