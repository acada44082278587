// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangUps takes SIGHUP.
type hangUps struct {
	signals chan os.Signal
	stop    func() // SIGHUP is as it was, and the context ended; may be called twice

	mu sync.Mutex
	do func()
}

// notifyHangUps returns a context that a SIGHUP ends, until call says otherwise. nohup(1)
// has it ignored, and so it stays.
func notifyHangUps(ctx context.Context) (context.Context, *hangUps) {
	ctx, cancel := context.WithCancel(ctx)
	h := &hangUps{signals: make(chan os.Signal, 1), do: cancel}
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	h.stop = sync.OnceFunc(func() {
		signal.Stop(h.signals)
		close(h.signals)
		cancel()
	})
	go func() {
		for range h.signals {
			h.mu.Lock()
			do := h.do
			h.mu.Unlock()
			do()
		}
	}()
	return ctx, h
}

// call has f called at each SIGHUP from now on.
func (h *hangUps) call(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.do = f
}
