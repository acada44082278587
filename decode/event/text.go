// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"
)

// CleanString makes valid UTF-8 of raw kernel or /proc bytes. Valid input is
// returned as it is, with hexRaw "". Otherwise each invalid byte becomes
// U+FFFD and hexRaw holds all of raw in lower-case hex, so that nothing is lost.
func CleanString(raw []byte) (s string, hexRaw string) {
	if utf8.Valid(raw) {
		return string(raw), ""
	}
	return string([]rune(string(raw))), hex.EncodeToString(raw)
}

// CleanText is CleanString for a field that may be absent.
func CleanText(raw []byte) (s *string, hexRaw string) {
	clean, hexRaw := CleanString(raw)
	return &clean, hexRaw
}

// RawString undoes CleanString: it returns the bytes that s and hexRaw were made of.
func RawString(s, hexRaw string) string {
	if hexRaw != "" {
		if raw, err := hex.DecodeString(hexRaw); err == nil {
			return string(raw)
		}
	}
	return s
}

// CutNUL returns b up to its first NUL byte, or all of b. The kernel leaves
// stale bytes behind the NUL of a comm.
func CutNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
