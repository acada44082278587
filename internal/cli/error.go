// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"syscall"
)

// Exit codes.
const (
	ExitOK          = 0 // done, also after Ctrl-C or SIGTERM
	ExitFailed      = 1 // failed, or a required check failed
	ExitUsage       = 2 // wrong usage
	ExitUnsupported = 3 // nothing here can serve the request
	ExitNothing     = 4 // the time ended before the count was reached, or nothing was found
)

// Error is an error with the exit code that it ends the command with.
type Error struct {
	Code int
	Err  error
}

// Error returns the text of the wrapped error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// Usage marks err as wrong usage. The text names what is wrong and what to do.
func Usage(err error) error { return &Error{Code: ExitUsage, Err: err} }

// Usagef is Usage of a formatted error.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// Unsupported marks err as something that this machine or these privileges do
// not offer. The text names what is missing and what would do.
func Unsupported(err error) error { return &Error{Code: ExitUnsupported, Err: err} }

// Nothing marks err as "nothing was found" or "the time ended first".
func Nothing(err error) error { return &Error{Code: ExitNothing, Err: err} }

// Code returns the exit code of a run that ended with err. A reader that closed
// its end of a pipe had what it wanted: that is no failure. errors.ErrUnsupported
// is unsupported without a code too.
func Code(err error) int {
	var coded *Error
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return ExitOK
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, errors.ErrUnsupported):
		return ExitUnsupported
	default:
		return ExitFailed
	}
}
