// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var walls = []struct {
	name  string
	times []string // before " db kernel: x"
	want  []string // "" is: no time, and a record all the same
}{
	{"a new year", []string{"Dec 31 23:59:59", "Jan  1 00:00:00", "Jan  1 00:00:01"}, []string{
		"syslog 2000-12-31T23:59:59Z; year+0 zone 1s", "syslog 2000-01-01T00:00:00Z; year+1 zone 1s", "syslog 2000-01-01T00:00:01Z; year+1 zone 1s"}},
	{"disorder in a new year's night", []string{"Dec 31 23:59:59", "Jan  1 00:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01"}, []string{
		"syslog 2000-12-31T23:59:59Z; year+0 zone 1s", "syslog 2000-01-01T00:00:00Z; year+1 zone 1s",
		"syslog 2000-12-31T23:59:59Z; year+0 zone 1s", "syslog 2000-01-01T00:00:01Z; year+1 zone 1s"}},
	{"the end of summer time, a clock set back", []string{"Oct 25 02:59:59", "Oct 25 02:00:00", "Sep 25 02:00:00", "Sep 25 02:00:01"}, []string{
		"syslog 2000-10-25T02:59:59Z; year+0 zone 1s", "syslog 2000-10-25T02:00:00Z; year+0 zone 1s",
		"syslog 2000-09-25T02:00:00Z; year+0 zone 1s", "syslog 2000-09-25T02:00:01Z; year+0 zone 1s"}},
	{"a long silence", []string{"Jan  1 00:00:00", "Nov 30 00:00:00", "Feb  1 00:00:00", "Dec 31 00:00:00"}, []string{
		"syslog 2000-01-01T00:00:00Z; year+0 zone 1s", "syslog 2000-11-30T00:00:00Z; year+0 zone 1s",
		"syslog 2000-02-01T00:00:00Z; year+1 zone 1s", "syslog 2000-12-31T00:00:00Z; year+1 zone 1s"}},
	{"a leap day", []string{"Feb 29 12:00:00", "Feb 29 2026 12:00:00", "Feb 29 2024 12:00:00", "Mar  1 2024 00:00:00", "Mar 1 2026 00:00:00"}, []string{
		"syslog 2000-02-29T12:00:00Z; year+0 zone 1s", "", "syslog 2024-02-29T12:00:00Z; zone 1s",
		"syslog 2024-03-01T00:00:00Z; zone 1s", "syslog 2026-03-01T00:00:00Z; zone 1s"}},
	{"no such day or time", []string{"Feb 30 12:00:00", "Jun 31 12:00:00", "Jun  0 12:00:00", "Jun 30 24:00:00", "Jun 30 12:60:00", "Jun 30 23:59:60", "Jun 30 23:59:61", "Foo 30 12:00:00"}, []string{
		"", "", "", "", "", "syslog 2000-07-01T00:00:00Z; year+0 zone 1s", "", ""}},
	{"fractions", []string{"Jun 30 12:00:00.1", "Jun 30 12:00:00.123456789", "Jun 30 12:00:00,123"}, []string{
		"syslog 2000-06-30T12:00:00.1Z; year+0 zone 100ms", "syslog 2000-06-30T12:00:00.123456789Z; year+0 zone 1ns", "syslog 2000-06-30T12:00:00.123Z; year+0 zone 1ms"}},
	{"ISO: zones and days", []string{"2026-12-31T23:59:60-02:00", "2024-02-29T00:00:00+14:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-06-20T12:00:00+0545", "2026-06-20T12:00:00+02", "0001-01-01T00:00:00Z"}, []string{
		"syslog 2027-01-01T02:00:00Z; 1s", "syslog 2024-02-28T10:00:00Z; 1s", "", "", "syslog 2026-06-20T06:15:00Z; 1s", "syslog 2026-06-20T10:00:00Z; 1s", "syslog 0001-01-01T00:00:00Z; 1s"}},
	{"summer time, by its offset", []string{"2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"}, []string{
		"syslog 2026-10-25T00:59:59Z; 1s", "syslog 2026-10-25T01:00:00Z; 1s"}},
}

func TestScannerWall(t *testing.T) {
	for _, tt := range walls {
		t.Run(tt.name, func(t *testing.T) {
			log := strings.Join(tt.times, " db kernel: x\n") + " db kernel: x\n"
			var got []string
			for _, r := range scan(t, log) {
				if r.Text != "x" || r.Host != "db" {
					t.Errorf("%v", r)
				}
				w := r.Wall
				if w != "" {
					w += "; " + r.Guessed
				}
				got = append(got, w)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
