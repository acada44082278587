// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kdumpconf"
)

// Settings reads the sysctls and the kdump state that decide what an OOM does.
// What cannot be read is absent.
func (r *Reader) Settings() *event.Settings {
	s := r.sysctls()
	s.Kdump = r.Kdump()
	if m, err := r.Memory(); err == nil {
		s.SwapTotalBytes = m.SwapTotalBytes
	}
	return s
}

// sysctls reads those alone, which is quick.
func (r *Reader) sysctls() *event.Settings {
	return &event.Settings{
		PanicOnOOM:            r.sysctl("vm/panic_on_oom"),
		OOMKillAllocatingTask: r.sysctl("vm/oom_kill_allocating_task"),
		OvercommitMemory:      r.sysctl("vm/overcommit_memory"),
		Swappiness:            r.sysctl("vm/swappiness"),
	}
}

// sysctl reads a sysctl that holds one integer. A kill waits for it: os.Open, which has
// the runtime poll the file, would make nine system calls of four.
func (r *Reader) sysctl(name string) *int {
	var buf [32]byte
	file, err := r.readProc("sys/"+name, buf[:])
	if err != nil {
		return nil
	}
	value, err := strconv.Atoi(string(bytes.TrimSpace(file)))
	if err != nil {
		return nil
	}
	return &value
}

// Sysctl reads a number below /proc/sys, such as "kernel/threads-max"; nil if it cannot
// be read.
func (r *Reader) Sysctl(name string) *uint64 {
	n, err := strconv.ParseUint(r.word(r.opts.Proc, "sys/"+name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// Kdump reads whether a crash kernel is loaded, and from the configuration of the
// service that is installed what it would dump. It is nil if nothing is known.
func (r *Reader) Kdump() *event.Kdump {
	k := r.kdumpConfig()
	switch r.word(r.opts.Sys, "kernel/kexec_crash_loaded") {
	case "0":
		k.Loaded = event.Ptr(false)
	case "1":
		k.Loaded = event.Ptr(true)
	}
	if size, err := strconv.ParseUint(r.word(r.opts.Sys, "kernel/kexec_crash_size"), 10, 64); err == nil {
		k.ReservedBytes = &size
	}
	k.Crashkernel = kdumpconf.Crashkernel(r.word(r.opts.Proc, "cmdline"))
	if k == (event.Kdump{}) {
		return nil
	}
	return &k
}

// kdumpConfig reads the configuration file that is there.
func (r *Reader) kdumpConfig() event.Kdump {
	if file, err := r.read(r.opts.Root, "etc/default/kdump-tools"); err == nil {
		return kdumpconf.ParseDebian(file)
	}
	if file, err := r.read(r.opts.Root, "etc/kdump.conf"); err == nil {
		return kdumpconf.ParseRHEL(file)
	}
	if file, err := r.read(r.opts.Root, "etc/sysconfig/kdump"); err == nil {
		k, _ := kdumpconf.ParseSUSE(file)
		return k
	}
	return event.Kdump{}
}
