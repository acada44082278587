// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/oomtrace/oomtrace/decode/event"

// bootRow shows the begin of a boot.
func bootRow(e *event.Event) row {
	r := row{event: part{text: "BOOT", style: green}, process: "kernel"}
	c := &r.what
	*c = append(*c, part{text: "the machine booted, Linux " + clip(or(e.Boot.Release, "of a version not known"), 128), style: bold})
	c.add(labelled("command line", clip(e.Boot.CommandLine, 256)))
	return r
}

// panicRow shows a panic for another reason than memory.
func panicRow(e *event.Event) row {
	r := row{event: part{text: "PANIC", style: red}, process: "kernel"}
	r.what = cell{{text: "the kernel panicked: " + clip(or(e.Panic.Message, "it does not say why"), 256), style: bold}}
	return r
}
