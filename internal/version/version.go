// SPDX-License-Identifier: Apache-2.0

// Package version says which build this is, from what the Go toolchain recorded
// of the source tree.
package version

import (
	"runtime"
	"runtime/debug"
)

// Info identifies a build. What the toolchain did not record is absent.
type Info struct {
	Version string `json:"version"`          // the module's, "(devel)" for a plain checkout
	Commit  string `json:"commit,omitempty"` // of the source tree
	Date    string `json:"date,omitempty"`   // of that commit, RFC 3339
	// Dirty says that the tree had changes beyond Commit.
	Dirty *bool  `json:"dirty,omitempty"`
	Go    string `json:"go"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
}

// Read returns the running binary's build.
func Read() Info {
	info := Info{Version: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.fill(build)
	}
	return info
}

func (i *Info) fill(build *debug.BuildInfo) {
	if build.Main.Version != "" {
		i.Version = build.Main.Version
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = s.Value
		case "vcs.time":
			i.Date = s.Value
		case "vcs.modified":
			dirty := s.Value == "true"
			i.Dirty = &dirty
		}
	}
}

// String is one line for a person: the version, the commit when the version
// does not name it, and the toolchain.
func (i Info) String() string {
	s := i.Version
	if i.Commit != "" {
		s += " (" + i.Commit[:min(12, len(i.Commit))]
		if i.Date != "" {
			s += ", " + i.Date
		}
		if i.Dirty != nil && *i.Dirty {
			s += ", modified"
		}
		s += ")"
	}
	return s + " " + i.Go + " " + i.OS + "/" + i.Arch
}
