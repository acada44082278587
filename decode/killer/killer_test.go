// SPDX-License-Identifier: Apache-2.0

package killer

import (
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestJudge(t *testing.T) {
	p := event.Ptr[string]
	for name, tt := range map[string]struct {
		sender *event.Task
		was    event.Verdict
		want   event.Verdict
		source string
	}{
		"executable":              {&event.Task{Exe: p("/usr/bin/earlyoom"), Unit: "x.service"}, "", event.VerdictEarlyOOM, "exe"},
		"executable replaced":     {&event.Task{Exe: p("/usr/bin/kubelet (deleted)")}, "", event.VerdictKubelet, "exe"},
		"executable's comm lies":  {&event.Task{Exe: p("/tmp/x"), Comm: p("kubelet")}, "", event.VerdictOther, ""},
		"unit":                    {&event.Task{Exe: p("/usr/lib/helper"), Unit: "systemd-oomd.service"}, "", event.VerdictSystemdOOMD, "unit"},
		"comm alone":              {&event.Task{Comm: p("systemd-oomd")}, "", event.VerdictSystemdOOMD, "comm"},
		"comm cut by the kernel":  {&event.Task{Comm: p("containerd-shim")}, "", event.VerdictRuntime, "comm"},
		"comm of runc's stages":   {&event.Task{Comm: p("runc:[2:INIT]")}, "", event.VerdictRuntime, "comm"},
		"runc's copy of itself":   {&event.Task{Exe: p("/memfd:runc_cloned:/proc/self/exe (deleted)")}, "", event.VerdictRuntime, "exe"},
		"another's memfd":         {&event.Task{Exe: p("/memfd:x (deleted)")}, "", event.VerdictOther, ""},
		"a shell":                 {&event.Task{Exe: p("/usr/bin/dash"), Comm: p("sh"), Unit: "session-1.scope"}, "", event.VerdictOther, ""},
		"nothing known":           {&event.Task{}, "", event.VerdictOther, ""},
		"nobody":                  {nil, "", event.VerdictOther, ""},
		"the way says it already": {&event.Task{Comm: p("runc")}, event.VerdictKernel, event.VerdictKernel, ""},
	} {
		s := &event.Sigkill{Sender: tt.sender, Verdict: tt.was}
		if s.Verdict == "" {
			s.Verdict = event.VerdictOther
		}
		Judge(s)
		if s.Verdict != tt.want || s.VerdictSource != tt.source {
			t.Errorf("%s: %s by %q, want %s by %q", name, s.Verdict, s.VerdictSource, tt.want, tt.source)
		}
	}
}
