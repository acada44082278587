// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/kubeletconf"
	"github.com/oomtrace/oomtrace/internal/explain"
)

// kubeletFolder is there once a kubelet has run, whoever installed it.
const kubeletFolder = "var/lib/kubelet"

func (f *facts) kubelet(ctx context.Context) (func(*explain.Machine), []Gap) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, gap(err)
	}
	defer root.Close()
	host := hostRoot{root}

	args, hidden, err := f.kubeletArgs(ctx)
	k := explain.Kubelet{Runs: args != nil}
	switch {
	case k.Runs:
	case err != nil:
		return nil, gap(err)
	case hidden:
		// Others' processes are not for this user to see.
		if _, err := host.Stat(kubeletFolder); err != nil {
			return nil, []Gap{{Source: f.proc, Err: errors.New("other users' processes are hidden here; run as root")}}
		}
		k.Runs = true
	default:
		return func(m *explain.Machine) { m.Kubelet = &k }, nil
	}

	var flags, swap kubeletconf.Swap
	config, configDir := flags.AddFlags(args)
	config = or(config, "/"+kubeletFolder+"/config.yaml")
	var gaps []Gap
	file, err := host.ReadFile(strings.TrimPrefix(path.Clean(config), "/"))
	if err != nil {
		gaps = append(gaps, Gap{Fact: "the kubelet's configuration", Source: config, Err: err})
	}
	swap.Add(file)
	if configDir != "" {
		dir := strings.TrimPrefix(path.Clean(configDir), "/")
		names := host.Names(dir)
		slices.Sort(names)
		for _, name := range names {
			if file, err := host.ReadFile(path.Join(dir, name)); err == nil && strings.HasSuffix(name, ".conf") {
				swap.Add(file)
			}
		}
	}
	if flags.FailSwapOn != nil {
		swap.FailSwapOn = flags.FailSwapOn
	}
	k.FailSwapOn, k.SwapBehavior = swap.FailSwapOn, swap.Behavior
	return func(m *explain.Machine) { m.Kubelet = &k }, gaps
}

// kubeletArgs is the command line of the kubelet that runs, or of what has one in it
// (k3s); nil if none does. hidden says that not all processes are to be seen.
func (f *facts) kubeletArgs(ctx context.Context) (args []string, hidden bool, err error) {
	hidden = true // there is always a pid 1
	err = f.reader.EachPID(func(pid int) bool {
		hidden = hidden && pid != 1
		dir := filepath.Join(f.proc, strconv.Itoa(pid))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			return ctx.Err() == nil
		}
		switch string(bytes.TrimSpace(comm)) {
		case "kubelet", "hyperkube", "k3s-server", "k3s-agent", "k3s", "rke2":
		default:
			return ctx.Err() == nil
		}
		// Anybody can take a name: a kubelet is root's.
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil || !bytes.Contains(status, []byte("\nUid:\t0\t")) {
			return ctx.Err() == nil
		}
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			return ctx.Err() == nil
		}
		args = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		return false
	})
	if err == nil {
		err = ctx.Err()
	}
	return args, hidden, err
}
