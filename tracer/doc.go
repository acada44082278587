// SPDX-License-Identifier: Apache-2.0

// Package tracer loads the BPF programs, attaches them by the best rung that
// works here for each fact, and hands the raw records of the two rings to a
// sink. It never looks at a record: decode does.
//
// What serves is decided by the kernel's BTF and by attaching, never by its
// version. [Tracer.Hooks] says which rung serves each fact and why better ones
// do not.
package tracer
