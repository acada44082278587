// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package evidence

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

func openKmsg(path string) (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s is of Linux, this is %s: %w", path, runtime.GOOS, errors.ErrUnsupported)
}
