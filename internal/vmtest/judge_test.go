// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Evidence is what an investigator may have.
type evidence string

const (
	byRecord evidence = "record" // of a watcher
	byLog    evidence = "log"    // the kernel's, alone
	byBoth   evidence = "both"
)

// findings are what is said of a shortage by some evidence.
func findings(t *testing.T, which evidence, log, record []byte) []timeline.Finding {
	t.Helper()
	b := timeline.New(timeline.Options{})
	if which != byLog {
		if err := b.Record(t.Context(), timeline.Input{Source: timeline.Source{Path: "events.jsonl"}, Reader: bytes.NewReader(record)}); err != nil {
			t.Fatal(err)
		}
	}
	if which != byRecord {
		if err := b.Log(t.Context(), timeline.Input{Source: timeline.Source{Path: "kmsg"}, Reader: bytes.NewReader(log)}); err != nil {
			t.Fatal(err)
		}
	}
	d := b.Document()
	return explain.Find(d, nil)
}

// partOf is what a record has of the processes that a log names, and of their episodes;
// the frame of the session and its samples too.
func partOf(t *testing.T, record []byte, l Log) []byte {
	t.Helper()
	pids, episodes := map[int]bool{}, map[string]bool{}
	for _, k := range l.Kills() {
		pids[k.PID] = true
	}
	var part []byte
	for line := range bytes.Lines(record) {
		var e struct {
			Type    string
			Episode string
			Victim  struct{ PID int }
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "oom.kill" && pids[e.Victim.PID] {
			episodes[e.Episode] = true
		}
		if strings.HasPrefix(e.Type, "session.") || e.Type == "sample" || episodes[e.Episode] {
			part = append(part, line...)
		}
	}
	return part
}

func said(all []timeline.Finding) []string {
	var list []string
	for _, f := range all {
		list = append(list, f.ID+" "+string(f.Confidence))
	}
	slices.Sort(list)
	return list
}
