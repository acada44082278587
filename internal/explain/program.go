// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// program is what a process runs, as far as its names tell.
type program string

const (
	programJVM      program = "java"
	programNode     program = "node"
	programPython   program = "python"
	programGo       program = "go"
	programPostgres program = "postgres"
	programMySQL    program = "mysqld"
	programPHP      program = "php-fpm"
	programNginx    program = "nginx"
	programRedis    program = "redis-server"
)

// goDaemons are programs that are known to be written in Go: nothing else of a process
// tells that.
const goDaemons = " prometheus alertmanager grafana grafana-server etcd kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy dockerd containerd traefik caddy consul vault nomad influxd loki promtail thanos coredns minio telegraf node_exporter "

// plainName is a name that a pattern of pgrep's takes for itself.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)

var python = regexp.MustCompile(`^(python[0-9.]*|gunicorn|uwsgi|celery)$`)

// programOf tells by the executable, the first word of the command line, or the name.
func programOf(v *event.Victim) program {
	for _, s := range []*string{v.Exe, firstWord(v.Cmdline), v.Comm} {
		if s == nil {
			continue
		}
		switch base := path.Base(strings.TrimSuffix(*s, ":")); {
		case base == "java":
			return programJVM
		case base == "node", base == "nodejs":
			return programNode
		case python.MatchString(base):
			return programPython
		case base == "postgres":
			return programPostgres
		case base == "mysqld", base == "mariadbd":
			return programMySQL
		case strings.HasPrefix(base, "php-fpm"):
			return programPHP
		case base == "nginx":
			return programNginx
		case base == "redis-server", base == "valkey-server":
			return programRedis
		case base != "" && strings.Contains(goDaemons, " "+base+" "):
			return programGo
		}
	}
	return ""
}

func firstWord(s *string) *string {
	if s == nil {
		return nil
	}
	w, _, _ := strings.Cut(*s, " ")
	return &w
}

// option finds the value of the last option of this beginning on a command line, as a JVM
// takes it.
func option(cmdline *string, prefix string) (value string, ok bool) {
	if cmdline == nil {
		return "", false
	}
	for w := range strings.FieldsSeq(*cmdline) {
		if w == "-jar" {
			break // what follows is the program's
		}
		if v, has := strings.CutPrefix(w, prefix); has {
			value, ok = v, true
		}
	}
	return value, ok
}

// jvmSize reads a size as the JVM does: 512m, 2g, 1073741824.
func jvmSize(s string) (uint64, bool) {
	if s == "" {
		return 0, false
	}
	unit := uint64(1)
	switch s[len(s)-1] | 0x20 {
	case 'k':
		unit = kib
	case 'm':
		unit = mib
	case 'g':
		unit = gib
	case 't':
		unit = 1 << 40
	}
	if unit > 1 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

// reach is how to run a tool beside the next process of the victim's kind.
type reach struct {
	prefix string   // before the command
	names  []string // in prefix
	setup  string   // finds the pid
	setupN []string
	pid    string // what stands for the pid, as a shell has it
	note   string
}

// reachOf finds it: the victim itself is gone.
func reachOf(v *event.Victim) reach {
	pid := "1"
	note := "pid 1 of the container, if it is not another"
	if v.NSPID != nil {
		pid, note = strconv.Itoa(*v.NSPID), "the pid that the victim had in its container"
	}
	ctr := v.Container
	switch {
	case named(v.Pod) && ctr != nil && dnsName.MatchString(ctr.Name):
		return reach{prefix: "kubectl -n %s exec %s -c %s -- ", names: []string{v.Pod.Namespace, v.Pod.Name, ctr.Name}, pid: pid, note: note}
	case v.Pod == nil && ctr != nil && (ctr.Runtime == "docker" || ctr.Runtime == "podman") && hexID.MatchString(ctr.ID):
		return reach{prefix: containerCLI(ctr, pathOf(v.Cgroup)) + " exec %s ", names: []string{ctr.ID}, pid: pid, note: note}
	case v.Pod == nil && ctr == nil && strings.HasSuffix(v.Unit, ".service") && v.Unit != "" && (v.Cgroup == nil || hostUnit(v.Cgroup.Path) == v.Unit):
		return reach{setup: `pid=$(systemctl show --value -p MainPID %s)`, setupN: []string{v.Unit}, pid: `"$pid"`, note: "as the user that it runs as, or root"}
	}
	name := string(programOf(v)) // php-fpm, where the process is php-fpm8.2
	if v.Comm != nil && plainName.MatchString(*v.Comm) {
		name = *v.Comm
	}
	return reach{setup: "pid=$(pgrep -n -x %s)", setupN: []string{name}, pid: `"$pid"`, note: "the youngest process of this name"}
}

func pathOf(c *event.Cgroup) string {
	if c == nil {
		return ""
	}
	return c.Path
}

// begin adds what finds the process.
func (r reach) begin(s *shell) {
	if r.setup != "" {
		s.look("the process that runs now", r.setup, r.setupN...)
	}
}
