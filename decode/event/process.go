// SPDX-License-Identifier: Apache-2.0

package event

// Victim is the killed process as the kernel saw it when it was chosen.
type Victim struct {
	PID             int     `json:"pid"`           // thread-group leader
	TID             *int    `json:"tid,omitempty"` // the thread that was marked
	NSPID           *int    `json:"nspid,omitempty"`
	PPID            *int    `json:"ppid,omitempty"`
	Comm            *string `json:"comm,omitempty"`
	CommHex         string  `json:"comm_hex,omitempty"` // raw bytes, when Comm had to be mended
	Cmdline         *string `json:"cmdline,omitempty"`
	CmdlineHex      string  `json:"cmdline_hex,omitempty"`
	Exe             *string `json:"exe,omitempty"`
	ExeHex          string  `json:"exe_hex,omitempty"`
	UID             *uint32 `json:"uid,omitempty"`
	User            string  `json:"user,omitempty"` // the host's name for UID
	StartBoottimeNS *uint64 `json:"start_boottime_ns,omitempty"`
	OOMScoreAdj     *int    `json:"oom_score_adj,omitempty"`
	Killable        *bool   `json:"killable,omitempty"` // oom_score_adj above -1000
	// PointsPages is what oom_badness gave: rss + swap + page tables + adj share.
	PointsPages *int64 `json:"points_pages,omitempty"`
	// AllowedPages is oc->totalpages: the limit, or RAM, with the swap it may use.
	AllowedPages *uint64 `json:"allowed_pages,omitempty"`
	// BadnessPermille is points·1000/allowed, oom_score_adj included. It is not
	// the scale of /proc/PID/oom_score.
	BadnessPermille *int64     `json:"badness_permille,omitempty"`
	TotalVMBytes    *uint64    `json:"total_vm_bytes,omitempty"`
	AnonRSSBytes    *uint64    `json:"anon_rss_bytes,omitempty"`
	FileRSSBytes    *uint64    `json:"file_rss_bytes,omitempty"`
	ShmemRSSBytes   *uint64    `json:"shmem_rss_bytes,omitempty"`
	SwapBytes       *uint64    `json:"swap_bytes,omitempty"`
	PgtablesBytes   *uint64    `json:"pgtables_bytes,omitempty"`
	RSSErrorBytes   *uint64    `json:"rss_error_bytes,omitempty"` // bound, each counter
	Threads         *int       `json:"threads,omitempty"`
	Cgroup          *Cgroup    `json:"cgroup,omitempty"`
	Container       *Container `json:"container,omitempty"`
	Pod             *Pod       `json:"pod,omitempty"`
	Unit            string     `json:"unit,omitempty"` // systemd unit
	// Parents are those above it, the nearest first, up to the first process of its
	// container or unit.
	Parents []Parent `json:"parents,omitempty"`
}

// Parent is a process above another one.
type Parent struct {
	PID     int     `json:"pid"`
	Comm    *string `json:"comm,omitempty"`
	CommHex string  `json:"comm_hex,omitempty"`
	Exe     *string `json:"exe,omitempty"`
	ExeHex  string  `json:"exe_hex,omitempty"`
}

// RSSBytes is the sum of the resident counters that are known.
func (v *Victim) RSSBytes() (uint64, bool) {
	var sum uint64
	var ok bool
	for _, p := range []*uint64{v.AnonRSSBytes, v.FileRSSBytes, v.ShmemRSSBytes} {
		if p != nil {
			sum, ok = sum+*p, true
		}
	}
	return sum, ok
}

// Cgroup is a control group in the hierarchy that accounts memory.
type Cgroup struct {
	Controller string `json:"controller,omitempty"` // "memory" on v1, absent on v2
	Version    int    `json:"version,omitempty"`    // 1 or 2
	Path       string `json:"path,omitempty"`       // from the hierarchy's root
	PathHex    string `json:"path_hex,omitempty"`
	ID         string `json:"id,omitempty"` // kernfs node id, hex
	Truncated  bool   `json:"truncated,omitempty"`
}

// Container is what a cgroup path tells of a container.
type Container struct {
	Runtime string `json:"runtime,omitempty"` // docker, containerd, cri-o, podman
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Pod is a Kubernetes pod.
type Pod struct {
	UID       string `json:"uid,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	QoS       string `json:"qos,omitempty"` // guaranteed, burstable, besteffort
}

// Task is a task that did something: it triggered an OOM, or moved the clock.
type Task struct {
	PID             int        `json:"pid,omitzero"` // thread-group leader; 0: a trigger whose pid a log does not tell
	TID             *int       `json:"tid,omitempty"`
	Comm            *string    `json:"comm,omitempty"`
	CommHex         string     `json:"comm_hex,omitempty"`
	Cmdline         *string    `json:"cmdline,omitempty"`
	CmdlineHex      string     `json:"cmdline_hex,omitempty"`
	Exe             *string    `json:"exe,omitempty"`
	ExeHex          string     `json:"exe_hex,omitempty"`
	UID             *uint32    `json:"uid,omitempty"`
	User            string     `json:"user,omitempty"` // the host's name for UID
	StartBoottimeNS *uint64    `json:"start_boottime_ns,omitempty"`
	KThread         *bool      `json:"kthread,omitempty"`
	Cgroup          *Cgroup    `json:"cgroup,omitempty"`
	Container       *Container `json:"container,omitempty"`
	Pod             *Pod       `json:"pod,omitempty"`
	Unit            string     `json:"unit,omitempty"`
	// GFPMask and the following belong to an allocation, so to triggers only.
	GFPMask  string   `json:"gfp_mask,omitempty"` // hex
	GFPFlags []string `json:"gfp_flags,omitempty"`
	Order    *int     `json:"order,omitempty"`
}
