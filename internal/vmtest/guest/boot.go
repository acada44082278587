// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// boot is pid 1: it sets the machine up, runs the scenario, leaves the report
// and powers off. It never returns.
func boot() {
	if err := serve(); err != nil {
		fmt.Println(scenario.Trouble, err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // an init that returns panics the kernel
}

func serve() error {
	var s scenario.Scenario
	b, err := os.ReadFile(scenario.File)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read scenario: %w", err)
	}
	if err := errors.Join(mounts(s), unix.Sethostname([]byte(scenario.HostName)), os.MkdirAll(scenario.OutDir, 0o755), os.MkdirAll("/tmp", 0o777), os.Chmod("/tmp", 0o777)); err != nil {
		return err
	}
	// A program that hangs or crashes says where all its goroutines are, those on
	// a running thread as well.
	if err := errors.Join(loadModules(), os.Setenv("PATH", "/bin"), os.Setenv("GOTRACEBACK", "crash")); err != nil {
		return err
	}
	r := newRunner(cgroupRoot(s))
	for _, step := range s.Steps {
		if !r.do(step) {
			break
		}
	}
	return errors.Join(collect(r), sendOut())
}

func cgroupRoot(s scenario.Scenario) string {
	if s.CgroupV1 {
		return scenario.CgroupV1
	}
	return scenario.CgroupV2
}

func mounts(s scenario.Scenario) error {
	type mount struct{ kind, dir, options string }
	all := []mount{{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""}, {"devpts", "/dev/pts", ""}}
	if s.CgroupV1 {
		all = append(all, mount{"tmpfs", scenario.CgroupV2, ""}, mount{"cgroup", scenario.CgroupV1, "memory"})
	} else {
		all = append(all, mount{"cgroup2", scenario.CgroupV2, ""})
	}
	if s.Tracefs {
		all = append(all, mount{"tracefs", "/sys/kernel/tracing", ""})
	}
	if s.BPFFS {
		all = append(all, mount{"bpf", "/sys/fs/bpf", ""})
	}
	for _, m := range all {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, m.options); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.dir, err)
		}
	}
	return nil
}

// loadModules loads what is in the module folder. Some need others: it goes on
// for as long as one more can be loaded.
func loadModules() error {
	left, err := filepath.Glob(scenario.ModuleDir + "/*.ko")
	if err != nil {
		return err
	}
	for len(left) > 0 {
		var refused []string
		var failures error
		for _, path := range left {
			image, err := os.ReadFile(path)
			if err == nil {
				err = unix.InitModule(image, "")
			}
			if err != nil && !errors.Is(err, unix.EEXIST) {
				refused = append(refused, path)
				failures = errors.Join(failures, fmt.Errorf("load %s: %w", path, err))
			}
		}
		if len(refused) == len(left) {
			return failures
		}
		left = refused
	}
	return os.RemoveAll(scenario.ModuleDir) // rootfs is memory
}

// collect leaves the report, the kernel log and vmstat.
func collect(r *runner) error {
	r.stopAll()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	r.report.Release = unix.ByteSliceToString(u.Release[:])
	r.report.Cgroups = memoryEvents(r.cgroups)
	kmsg, kmsgErr := readKmsg()
	vmstat, vmstatErr := os.ReadFile("/proc/vmstat")
	report, err := json.Marshal(r.report)
	return errors.Join(err, kmsgErr, vmstatErr,
		os.WriteFile(scenario.ReportFile, report, 0o644),
		os.WriteFile(scenario.KmsgFile, kmsg, 0o644),
		os.WriteFile(scenario.VmstatFile, vmstat, 0o644))
}

// readKmsg returns the records of the kernel log, as they come.
func readKmsg() ([]byte, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	defer unix.Close(fd)
	var all []byte
	for record := make([]byte, 16<<10); ; {
		n, err := unix.Read(fd, record)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return all, nil
		case errors.Is(err, unix.EPIPE): // records were overwritten: the next read goes on behind them
			continue
		case err != nil:
			return nil, fmt.Errorf("read /dev/kmsg: %w", err)
		}
		all = append(all, record[:n]...)
	}
}

// memoryEvents reads memory.events of every cgroup, on v1 memory.oom_control, by
// path from the root.
func memoryEvents(root string) map[string]map[string]uint64 {
	all := map[string]map[string]uint64{}
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "memory.events" && d.Name() != "memory.oom_control" {
			return nil // a cgroup that went away has no events
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		events := map[string]uint64{}
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				if n, err := strconv.ParseUint(value, 10, 64); err == nil {
					events[name] = n
				}
			}
		}
		all[strings.TrimPrefix(filepath.Dir(path), root)] = events
		return nil
	})
	return all
}

// sendOut writes the folder out as a tar archive onto the disk, the report last:
// where it is, all is.
func sendOut() error {
	var disk *os.File
	var err error
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// A disk is probed in its own time, and there is nothing to wait on
		// without udev.
		if disk, err = os.OpenFile("/dev/vda", os.O_WRONLY, 0); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer disk.Close()
	w := tar.NewWriter(disk)
	err = filepath.WalkDir(scenario.OutDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == scenario.ReportFile {
			return err
		}
		return send(w, path)
	})
	if err := errors.Join(err, w.Flush(), disk.Sync()); err != nil {
		return err
	}
	return errors.Join(send(w, scenario.ReportFile), w.Close(), disk.Sync())
}

func send(w *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(scenario.OutDir, path)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.CopyN(w, f, info.Size())
	return err
}
