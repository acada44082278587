// SPDX-License-Identifier: Apache-2.0

package version

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFill(t *testing.T) {
	yes := true
	tests := []struct {
		name  string
		build debug.BuildInfo
		want  Info
		text  string
	}{
		{
			name: "from a checkout",
			build: debug.BuildInfo{
				Main: debug.Module{Version: "v1.2.3"},
				Settings: []debug.BuildSetting{
					{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
					{Key: "vcs.time", Value: "2026-03-01T09:30:00Z"},
					{Key: "vcs.modified", Value: "true"},
				},
			},
			want: Info{
				Version: "v1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2026-03-01T09:30:00Z", Dirty: &yes,
				Go: "go1", OS: "linux", Arch: "arm64",
			},
			text: "v1.2.3 (0123456789ab, 2026-03-01T09:30:00Z, modified) go1 linux/arm64",
		},
		{
			name:  "by go install",
			build: debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}},
			want:  Info{Version: "v1.2.3", Go: "go1", OS: "linux", Arch: "arm64"},
			text:  "v1.2.3 go1 linux/arm64",
		},
		{
			name: "nothing recorded",
			want: Info{Version: "unknown", Go: "go1", OS: "linux", Arch: "arm64"},
			text: "unknown go1 linux/arm64",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Info{Version: "unknown", Go: "go1", OS: "linux", Arch: "arm64"}
			got.fill(&tt.build)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.String() != tt.text {
				t.Errorf("%q, want %q", got, tt.text)
			}
		})
	}
}
