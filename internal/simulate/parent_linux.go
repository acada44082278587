// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// act returns the command that runs the acting process. It gets a process group
// of its own, so that Ctrl-C reaches the parent alone, which then cleans up.
func act(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{ChildName}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// hogProcess is a child that touches memory.
type hogProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	words  *bufio.Reader
	stderr strings.Builder
	page   []byte // shared with the child, which counts in it
}

// startHog starts a child that will touch size bytes and waits until it is ready
// to. It is killed when ctx ends. The caller must call wait.
func startHog(ctx context.Context, size uint64) (*hogProcess, error) {
	fd, err := unix.MemfdCreate(ChildName, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	file := os.NewFile(uintptr(fd), ChildName)
	defer file.Close()
	if err := file.Truncate(int64(os.Getpagesize())); err != nil {
		return nil, fmt.Errorf("make counter: %w", err)
	}
	page, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map counter: %w", err)
	}
	counter(page).Store(0) // so that the page is charged to this process

	h := &hogProcess{cmd: act(ctx, "hog", strconv.FormatUint(size, 10)), page: page}
	h.cmd.ExtraFiles = []*os.File{file}
	h.cmd.Stderr = &h.stderr
	h.stdin, err = h.cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(page))
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(page))
	}
	h.words = bufio.NewReader(stdout)
	if err := h.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", ChildName, err), unix.Munmap(page))
	}
	if word := h.word(); word != wordReady {
		_, err := h.wait()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err == nil {
			err = errors.New("it was killed")
		}
		return nil, fmt.Errorf("start %s: %w", ChildName, err)
	}
	return h, nil
}

func (h *hogProcess) pid() int { return h.cmd.Process.Pid }

func (h *hogProcess) begin() error {
	_, err := io.WriteString(h.stdin, wordGo+"\n")
	return err
}

// word returns the child's next word, "" when it has ended.
func (h *hogProcess) word() string {
	s, _ := h.words.ReadString('\n') // an end is an empty word
	return strings.TrimSuffix(s, "\n")
}

// kill ends a child that shall not go on. It may have ended already.
func (h *hogProcess) kill() { _ = h.cmd.Process.Kill() }

// wait reaps the child and says how much it had touched. err is nil when it was
// killed by SIGKILL, which nothing but the kernel and kill send it.
func (h *hogProcess) wait() (touched uint64, err error) {
	waitErr := h.cmd.Wait()
	touched = counter(h.page).Load()
	if err := unix.Munmap(h.page); err != nil {
		return touched, fmt.Errorf("unmap counter: %w", err)
	}
	if status, ok := h.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return touched, nil
	}
	if said := strings.TrimSpace(h.stderr.String()); said != "" {
		return touched, errors.New(said)
	}
	if waitErr == nil {
		waitErr = errors.New("it ended by itself")
	}
	return touched, waitErr
}
