// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// apt runs apt with lists, state and sources of its own, so that nothing of
// the machine's package management changes and no privilege is needed. The
// machine's proxies and transports stay in force.
type apt struct {
	dir  string
	conf string
}

const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newApt prepares an apt in the folder dir that knows the given suites for
// both architectures. main and security are the roots of the two archives.
func newApt(dir, main, security string, suites []string) (*apt, error) {
	if _, err := os.Stat(debianKeyring); err != nil {
		return nil, fmt.Errorf("find Debian's keys (package debian-archive-keyring): %w", err)
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "state", "empty"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	var sources strings.Builder
	for _, s := range suites {
		root := main
		if strings.HasSuffix(s, "-security") {
			root = security
		}
		fmt.Fprintf(&sources, "deb [signed-by=%s] %s %s main\n", debianKeyring, root, s)
	}
	// The sandbox user could not write to a private cache folder.
	conf := fmt.Sprintf(`APT::Architecture "amd64"; APT::Architectures { "amd64"; "arm64"; };
Dir::Etc::sourcelist "%[1]s/sources.list"; Dir::Etc::sourceparts "%[1]s/empty"; Dir::Etc::preferencesparts "%[1]s/empty"; Dir::Etc::preferences "%[1]s/empty/none";
Dir::State "%[1]s/state"; Dir::State::lists "%[1]s/lists"; Dir::State::status "%[1]s/state/status"; Dir::Cache "%[1]s/cache";
Acquire::Languages "none"; APT::Sandbox::User "root";
`, dir)
	for name, text := range map[string]string{"sources.list": sources.String(), "apt.conf": conf, "state/status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("prepare apt: %w", err)
		}
	}
	return &apt{dir: dir, conf: filepath.Join(dir, "apt.conf")}, nil
}

// run runs one apt tool in the folder dir and returns its standard output.
func (a *apt) run(ctx context.Context, dir string, argv ...string) (string, error) {
	return output(ctx, dir, []string{"APT_CONFIG=" + a.conf}, argv...)
}

func output(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "LC_ALL=C")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// archives returns the roots of the Debian archive and of its security
// archive, as this machine's apt has them. The environment goes first, for
// machines whose apt knows another distribution.
func archives(ctx context.Context) (main, security string, err error) {
	main, security = os.Getenv("OOMTRACE_DEBIAN_MIRROR"), os.Getenv("OOMTRACE_DEBIAN_SECURITY_MIRROR")
	if main != "" && security != "" {
		return main, security, nil
	}
	out, err := output(ctx, "", nil, "apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(RELEASE)")
	if err != nil {
		return "", "", fmt.Errorf("ask apt for its mirror: %w", err)
	}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		// An origin is known only once apt-get update has run.
		if len(f) != 3 || f[0] != "Debian" && f[0] != "" && !strings.HasPrefix(f[0], "$") {
			continue
		}
		switch isSecurity := strings.HasSuffix(f[2], "-security"); {
		case isSecurity && security == "":
			security = f[1]
		case !isSecurity && main == "":
			main = f[1]
		}
	}
	if main == "" || security == "" {
		return "", "", errors.New("this machine's apt has no Debian archive with its security archive: " +
			"set OOMTRACE_DEBIAN_MIRROR and OOMTRACE_DEBIAN_SECURITY_MIRROR to their roots")
	}
	return main, security, nil
}

// suitesOf returns the suites of the kernels, each once.
func suitesOf(kernels []Kernel) []string {
	var all []string
	for _, k := range kernels {
		all = append(all, k.suites...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
