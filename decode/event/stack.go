// SPDX-License-Identifier: Apache-2.0

package event

// Stack is a kernel call trace, innermost first.
type Stack struct {
	// ID is the first 8 bytes of SHA-256 over the symbol names, hex.
	ID     string  `json:"id,omitempty"`
	Frames []Frame `json:"frames,omitempty"`
	// Unresolved counts frames without a symbol.
	Unresolved int `json:"unresolved,omitempty"`
}

// Frame is one return address of a call trace.
type Frame struct {
	Symbol string `json:"symbol,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
	Module string `json:"module,omitempty"`
	Addr   string `json:"addr,omitempty"` // hex; only when there is no symbol
}
