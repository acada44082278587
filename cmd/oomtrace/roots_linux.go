// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// rootFlags say where the host's filesystems are, for a container that has its own.
type rootFlags struct {
	procfs, sysfs, cgroupfs, rootfs cli.Word
}

func newRootFlags() rootFlags { return rootFlags{procfs: "/proc", sysfs: "/sys", rootfs: "/"} }

func (r *rootFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&r.procfs, "procfs", "the `directory` where the host's procfs is mounted")
	f.Var(&r.sysfs, "sysfs", "the `directory` where the host's sysfs is mounted")
	f.Var(&r.cgroupfs, "cgroupfs", "the `directory` where the host's cgroups are mounted (default fs/cgroup in that of --sysfs)")
	f.Var(&r.rootfs, "rootfs", "the `directory` where the host's root is mounted")
}

func (r *rootFlags) options() procsnap.Options {
	return procsnap.Options{Proc: string(r.procfs), Sys: string(r.sysfs), Cgroup: string(r.cgroupfs), Root: string(r.rootfs)}
}

// check refuses a place that is not what its flag says: nothing that is read
// below it would be there, and the session would hardly say so.
func (r *rootFlags) check() error {
	for _, root := range []struct {
		flag, path, kind string
		magic            int64
	}{
		{"--procfs", string(r.procfs), "procfs", unix.PROC_SUPER_MAGIC},
		{"--sysfs", string(r.sysfs), "sysfs", unix.SYSFS_MAGIC},
		{"--rootfs", string(r.rootfs), "", 0},
	} {
		var st unix.Statfs_t
		err := unix.Statfs(root.path, &st)
		if err == nil && root.kind == "" {
			var dir os.FileInfo
			if dir, err = os.Stat(root.path); err == nil && !dir.IsDir() {
				err = unix.ENOTDIR
			}
		}
		switch {
		case err != nil:
			return cli.Usagef("%s %q: %w", root.flag, root.path, err)
		case root.magic != 0 && st.Type != root.magic:
			return cli.Usagef("%s %q is no mount of %s", root.flag, root.path, root.kind)
		}
	}
	if r.cgroupfs != "" {
		if err := procsnap.CheckCgroups(string(r.cgroupfs)); err != nil {
			return cli.Usagef("--cgroupfs %q: %w", string(r.cgroupfs), err)
		}
	}
	return nil
}
