// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/explain"
)

// mountsLimit bounds the mounts that are looked at.
const mountsLimit = 4096

func (f *facts) tmpfs(ctx context.Context) (func(*explain.Machine), []Gap) {
	// In a container the host's mounts are those of its first process.
	process := "self"
	if f.root != "/" {
		process = "1"
	}
	file, err := os.ReadFile(filepath.Join(f.proc, process, "mountinfo"))
	if err != nil {
		return nil, gap(err)
	}
	var found []explain.Mount
	for _, target := range tmpfsMounts(string(file)) {
		if ctx.Err() != nil {
			return nil, gap(ctx.Err())
		}
		var st unix.Statfs_t
		err := unix.Statfs(filepath.Join(f.root, target), &st)
		for errors.Is(err, unix.EINTR) {
			err = unix.Statfs(filepath.Join(f.root, target), &st)
		}
		// What another mount hides, or a user may not enter, is left out.
		if err != nil || st.Type != unix.TMPFS_MAGIC || st.Bsize <= 0 {
			continue
		}
		size := uint64(st.Bsize)
		found = append(found, explain.Mount{Target: target, SizeBytes: st.Blocks * size, UsedBytes: (st.Blocks - min(st.Bfree, st.Blocks)) * size})
	}
	slices.SortStableFunc(found, func(a, b explain.Mount) int { return cmp.Compare(b.UsedBytes, a.UsedBytes) })
	return func(m *explain.Machine) { m.Tmpfs = found }, nil
}

// tmpfsMounts lists where tmpfs are mounted, each once, by lines
//
//	24 23 0:22 / /dev/shm rw,relatime shared:4 - tmpfs tmpfs rw,size=24683620k
//
// of ids of the mount and of the one it is in, device, root, target, options, optional
// fields, a dash, type, source and more options (proc(5)). One that is within a mount
// whose server may hang is left out: to get there is to ask the server.
func tmpfsMounts(mountinfo string) []string {
	type mount struct{ parent, kind, device, target string }
	mounts := map[string]mount{}
	var order []string
	for line := range strings.Lines(mountinfo) {
		head, tail, ok := strings.Cut(line, " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 6 || len(t) < 1 || len(order) == mountsLimit {
			continue
		}
		mounts[h[0]] = mount{h[1], t[0], h[2], unescape(h[4])}
		order = append(order, h[0])
	}
	seen := map[string]bool{}
	var targets []string
	for _, id := range order {
		m := mounts[id]
		if m.kind != "tmpfs" || seen[m.device] {
			continue
		}
		remote := false
		for up, n := m.parent, 0; !remote && n < 64; n++ {
			above, ok := mounts[up]
			if !ok || above.parent == up {
				break
			}
			remote, up = mayHang(above.kind), above.parent
		}
		if !remote {
			seen[m.device] = true
			targets = append(targets, m.target)
		}
	}
	return targets
}

// mayHang says whether somebody else than the kernel answers for a file system.
func mayHang(kind string) bool {
	switch kind {
	case "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "9p", "virtiofs", "lustre", "gpfs", "beegfs", "glusterfs", "ocfs2", "gfs2", "autofs", "coda", "ncpfs", "orangefs":
		return true
	}
	return kind == "fuse" || strings.HasPrefix(kind, "fuse.") || kind == "fuseblk"
}

// unescape undoes \040 and the like, by which the kernel writes white space and
// backslashes (mangle, fs/proc_namespace.c).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
