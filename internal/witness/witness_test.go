// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/killlog"
)

var now = time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)

const entry = `{"__REALTIME_TIMESTAMP":"%d","SYSLOG_IDENTIFIER":"systemd","_PID":"1","_UID":"0","UNIT":"a.service","MESSAGE":"a.service: Failed with result 'oom-kill'."}` + "\n"

// What the journal and a syslog file both have is told once, by the one that knows more.
func TestWitnesses(t *testing.T) {
	c := Collector{Now: now, Zone: time.UTC}
	write := func(source, log string) {
		if _, err := c.Log(source).Write([]byte(log)); err != nil {
			t.Fatal(err)
		}
	}
	write("/var/log/syslog", "Nov 29 19:00:05 h systemd[1]: a.service: Failed with result 'oom-kill'.\n"+
		"Nov 29 18:00:00 h systemd[1]: b.service: Failed with result 'oom-kill'.\n"+
		"Nov 29 19:30:00 h systemd[1]: a.service: Failed with result 'oom-kill'.") // no end
	write("journalctl", fmt.Sprintf(entry, now.Add(-time.Hour+5*time.Second).UnixMicro()+999))
	var told []string
	for _, w := range c.Witnesses() {
		told = append(told, w.Time.Format("15:04:05 ")+w.Report.Unit+" "+w.Source+" "+string(w.Report.Trust))
	}
	want := "18:00:00 b.service /var/log/syslog line\n19:00:05 a.service journalctl system\n19:30:00 a.service /var/log/syslog line"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// A storm of lines takes no more room than so much, and the last ones stay.
func TestLimit(t *testing.T) {
	c := Collector{Now: now, Zone: time.UTC}
	f := c.Log("log")
	for i := range 2*limit + 10 {
		if _, err := fmt.Fprintf(f, entry, now.UnixMicro()+int64(i)*2_000_000); err != nil {
			t.Fatal(err)
		}
	}
	all := c.Witnesses()
	if last := all[len(all)-1].Line; len(all) > limit || last != 2*limit+10 || uint64(len(all))+c.LeftOut() != 2*limit+10 {
		t.Errorf("%d lines, %d left out, the last is line %d", len(all), c.LeftOut(), last)
	}
}

func script(t *testing.T, body string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	path := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestJournal(t *testing.T) {
	var c Collector
	command := script(t, `case "$*" in *--since=@1700000000*_PID=1*+*_SYSTEMD_UNIT=docker.service) ;; *) exit 9;; esac
cat <<'END'
`+fmt.Sprintf(entry, now.UnixMicro())+`END
`)
	run, err := c.Journal(t.Context(), command, time.Unix(1700000000, 0))
	if err != nil || !strings.HasPrefix(run, "journalctl _PID=1 + ") {
		t.Errorf("%q, %v", run, err)
	}
	if all := c.Witnesses(); len(all) != 1 || all[0].Report.Trust != killlog.TrustSystem || all[0].Source != run {
		t.Errorf("%+v", all)
	}

	if _, err := c.Journal(t.Context(), script(t, "echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1"), time.Time{}); err == nil ||
		!strings.Contains(err.Error(), "insufficient permissions") {
		t.Errorf("what it says of its failure: %v", err)
	}
	if _, err := c.Journal(t.Context(), filepath.Join(t.TempDir(), "none"), time.Time{}); err == nil {
		t.Error("no error without the command")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Journal(ctx, script(t, "exec sleep 60"), time.Time{}); err == nil {
		t.Error("no error when the time is over")
	}
}
