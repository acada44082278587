// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestBySimulator(t *testing.T) {
	for name, tt := range map[string]struct {
		comm, path string
		want       bool
	}{
		"simulation":       {"oomtrace-sim", "/user.slice/oomtrace-sim-123", true},
		"name alone":       {"oomtrace-sim", "/user.slice", false},
		"cgroup alone":     {"java", "/oomtrace-sim-123", false},
		"cgroup above":     {"oomtrace-sim", "/oomtrace-sim-123/x", false},
		"cgroup of others": {"oomtrace-sim", "/my-oomtrace-sim-123", false},
	} {
		if got := event.BySimulator(&tt.comm, &event.Cgroup{Path: tt.path}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	comm := "oomtrace-sim"
	if event.BySimulator(nil, &event.Cgroup{}) || event.BySimulator(&comm, nil) {
		t.Error("what is not known is simulated")
	}
}
