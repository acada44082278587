// SPDX-License-Identifier: Apache-2.0

// Package cmdline makes one printable line of a process's argument vector and
// takes the secrets out of it.
//
// Redaction is a matter of names: what follows a name that contains password,
// passwd, passphrase, pwd, secret, token, key, auth or credential becomes ***,
// and so does the password in a URL. It would rather hide too much than leak.
package cmdline
