// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sync/errgroup"
)

// Sink takes raw records. Each method is called from one goroutine of its own;
// the bytes are valid until it returns. A sink must not block: a ring that is
// not read overflows.
type Sink interface {
	OOM(record []byte)
	Clock(record []byte)
}

// Run hands records to sink until ctx ends (nil) or reading fails. What is in the
// rings when ctx ends still comes.
func (t *Tracer) Run(ctx context.Context, sink Sink) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		// Flush wakes a waiting reader, which drains its ring and ends.
		_ = t.oomRing.Flush()
		_ = t.clockRing.Flush()
	})
	defer stop()
	g.Go(func() error { return read(ctx, t.oomRing, sink.OOM, "OOM") })
	g.Go(func() error { return read(ctx, t.clockRing, sink.Clock, "clock") })
	return g.Wait()
}

func read(ctx context.Context, r *ringbuf.Reader, take func([]byte), name string) error {
	var rec ringbuf.Record
	// Bytes still taken once ctx has ended: a ring full. A storm that goes on would
	// never let it be empty.
	left := r.BufferSize()
	for {
		err := r.ReadInto(&rec)
		switch {
		case err == nil:
			take(rec.RawSample)
			if ctx.Err() == nil {
				continue
			}
			if left -= len(rec.RawSample); left <= 0 {
				return nil
			}
		case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, ringbuf.ErrClosed), errors.Is(err, os.ErrClosed):
			return nil
		default:
			return fmt.Errorf("read the %s ring: %w", name, err)
		}
	}
}
