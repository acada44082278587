// SPDX-License-Identifier: Apache-2.0

package kdumpconf_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kdumpconf"
)

var debian = []struct {
	name, file string
	want       event.Kdump
}{
	{"as installed", "USE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_COREDIR=\"/var/crash\"\n#MAKEDUMP_ARGS=\"-c -d 31\"\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}},
	{"empty", "", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}},
	{"own level", "MAKEDUMP_ARGS='-ld1'  # all but zero pages\nexport KDUMP_COREDIR=/srv/my\\ dumps\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(1), Target: "/srv/my dumps"}},
	{"no level", "MAKEDUMP_ARGS=-c\n", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(0), Target: "/var/crash"}},
	{"two levels", `MAKEDUMP_ARGS="-c --message-level 7 \` + "\n" + ` -d 17,31"`,
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(17), Target: "/var/crash"}},
	{"no number", "MAKEDUMP_ARGS='-d high'", event.Kdump{Collector: "makedumpfile", Target: "/var/crash"}},
	{"only a shell knows", "MAKEDUMP_ARGS=\"-d $LEVEL\"\nKDUMP_COREDIR=`pwd`",
		event.Kdump{Collector: "makedumpfile"}},
	{"never executed", "KDUMP_COREDIR=/a; rm -rf /tmp/x\n", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/a"}},
	{"nfs", "NFS=\"server:/export\"\n", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "nfs server:/export"}},
	{"ssh", "SSH=\"kdump@server\"\n", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "ssh kdump@server:/var/crash"}},
	{"ftp", "FTP=\"server:/up\"\nFTP_USER=u\nFTP_PASSWORD=secret\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "ftp server:/up"}},
	{"the later one", "KDUMP_COREDIR=/a\nKDUMP_COREDIR=/b\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/b"}},
}

var rhel = []struct {
	name, file string
	want       event.Kdump
}{
	{"as installed", "#path /x\nauto_reset_crashkernel yes\npath /var/crash\ncore_collector makedumpfile -l --message-level 7 -d 31\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}},
	{"empty", "", event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}},
	{"nfs", "nfs my.server:/export/tmp\npath /var/crash\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "nfs my.server:/export/tmp/var/crash"}},
	{"ssh", "ssh kdump@my.server # over there\nsshkey /root/.ssh/kdump_id_rsa\ncore_collector makedumpfile -F -l -d 17\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(17), Target: "ssh kdump@my.server:/var/crash"}},
	{"raw", "raw /dev/vg/lv_kdump\ncore_collector dd bs=1M\n",
		event.Kdump{Collector: "dd", Target: "raw /dev/vg/lv_kdump"}},
	{"ext4", "ext4 UUID=03138356-5e61-4ab3-b58e-27507ac41937\npath /\ncore_collector /usr/bin/cp --sparse=always\n",
		event.Kdump{Collector: "cp", Target: "ext4 UUID=03138356-5e61-4ab3-b58e-27507ac41937:/"}},
	{"no level", "core_collector makedumpfile -c\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(0), Target: "/var/crash"}},
	{"no value", "path\ncore_collector\nnfs\n",
		event.Kdump{Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}},
}

var suse = []struct {
	name, file string
	want       event.Kdump
	ok         bool
}{
	{"as installed", "KDUMP_KERNELVER=\"\"\nKDUMP_TRANSFER=\"\"\nKDUMP_SAVEDIR=\"/var/crash\"\nKDUMP_DUMPLEVEL=31\nKDUMP_DUMPFORMAT=\"compressed\"\n",
		event.Kdump{Tool: "sysconfig", Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/var/crash"}, true},
	{"local url", "KDUMP_SAVEDIR=file:///srv/dumps\n",
		event.Kdump{Tool: "sysconfig", Collector: "makedumpfile", DumpLevel: event.Ptr(31), Target: "/srv/dumps"}, true},
	{"a password", "KDUMP_SAVEDIR=\"ftp://user:secret@host/var/crash\"\nKDUMP_DUMPLEVEL=\"1\"\n",
		event.Kdump{Tool: "sysconfig", Collector: "makedumpfile", DumpLevel: event.Ptr(1), Target: "ftp://***@host/var/crash"}, true},
	{"log only", "KDUMP_SAVEDIR=/a\nKDUMP_DUMPFORMAT=none\n", event.Kdump{Tool: "sysconfig", Target: "/a"}, true},
	{"own script", "KDUMP_SAVEDIR=/a\nKDUMP_TRANSFER=\"/usr/local/bin/send -d 3\"\n",
		event.Kdump{Tool: "sysconfig", Collector: "send", Target: "/a"}, true},
	{"blank script", "KDUMP_DUMPLEVEL=0\nKDUMP_TRANSFER=\" \"\n",
		event.Kdump{Tool: "sysconfig", Collector: "makedumpfile", DumpLevel: event.Ptr(0), Target: "/var/crash"}, true},
	{"RHEL's file", "KDUMP_KERNELVER=\"\"\nKDUMP_COMMANDLINE=\"\"\nKEXEC_ARGS=\"-s\"\nKDUMP_IMG=\"vmlinuz\"\n", event.Kdump{}, false},
}

func TestParse(t *testing.T) {
	for _, tt := range debian {
		tt.want.Tool = kdumpconf.ToolDebian
		if diff := cmp.Diff(tt.want, kdumpconf.ParseDebian([]byte(tt.file))); diff != "" {
			t.Errorf("Debian, %s, -want +got:\n%s", tt.name, diff)
		}
	}
	for _, tt := range rhel {
		tt.want.Tool = kdumpconf.ToolRHEL
		if diff := cmp.Diff(tt.want, kdumpconf.ParseRHEL([]byte(tt.file))); diff != "" {
			t.Errorf("RHEL, %s, -want +got:\n%s", tt.name, diff)
		}
	}
	for _, tt := range suse {
		got, ok := kdumpconf.ParseSUSE([]byte(tt.file))
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
			t.Errorf("SUSE, %s: %v, -want +got:\n%s", tt.name, ok, diff)
		}
	}
}

func TestCrashkernel(t *testing.T) {
	for _, tt := range []struct{ cmdline, want string }{
		{"BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro crashkernel=256M quiet\n", "256M"},
		{"crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", "1G-4G:192M,4G-64G:256M,64G-:512M"},
		{"crashkernel=1G,high crashkernel=128M,low", "1G,high 128M,low"},
		{"nocrashkernel=1G quiet", ""},
		{"quiet -- crashkernel=1G", ""},
		{"crashkernel=", ""},
		{"", ""},
	} {
		if got := kdumpconf.Crashkernel(tt.cmdline); got != tt.want {
			t.Errorf("Crashkernel(%q) = %q, want %q", tt.cmdline, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range debian {
		f.Add([]byte(tt.file))
	}
	for _, tt := range rhel {
		f.Add([]byte(tt.file))
	}
	for _, tt := range suse {
		f.Add([]byte(tt.file))
	}
	check := func(t *testing.T, k event.Kdump) {
		for _, s := range []string{k.Collector, k.Target, k.Crashkernel} {
			if !utf8.ValidString(s) || strings.Contains(s, "\n") {
				t.Errorf("%q is not one line of UTF-8", s)
			}
		}
		if l := k.DumpLevel; l != nil && (*l < 0 || *l > 31) {
			t.Errorf("dump level %d", *l)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		check(t, kdumpconf.ParseDebian(file))
		check(t, kdumpconf.ParseRHEL(file))
		k, _ := kdumpconf.ParseSUSE(file)
		check(t, k)
		check(t, event.Kdump{Crashkernel: kdumpconf.Crashkernel(string(file))})
	})
}
