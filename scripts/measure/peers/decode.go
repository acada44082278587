// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"unsafe"

	"github.com/euank/go-kmsg-parser/kmsgparser"
	"github.com/google/cadvisor/utils/oomparser"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

func records(file string) (int, error) {
	return scan(file, func(*kmsg.Record) int { return 0 })
}

func kills(file string) (int, error) {
	var p kmsg.Parser
	count := func() (n int) {
		for item := p.Next(); item != nil; item = p.Next() {
			if _, ok := item.(*kmsg.Kill); ok {
				n++
			}
		}
		return n
	}
	n, err := scan(file, func(r *kmsg.Record) int {
		p.Add(r)
		return count()
	})
	p.Idle()
	return n + count(), err
}

func scan(file string, each func(*kmsg.Record) int) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := kmsg.NewScanner(f)
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += each(r)
	}
}

// messages are the lines of a log without what comes before the message.
func messages(file string, each func(string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	for s.Scan() {
		_, message, _ := strings.Cut(s.Text(), "] ")
		each(message)
	}
	return s.Err()
}

// fed stands in for cAdvisor's reader of /dev/kmsg.
type fed struct{ out chan kmsgparser.Message }

func (f fed) SeekEnd() error                   { return nil }
func (f fed) Parse() <-chan kmsgparser.Message { return f.out }
func (f fed) SetLogger(kmsgparser.Logger)      {}
func (f fed) Close() error                     { return nil }

func cadvisor(file string) (n int, err error) {
	in := fed{make(chan kmsgparser.Message, 1024)}
	var p oomparser.OomParser
	// It has no way in for another source than /dev/kmsg.
	field := reflect.ValueOf(&p).Elem().FieldByName("parser")
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(in))
	kills := make(chan *oomparser.OomInstance, 1024)
	go func() {
		p.StreamOoms(kills)
		close(kills)
	}()
	go func() {
		err = messages(file, func(s string) { in.out <- kmsgparser.Message{Message: s} })
		close(in.out)
	}()
	for range kills {
		n++
	}
	return n, err
}

// regexps looks for what a report tells with one regular expression for a kind of line,
// the most frequent first, and leaves the numbers as they stand.
func regexps(file string) (n int, err error) {
	kinds := []*regexp.Regexp{
		regexp.MustCompile(`^\[ *(\d+)\] +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(?:(\d+) +(\d+) +(\d+) +)?(\d+) +(-?\d+) (.+)$`),
		regexp.MustCompile(`^(\w+) (\d+)$`),
		regexp.MustCompile(`^(?:Node (\d+) )?(\w+): ((?:\d+\*\d+kB (?:\([A-Z]+\) )?)+)= (\d+)kB$`),
		regexp.MustCompile(`^(?:Node (\d+) )?(\w+) free:(\d+)kB (?:boost:(\d+)kB )?min:(\d+)kB low:(\d+)kB high:(\d+)kB (.+)$`),
		regexp.MustCompile(`^(.+) invoked oom-killer: gfp_mask=0x([0-9a-f]+)(?:\(([^)]*)\))?, (?:nodemask=[^,]*, )?order=(-?\d+), oom_score_adj=(-?\d+)`),
		regexp.MustCompile(`^CPU: (\d+) (?:UID: (\d+) )?PID: (\d+) Comm: (.+) (?:Not tainted|Tainted: .+) (\S+)`),
		regexp.MustCompile(`^ (\S+)\+0x([0-9a-f]+)/0x([0-9a-f]+)`),
		regexp.MustCompile(`^(\w+): usage (\d+)kB, limit (\d+)kB, failcnt (\d+)`),
		regexp.MustCompile(`^active_anon:(\d+) inactive_anon:(\d+) isolated_anon:(\d+)`),
		regexp.MustCompile(`^(\d+) (pages .+|total pagecache pages)$`),
		regexp.MustCompile(`^(Free|Total) swap *= (\d+)kB$`),
		regexp.MustCompile(`^oom-kill:constraint=(\w+),nodemask=([^,]*),cpuset=(.*),mems_allowed=([^,]*),(?:global_oom|oom_memcg=(.*)),task_memcg=(.*),task=(.*),pid=(\d+),uid=(\d+)$`),
	}
	killed := regexp.MustCompile(`Killed process (\d+) \((.+)\),? (?:UID (\d+),? )?total-vm:(\d+)kB, anon-rss:(\d+)kB, file-rss:(\d+)kB`)
	facts := 0
	err = messages(file, func(line string) {
		for _, k := range kinds {
			if m := k.FindStringSubmatch(line); m != nil {
				facts += len(m) - 1
				return
			}
		}
		if killed.MatchString(line) {
			n++
		}
	})
	return n, err
}
