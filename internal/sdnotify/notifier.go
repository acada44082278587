// SPDX-License-Identifier: Apache-2.0

package sdnotify

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sendWait bounds a send: a service manager that does not read is not waited for.
const sendWait = 100 * time.Millisecond

// statusPace is the least time from one status to the next.
const statusPace = time.Second

// Notifier tells the service manager. The methods of a nil one do nothing. All may be
// called from any goroutine; what cannot be sent is left out.
type Notifier struct {
	conn     net.Conn
	watchdog time.Duration

	mu     sync.Mutex
	status string // the newest
	due    bool   // and it is to be sent
	next   time.Time
}

// Open connects to the socket that the environment names. It returns nil when no service
// manager wants to know. The error says why one that does cannot be told.
func Open(getenv func(string) string, pid int) (*Notifier, error) {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	// "@" stands for the NUL of an abstract name, for package net as for systemd.
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("tell the service manager: NOTIFY_SOCKET is %q, neither a path nor an abstract name", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("tell the service manager: %w", err)
	}
	return &Notifier{conn: conn, watchdog: watchdog(getenv, pid)}, nil
}

// watchdog is within which time the manager wants to hear of this process; 0: it does not.
func watchdog(getenv func(string) string, pid int) time.Duration {
	if of := getenv("WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return 0
	}
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 || us > int64(time.Duration(1<<63-1)/time.Microsecond) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// Ready says that the service does its work, again after Reloading.
func (n *Notifier) Ready() { n.send("READY=1") }

// Reloading says that it will soon: now is the monotonic clock, which tells this from an
// earlier reload (Type=notify-reload).
func (n *Notifier) Reloading(now time.Duration) {
	n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Microseconds(), 10))
}

// Stopping says that it ends.
func (n *Notifier) Stopping() { n.send("STOPPING=1") }

// Alive says that it works, see Watchdog.
func (n *Notifier) Alive() { n.send("WATCHDOG=1") }

// Watchdog is how often Alive is to be called: twice in the time after which the manager
// takes the service for dead. 0: not at all.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog / 2
}

// Status says in one line how things are. Of many in a second the manager is told the
// last.
func (n *Notifier) Status(text string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = strings.ReplaceAll(text, "\n", " ")
	if !n.due {
		n.due = true
		time.AfterFunc(time.Until(n.next), n.sendStatus)
	}
}

func (n *Notifier) sendStatus() {
	n.mu.Lock()
	text := n.status
	n.due, n.next = false, time.Now().Add(statusPace)
	n.mu.Unlock()
	n.send("STATUS=" + text)
}

func (n *Notifier) send(state string) {
	if n == nil {
		return
	}
	if n.conn.SetWriteDeadline(time.Now().Add(sendWait)) == nil {
		_, _ = n.conn.Write([]byte(state))
	}
}

// Close closes the socket.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}
