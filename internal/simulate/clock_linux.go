// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Clock sets the clock's frequency to what it is, by clock_adjtime. It fails with
// an *Unsupported without CAP_SYS_TIME.
func Clock(ctx context.Context, o ClockOptions) (_ *ClockResult, err error) {
	args := []string{"clock", strconv.Itoa(or(o.Count, 1))}
	var r ClockResult
	cg, err := mark(or(o.ProcFS, defaultProcFS))
	if err != nil {
		r.Unmarked = err
	} else {
		defer func() { err = errors.Join(err, cg.remove(ctx)) }()
		r.Cgroup = cg.path
		args = append(args, cg.procs())
	}
	out, err := act(ctx, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if ctx.Err() != nil {
			return nil, fmt.Errorf("set frequency: %w", ctx.Err())
		}
		if !errors.As(err, &exit) {
			return nil, fmt.Errorf("start %s: %w", ChildName, err)
		}
		said := strings.TrimSpace(string(exit.Stderr))
		if strings.HasSuffix(said, unix.EPERM.Error()) {
			return nil, &Unsupported{Missing: "may not set the clock", Remedy: "run this as root, or with CAP_SYS_TIME"}
		}
		return nil, errors.New(said)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("read what %s did: %w", ChildName, err)
	}
	return &r, nil
}
