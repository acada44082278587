// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"io"
	"os"
)

// Open opens a file, or stdin for "-". What may keep a reader waiting, such as a FIFO
// without a writer, ends with ctx.
func Open(ctx context.Context, stdin io.Reader, name string) (io.ReadCloser, error) {
	if name == "-" {
		return cancellable(ctx, func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }), nil
	}
	if st, err := os.Stat(name); err != nil || st.Mode().IsRegular() || st.IsDir() {
		return os.Open(name)
	}
	return cancellable(ctx, func() (io.ReadCloser, error) { return os.Open(name) }), nil
}

// cancellable opens and reads aside, so that whoever reads the result can stop with
// ctx. What waits for input then stays behind, until the process ends.
func cancellable(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		r, err := open()
		if err == nil {
			_, err = io.Copy(pw, r)
			r.Close()
		}
		pw.CloseWithError(err) // nil is the end of the input
	}()
	context.AfterFunc(ctx, func() { pr.CloseWithError(ctx.Err()) })
	return pr
}
