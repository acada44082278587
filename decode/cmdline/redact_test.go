// SPDX-License-Identifier: Apache-2.0

package cmdline_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/cmdline"
)

// In the table, | stands for the NUL between arguments.
var redactions = []struct{ name, args, want string }{
	{"flag and value in one", "mysql|--password=s3cret|db", "mysql|--password=***|db"},
	{"flag and value in two", "mysql|--password|s3cret|db", "mysql|--password|***|db"},
	{"single dash", "java|-password|s3cret|db", "java|-password|***|db"},
	{"value with a dash", "x|--token|-abc|y", "x|--token|***|y"},
	{"a switch is not followed by its value", "x|--no-auth|--port|80", "x|--no-auth|--port|80"},
	{"last", "x|--password", "x|--password"},
	{"empty value", "x|--password=|y", "x|--password=|y"},
	{"java property", "java|-DdbSecret=abc|-Xmx1g|Main", "java|-DdbSecret=***|-Xmx1g|Main"},
	{"java property, dotted", "java|-Djavax.net.ssl.keyStorePassword=abc|Main", "java|-Djavax.net.ssl.keyStorePassword=***|Main"},
	{"environment", "env|PASSWORD=a b c|run", "env|PASSWORD=***|run"},
	{"environment, prefixed", "env|PGPASSWD=a|AWS_SECRET_ACCESS_KEY=b|HOME=/x|run", "env|PGPASSWD=***|AWS_SECRET_ACCESS_KEY=***|HOME=/x|run"},
	{"mixed case", "x|--ApiToken=a|--CREDENTIALS|b", "x|--ApiToken=***|--CREDENTIALS|***"},
	{"bare word", "mysqladmin|password|new", "mysqladmin|password|***"},
	{"bare word, redis", "redis-cli|AUTH|pw|get|x", "redis-cli|AUTH|***|get|x"},
	{"a name within a word is no bare word", "x|com.example.AuthServer|start", "x|com.example.AuthServer|start"},
	{"a file name", "x|/etc/ssl/private.key|start", "x|/etc/ssl/private.key|start"},
	{"key and value in helm", "helm|--set=auth.password=a,b c|x", "helm|--set=auth.password=***|x"},
	{"header", "curl|-H|Authorization: Bearer abc.def|http://h/", "curl|-H|Authorization: ***|http://h/"},
	{"header in three", "x|Authorization:|Bearer|abc|y", "x|Authorization:|Bearer|***|y"},
	{"json", `x|{"user":"u","password":"a \"b","n":1}`, `x|{"user":"u","password":"***","n":1}`},
	{"json, spaced", `x|{"password" : "ab", "n": 1}`, `x|{"password" : "***", "n": 1}`},
	{"connection string", "x|Server=h;Password=a;b c;", "x|Server=h;Password=***"},

	{"script", "sh|-c|run --password=a --port 80", "sh|-c|run --password=*** --port 80"},
	{"script, value apart", "sh|-c|run --password a --port 80", "sh|-c|run --password *** --port 80"},
	{"script, quoted value", `sh|-c|run --password="a b" --port 80`, `sh|-c|run --password="***" --port 80`},
	{"script, quoted value apart", `sh|-c|run --password 'a b' --port 80`, `sh|-c|run --password '***' --port 80`},
	{"script, escaped space", `sh|-c|run --password=a\ b --port 80`, `sh|-c|run --password=*** --port 80`},
	{"script, quoted header", `sh|-c|curl -H "Authorization: Bearer abc" http://h`, `sh|-c|curl -H "Authorization: ***" http://h`},
	{"script, header", `sh|-c|echo Authorization: Bearer abc next`, `sh|-c|echo Authorization: *** next`},
	{"script, escaped json", `sh|-c|curl -d "{\"password\":\"abc\",\"n\":1}" h`, `sh|-c|curl -d "{\"password\":\"***\",\"n\":1}" h`},
	{"script, a switch", "sh|-c|run --no-auth --port 80", "sh|-c|run --no-auth --port 80"},
	{"script, export first", "sh|-c|TOKEN=abc ./run", "sh|-c|TOKEN=***"},
	{"title", "postgres: u db --token=a idle", "postgres: u db --token=*** idle"},

	{"url", "x|postgres://u:pw@h:5432/db|y", "x|postgres://u:***@h:5432/db|y"},
	{"url without user", "x|redis://:pw@h/0", "x|redis://:***@h/0"},
	{"url, @ in the password", "x|amqp://u:p@w@h/v", "x|amqp://u:***@h/v"},
	{"url, slash in the password", "x|amqp://u:p/w@h/v", "x|amqp://u:***@h/v"},
	{"url, port and @ in the path", "x|http://h:80/a@b", "x|http://h:80/a@b"},
	{"url, IPv6", "x|http://[::1]:80/a@b http://[fe80::1]/@", "x|http://[::1]:80/a@b http://[fe80::1]/@"},
	{"url, token for a user", "git|clone|https://ghp_abc@github.com/o/r", "git|clone|https://***@github.com/o/r"},
	{"url, user only", "git|clone|ssh://git@github.com/o/r", "git|clone|ssh://git@github.com/o/r"},
	{"url, query", "curl|https://h/p?user=u&access_token=abc&x=1", "curl|https://h/p?user=u&access_token=***&x=1"},
	{"urls", "x|amqp://u:p@h1,amqp://u:q@h2", "x|amqp://u:***@h1,amqp://u:***@h2"},
	{"flag with url", "x|--dsn=mysql://u:p@h/db", "x|--dsn=mysql://u:***@h/db"},

	{"list of paths", "java|-cp|/lib/oauth:/lib/b.jar|Main", "java|-cp|/lib/oauth:/lib/b.jar|Main"},
	{"nothing secret", "nginx: worker process|-g|daemon off;", "nginx: worker process|-g|daemon off;"},
	{"empty", "", ""},
	{"empty arguments", "x||--token||y", "x||--token||y"},
	{"not text", "x|\xff\xfe--password=\xff|y", "x|\xff\xfe--password=***|y"},
}

