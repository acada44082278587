// SPDX-License-Identifier: Apache-2.0

//go:build unix

package sdnotify

import (
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// listen is a service manager.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestMessages(t *testing.T) {
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, "@oomtrace-sdnotify-test-"+filepath.Base(t.TempDir()))
	}
	for _, name := range names {
		manager := listen(t, name)
		n, err := Open(env("NOTIFY_SOCKET", name), 1)
		if err != nil {
			t.Fatal(err)
		}
		for want, call := range map[string]func(){
			"READY=1":                              n.Ready,
			"STOPPING=1":                           n.Stopping,
			"WATCHDOG=1":                           n.Alive,
			"RELOADING=1\nMONOTONIC_USEC=12000000": func() { n.Reloading(12 * time.Second) },
			"STATUS=watching READY=1":              func() { n.Status("watching\nREADY=1") },
		} {
			call()
			if got := receive(t, manager); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		n.Ready() // nobody is told any more, and that is no failure
	}
}

// Of many the last is told, and not each.
func TestStatusPace(t *testing.T) {
	manager := listen(t, filepath.Join(t.TempDir(), "notify"))
	n, err := Open(env("NOTIFY_SOCKET", manager.LocalAddr().String()), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	const many = 1000
	for range many {
		n.Status("some")
	}
	n.Status("last")
	for told := 1; ; told++ {
		if receive(t, manager) == "STATUS=last" {
			break
		}
		if told == many {
			t.Fatal("each was told")
		}
	}
}

func TestNobody(t *testing.T) {
	n, err := Open(env(), 1)
	if n != nil || err != nil {
		t.Fatalf("%v, %v without a socket", n, err)
	}
	n.Ready()
	n.Reloading(0)
	n.Stopping()
	n.Alive()
	n.Status("")
	if n.Watchdog() != 0 || n.Close() != nil {
		t.Error("nobody watches")
	}
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file or directory",
		"vsock:2:1":                        "neither a path nor an abstract name",
	} {
		if _, err := Open(env("NOTIFY_SOCKET", name), 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWatchdog(t *testing.T) {
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second},
		{"30000000", "42", 30 * time.Second},
		{"30000000", "43", 0}, // another's
		{"", "42", 0},
		{"-1", "", 0},
		{"soon", "", 0},
		{"9223372036854775807", "", 0},
	} {
		if got := watchdog(env("WATCHDOG_USEC", tt.usec, "WATCHDOG_PID", tt.pid), 42); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
