// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package simulate

import (
	"context"
	"io"
)

func needsLinux() error {
	return &Unsupported{Missing: "this is not Linux", Remedy: "run it on the Linux machine whose alerts you want to test"}
}

// MemcgPlan is a memory cgroup OOM to come.
type MemcgPlan struct{}

// PlanMemcg fails: this is not Linux.
func PlanMemcg(MemcgOptions) (*MemcgPlan, error) { return nil, needsLinux() }

// Steps says what Run will do.
func (*MemcgPlan) Steps() []string { return nil }

// Each fails: this is not Linux.
func (*MemcgPlan) Each(context.Context, func(*MemcgResult) error) error { return needsLinux() }

// Run fails: this is not Linux.
func (*MemcgPlan) Run(context.Context) (*MemcgResult, error) { return nil, needsLinux() }

// Clock fails: this is not Linux.
func Clock(context.Context, ClockOptions) (*ClockResult, error) { return nil, needsLinux() }

// SysrqPlan is a global OOM kill to come.
type SysrqPlan struct{}

// PlanSysrq fails: this is not Linux.
func PlanSysrq(SysrqOptions) (*SysrqPlan, error) { return nil, needsLinux() }

// Candidate is the process that would be killed.
func (*SysrqPlan) Candidate() Candidate { return Candidate{} }

// Run fails: this is not Linux.
func (*SysrqPlan) Run(context.Context) (*SysrqResult, error) { return nil, needsLinux() }

// Child fails: this is not Linux.
func Child(_ []string, _ io.Reader, _, stderr io.Writer) int {
	_, _ = io.WriteString(stderr, needsLinux().Error()+"\n")
	return 1
}
