// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

func ExampleScanner() {
	in := strings.NewReader(`
{"schema":"oomtrace/v1","type":"oom.kill","session":"5f","seq":3,"time":"2026-03-14T09:27:41.482917339Z","source":"bpf","episode":"3b1f0a52-3fd6b","role":"chosen","victim":{"pid":48213,"comm":"java"}}
[ 9761.1] Out of memory
{"schema":"oomtrace/v1","type":"clock.st`)
	s := event.NewScanner(in)
	for {
		e, err := s.Next()
		var bad *event.LineError
		switch {
		case err == nil:
			fmt.Println(e.Type, *e.Kill.Victim.Comm)
		case errors.As(err, &bad):
			fmt.Println(err) // and go on
		case err == io.EOF:
			return
		default:
			fmt.Println(err)
			return
		}
	}
	// Output:
	// oom.kill java
	// line 3: not JSON: invalid character 'O' after top-level value
	// line 4: cut off: the last line is incomplete
}
