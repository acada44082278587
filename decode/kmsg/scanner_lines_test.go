// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// String is a record in one line: what is absent is left out.
func (r rec) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", r.Line, r.Format)
	if r.Reboot {
		b.WriteString(" reboot")
	}
	if r.BootID != "" {
		fmt.Fprintf(&b, " boot=%.4s", r.BootID)
	}
	if r.Prio >= 0 {
		fmt.Fprintf(&b, " <%d>", r.Prio)
	}
	if r.User {
		b.WriteString(" user")
	}
	if r.Host != "" {
		fmt.Fprintf(&b, " %s", r.Host)
	}
	if r.Wall != "" {
		fmt.Fprintf(&b, " (%s; %s)", r.Wall, r.Guessed)
	}
	if r.Printk >= 0 {
		fmt.Fprintf(&b, " [%s]", r.Printk)
	}
	if r.Caller != "" {
		fmt.Fprintf(&b, " [%s]", r.Caller)
	}
	if r.Cont {
		b.WriteString(" cont")
	}
	fmt.Fprintf(&b, " %q", r.Text)
	return b.String()
}

func recLines(recs []rec) (out []string) {
	for _, r := range recs {
		out = append(out, r.String())
	}
	return out
}

// Lines as tools and people left them: of issues and manuals, and of the tools
// themselves.
var scannerLogs = []struct {
	name, log string
	want      []string
}{
	{"dmesg: stamps of any width", "[    0.000000] a\n[12345.678901] b\n[123456789.000001] c\n[15180285.537297]  d\n[    1.000000]\n[    2.000000] \n", []string{
		`1 dmesg [0s] "a"`, `2 dmesg [3h25m45.678901s] "b"`, `3 dmesg [34293h33m9.000001s] "c"`, `4 dmesg [4216h44m45.537297s] " d"`,
		`5 dmesg [1s] ""`, `6 dmesg [2s] ""`,
	}},
	{"dmesg: other brackets are text", "[    1.000000] [drm] a\n[    1.000001] [   T] b\n[    1.000002] [    154]     0\n[    1.000003] [T1x] c\n[    1.000004] [<ffffffffa21135d4>] d\n", []string{
		`1 dmesg [1s] "[drm] a"`, `2 dmesg [1.000001s] "[   T] b"`, `3 dmesg [1.000002s] "[    154]     0"`, `4 dmesg [1.000003s] "[T1x] c"`,
		`5 dmesg [1.000004s] "[<ffffffffa21135d4>] d"`,
	}},
	{"dmesg: a CPU as caller", "[    1.000000][    C1] a\n[    1.000001][  T123] b\n", []string{
		`1 dmesg [1s] [C1] "a"`, `2 dmesg [1.000001s] [T123] "b"`,
	}},
	{"dmesg -r: user space", "<6>[    1.000000] a\n<30>[    2.000000] systemd[1]: b\n<12>[    3.000000] c\n", []string{
		`1 dmesg <6> [1s] "a"`, `2 dmesg <30> user [2s] "systemd[1]: b"`, `3 dmesg <12> user [3s] "c"`,
	}},
	{"dmesg -x: user space", "kern  :info  : [    1.000000] a\ndaemon:info  : [    2.000000] systemd[1]: b\nuser  :notice: [    3.000000] c\n", []string{
		`1 dmesg <6> [1s] "a"`, `2 dmesg <30> user [2s] "systemd[1]: b"`, `3 dmesg <13> user [3s] "c"`,
	}},
	{"dmesg without stamps", "<4>a b\n<6>c\n", []string{`1 dmesg <4> "a b"`, `2 dmesg <6> "c"`}},
	{"dmesg -T in other languages", "[Mo Jun 20 12:47:02 2026] a\n[lun. juin 20 12:47:03 2026] b\n[月  6月 20 12:47:04 2026] c\n[Mon Jun  2 12:47:04 2026] d\n", []string{
		`1 dmesg-time (dmesg 2026-06-20T12:47:02Z; zone 1s) "a"`, `2 dmesg-time "b"`, `3 dmesg-time "c"`,
		`4 dmesg-time (dmesg 2026-06-02T12:47:04Z; zone 1s) "d"`,
	}},
	{"dmesg --time-format reltime", "[Nov29 20:31] a\n[  +0.000221] b\n[ +61.500000] c\n[Dec31 23:59] d\n[Jan 1 00:00] e\n", []string{
		`1 dmesg (dmesg 2000-11-29T20:31:00Z; year+0 zone 1m0s) "a"`, `2 dmesg (dmesg 2000-11-29T20:31:00.000221Z; year+0 zone 1m0s) "b"`,
		`3 dmesg (dmesg 2000-11-29T20:32:01.500221Z; year+0 zone 1m0s) "c"`,
		`4 dmesg (dmesg 2000-12-31T23:59:00Z; year+0 zone 1m0s) "d\n[Jan 1 00:00] e"`,
	}},
	{"dmesg --time-format iso", "2026-11-29T20:31:17,424546+01:00 a: b\n2026-11-29T20:31:17,424547-03:30 host kernel: c\n", []string{
		`1 dmesg-iso (dmesg 2026-11-29T19:31:17.424546Z; 1µs) "a: b"`, `2 dmesg-iso (dmesg 2026-11-30T00:01:17.424547Z; 1µs) "host kernel: c"`,
	}},
	{"syslog: other daemons", "Jun  2 12:47:02 db kernel: a\nJun  2 12:47:03 db CRON[12]: b\nJun  2 12:47:03 db kernel[12]: c\nJun  2 12:47:03 db last message repeated 2 times\nJun  2 12:47:04 db kernel:  d\n", []string{
		`1 syslog db (syslog 2000-06-02T12:47:02Z; year+0 zone 1s) "a"`, `2 syslog user db (syslog 2000-06-02T12:47:03Z; year+0 zone 1s) "b"`,
		`3 syslog user db (syslog 2000-06-02T12:47:03Z; year+0 zone 1s) "c"`, `4 syslog user db (syslog 2000-06-02T12:47:03Z; year+0 zone 1s) "last message repeated 2 times"`,
		`5 syslog db (syslog 2000-06-02T12:47:04Z; year+0 zone 1s) " d"`,
	}},
	{"syslog: stamp and caller", "Apr  5 20:58:43 syzkaller kern.err kernel: [  173.258054][   T45] preempt_count: 1\nApr  5 20:58:43 syzkaller kern.warn kernel: [  173.261277][   T45] 1 lock\nApr  5 20:58:43 syzkaller daemon.info init: x\n", []string{
		`1 syslog <3> syzkaller (syslog 2000-04-05T20:58:43Z; year+0 zone 1s) [2m53.258054s] [T45] "preempt_count: 1"`,
		`2 syslog <4> syzkaller (syslog 2000-04-05T20:58:43Z; year+0 zone 1s) [2m53.261277s] [T45] "1 lock"`,
		`3 syslog <30> user syzkaller (syslog 2000-04-05T20:58:43Z; year+0 zone 1s) "x"`,
	}},
	{"syslog: OpenWrt", "Mon Jan 15 20:22:01 2018 kern.warn kernel: [    0.000000] a\nMon Jan 15 20:22:02 2018 daemon.info dnsmasq[1]: b\n", []string{
		`1 syslog <4> (syslog 2018-01-15T20:22:01Z; zone 1s) [0s] "a"`, `2 syslog <30> user (syslog 2018-01-15T20:22:02Z; zone 1s) "b"`,
	}},
	{"syslog on the wire", "<4>Jun 20 12:47:02 db kernel: [    1.5] a\n<13>Jun 20 12:47:02 db kernel: b\n", []string{
		`1 syslog <4> db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) [1.5s] "a"`, `2 syslog <13> user db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "b"`,
	}},
	{"syslog: netconsole, and ts(1)", "Jun 20 12:47:02 10.0.0.1 [  173.258054] a\nJun 20 12:47:02 [  173.258055] b\n", []string{
		`1 syslog 10.0.0.1 (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) [2m53.258054s] "a"`,
		`2 syslog (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) [2m53.258055s] "b"`,
	}},
	{"syslog: klogd's levels", "Jun 20 12:47:02 db kernel: <4>a\n", []string{`1 syslog <4> db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "a"`}},
	{"syslog: a year", "Jun 20 2026 12:47:02 db kernel: a\nJun 20 2026 12:47:02.25 db kernel: b\n", []string{
		`1 syslog db (syslog 2026-06-20T12:47:02Z; zone 1s) "a"`, `2 syslog db (syslog 2026-06-20T12:47:02.25Z; zone 10ms) "b"`,
	}},
	{"syslog: escapes", "Jun 20 12:47:02 db kernel: a#012b#011c#033[0m #1 SMP #136-Ubuntu #0 #01\n", []string{
		`1 syslog db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "a\nb\tc\x1b[0m #1 SMP #136-Ubuntu #0 #01"`,
	}},
	{"dmesg: no escapes there", "[    1.000000] a#012b \\x0a\n", []string{`1 dmesg [1s] "a#012b \\x0a"`}},
	{"RFC 5424", "<4>1 2026-06-20T12:47:02.5Z db kernel - - [x@1 a=\"]\\\"\"][y] [    1.000000] a\n<30>1 - - sshd 12 - - b\n<13>1 2026-06-20T12:47:02.5Z db kernel - - - c\n", []string{
		`1 syslog-iso <4> db (syslog 2026-06-20T12:47:02.5Z; 100ms) [1s] "a"`, `2 syslog-iso <30> user "b"`,
		`3 syslog-iso <13> user db (syslog 2026-06-20T12:47:02.5Z; 100ms) "c"`,
	}},
	{"rsyslog ISO: zones", "2026-06-20T12:47:02.123456+02:00 db kernel: [    1.0] a\n2026-06-20T12:47:02-0330 db kernel: b\n2026-06-20T12:47:02.123Z db sshd[1]: c\n2026-06-20T12:47:02 db kernel: d\n", []string{
		`1 syslog-iso db (syslog 2026-06-20T10:47:02.123456Z; 1µs) [1s] "a"`, `2 syslog-iso db (syslog 2026-06-20T16:17:02Z; 1s) "b"`,
		`3 syslog-iso user db (syslog 2026-06-20T12:47:02.123Z; 1ms) "c"`, `4 syslog-iso db (syslog 2026-06-20T12:47:02Z; zone 1s) "d"`,
	}},
	{"rsyslog ISO on the wire", "<4>2026-06-20T12:47:02.123456+02:00 db kernel: [    1.0] a\n<30>2026-06-20T12:47:02+02:00 db sshd[1]: b\n", []string{
		`1 syslog-iso <4> db (syslog 2026-06-20T10:47:02.123456Z; 1µs) [1s] "a"`, `2 syslog-iso <30> user db (syslog 2026-06-20T10:47:02Z; 1s) "b"`,
	}},
	{"a log service's time before syslog's", "2026-06-20T12:47:02.000Z Jun 20 12:47:02 db kernel: a\n2026-06-20T12:47:03.000Z Jun 20 12:47:03 db kernel: b\n", []string{
		`1 cri db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "a"`, `2 cri db (syslog 2000-06-20T12:47:03Z; year+0 zone 1s) "b"`,
	}},
	{"CRI around kmsg with fields", "2016-10-06T00:17:09.669794202Z stdout F 4,1,100,-;a\n2016-10-06T00:17:09.669794202Z stdout F  SUBSYSTEM=pci\n2016-10-06T00:17:09.669794202Z stdout F 4,2,101,-;b\n", []string{
		`1 cri <4> (container 2016-10-06T00:17:09.669794202Z; 1ns) [100µs] "a"`, `3 cri <4> (container 2016-10-06T00:17:09.669794202Z; 1ns) [101µs] "b"`,
	}},
	{"journalctl: boots", "-- Logs begin at Mon 2026-06-01 00:00:00 CEST, end at Sat 2026-06-20 13:00:00 CEST. --\nJun 20 12:47:02 db kernel: a\n-- Reboot --\nJun 20 12:48:02 db kernel: b\n-- Boot 0d65d8ae7d494f95b5f7f45246f0708a --\nJun 20 12:49:02 db kernel: c\nJun 20 12:49:03 db kernel: d\n-- No entries --\n", []string{
		`2 syslog db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "a"`, `4 syslog reboot db (syslog 2000-06-20T12:48:02Z; year+0 zone 1s) "b"`,
		`6 syslog reboot boot=0d65 db (syslog 2000-06-20T12:49:02Z; year+0 zone 1s) "c"`, `7 syslog boot=0d65 db (syslog 2000-06-20T12:49:03Z; year+0 zone 1s) "d"`,
	}},
	{"journalctl: no boot of dmesg's", "[    1.000000] a (x\n-- Reboot --\n[    1.000001] b\n", []string{
		`1 dmesg [1s] "a (x\n-- Reboot --"`, `3 dmesg [1.000001s] "b"`,
	}},
	{"journalctl in other languages", "juin 20 12:47:02 db kernel: a\n6月 20 12:47:03 db kernel: b\nsep 23 18:49:47 db kernel: c\nthg 6 20 12:47:02 db kernel: d\nXXX XX XX:XX:XX db kernel: e\n20. Jun 12:47:02 db kernel: f\n", []string{
		`1 syslog db "a"`, `2 syslog db "b"`, `3 syslog db (syslog 2000-09-23T18:49:47Z; year+0 zone 1s) "c"`, `4 syslog db "d"`,
		`5 syslog db "e\n20. Jun 12:47:02 db kernel: f"`,
	}},
	{"journalctl -o short-full", "Sat 2026-06-20 12:47:02 UTC db kernel: a\nSat 2026-06-20 12:47:02 -03 db kernel: b\nSat 2026-06-20 12:47:02 CEST db ssh.service[12]: c\nSat 2026-06-20 12:47:02.5 +0545 kernel: d\n", []string{
		`1 journal-short db (journal 2026-06-20T12:47:02Z; 1s) "a"`, `2 journal-short db (journal 2026-06-20T15:47:02Z; 1s) "b"`,
		`3 journal-short user db (journal 2026-06-20T12:47:02Z; zone 1s) "c"`, `4 journal-short (journal 2026-06-20T07:02:02.5Z; 100ms) "d"`,
	}},
	{"journalctl -o short-monotonic: daemons first", "[    1.000000] db systemd[1]: a\n[    1.100000] db systemd[1]: b\n[    1.200000] db kernel: c\n[    1.300000] db kernel: d\n[    1.400000] db kernel: e\n[    1.500000] db sshd[1]: f\n", []string{
		`1 dmesg [1s] "db systemd[1]: a"`, `2 dmesg [1.1s] "db systemd[1]: b"`, `3 journal-short db [1.2s] "c"`, `4 journal-short db [1.3s] "d"`,
		`5 journal-short db [1.4s] "e"`, `6 journal-short user db [1.5s] "f"`,
	}},
	{"journalctl -o short-unix", "1781959622.123456 db kernel: a\n1781959622.123457 db sshd[1]: b\n", []string{
		`1 journal-short db (journal 2026-06-20T12:47:02.123456Z; 1µs) "a"`, `2 journal-short user db (journal 2026-06-20T12:47:02.123457Z; 1µs) "b"`,
	}},
	{"kmsg: pieces of lines", "4,1,100,c;a\n4,2,101,-;b\n12,3,102,-;c\n6,4,18446744073709551615,-;d\n4,5,103,-,caller=C2;\n", []string{
		`1 kmsg <4> [100µs] cont "a"`, `2 kmsg <4> [101µs] "b"`, `3 kmsg <12> user [102µs] "c"`, `4 plain "6,4,18446744073709551615,-;d"`,
		`5 kmsg <4> [103µs] [C2] ""`,
	}},
	{"kmsg: before 4.9", "4,1,100,+;a\n4,2,101,c;b\n4,3,101,+;c\n", []string{
		`1 kmsg <4> [100µs] cont "a"`, `2 kmsg <4> [101µs] "b"`, `3 kmsg <4> [101µs] cont "c"`,
	}},
	{"kmsg: escapes", "4,1,100,-;a\\x0ab\\x5cx0a\\xe2\\x82\\xac\\xzz\\x0\n SUBSYSTEM=x\n", []string{`1 kmsg <4> [100µs] "a\nb\\x0a€\\xzz\\x0"`}},
	{"netconsole", "6.4.0,6,444,501151268,-;netconsole: network logging started\n6,416,1758426,-,ncfrag=0/31;the first chunk,\n6,416,1758426,-,ncfrag=16/31; the 2nd chunk.\n", []string{
		`1 kmsg <6> [8m21.151268s] "netconsole: network logging started"`, `2 kmsg <6> [1.758426s] "the first chunk,"`, `3 kmsg <6> [1.758426s] cont " the 2nd chunk."`,
	}},
	{"a console", "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16)\r\n\r\nBooting.\r\n[    0.000000] a\r\n[    0.000001] b\r\n\r\nDebian GNU/Linux 12 db ttyS0\r\n\r\ndb login: [    1.500000] c\r\n\x00\x00[    2.500000] d\x00\r\n[    3.000000] e", []string{
		`1 plain "SeaBIOS (version 1.16)"`, `3 plain "Booting."`, `4 dmesg [0s] "a"`, `5 dmesg [1µs] "b"`, `7 plain "Debian GNU/Linux 12 db ttyS0"`,
		`9 plain "db login: [    1.500000] c"`, `10 dmesg [2.5s] "d"`, `11 dmesg [3s] "e"`,
	}},
	{"a console: a prompt before a record", "[    0.000000] a\n[    0.000001] b\ndb login: [    1.500000] c\nfoo [    0.500000] d\n", []string{
		`1 dmesg [0s] "a"`, `2 dmesg [1µs] "b"`, `3 dmesg [1.5s] "c\nfoo [    0.500000] d"`,
	}},
	{"a cloud's console: syslog and kernel", "Jun 20 12:47:02 db sshd[1]: a\n[    1.000000] b\n[    2.000000] c\nJun 20 12:47:02 db sshd[1]: d\n[    3.000000] e\n", []string{
		`1 syslog user db (syslog 2000-06-20T12:47:02Z; year+0 zone 1s) "a"`, `2 dmesg [1s] "b"`, `3 dmesg [2s] "c\nJun 20 12:47:02 db sshd[1]: d"`, `5 dmesg [3s] "e"`,
	}},
	{"pstore", "Panic#1 Part1\n<4>[    1.000000] a\n<0>[    2.000000] b\n", []string{
		`1 plain "Panic#1 Part1"`, `2 dmesg <4> [1s] "a"`, `3 dmesg <0> [2s] "b"`,
	}},
	{"CRI", "2016-10-06T00:17:09.669794202Z stdout F [    1.000000] a\n2016-10-06T02:17:09.669794202+02:00 stderr P:x [    2.0\n2016-10-06T00:17:09.669794203Z stderr F 00000] b\n2016-10-06T00:17:10Z stdout F  c\n2016-10-06T00:17:11Z stdout P [    3.000000] d", []string{
		`1 cri (container 2016-10-06T00:17:09.669794202Z; 1ns) [1s] "a"`, `2 cri (container 2016-10-06T00:17:09.669794203Z; 1ns) [2s] "b\n c"`,
		`5 cri (container 2016-10-06T00:17:11Z; 1s) [3s] "d"`,
	}},
	{"kubectl logs --timestamps", "2016-10-06T00:17:09.669794202Z [    1.000000] a\n2016-10-06T00:17:09.669Z [    2.000000] b\n", []string{
		`1 cri (container 2016-10-06T00:17:09.669794202Z; 1ns) [1s] "a"`, `2 cri (container 2016-10-06T00:17:09.669Z; 1ms) [2s] "b"`,
	}},
	{"docker", `{"log":"[    1.000000] a\u003c/TASK\u003e\u0000\ud83d\ude00\\x\r\n","stream":"stdout","attrs":{"a":"}"},"time":"2026-06-20T10:47:05.5Z"}` + "\n" + `{"log":"[    2.0","stream":"stdout","time":"2026-06-20T10:47:05Z"}` + "\n" + `{"log":"00000] b\n","stream":"stdout","time":"2026-06-20T10:47:06Z"}` + "\n" + `{"log":"[    3.00`, []string{
		`1 docker (container 2026-06-20T10:47:05.5Z; 100ms) [1s] "a</TASK>\x00😀\\x"`, `2 docker (container 2026-06-20T10:47:06Z; 1s) [2s] "b"`,
		`4 plain "{\"log\":\"[    3.00"`,
	}},
	{"journal JSON: bytes, null, several, user space", `{"MESSAGE":[74,97,10,255],"_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"1781959622123456"}
{"MESSAGE":null,"_TRANSPORT":"kernel"}
{"_TRANSPORT":"syslog","MESSAGE":["a","b"],"SYSLOG_IDENTIFIER":"kernel","PRIORITY":"6","SYSLOG_FACILITY":"3"}
{"SYSLOG_IDENTIFIER":"kernel","_TRANSPORT":"stdout","MESSAGE":"x"}
{"SYSLOG_IDENTIFIER":"kernel","MESSAGE":"y"}
{"_TRANSPORT":"kernel","MESSAGE":"z","PRIORITY":"3","SYSLOG_FACILITY":"1"}
`, []string{
		`1 journal-json (journal 2026-06-20T12:47:02.123456Z; 1µs) "Ja\n\xff"`, `3 journal-json <30> user "a"`, `4 journal-json user "x"`, `5 journal-json "y"`, `6 journal-json <11> user "z"`,
	}},
	{"JSON of something else is text", `{"level":"info","msg":"x"}` + "\n{\n\"a\": 1\n}\n{\n\"b\n", []string{
		`1 plain "{\"level\":\"info\",\"msg\":\"x\"}"`, `2 plain "{"`, `3 plain "\"a\": 1"`, `4 plain "}"`, `5 plain "{"`, `6 plain "\"b"`,
	}},
	{"journal export: binary fields, no message, cut off", "__CURSOR=s=1\n_TRANSPORT=kernel\nMESSAGE\n\x0a\x00\x00\x00\x00\x00\x00\x00ab\n\n_X=1\nc\nPRIORITY=4\n\n__CURSOR=s=2\n_TRANSPORT=kernel\nCODE=1\n\n\n__CURSOR=s=3\n_TRANSPORT=stdout\nMESSAGE=d\nMESSAGE=e", []string{
		`1 journal-export <4> "ab\n\n_X=1\nc"`, `16 journal-export user "d"`,
	}},
	{"journalctl -o verbose", "Sat 2026-06-20 12:47:02.123456 CEST [s=6a;i=1;b=d1c1f0e0a0b14f7ea1a2b3c4d5e6f708;m=1;t=654ad212097c0;x=f]\n    _TRANSPORT=kernel\n    MESSAGE=a\n                _TRANSPORT=stdout\n     b\n    PRIORITY=3\n    SYSLOG_FACILITY=0\nSat 2026-06-20 12:47:03.123456 CEST [s=6a;i=2;b=d1c1f0e0a0b14f7ea1a2b3c4d5e6f708;m=1;t=654ad212097c1;x=f]\n    MESSAGE=c\n    _TRANSPORT=syslog\n", []string{
		`1 journal-short boot=d1c1 <3> (journal 2026-06-20T10:47:02.123456Z; 1µs) "a\n    _TRANSPORT=stdout"`,
		`8 journal-short boot=d1c1 user (journal 2026-06-20T10:47:02.123457Z; 1µs) "c"`,
	}},
	{"text alone", "a\n\n b\nc\r\n", []string{`1 plain "a"`, `3 plain " b"`, `4 plain "c"`}},
	{"a byte order mark", "\xef\xbb\xbf[    1.000000] a\r\n", []string{`1 dmesg [1s] "a"`}},
	{"nothing", "", nil},
	{"empty lines", "\n\r\n\x00\x00\n", nil},
}

func TestScannerLogs(t *testing.T) {
	for _, tt := range scannerLogs {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, recLines(scan(t, tt.log))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
