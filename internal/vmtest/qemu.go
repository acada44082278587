// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// qemu returns the command that boots the kernel. The serial console is the
// command's standard output; disk is a raw file that the guest sees as
// /dev/vda.
func qemu(k Kernel, image, initrd, disk string, o Options) ([]string, error) {
	var argv []string
	console := "ttyS0"
	switch k.Arch {
	case "amd64":
		// Under TCG: cmpxchg16b corrupts flags in QEMU 7.2, which gives random
		// double faults at boot from 6.12 on, and -cpu max panics 7.2.
		argv = []string{"qemu-system-x86_64", "-cpu", "qemu64,+smap,-pku,-cx16"}
		if kvm(k.Arch) {
			argv = []string{"qemu-system-x86_64", "-cpu", "host"}
		}
	case "arm64":
		// -cpu max is three times slower under TCG.
		console = "ttyAMA0"
		argv = []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"}
		if kvm(k.Arch) {
			argv = []string{"qemu-system-aarch64", "-M", "virt,gic-version=host", "-cpu", "host"}
		}
	default:
		return nil, fmt.Errorf("no machine for architecture %q", k.Arch)
	}
	accel := "tcg,thread=multi"
	if kvm(k.Arch) {
		accel = "kvm"
	}
	return append(argv,
		"-accel", accel, "-smp", strconv.Itoa(o.CPUs), "-m", strconv.Itoa(o.MemMiB),
		"-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", image, "-initrd", initrd,
		"-drive", "file="+disk+",format=raw,if=none,id=out,cache=unsafe", "-device", "virtio-blk-pci,drive=out",
		// The log must hold every report of a scenario: /dev/kmsg is read at
		// the end, and the guest marks the steps in it.
		"-append", "console="+console+" quiet panic=-1 log_buf_len=4M printk.devkmsg=on "+o.Cmdline,
	), nil
}

// kvm says whether guests of the architecture can run under KVM. It is used
// only when OOMTRACE_VM_ACCEL=kvm asks for it: the device's presence does not
// say that it works.
func kvm(arch string) bool {
	return os.Getenv("OOMTRACE_VM_ACCEL") == "kvm" && arch == runtime.GOARCH &&
		unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil
}
