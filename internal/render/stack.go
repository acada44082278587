// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
)

// maxFrames bounds the lines of one trace; kernel traces end at 127 frames.
const maxFrames = 128

// stackLines is a call trace under its kill, innermost frame first, inert.
func stackLines(s *event.Stack) []string {
	if s == nil {
		return nil
	}
	head := "    call trace " + Sanitize(clip(or(s.ID, "without id"), maxPart))
	if s.Unresolved > 0 {
		head += " (" + plural(uint64(s.Unresolved), "frame") + " without a symbol)"
	}
	return frameLines([]string{head}, s.Frames)
}

// detailLines is the rest of a trace that did not fit its kill's event.
func detailLines(d *event.Detail) []string {
	head := "    call trace of pid " + strconv.Itoa(d.PID) + ", continued, part " +
		strconv.Itoa(d.Part) + " of " + strconv.Itoa(d.Parts) + ", episode " + Sanitize(clip(d.Episode, maxPart))
	return frameLines([]string{head}, d.Frames)
}

func frameLines(lines []string, frames []event.Frame) []string {
	for i, f := range frames {
		if i == maxFrames {
			return append(lines, "      … and "+plural(uint64(len(frames)-i), "further frame"))
		}
		lines = append(lines, "      "+frame(f))
	}
	return lines
}

// frame is "symbol+0x1f [module]", or the address where there is no symbol.
func frame(f event.Frame) string {
	if f.Symbol == "" {
		if f.Addr == "" {
			return "(unknown)"
		}
		return "0x" + Sanitize(clip(f.Addr, maxPart))
	}
	s := f.Symbol + "+0x" + strconv.FormatUint(f.Offset, 16)
	if f.Module != "" {
		s += " [" + f.Module + "]"
	}
	return Sanitize(clip(s, maxPart))
}
