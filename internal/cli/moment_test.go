// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 20, 22, 30, 0, 0, time.UTC) // the 21st in Vienna
	for arg, want := range map[string]string{
		"2026-06-20T12:47:02Z":      "2026-06-20T12:47:02Z",
		"2026-06-20T12:47:02+05:30": "2026-06-20T07:17:02Z",
		"2026-06-20 12:47:02":       "2026-06-20T10:47:02Z",
		"2026-01-20 12:47":          "2026-01-20T11:47:00Z",
		"2026-06-20":                "2026-06-19T22:00:00Z",
		"12:47":                     "2026-06-21T10:47:00Z",
		"today":                     "2026-06-20T22:00:00Z",
		"yesterday":                 "2026-06-19T22:00:00Z",
		"now":                       "2026-06-20T22:30:00Z",
		"-2h":                       "2026-06-20T20:30:00Z",
		"":                          "", "2h": "", "--2h": "", "soon": "", "2026-13-01": "", "25:00": "",
	} {
		var m Moment
		if err := m.Set(arg); (err == nil) != (want != "") {
			t.Errorf("%q: %v", arg, err)
			continue
		}
		if want != "" {
			if got := m.Time(now, vienna).UTC().Format(time.RFC3339); got != want {
				t.Errorf("%q is %s, want %s", arg, got, want)
			}
		} else if m != "" || !m.Time(now, vienna).IsZero() {
			t.Errorf("%q became a time", arg)
		}
	}
}
