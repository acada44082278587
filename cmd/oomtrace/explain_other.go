// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// hostFlags are those of Linux alone.
type hostFlags struct{}

func newHostFlags() hostFlags              { return hostFlags{} }
func (*hostFlags) register(*cobra.Command) {}
func (*hostFlags) check() error            { return nil }

func (*hostFlags) machine(context.Context, *timeline.Document) (*explain.Machine, []string, error) {
	return nil, nil, nil
}
func (*hostFlags) count(context.Context, *dossier.Report)                      {}
func (*hostFlags) now(context.Context, *fate.Known, *fate.Question, time.Time) {}
