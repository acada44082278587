// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

func guest(args ...string) []string { return append([]string{scenario.Guest}, args...) }

func unit(name string) string { return "system.slice/" + name + ".service" }

func TestFrag(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			steps := []scenario.Step{
				watch("watch", "--events", "oom,kill", "--record", "/out/record", "--sample", "1s"),
				scenario.Start("prey", "ready", scenario.Guest, "members", "-kib", "4096", "prey", "5"),
				scenario.Run("buddy0", guest("cat", "/proc/buddyinfo")...),
				scenario.Run("fragment", guest("fragment", "-adj", "500", "fragment", "330")...).Within(60 * time.Second),
				scenario.Run("buddy1", guest("cat", "/proc/buddyinfo")...),
				scenario.Run("settle", scenario.Guest, "linger", "2s"), scenario.Stop("watch")}
			r := lab.Boot(t, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Steps: steps}})
			t.Errorf("look at %s", r.Dir)
		})
	}
}

func TestExplore(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	cg := scenario.Cgroup
	memcg := []scenario.Step{
		cg(unit("steady"), "memory.max=32M"),
		scenario.Run("steady", guest("again", "3", scenario.Guest, "load", "steady", "24", "1s", "12")...).In(unit("steady")),
		cg(unit("leak"), "memory.max=32M"),
		scenario.Run("leak", guest("load", "-repeat", "leak", "1", "100ms")...).In(unit("leak")),
		cg(unit("protected"), "memory.max=64M"),
		scenario.Start("innocent", "ready", guest("load", "-hold", "innocent", "16", "1ms")...).In(unit("protected")),
		scenario.Start("protected", "ready", guest("load", "-adj", "-900", "-hold", "protected", "20", "2s", "32")...).In(unit("protected")),
		scenario.Stop("protected"),
		cg(unit("grower"), "memory.max=64M"),
		scenario.Start("bystander", "ready", guest("load", "-hold", "bystander", "16", "1ms")...).In(unit("grower")),
		scenario.Run("grower", guest("load", "grower", "20", "2s", "40")...).In(unit("grower")),
		scenario.Stop("bystander"),
		cg(unit("three"), "memory.max=64M"),
		scenario.Start("three-hog", "ready", guest("load", "-adj", "-900", "-hold", "three-hog", "48", "1ms")...).In(unit("three")),
		scenario.Start("three-victim", "ready", guest("load", "-hold", "three-victim", "8", "1ms")...).In(unit("three")),
		scenario.Run("three-trigger", guest("load", "three-trigger", "1ms", "7")...).In(unit("three")),
		scenario.Stop("three-hog"),
		cg(unit("tmpfs"), "memory.max=48M"),
		scenario.Start("tmpfs-inn", "ready", guest("load", "-hold", "tmpfs-inn", "8", "1ms")...).In(unit("tmpfs")),
		scenario.Run("writer", guest("fill", "writer", "41")...).In(unit("tmpfs")),
		scenario.Run("empty", guest("empty", "/shm")...),
		cg(unit("cache"), "memory.max=48M"),
		scenario.Run("read", guest("read", "/dev/vda", "100")...).In(unit("cache")),
		scenario.Run("cachehog", guest("load", "cachehog", "1ms", "60")...).In(unit("cache")),
		window("w1").steps[0],
		cg(unit("slab"), "memory.max=48M"),
		scenario.Run("slabber", guest("messages", "slabber", "200")...).In(unit("slab")),
		cg(unit("sparse"), "memory.max=48M"),
		scenario.Run("sparse", guest("sparse", "sparse", "64")...).In(unit("sparse")),
		cg(unit("threads"), "memory.max=48M"),
		scenario.Run("threads", guest("threads", "spawner", "4000")...).In(unit("threads")),
		cg(unit("bomb"), "memory.max=32M"),
		scenario.Run("bomb", guest("bomb", "-kib", "256", "bomb", "200")...).In(unit("bomb")),
		scenario.Run("bomb-clear", guest("clear", scenario.CgroupV2+"/"+unit("bomb"))...),
		scenario.Run("slay", guest("slay")...),
		scenario.Run("slay-early", guest("as", "earlyoom", "slay")...),
	}
	prey := scenario.Start("prey", "ready", scenario.Guest, "members", "-kib", "4096", "prey", "20")
	global := []scenario.Step{
		window("w2").steps[0],
		prey,
		scenario.Run("noswap", hog("noswap", "0")...),
		scenario.Run("swapon", guest("swap", "on", "64")...),
		scenario.Run("swapfull", hog("swapfull", "0")...),
		scenario.Run("swapoff", guest("swap", "off")...),
		scenario.Run("swapon2", guest("swap", "on", "200")...),
		scenario.Run("locked", guest("load", "-lock", "-repeat", "locked", "4", "1ms")...),
		scenario.Run("swapoff2", guest("swap", "off")...),
		scenario.Start("g-innocent", "ready", guest("load", "-adj", "600", "-hold", "g-innocent", "60", "1ms")...),
		scenario.Run("g-writer", guest("fill", "-adj", "500", "g-writer", "2000")...),
		scenario.Run("g-empty", guest("empty", "/shm")...),
		window("w3").steps[0],
		scenario.Run("g-slab", guest("messages", "-adj", "500", "g-slab", "2000")...),
		scenario.Run("g-sparse", guest("sparse", "g-sparse", "2000")...),
		scenario.Write("/proc/sys/kernel/threads-max", "60000"),
		scenario.Write("/proc/sys/kernel/pid_max", "100000"),
		scenario.Run("g-threads", guest("threads", "-adj", "500", "g-threads", "50000")...),
		scenario.Write("/proc/sys/vm/overcommit_memory", "1"),
		scenario.Run("overcommit", hog("overcommit", "0")...),
		scenario.Write("/proc/sys/vm/overcommit_memory", "0"),
		scenario.Start("g-inn2", "ready", guest("load", "-hold", "g-inn2", "100", "1ms")...),
		scenario.Run("g-protected", hog("-adj", "-500", "-hold", "g-protected", "0")...).Within(20*time.Second),
	}
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			w := watch("watch", "--events", "oom,kill", "--record", "/out/record", "--sample", "1s")
			steps := append([]scenario.Step{w}, memcg...)
			steps = append(steps, global...)
			steps = append(steps, scenario.Run("settle", scenario.Guest, "linger", "2s"), scenario.Stop("watch"))
			r := lab.Boot(t, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Steps: steps}})
			t.Errorf("look at %s", r.Dir)
		})
	}
}