func TestRedact(t *testing.T) {
	for _, tt := range redactions {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(strings.ReplaceAll(tt.args, "|", "\x00"))
			before := bytes.Clone(in)
			got := strings.ReplaceAll(string(cmdline.Redact(in)), "\x00", "|")
			if got != tt.want {
				t.Errorf("Redact(%q)\n got %q\nwant %q", tt.args, got, tt.want)
			}
			if !bytes.Equal(in, before) {
				t.Error("the input was changed")
			}
		})
	}
}

func FuzzRedact(f *testing.F) {
	for _, tt := range redactions {
		f.Add([]byte(strings.ReplaceAll(tt.args, "|", "\x00")), []byte("x"))
	}
	const secret = "5eCr3T/"
	forms := []string{
		"--password=@", "--db-password\x00@", "-DsomeSecret=@", "API_KEY=@ @", "Authorization: Bearer @",
		"postgres://u:@\x40h/db", `{"token": "@"}`, "run --auth @ x", `run --auth "@ @" x`, "run credential=@ x",
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if bytes.Contains(before, []byte(secret)) || bytes.Contains(after, []byte(secret)) {
			t.Skip("the secret is in what surrounds it")
		}
		if in := bytes.Count(before, []byte{0}); bytes.Count(cmdline.Redact(before), []byte{0}) != in {
			t.Errorf("the number of arguments changed in %q", before)
		}
		for _, form := range forms {
			// The last @ of a URL is its own.
			planted := strings.ReplaceAll(strings.ReplaceAll(form, "@", secret), secret+"h/", "@h/")
			line := append(append(append(bytes.Clone(before), 0), planted...), 0)
			line = append(line, after...)
			if got := cmdline.Redact(line); bytes.Contains(got, []byte(secret)) {
				t.Errorf("%q leaks: %q", line, got)
			}
		}
	})
}

func TestLine(t *testing.T) {
	const raw = "mysql\x00--password=x\x00db\x00\x00"
	for _, tt := range []struct {
		mode cmdline.Mode
		want string
		exe  bool
	}{
		{"", "mysql --password=*** db", true},
		{cmdline.Redacted, "mysql --password=*** db", true},
		{cmdline.Full, "mysql --password=x db", true},
		{cmdline.Exe, "", true},
		{cmdline.None, "", false},
	} {
		if got := tt.mode.Line([]byte(raw)); string(got) != tt.want {
			t.Errorf("mode %q: got %q, want %q", tt.mode, got, tt.want)
		}
		if got := tt.mode.Exe(); got != tt.exe {
			t.Errorf("mode %q: Exe() = %v", tt.mode, got)
		}
	}
}

func TestParseMode(t *testing.T) {
	for _, s := range []string{"redacted", "full", "exe", "none"} {
		if m, err := cmdline.ParseMode(s); err != nil || string(m) != s {
			t.Errorf("ParseMode(%q) = %q, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "all", "FULL"} {
		if m, err := cmdline.ParseMode(s); err == nil {
			t.Errorf("ParseMode(%q) = %q, want an error", s, m)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	line := []byte(strings.Repeat("java\x00-Xmx1g\x00-DdbSecret=abc\x00-cp\x00/lib/a.jar:/lib/b.jar\x00https://u:p@h/\x00", 40))
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		cmdline.Redact(line)
	}
}
