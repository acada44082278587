// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"strconv"
)

// qemu returns the command that boots the kernel. It always emulates: where a
// /dev/kvm exists it may still not run these kernels (a nested one refused MSR
// 0x10a), and the guests are up in three seconds anyway. The serial console is the
// command's standard output; disk is a raw file that the guest sees as
// /dev/vda.
func qemu(k Kernel, image, initrd, disk string, o Options) ([]string, error) {
	var argv []string
	console := "ttyS0"
	switch k.Arch {
	case "amd64":
		// Under TCG, QEMU 7.2's cmpxchg16b corrupts flags, which gives random
		// double faults at boot from 6.12 on, and -cpu max panics 7.2.
		argv = []string{"qemu-system-x86_64", "-cpu", "qemu64,+smap,-pku,-cx16"}
	case "arm64":
		// -cpu max is three times slower.
		console = "ttyAMA0"
		argv = []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"}
	default:
		return nil, fmt.Errorf("no machine for architecture %q", k.Arch)
	}
	for n := range o.Nodes {
		argv = append(argv,
			"-object", fmt.Sprintf("memory-backend-ram,id=m%d,size=%dM", n, o.MemMiB/o.Nodes),
			"-numa", fmt.Sprintf("node,nodeid=%d,cpus=%d-%d,memdev=m%d", n, n*o.CPUs/o.Nodes, (n+1)*o.CPUs/o.Nodes-1, n))
	}
	return append(argv,
		"-accel", "tcg,thread=single", "-smp", fmt.Sprintf("%d,sockets=%d", o.CPUs, max(o.Nodes, 1)), "-m", strconv.Itoa(o.MemMiB),
		"-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio",
		"-kernel", image, "-initrd", initrd,
		"-drive", "file="+disk+",format=raw,if=none,id=out,cache=unsafe", "-device", "virtio-blk-pci,drive=out",
		// The log must hold every report of a scenario: /dev/kmsg is read at
		// the end, and the guest marks the steps in it.
		"-append", "console="+console+" quiet panic=-1 log_buf_len=4M printk.devkmsg=on "+o.Cmdline,
	), nil
}
