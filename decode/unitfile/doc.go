// SPDX-License-Identifier: Apache-2.0

// Package unitfile reads what systemd's unit files and their drop-ins say of memory. It
// knows their syntax (systemd.syntax(7)) and the order in which they count
// (systemd.unit(5)); generators and the defaults of system.conf are beyond it.
package unitfile
