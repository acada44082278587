// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// A way back that is taken at the wrong moment is refused, and changes nothing. The
// commands run as they are printed, in a shell that has a folder for a root and stand-ins
// for what would change the machine.
func TestGuards(t *testing.T) {
	sh := []string{"busybox", "sh"}
	if _, err := exec.LookPath("busybox"); err != nil {
		sh = []string{"sh"}
	}
	if _, err := exec.LookPath(sh[0]); err != nil {
		t.Skip("no shell here")
	}
	const ctr = "/sys/fs/cgroup/system.slice/docker-" + ctrID + ".scope/memory.current"
	const web = "/sys/fs/cgroup/system.slice/web.service/"
	const plenty, little = "MemAvailable: 9000000 kB\nSwapTotal: 1000 kB\nSwapFree: 0 kB\n", "MemAvailable: 500 kB\nSwapTotal: 1000 kB\nSwapFree: 0 kB\n"
	const free, full = "Node 1 MemTotal: 9000000 kB\nNode 1 MemFree: 9000000 kB\n", "Node 1 MemTotal: 9000000 kB\nNode 1 MemFree: 1 kB\n"
	stat := func(comm, start string) string {
		return "800 (" + comm + ") S 1 800 800 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 " + start + " 0 0\n"
	}
	armed := map[string]string{"/sys/kernel/kexec_crash_loaded": "1\n", "/stub/kernel.panic": "10"}
	with := func(base map[string]string, path, content string) map[string]string {
		m := map[string]string{path: content}
		for k, v := range base {
			if k != path {
				m[k] = v
			}
		}
		return m
	}
	hog := map[string]string{"/proc/800/oom_score_adj": "-1000\n", "/proc/800/comm": "hog\n", "/proc/800/stat": stat(") S 1", "77")}
	for _, tt := range []struct {
		name, scenario, id, old string
		forward                 bool
		files                   map[string]string
		ran                     string // what changed the machine; "": refused
	}{
		{"armed", "panics, unarmed", "panic-without-dump", "1", false, armed, "sysctl -w vm.panic_on_oom=1"},
		{"no dump", "panics, unarmed", "panic-without-dump", "1", false, with(armed, "/sys/kernel/kexec_crash_loaded", "0\n"), ""},
		{"it would hang", "panics, unarmed", "panic-without-dump", "1", false, with(armed, "/stub/kernel.panic", "0"), ""},
		{"a node", "panics, unarmed", "panic-without-dump", "1", false, with(armed, "/var/lib/kubelet", ""), ""},
		{"each cgroup's limit", "panics, unarmed", "panic-without-dump", "2", false, armed, ""},
		{"another shell", "panics, unarmed", "panic-without-dump", "", false, armed, ""},

		{"the one that was meant", "immune", "protected-hog", "", true, hog, "choom -n -900 -p 800"},
		{"another by now", "immune", "protected-hog", "", true, with(hog, "/proc/800/comm", "dbd\n"), ""},
		{"the same", "immune", "protected-hog", "-1000 77", false, hog, "choom -n -1000 -p 800"},
		{"another since", "immune", "protected-hog", "-1000 77", false, with(hog, "/proc/800/stat", stat("hog", "78")), ""},
		{"gone", "immune", "protected-hog", "-1000 77", false, nil, ""},
		{"another shell", "immune", "protected-hog", "", false, hog, ""},

		{"little in use", "limit of a docker", "limit-too-small", "", false, map[string]string{ctr: "1000\n"}, "docker update --memory=536870912 " + ctrID},
		{"more in use", "limit of a docker", "limit-too-small", "", false, map[string]string{ctr: "600000000\n"}, ""},
		{"gone", "limit of a docker", "limit-too-small", "", false, nil, ""},

		{"little in use", "limit of a guest", "limit-too-small", "", false, map[string]string{"/stub/rss": "1000"}, "virsh memtune web-1 --live --hard-limit 524288"},
		{"more in use", "limit of a guest", "limit-too-small", "", false, map[string]string{"/stub/rss": "600000"}, ""},
		{"not running", "limit of a guest", "limit-too-small", "", false, nil, ""},

		{"little in use", "steady below its limit", "limit-too-small", "", false, map[string]string{"/stub/MemoryCurrent": "1000"}, "systemctl set-property --runtime web.service MemoryMax=536870912"},
		{"not counted", "steady below its limit", "limit-too-small", "", false, map[string]string{"/stub/MemoryCurrent": "[not set]"}, ""},
		{"more in use", "steady below its limit", "limit-too-small", "", false, map[string]string{"/stub/MemoryCurrent": "600000000"}, ""},

		{"room", "no swap", "swap-absent", "", false, map[string]string{"/proc/meminfo": plenty}, "swapoff /swapfile-oom; rm /swapfile-oom"},
		{"no room", "no swap", "swap-absent", "", false, map[string]string{"/proc/meminfo": little}, ""},
		{"fits", "a unit that has used its swap", "swap-limited", "", false, map[string]string{web + "memory.current": "100000000\n", web + "memory.swap.current": "60000000\n"}, "systemctl set-property --runtime web.service MemorySwapMax=67108864"},
		{"does not fit", "a unit that has used its swap", "swap-limited", "", false, map[string]string{web + "memory.current": "500000000\n", web + "memory.swap.current": "60000000\n"}, ""},
		{"gone", "a unit that has used its swap", "swap-limited", "", false, nil, ""},
		{"room", "huge pages nobody uses", "hugepages", "", false, map[string]string{"/proc/meminfo": plenty}, "sysctl -w vm.nr_hugepages=2048"},
		{"no room", "huge pages nobody uses", "hugepages", "", false, map[string]string{"/proc/meminfo": little}, ""},
		{"room", "tmpfs of the machine", "shmem", "", false, map[string]string{"/proc/meminfo": plenty}, "mount -o remount,size=4294967296 /dev/shm"},
		{"no room", "tmpfs of the machine", "shmem", "", false, map[string]string{"/proc/meminfo": little}, ""},

		{"room", "nodes of a cpuset", "nodes-exhausted", "", false, map[string]string{"/sys/devices/system/node/node1/meminfo": free, "/stub/MemoryCurrent": "5000"}, "systemctl set-property --runtime hpc.service AllowedMemoryNodes=1"},
		{"no room", "nodes of a cpuset", "nodes-exhausted", "", false, map[string]string{"/sys/devices/system/node/node1/meminfo": full, "/stub/MemoryCurrent": "5000"}, ""},
		{"not counted", "nodes of a cpuset", "nodes-exhausted", "", false, map[string]string{"/sys/devices/system/node/node1/meminfo": free, "/stub/MemoryCurrent": "[not set]"}, ""},

		{"as it was set", "limit of a pod", "limit-too-small", "", false, map[string]string{"/stub/limit": "640Mi"}, "kubectl -n shop set resources deployment/cart -c app --limits=memory=512Mi"},
		{"changed since", "limit of a pod", "limit-too-small", "", false, map[string]string{"/stub/limit": "1Gi"}, ""},
	} {
		t.Run(tt.scenario+", "+tt.name, func(t *testing.T) {
			root := t.TempDir()
			write := func(path, content string) {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for path, content := range tt.files {
				write(path, content)
			}
			script := ""
			// Functions: a busybox takes its own mount before one in the path.
			for name, answer := range map[string]string{
				"sysctl": `[ "$1" != -n ] || { cat "$stub/$2"; return; }; [ $# != 1 ] || return 0;`, "systemctl": `[ "$1" != show ] || { cat "$stub/$4"; return; };`,
				"virsh": `[ "$1" != dommemstat ] || { printf 'actual 9\nrss '; cat "$stub/rss"; return; };`, "kubectl": `[ "$3" != get ] || { cat "$stub/limit"; return; };`,
				"choom": "", "docker": "", "mount": "", "swapoff": "", "rm": "",
			} {
				script += name + "() { " + answer + " echo " + name + ` "$@" >>"$stub/ran"; }` + "\n"
			}
			write("/stub/ran", "")
			for _, c := range commandsOf(t, tt.scenario, tt.id, tt.forward) {
				for _, dir := range []string{"/proc/", "/sys/", "/var/lib/"} {
					c = strings.ReplaceAll(c, " "+dir, " "+root+dir)
				}
				script += c + "\n"
			}
			cmd := exec.Command(sh[0], append(sh[1:], "-c", script)...)
			cmd.Env = append(os.Environ(), "stub="+root+"/stub", "workload=deployment/cart", "old="+tt.old)
			out, err := cmd.CombinedOutput()
			ran, readErr := os.ReadFile(filepath.Join(root, "stub/ran"))
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := strings.ReplaceAll(strings.TrimSpace(string(ran)), "\n", "; "); got != tt.ran || (err == nil) != (tt.ran != "") {
				t.Errorf("ran %q, want %q; %v: %s\n%s", got, tt.ran, err, out, script)
			}
		})
	}
}

// commandsOf are those of a finding's actions that can be undone, or of their rollbacks.
func commandsOf(t *testing.T, name, id string, forward bool) (list []string) {
	t.Helper()
	for _, s := range scenarios() {
		if s.name != name {
			continue
		}
		for _, f := range Find(document(s.events...), s.machine) {
			if f.ID != id {
				continue
			}
			for _, r := range f.Rollback {
				commands := r.Commands
				if forward {
					commands = f.Actions[r.Undoes].Commands
				}
				for _, c := range commands {
					if c.Class != timeline.ReadOnly || forward {
						list = append(list, c.Run)
					}
				}
			}
			return list
		}
	}
	t.Fatalf("no finding %s in %s", id, name)
	return nil
}
