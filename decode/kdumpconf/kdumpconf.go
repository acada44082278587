// SPDX-License-Identifier: Apache-2.0

package kdumpconf

import (
	"path"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The tools, as event.Kdump names them.
const (
	ToolDebian = "kdump-tools" // /etc/default/kdump-tools
	ToolRHEL   = "kdump.conf"  // /etc/kdump.conf
	ToolSUSE   = "sysconfig"   // /etc/sysconfig/kdump
)

const (
	makedumpfile = "makedumpfile"
	// The defaults of all three services.
	defaultDir   = "/var/crash"
	defaultLevel = "31"
)

// ParseDebian reads /etc/default/kdump-tools of Debian and Ubuntu. It fills
// Tool, Collector, DumpLevel and Target.
func ParseDebian(file []byte) event.Kdump {
	vars := parseShell(file)
	k := event.Kdump{Tool: ToolDebian, Collector: makedumpfile}
	if args, ok := vars.get("MAKEDUMP_ARGS", "-d "+defaultLevel); ok {
		k.DumpLevel = dumpLevel(strings.Fields(args))
	}
	dir, known := vars.get("KDUMP_COREDIR", defaultDir)
	// kdump-config serves every target that is set; the first is named.
	if nfs, ok := vars.get("NFS", ""); nfs != "" || !ok {
		dir, known = "nfs "+nfs, ok
	} else if ftp, ok := vars.get("FTP", ""); ftp != "" || !ok {
		dir, known = "ftp "+ftp, ok
	} else if ssh, ok := vars.get("SSH", ""); ssh != "" || !ok {
		dir, known = "ssh "+ssh+":"+dir, ok && known
	}
	if known {
		k.Target = clean(dir)
	}
	return k
}

// ParseRHEL reads /etc/kdump.conf of RHEL, Fedora and their kin. It fills Tool,
// Collector, DumpLevel and Target.
func ParseRHEL(file []byte) event.Kdump {
	k := event.Kdump{Tool: ToolRHEL}
	dir := defaultDir
	var kind, where string
	collector := []string{makedumpfile, "-d", defaultLevel}
	for line := range lines(file) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "path":
			dir = words[1]
		case "core_collector":
			collector = words[1:]
		case "nfs", "nfs4", "ssh", "raw", "ext2", "ext3", "ext4", "xfs", "btrfs", "minix", "virtiofs":
			kind, where = words[0], words[1]
		}
	}
	switch k.Target = dir; kind {
	case "":
	case "raw":
		k.Target = "raw " + where
	case "nfs", "nfs4":
		k.Target = kind + " " + where + path.Join("/", dir)
	default:
		k.Target = kind + " " + where + ":" + dir
	}
	k.Target = clean(k.Target)
	k.Collector = clean(path.Base(collector[0]))
	if k.Collector == makedumpfile {
		k.DumpLevel = dumpLevel(collector[1:])
	}
	return k
}

// ParseSUSE reads /etc/sysconfig/kdump of SUSE. It fills Tool, Collector,
// DumpLevel and Target. RHEL has a file of that name for other ends: ok is false
// for it.
func ParseSUSE(file []byte) (k event.Kdump, ok bool) {
	vars := parseShell(file)
	_, level := vars["KDUMP_DUMPLEVEL"]
	_, dir := vars["KDUMP_SAVEDIR"]
	if !level && !dir {
		return event.Kdump{}, false
	}
	k.Tool = ToolSUSE
	if dir, ok := vars.get("KDUMP_SAVEDIR", defaultDir); ok {
		k.Target = clean(strings.TrimPrefix(dir, "file://"))
	}
	transfer, known := vars.get("KDUMP_TRANSFER", "")
	format, _ := vars.get("KDUMP_DUMPFORMAT", "compressed")
	if script := strings.Fields(transfer); len(script) > 0 {
		k.Collector = clean(path.Base(script[0]))
	} else if known && format != "none" && format != "raw" {
		k.Collector = makedumpfile
		if level, ok := vars.get("KDUMP_DUMPLEVEL", defaultLevel); ok {
			k.DumpLevel = parseLevel(level)
		}
	}
	return k, true
}

// Crashkernel returns the values of crashkernel= on a kernel command line, in
// their order and with spaces between (",high" and ",low" stand apart); "" without
// one.
func Crashkernel(cmdline string) string {
	var values []string
	for word := range strings.FieldsSeq(cmdline) {
		if word == "--" { // the rest is for init
			break
		}
		if v, ok := strings.CutPrefix(word, "crashkernel="); ok && v != "" {
			values = append(values, clean(strings.Trim(v, `"`)))
		}
	}
	return strings.Join(values, " ")
}

// dumpLevel finds makedumpfile's -d among args: "-d 31", "-d31", "-cd 31", and of
// "-d 1,31" the level that is tried first. Without one every page is kept: 0. It
// is nil when the level is no number.
func dumpLevel(args []string) *int {
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "--") {
			continue
		}
		_, level, ok := strings.Cut(arg, "d")
		if !ok {
			continue
		}
		if level == "" && i+1 < len(args) {
			level = args[i+1]
		}
		return parseLevel(level)
	}
	return event.Ptr(0)
}

// parseLevel reads a dump level, a mask of five bits; nil if it is none.
func parseLevel(s string) *int {
	s, _, _ = strings.Cut(s, ",")
	level, err := strconv.Atoi(s)
	if err != nil || level < 0 || level > 31 {
		return nil
	}
	return &level
}
