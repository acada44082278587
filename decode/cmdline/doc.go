// SPDX-License-Identifier: Apache-2.0

// Package cmdline makes one printable line of a process's argument vector and
// takes the secrets out of it.
//
// What is secret is told by what stands before it:
//
//   - a name, see isSecret, and = or :, or a space after a flag or a bare word:
//     --db-password=x, -DdbPassword=x, {"password": "x"}, Cookie: x, AUTH x;
//   - a short flag of a program that is known for it, see programs;
//   - and what stands behind it, the host: user:x@ of a URL or a data source.
//
// An argument with spaces may be a script, JSON, or a title that the process gave
// itself. It is taken apart as a shell or JSON would, and its words are arguments
// again, however deep. Where it is not clear how far a secret goes, more is hidden:
// the rest of the word, or of the argument. Where it is not clear whether something
// is a secret, it is hidden. So some of what is none goes with it: the word behind
// "key" in a sentence, a tag or a port behind auth:, the option behind --no-auth.
package cmdline
