// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/simulate"
)

func newSimulate(env *cli.Env) *cobra.Command {
	cmd := cli.Group(&cobra.Command{
		Use:   "simulate",
		Short: "Cause a contained event, to see that it is noticed",
		Long: `Cause a real event that harms nobody, to see that it is noticed: by oomtrace and
by your alerts. What will be done and what it will move is said first, on stderr.

The process that acts is called ` + simulate.ChildName + ` and runs in a cgroup named after it:
by both, watchers mark its events "simulated": true. Where no cgroup can be made
they are not marked, which is said.

Not for production.`,
		GroupID: groupLive,
	})
	cmd.AddCommand(newSimulateMemcg(env), newSimulateClock(env), newSimulateSysrq(env))
	return cmd
}

func newSimulateMemcg(env *cli.Env) *cobra.Command {
	var out cli.Output
	limit, timeout, count := cli.Bytes(64<<20), cli.Duration(30*time.Second), cli.Count(1)
	cmd := &cobra.Command{
		Use:   "memcg",
		Short: "An OOM kill, or many, in a memory cgroup of its own",
		Long: `Make a memory cgroup with a limit, start a process in it that touches memory at
oom_score_adj 1000 until the kernel kills it, and remove the cgroup again, also
after Ctrl-C. With --count, so many processes are killed there, one after the
other: a storm. It needs root and a writable cgroup filesystem (v1 or v2), and
refuses where vm.panic_on_oom=2 would make the machine panic.

Not for production: it moves counters and may set off alerts, which it names.`,
		Example: `  oomtrace simulate memcg
  oomtrace simulate memcg --limit 256MiB --timeout 1m -o json
  oomtrace simulate memcg --limit 32MiB --count 40`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			style, err := out.Style(env)
			if err != nil {
				return err
			}
			plan, err := simulate.PlanMemcg(simulate.MemcgOptions{LimitBytes: uint64(limit), Timeout: time.Duration(timeout), Count: int(count)})
			switch {
			case errors.Is(err, simulate.ErrTooSmall):
				return cli.Usage(err)
			case err != nil:
				return err
			}
			announce(env, plan.Steps()...)
			err = plan.Each(cmd.Context(), func(r *simulate.MemcgResult) error {
				counted := "the cgroup's oom_kill counter is not known on this kernel"
				if r.OOMKillsBefore != nil && r.OOMKillsAfter != nil {
					counted = fmt.Sprintf("the cgroup's oom_kill counter went from %d to %d", *r.OOMKillsBefore, *r.OOMKillsAfter)
				}
				return report(env, style, r, "pid %d (%s) was killed by SIGKILL after touching %.1f MiB of %d MiB in %s; %s",
					r.PID, r.Comm, mib(r.TouchedBytes), r.LimitBytes>>20, r.Cgroup, counted)
			})
			if err != nil {
				return simulateError(env, err)
			}
			return nil
		},
	}
	cmd.Flags().Var(&limit, "limit", "memory limit of the cgroup")
	cmd.Flags().Var(&timeout, "timeout", "how long to wait for each kill")
	cmd.Flags().Var(&count, "count", "how many `kills` to cause")
	out.Register(cmd, cli.Text, cli.JSON)
	return cmd
}

func newSimulateClock(env *cli.Env) *cobra.Command {
	var out cli.Output
	count := cli.Count(1)
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Set the clock's frequency to what it is",
		Long: `Read the clock's frequency correction and set it to the same value, by
clock_adjtime: the clock goes on as before. It needs root, or CAP_SYS_TIME; without
a writable cgroup filesystem the event is not marked as simulated.

Not for production: whoever watches clock changes sees one.`,
		Example: `  oomtrace simulate clock
  oomtrace simulate clock --count 100`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			style, err := out.Style(env)
			if err != nil {
				return err
			}
			announce(env,
				fmt.Sprintf("start %s in a cgroup of its own; it reads the clock's frequency and sets it to the same value, %d times", simulate.ChildName, count),
				"no counter of the kernel moves; audit rules on clock_adjtime (\"time-change\") log it")
			r, err := simulate.Clock(cmd.Context(), simulate.ClockOptions{Count: int(count)})
			if err != nil {
				return simulateError(env, err)
			}
			warnUnmarked(env, r.Mark)
			return report(env, style, r, "pid %d (%s) set the frequency %d times: %+.3f ppm before, %+.3f ppm after",
				r.PID, r.Comm, r.Calls, r.FreqBeforePPM, r.FreqAfterPPM)
		},
	}
	cmd.Flags().Var(&count, "count", "how many `calls` to make")
	out.Register(cmd, cli.Text, cli.JSON)
	return cmd
}

