// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// managerName is the program that listens as a service manager does.
const managerName = "manager"

// manager prints each message to the socket that its argument names, on one line, until it
// is killed.
func manager() {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: os.Args[1], Net: "unixgram"})
	b := make([]byte, 4096)
	for err == nil {
		var n int
		if n, err = conn.Read(b); err == nil {
			fmt.Fprintln(os.Stdout, strings.ReplaceAll(string(b[:n]), "\n", " "))
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
