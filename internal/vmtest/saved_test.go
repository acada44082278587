package vmtest

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestSaved(t *testing.T) {
	for _, g := range []struct {
		dir string
		all []exhibit
	}{{os.Getenv("H_LIMITS"), limits()}, {os.Getenv("H_MACHINE"), machine()}, {os.Getenv("H_NODES"), nodes()}} {
		if g.dir == "" {
			continue
		}
		kmsg, _ := os.ReadFile(g.dir + "/out/kmsg")
		record, _ := os.ReadFile(g.dir + "/out/record.out")
		for _, x := range g.all {
			log := reportOf(kmsg, "/"+unit(x.name))
			if len(log) == 0 {
				log = between(t, kmsg, x.name)
			}
			l, _ := ParseKmsg(bytes.NewReader(log))
			t.Logf("== %s", x.name)
			for _, which := range []evidence{byRecord, byLog, byBoth} {
				fs := findings(t, which, log, partOf(t, record, l))
				t.Logf("   %-6s %s", which, strings.Join(said(fs), ", "))
				if os.Getenv("H_V") == x.name {
					b, _ := json.MarshalIndent(fs, "", " ")
					t.Logf("%s", b)
				}
			}
		}
	}
}
