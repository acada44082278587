// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/killlog"
)

// matches are the fields that journald sets itself, of the programs that are listened
// to: what others write under their names is left out, but for users' own managers.
func matches() []string {
	units := []string{
		"systemd-oomd.service", "earlyoom.service", "kubelet.service", "k3s.service", "k3s-agent.service",
		"rke2-server.service", "rke2-agent.service", "containerd.service", "docker.service",
	}
	list := []string{"_PID=1", "+", "_COMM=systemd"}
	for _, u := range units {
		list = append(list, "+", "_SYSTEMD_UNIT="+u)
	}
	return list
}

// Journal asks the journal, from a time on (zero: all that there is), in which command is
// journalctl's path. It returns what was run, for a person to run again.
func (c *Collector) Journal(ctx context.Context, command string, since time.Time) (run string, err error) {
	args := []string{"--no-pager", "--quiet", "--all", "-o", "json", "--output-fields=" + killlog.JournalFields}
	if !since.IsZero() {
		args = append(args, fmt.Sprintf("--since=@%d", since.Unix()))
	}
	args = append(args, matches()...)
	run = "journalctl " + strings.Join(matches(), " ")
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &head{&said, 4096}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return run, fmt.Errorf("ask the journal: %w", err)
	}
	_, err = io.Copy(c.Log(run), out)
	err = errors.Join(err, cmd.Wait())
	switch {
	case ctx.Err() != nil:
		return run, fmt.Errorf("ask the journal: %w", ctx.Err())
	case err != nil:
		if line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); line != "" {
			err = errors.New(line)
		}
		return run, fmt.Errorf("ask the journal: %w", err)
	}
	return run, nil
}

// head keeps the beginning of what is written.
type head struct {
	b    *bytes.Buffer
	room int
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.room)
	h.room -= n
	h.b.Write(p[:n])
	return len(p), nil
}
