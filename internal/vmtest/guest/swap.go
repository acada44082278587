// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// swapDisk is what the guest leaves its files on, at the end.
const swapDisk = "/dev/vda"

// swap on MIB, swap off: uses so much of the disk for swap.
func swap(args []string) error {
	name, err := unix.BytePtrFromString(swapDisk)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 2 && args[0] == "on":
		mib, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("swap: size: %w", err)
		}
		if err := makeSwap(mib); err != nil {
			return fmt.Errorf("swap: %w", err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
			return fmt.Errorf("swap: swapon: %w", errno)
		}
	case len(args) == 1 && args[0] == "off":
		if _, _, errno := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
			return fmt.Errorf("swap: swapoff: %w", errno)
		}
	default:
		return errors.New("swap: want on and a size, or off")
	}
	return nil
}

// makeSwap writes the header, union swap_header (include/linux/swap.h).
func makeSwap(mib int) error {
	page := os.Getpagesize()
	header := make([]byte, page)
	binary.NativeEndian.PutUint32(header[1024:], 1)                      // version
	binary.NativeEndian.PutUint32(header[1028:], uint32(mib<<20/page)-1) // last page
	copy(header[page-10:], "SWAPSPACE2")
	f, err := os.OpenFile(swapDisk, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	return errors.Join(err, f.Sync(), f.Close())
}
