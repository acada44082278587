// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/internal/testenv"
)

const (
	udpTable = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  391: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   111        0 1001 2 0000000000000000 0
  455: 0100007F:0143 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1002 2 0000000000000000 0
`
	udp6Table = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  455: 00000000000000000000000000000000:007B 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1003 2 0000000000000000 0
`
	unixTable = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00000000 0002 01 1004 /run/chrony/chronyd.sock
0000000000000000: 00000002 00000000 00000000 0002 01 1005
`
)

// process adds a process to the files of a /proc.
func process(files map[string]string, pid, exe, cgroup string, inodes ...string) {
	files[pid+"/stat"] = statLine(0, "chronyd", "S", 0, 500)
	files[pid+"/exe"] = "-> " + exe
	files[pid+"/cgroup"] = "0::" + cgroup + "\n"
	files[pid+"/net/udp"], files[pid+"/net/udp6"], files[pid+"/net/unix"] = udpTable, udp6Table, unixTable
	files[pid+"/fd/0"] = "-> /dev/null"
	for i, inode := range inodes {
		files[pid+"/fd/"+string(rune('3'+i))] = "-> socket:[" + inode + "]"
	}
}

func TestTimeDaemon(t *testing.T) {
	files := map[string]string{}
	process(files, "10", "/usr/bin/x", "/system.slice/chrony.service")
	process(files, "11", "/usr/bin/x", "/system.slice/system-ptp4l.slice/ptp4l@eth0.service")
	process(files, "12", "/usr/sbin/chronyd (deleted)", "/")
	process(files, "13", "/opt/x", "/", "1001", "1002")
	process(files, "14", "/opt/x", "/", "1003")
	process(files, "15", "/opt/x", "/", "1005", "1004")
	process(files, "16", "/opt/chronyd/x", "/system.slice/not-chrony.service", "1001", "1005")
	process(files, "17", "/opt/x", "/system.slice/chrony.service.d")
	// By its name and folder, or by its name and socket.
	process(files, "20", "/tmp/chronyd", "/")
	process(files, "21", "/tmp/chronyd", "/", "1003")
	// BusyBox, and what it is asked to be.
	for pid, cmdline := range map[string]string{
		"30": "/usr/sbin/ntpd\x00-p\x00pool.ntp.org\x00", "31": "/bin/busybox\x00ntpd\x00-n\x00", "32": "busybox\x00ntpd",
		"33": "sh\x00ntpd\x00", "34": "busybox\x00", "35": "",
	} {
		process(files, pid, "/bin/busybox", "/")
		files[pid+"/cmdline"] = cmdline
	}
	process(files, "36", "/home/x/busybox", "/")
	files["36/cmdline"] = "ntpd\x00"
	files["18/stat"] = statLine(18, "chronyd", "Z", 0xc, 500)
	r := newReader(t, Options{Proc: tree(t, files)})
	for _, tt := range []struct {
		pid  int
		unit string
		want Daemon
		err  error
	}{
		{10, "", Daemon{ByUnit, "chrony.service"}, nil},
		{11, "", Daemon{ByUnit, "ptp4l@eth0.service"}, nil},
		{10, "system.slice", Daemon{ByUnit, "chrony.service"}, nil}, // as v1's memory hierarchy has it
		{16, "systemd-timesyncd.service", Daemon{ByUnit, "systemd-timesyncd.service"}, nil},
		{12, "", Daemon{ByExe, "/usr/sbin/chronyd"}, nil},
		{13, "", Daemon{BySocket, "udp port 323"}, nil},
		{14, "", Daemon{BySocket, "udp6 port 123"}, nil},
		{15, "", Daemon{BySocket, "/run/chrony/chronyd.sock"}, nil},
		{16, "", Daemon{}, nil}, // its comm is chronyd: not enough
		{17, "", Daemon{}, nil},
		{18, "", Daemon{}, ErrGone},
		{20, "", Daemon{}, nil},
		{21, "", Daemon{BySocket, "udp6 port 123"}, nil},
		{30, "", Daemon{ByExe, "/bin/busybox ntpd"}, nil},
		{31, "", Daemon{ByExe, "/bin/busybox ntpd"}, nil},
		{32, "", Daemon{ByExe, "/bin/busybox ntpd"}, nil},
		{33, "", Daemon{}, nil},
		{34, "", Daemon{}, nil},
		{35, "", Daemon{}, nil},
		{36, "", Daemon{}, nil},
		{99, "", Daemon{}, ErrGone},
	} {
		got, err := r.TimeDaemon(tt.pid, 0, tt.unit)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("process %d of unit %q: %+v, %v; want %+v, %v", tt.pid, tt.unit, got, err, tt.want, tt.err)
		}
	}
}

func TestTimeDaemonCache(t *testing.T) {
	files := map[string]string{}
	process(files, "10", "/usr/sbin/chronyd", "/")
	process(files, "11", "/opt/x", "/", "1001")
	proc := tree(t, files)
	r := newReader(t, Options{Proc: proc})
	now := time.Unix(0, 0)
	r.daemons.now = func() time.Time { return now }
	const start = 5_000_000_000
	check := func(when string, pid int, want string, wantErr error) {
		t.Helper()
		d, err := r.TimeDaemon(pid, start, "")
		if d.By != want || !errors.Is(err, wantErr) {
			t.Errorf("%s, process %d: %+v, %v", when, pid, d, err)
		}
	}
	check("first", 10, ByExe, nil)
	check("first", 11, "", nil)
	for _, pid := range []string{"/10", "/11"} {
		if err := os.RemoveAll(proc + pid); err != nil {
			t.Fatal(err)
		}
	}
	check("kept", 10, ByExe, nil)
	check("kept", 11, "", nil)
	now = now.Add(daemonNoTTL + 1)
	check("a minute later", 10, ByExe, nil)
	check("a minute later", 11, "", ErrGone)
	if _, err := r.TimeDaemon(10, 0, ""); !errors.Is(err, ErrGone) {
		t.Errorf("without a start time nothing is kept: %v", err)
	}
	for i := range 2 * daemonLimit {
		r.daemons.put(daemonKey{i, 1}, Daemon{})
	}
	if n := len(r.daemons.entries); n != daemonLimit {
		t.Errorf("%d entries", n)
	}
}

// TestTimeDaemonLive opens a time daemon's port.
func TestTimeDaemonLive(t *testing.T) {
	testenv.Privileged(t)
	// chronyd, if it runs here, is at 127.0.0.1.
	conn, err := net.ListenPacket("udp4", "127.0.0.2:323")
	if err != nil {
		testenv.Skip(t, "no port of a time daemon is free: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	d, err := newReader(t, Options{}).TimeDaemon(os.Getpid(), 0, "")
	if err != nil || d != (Daemon{BySocket, "udp port 323"}) {
		t.Errorf("%+v, %v", d, err)
	}
}

func BenchmarkTimeDaemon(b *testing.B) {
	r := newReader(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.TimeDaemon(os.Getpid(), 0, "none.service"); err != nil {
			b.Fatal(err)
		}
	}
}
