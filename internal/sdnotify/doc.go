// SPDX-License-Identifier: Apache-2.0

// Package sdnotify tells the service manager how the service is, as sd_notify(3) does:
// datagrams of KEY=VALUE lines to the socket that NOTIFY_SOCKET names.
//
// The ready-made libraries open a socket for each message. This one is opened once,
// while there is memory, and never waits.
package sdnotify
