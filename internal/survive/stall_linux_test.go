// SPDX-License-Identifier: Apache-2.0

package survive

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// stallEnv marks the test binary that stops the world.
const stallEnv = "OOMTRACE_TEST_STALL"

// On one CPU the world is stopped, thousands of times, while another goroutine
// enters a call that waits for this one. Without a pulse it soon takes a minute.
func TestPulseUnsticks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if os.Getenv(stallEnv) != "" {
		stall(t)
		return
	}
	runtime.LockOSThread() // never unlocked: no other goroutine gets this thread
	var one, all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestPulseUnsticks$")
	cmd.Env = append(os.Environ(), stallEnv+"=1", "GOMAXPROCS=2")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func stall(t *testing.T) {
	pulse := StartPulse()
	pulse.Rest() // Touch alone has to do
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Blocking, as the descriptors of a library are.
	in, out := int(r.Fd()), int(w.Fd())
	full := []byte{1}
	put := func() {
		if _, err := unix.Write(out, full); err != nil {
			t.Error(err)
		}
	}
	put()
	go func() {
		fds := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}}
		for {
			_, _ = unix.Poll(fds, -1) // waits while the pipe is empty
		}
	}()
	var stats runtime.MemStats
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 20_000}, nil)
		if _, err := unix.Read(in, full); err != nil {
			t.Fatal(err)
		}
		pulse.Touch()
		start := time.Now()
		runtime.ReadMemStats(&stats)
		if took := time.Since(start); took > 10*time.Second {
			t.Fatalf("stopping the world took %v", took)
		}
		put()
	}
}

// It beats until Rest, and after that as long as it is touched.
func TestPulseRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := StartPulse()
		for range 5 {
			time.Sleep(StallLimit + time.Millisecond)
			if p.state.Load() == still {
				t.Error("it rests too early")
			}
		}
		p.Rest()
		time.Sleep(3 * StallLimit)
		if p.state.Load() != still {
			t.Error("it does not rest")
		}
		for range 5 {
			p.Touch()
			time.Sleep(StallLimit - time.Millisecond)
			if p.state.Load() == still {
				t.Error("no timer is pending after Touch")
			}
		}
		time.Sleep(3 * StallLimit)
		if p.state.Load() != still {
			t.Error("it does not rest again")
		}
		if n := testing.AllocsPerRun(10, p.Touch); n != 0 {
			t.Errorf("Touch: %v allocations", n)
		}
	})
}
