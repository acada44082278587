// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// reading is the machine's memory as a sample has it, so long before a kill.
type reading struct {
	memory   *event.Memory
	at       int // index in Document.Entries
	beforeMS int64
}

// justBefore is how old a sample may be that counts for the moment of a kill.
const justBefore = uint64(10 * time.Second)

// readings are the entries that tell of the machine's memory, by boot, in order of time.
type readings map[int][]int

func readingsOf(d *timeline.Document) readings {
	list := readings{}
	for i := range d.Entries {
		if e := &d.Entries[i]; e.Event != nil && e.Sample != nil && e.Sample.Memory != nil && e.BoottimeNS != nil {
			list[e.Boot] = append(list[e.Boot], i)
		}
	}
	return list
}

// before is the last sample before the kill that most is known of, if it is just before it.
func (r readings) before(in *shortage) *reading {
	killed := in.main.event.BoottimeNS
	if killed == nil {
		return nil
	}
	list := r[in.boot]
	n, _ := slices.BinarySearchFunc(list, *killed, func(i int, killed uint64) int {
		if *in.doc.Entries[i].BoottimeNS <= killed {
			return -1
		}
		return 1
	})
	if n == 0 {
		return nil
	}
	e := &in.doc.Entries[list[n-1]]
	age := *killed - *e.BoottimeNS
	if age > justBefore {
		return nil
	}
	return &reading{e.Sample.Memory, list[n-1], int64(age / uint64(time.Millisecond))}
}
