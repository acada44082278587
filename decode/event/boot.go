// SPDX-License-Identifier: Apache-2.0

package event

// KernelBoot is the begin of a boot, as the log has it.
type KernelBoot struct {
	Release     string `json:"release"` // uname -r
	CommandLine string `json:"command_line,omitempty"`
}

// KernelPanic is a panic for another reason than memory; one for that is an [NoKill].
type KernelPanic struct {
	Message string `json:"message"` // what stands behind "Kernel panic - "
}