func newSimulateSysrq(env *cli.Env) *cobra.Command {
	var out cli.Output
	var really string
	timeout := cli.Duration(30 * time.Second)
	cmd := &cobra.Command{
		Use:   "sysrq",
		Short: "Show whom sysrq-f would kill; with --really, have it kill",
		Long: `Show the process that the kernel would kill now if it were told to by sysrq-f.
The answer is the one with the highest oom_score, which comes close to what the
kernel goes by, and is not the same.

With --really and the name of this host, start a process that holds memory at
oom_score_adj 1000 in a cgroup of its own, check that it is the first choice by far
enough, and tell the kernel to kill. It never panics on this, whatever vm.panic_on_oom is.

Not for production: the kernel chooses, and this cannot be contained.`,
		Example: `  oomtrace simulate sysrq
  oomtrace simulate sysrq --really test-machine-7`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			style, err := out.Style(env)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("really") {
				host, err := os.Hostname()
				if err != nil {
					return fmt.Errorf("read host name: %w", err)
				}
				if really != host {
					return cli.Usagef("--really %q is not the name of this host; type %q if you mean this one", really, host)
				}
			}
			plan, err := simulate.PlanSysrq(simulate.SysrqOptions{Timeout: time.Duration(timeout)})
			if err != nil {
				return err
			}
			if really == "" {
				c := plan.Candidate()
				return report(env, style, c, "the kernel would now probably kill pid %d (%s), whose oom_score of %d is the highest; nothing was done",
					c.PID, render.Sanitize(c.Comm), c.OOMScore)
			}
			announce(env,
				"start "+simulate.ChildName+" at oom_score_adj 1000 in a cgroup of its own, let it hold 64 MiB, and write f to /proc/sysrq-trigger",
				"these counters will move: oom_kill of /proc/vmstat",
				"these may alert: the kernel log (\"Out of memory: Killed process\"), node_exporter's node_vmstat_oom_kill, node-problem-detector's OOMKilling, the kubelet's SystemOOM")
			r, err := plan.Run(cmd.Context())
			if err != nil {
				return simulateError(env, err)
			}
			warnUnmarked(env, r.Mark)
			return report(env, style, r, "pid %d (%s) was killed by SIGKILL while holding %.1f MiB", r.PID, r.Comm, mib(r.HeldBytes))
		},
	}
	cmd.Flags().StringVar(&really, "really", "", "do it, on the host of this `name`")
	cmd.Flags().Var(&timeout, "timeout", "how long to wait for the kill")
	out.Register(cmd, cli.Text, cli.JSON)
	return cmd
}

// announce says on stderr what will happen, a step a line.
func announce(env *cli.Env, steps ...string) {
	env.Warnf("not for production; this will")
	for _, step := range steps {
		fmt.Fprintln(env.Stderr, "  - "+step)
	}
}

// warnUnmarked says when watchers cannot tell an event from a real one.
func warnUnmarked(env *cli.Env, m simulate.Mark) {
	if m.Unmarked != nil {
		env.Warnf("watchers do not mark this as simulated: %v", m.Unmarked)
	}
}

// report prints what was done: the result as JSON, or a line of text.
func report(env *cli.Env, style cli.Style, result any, format string, args ...any) error {
	if style.Format == cli.JSON {
		return json.NewEncoder(env.Stdout).Encode(result)
	}
	_, err := fmt.Fprintf(env.Stdout, format+"\n", args...)
	return err
}

// simulateError gives an end by Ctrl-C and one by --timeout their exit codes.
func simulateError(env *cli.Env, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		env.Warnf("interrupted; what was made is removed again")
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return cli.Nothing(fmt.Errorf("%w; give a longer --timeout", err))
	default:
		return err
	}
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
