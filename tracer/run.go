// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sync/errgroup"
)

// Sink takes raw records. Each method is called from one goroutine of its own;
// the bytes are valid until it returns. A sink must not block: a ring that is
// not read overflows.
type Sink interface {
	OOM(record []byte)
	Clock(record []byte)
	Sigkill(record []byte)
}

// Run hands records to sink until ctx ends (nil) or reading fails. When ctx ends it
// detaches the programs; what is in the rings then still comes, so that nothing is
// left that was neither handed over nor counted.
func (t *Tracer) Run(ctx context.Context, sink Sink) error {
	g, ctx := errgroup.WithContext(ctx)
	detached := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		detached <- t.detach()
		// Flush wakes a waiting reader, which drains its ring and ends.
		_ = t.oomRing.Flush()
		_ = t.clockRing.Flush()
		if t.sigkillRing != nil {
			_ = t.sigkillRing.Flush()
		}
	})
	g.Go(func() error { return read(t.oomRing, sink.OOM, "OOM") })
	g.Go(func() error { return read(t.clockRing, sink.Clock, "clock") })
	if t.sigkillRing != nil {
		g.Go(func() error { return read(t.sigkillRing, sink.Sigkill, "SIGKILL") })
	}
	err := g.Wait()
	if !stop() {
		err = errors.Join(err, <-detached)
	}
	return err
}

// detach ends every program, and keeps what goes with its link.
func (t *Tracer) detach() error {
	t.linksMu.Lock()
	links := t.links
	if len(links) > 0 {
		t.missed = t.probeMissed()
	}
	t.links, t.detached = nil, true
	t.linksMu.Unlock()
	// At once: each waits for a grace period of the kernel's, and a kill in between would
	// be told with half of its facts.
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = l.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func read(r *ringbuf.Reader, take func([]byte), name string) error {
	var rec ringbuf.Record
	for {
		err := r.ReadInto(&rec)
		switch {
		case err == nil:
			take(rec.RawSample)
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, ringbuf.ErrClosed), errors.Is(err, os.ErrClosed):
			return nil
		default:
			return fmt.Errorf("read the %s ring: %w", name, err)
		}
	}
}
