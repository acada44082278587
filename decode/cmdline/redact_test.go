// SPDX-License-Identifier: Apache-2.0

package cmdline_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/cmdline"
)

// In the tables, | stands for the NUL between arguments.
var redactions = []struct{ name, args, want string }{
	{"flag and value in one", "mysql|--password=s3cret|db", "mysql|--password=***|db"},
	{"flag and value in two", "mysql|--password|s3cret|db", "mysql|--password|***|db"},
	{"single dash", "java|-password|s3cret|db", "java|-password|***|db"},
	{"value with a dash", "x|--token|-abc|y", "x|--token|***|y"},
	{"value apart behind =", "x|--token=|abc|y", "x|--token=|***|y"},
	{"value that is a flag for a secret itself", "x|--password|-storepass|abc|y", "x|--password|***|***|y"},
	{"last", "x|--password", "x|--password"},
	{"java property", "java|-DdbSecret=abc|-Xmx1g|Main", "java|-DdbSecret=***|-Xmx1g|Main"},
	{"java property, dotted", "java|-Djavax.net.ssl.keyStorePassword=abc|Main", "java|-Djavax.net.ssl.keyStorePassword=***|Main"},
	{"environment", "env|PASSWORD=a b c|run", "env|PASSWORD=***|run"},
	{"environment, prefixed", "env|PGPASSWD=a|AWS_SECRET_ACCESS_KEY=b|HOME=/x|run", "env|PGPASSWD=***|AWS_SECRET_ACCESS_KEY=***|HOME=/x|run"},
	{"mixed case", "x|--ApiToken=a|--CREDENTIALS|b", "x|--ApiToken=***|--CREDENTIALS|***"},
	{"pass", "x|--pass|a|DB_PASS=b|--dbpass=c|-Dpass=d", "x|--pass|***|DB_PASS=***|--dbpass=***|-Dpass=***"},
	{"pass of keytool and openssl", "x|-storepass|a|-keypass|b|-passin|pass:c|-passout|pass:d|pass:e", "x|-storepass|***|-keypass|***|-passin|***|-passout|***|pass:***"},
	{"pass of redis", "redis-server|--requirepass|a|--masterauth|b", "redis-server|--requirepass|***|--masterauth|***"},
	{"pw", "x|-pw|a|--pw=b|bindpw=c|bind_pw: d", "x|-pw|***|--pw=***|bindpw=***|bind_pw: ***"},
	{"key", "x|--key|a|api_key=b|apikey=c|--private-key=d|apiKey=e|KEYS=f|key2=g|--ssh-privkey=h", "x|--key|***|api_key=***|apikey=***|--private-key=***|apiKey=***|KEYS=***|key2=***|--ssh-privkey=***"},
	{"signature", "x|sig=a|Signature=b|https://h/?se=1&sig=c%3D&sp=r|https://h/?X-Amz-Signature=d", "x|sig=***|Signature=***|https://h/?se=1&sig=***&sp=r|https://h/?X-Amz-Signature=***"},
	{"bare word", "mysqladmin|password|new", "mysqladmin|password|***"},
	{"bare word, redis", "redis-cli|AUTH|abc|get|x", "redis-cli|AUTH|***|get|x"},
	{"bare word, redis with a user", "redis-cli|AUTH|default|abc|get|x", "redis-cli|AUTH|***|***|get|x"},
	{"bare word, in one", "password abc", "password ***"},
	{"key and value in helm", "helm|--set=auth.password=a,b c|x", "helm|--set=auth.password=***|x"},
	{"header", "curl|-H|Authorization: Bearer abc.def|http://h/", "curl|-H|Authorization: ***|http://h/"},
	{"header in two", "x|Authorization: Bearer|abc|y", "x|Authorization: ***|***|y"},
	{"header in three", "x|Authorization:|Bearer|abc|y", "x|Authorization:|***|***|y"},
	{"header, cookie", "curl|-H|Cookie: a=b; c=d|-HSet-Cookie: e|http://h/", "curl|-H|Cookie: ***|-HSet-Cookie: ***|http://h/"},
	{"form", "x|data[password]=a|y", "x|data[password]=***|y"},
	{"XML", "x|<a><password>b c</password></a>|y", "x|<a><password>***|y"},
	{"connection string", "x|Server=h;Password=a;b c;", "x|Server=h;Password=***"},
	{"connection string, last", "x|Server=h;Password=a|y|Data Source=h;Password=a|z", "x|Server=h;Password=***|y|Data Source=h;Password=***|z"},
	{"connection string, spaced", "x|Data Source=h;Password=a b;User Id=u", "x|Data Source=h;Password=*** *** Id=u"},
	{"bearer", "curl|-H|X: Bearer abc|--bearer|def", "curl|-H|X: Bearer ***|--bearer|***"},
	{"not text", "x|\xff\xfe--password=\xff|y", "x|\xff\xfe--password=***|y"},

	{"json", `x|{"user":"u","password":"a \"b","n":1}`, `x|{"user":"u","password":"***","n":1}`},
	{"json, spaced", `x|{"password" : "ab", "n": 1}`, `x|{"password" : "***", "n": 1}`},
	{"json, number", `x|{"password":123,"n":1}`, `x|{"password":***,"n":1}`},
	{"json, list", `x|{"tokens": ["a", "b"], "n": "1"}`, `x|{"tokens": ***"***", "***"***, "n": "1"}`},
	{"json, not a value but the next key", `x|{"grant_type":"password","user":"u"}`, `x|{"grant_type":"password","user":"u"}`},
	{"json, arguments", `x|["sh","-c","mysql -pabc db\nrun"]`, `x|["sh","-c","mysql -p*** db\nrun"]`},
	{"json, behind a name", `x|--data={"password":"ab","n":1}|y`, `x|--data={"password":***|y`},
	{"json, unfinished", `x|{"password":"ab`, `x|{"password":"***`},

	{"script", "sh|-c|run --password=a --port 80", "sh|-c|run --password=*** --port 80"},
	{"script, value apart", "sh|-c|run --password a --port 80", "sh|-c|run --password *** --port 80"},
	{"script, quoted value", `sh|-c|run --password="a b" --port 80`, `sh|-c|run --password="***" --port 80`},
	{"script, quoted value apart", `sh|-c|run --password 'a b' --port 80`, `sh|-c|run --password '***' --port 80`},
	{"script, escaped space", `sh|-c|run --password=a\ b --port 80`, `sh|-c|run --password=*** --port 80`},
	{"script, quoted header", `sh|-c|curl -H "Authorization: Bearer abc" http://h`, `sh|-c|curl -H "Authorization: ***" http://h`},
	{"script, header", `sh|-c|echo Authorization: Bearer abc next`, `sh|-c|echo Authorization: *** *** next`},
	{"script, escaped json", `sh|-c|curl -d "{\"password\":\"abc\",\"n\":1}" h`, `sh|-c|curl -d "{\"password\":\"***\",\"n\":1}" h`},
	{"script, export first", "sh|-c|TOKEN=abc ./run", "sh|-c|TOKEN=***"},
	{"script, quotes and more", `sh|-c|X=1 PASSWORD="a"b Y='PASSWORD=c'd run`, `sh|-c|X=1 PASSWORD="*** Y='PASSWORD=*** run`},
	{"script, quotes and more at its start", `sh|-c|PASSWORD="a"b`, `sh|-c|PASSWORD=***`},
	{"script, quoted spaces", "sh|-c|X=1 PASSWORD=a' b' run", "sh|-c|X=1 PASSWORD=***' run"},
	{"script, substitution", `sh|-c|X=1 PASSWORD=$(cmd a) TOKEN="$(cmd "b c")"d run`, `sh|-c|X=1 PASSWORD=*** TOKEN="*** run`},
	{"script, backticks", "sh|-c|X=1 PASSWORD=`cmd 'a b'` run", "sh|-c|X=1 PASSWORD=*** run"},
	{"script, default value", "sh|-c|run ${PASSWORD:-a b} ${X:-$(run --token a)} c", "sh|-c|run ${PASSWORD:*** ${X:-$(run --token ***)} c"},
	{"script, C quotes", `sh|-c|run --password=$'a\' b' c`, `sh|-c|run --password=***' c`},
	{"script in a substitution", `sh|-c|X="$(mysql "-pa b" c)" run`, `sh|-c|X="$(mysql "-p***" c)" run`},
	{"script in a script", `ssh|h|sudo sh -c "run --password='a b' -Xmx1g" x`, `ssh|h|sudo sh -c "run --password='***' -Xmx1g" x`},
	{"script, bare word", `sh|-c|redis-cli AUTH "a b"; redis-cli get x`, `sh|-c|redis-cli AUTH "*** redis-cli get x`},
	{"script, continued", "sh|-c|run --password \\\n a b", "sh|-c|run --password \\\n *** b"},
	{"script, spaces around =", "python|-c|x(password = 'a b', y = 1)", "python|-c|x(password = ***"},
	{"script, compared", `sh|-c|[ "$TOKEN" != "a b" ] && run`, `sh|-c|[ "$TOKEN" != "***" ] && run`},
	{"script, list", `python|-c|f(url, tokens=["a", "b"], c=1)`, `python|-c|f(url, tokens=*** "*** c=1)`},
	{"script, group", `python|-c|f(url, auth=("a", "b"), c=1)`, `python|-c|f(url, auth=*** c=1)`},
	{"script, comment", "sh|-c|# don't\nrun 'PASSWORD=a b' c # can't", "sh|-c|# don't\nrun 'PASSWORD=***' c # can't"},
	{"script that is none", "it's a title: --password=a b c", "it's a title: --password=***"},
	{"here-document", "sh|-c|cat <<E\nit's\npassword=a b\nE\n'", "sh|-c|cat <<E\nit's\npassword=***"},
	{"too deep", "x|" + strings.Repeat("\"$(a ", 20) + "b", "x|" + strings.Repeat("\"$(a ", 7) + `"***`},
	{"title", "postgres: u db --token=a idle", "postgres: u db --token=*** idle"},

	{"mysql", "mysql|-uroot|-pabc|db|-p|x", "mysql|-uroot|-p***|db|-p|x"},
	{"mysql and others", "mysqldump|-hh|-pabc|db|/usr/bin/mariadb|-pabc", "mysqldump|-hh|-p***|db|/usr/bin/mariadb|-p***"},
	{"mysql in a container", "docker|exec|c|mysql|-pabc", "docker|exec|c|mysql|-p***"},
	{"mysql in a script", "sh|-c|(mysql -p'a b' db); mkdir -pv /x", "sh|-c|(mysql -p'***' db); mkdir -pv /x"},
	{"curl", "curl|-sSu|u:a|-uu:a|-U|u:a|-b|a=b|--user|u:a|-X|PUT|http://h/", "curl|-sSu|***|-u***|-U|***|-b|***|--user|***|-X|PUT|http://h/"},
	{"curl, and a host with a program's name", "curl|http://h/sshpass|-u|u:a", "curl|http://h/sshpass|-u|***"},
	{"sshpass", "sshpass|-p|abc|ssh|-p|22|h", "sshpass|-p|***|ssh|-p|22|h"},
	{"sshpass in one", "sshpass|-pabc|ssh|-p|22|h", "sshpass|-p***|ssh|-p|22|h"},
	{"sshpass with a prompt", "sshpass|-P|word|-p|abc|ssh|-p22|h", "sshpass|-P|word|-p|***|ssh|-p22|h"},
	{"redis-cli", "redis-cli|-h|h|-p|6379|-a|abc|get|x", "redis-cli|-h|h|-p|6379|-a|***|get|x"},

	{"url", "x|postgres://u:pw@h:5432/db|y", "x|postgres://***@h:5432/db|y"},
	{"url without user", "x|redis://:pw@h/0", "x|redis://***@h/0"},
	{"url, @ in the password", "x|amqp://u:p@w@h/v", "x|amqp://***@h/v"},
	{"url, slash in the password", "x|amqp://u:p/w@h/v|redis://:1/2@h/0", "x|amqp://***@h/v|redis://***@h/0"},
	{"url, space in the password", "x|postgres://u:p w@h/v", "x|postgres://***@h/v"},
	{"url, token for a user", "git|clone|https://ghp_abc@github.com/o/r", "git|clone|https://***@github.com/o/r"},
	{"url, token for a user, and a password", "git|clone|https://abc:x-oauth-basic@github.com", "git|clone|https://***@github.com"},
	{"url, user only", "git|clone|ssh://git@github.com/o/r", "git|clone|ssh://***@github.com/o/r"},
	{"url, query", "curl|https://h/p?user=u&access_token=abc&x=1", "curl|https://h/p?user=u&access_token=***&x=1"},
	{"urls", "x|amqp://u:p@h1,amqp://u:q@h2", "x|amqp://***@h1,amqp://***@h2"},
	{"urls, hosts first", "x|amqp://h1,amqp://u:q@h2", "x|amqp://h1,amqp://***@h2"},
	{"flag with url", "x|--dsn=mysql://u:p@h/db", "x|--dsn=mysql://***@h/db"},
	{"url and a password", "x|jdbc:sqlserver://h:1;user=u;password=p;x", "x|jdbc:sqlserver://h:1;user=u;password=***"},
	{"url that is a secret's name", "x|x://token:abc", "x|x://token:***"},

	{"data source", "x|u:p@tcp(h:3306)/db?a=b@c|--dsn=u:p/@w@unix(/s)/db|u:p w@(h)/db", "x|***@tcp(h:3306)/db?a=b@c|--dsn=***@unix(/s)/db|***@(h)/db"},
	{"user and host", "x|--proxy|u:p@h:3128", "x|--proxy|***@h:3128"},
}

// shown are not changed.
var shown = []string{
	"", "x||--token||y", "x|--password=||y", "nginx: worker process|-g|daemon off;",
	"java|-Xmx512m|-XX:+UseG1GC|-XX:MaxRAMPercentage=75|-cp|/lib/oauth:/lib/b.jar:lib/token.jar:c|com.example.AuthServer|--port=80",
	"java|-Djavax.net.ssl.keyStore=/x.jks|-Djavax.net.ssl.keyStoreType=JKS|-agentlib:jdwp=transport=dt_socket,address=*:5005",
	"x|com.example.AuthServer|start", "perl|-MAuth::Token::Simple=x", "x|key.serializer=org.example.S",
	"x|/etc/ssl/private.key|/run/secrets/token|start", "x|--tls-private-key-file=/x|--password-file|/y|--key-path=/z|--password-stdin|h",
	"x|--keyspace=foo|keyboard=us|keyspace: a|--monkey=1|--hotkey=F1|--keymap=us|--keytab=/x",
	"java|-Dio.netty.noKeySetOptimization=true|--client-cert-auth|true|--mode=x", `x|{"auth":false}`,
	"x|--passive|yes|--bypass=1|--compass|north|--passenger=1|bypass: a",
	"vllm|--tokenizer|m|--max-tokens|5|--max-num-batched-tokens=8192|max_keys=10",
	"git|log|--author=me|--authority=x|--signal=9|--design=y|--config=z",
	"x|--no-auth|--port|80", "sh|-c|run --no-auth --port 80",
	"sh|-c|pwd && cd x; export TOKEN\nexec java; pwd; pwd\nls",
	"sh|-c|echo $TOKEN > /x; unset TOKEN; a=$((1 + 2))",
	"x|http://h:80/a@b", "x|http://[::1]:80/a@b http://[fe80::1]/@", "x|http://auth:8080/p|https://token.example.com/x?a=1",
	"sh|-c|curl http://h:$PORT/x", "x|git@github.com:o/r.git|a@b.c|h:/path|127.0.0.1:6379|1@h1:9093,2@h2:9093",
	"docker|run|-p|80:80|--name|mysql|-p|3306:3306|r.io/a:1.2@sha256:abc|app:1.2@sha256:abc",
	"ssh|-p|22|h|-a", "ssh|-u|x|mkdir|-pv|/x", "postgres: 16/main: u db 10.0.0.1(5432) idle in transaction",
	"redis-server 127.0.0.1:6379", `x|{"a":"b c","d":[1,{"e":null}]}`, `sh|-c|it's "fine" here`,
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

func TestRedactShown(t *testing.T) {
	for _, args := range shown {
		in := []byte(strings.ReplaceAll(args, "|", "\x00"))
		if got := strings.ReplaceAll(string(cmdline.Redact(in)), "\x00", "|"); got != args {
			t.Errorf("Redact(%q)\n got %q", args, got)
		}
	}
}

// The cuts are made at ^.
func TestLineUpTo(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"x|postgres://u:ab^c@h/db", "x postgres://***"},
		{"x|postgres://u:a/b^c@h/db", "x postgres://***"},
		{"x|postgres://u:a@b^c@h/db", "x postgres://***"},
		{"x|https://ab^c@h/", "x https://***"},
		{"sh|-c|run 'postgres://u:ab^c@h/db' x", "sh -c run 'postgres://***"},
		{`x|{"url":"postgres://u:ab^c@h/db"}`, `x {"url":"postgres://***`},
		{"x|--dsn=u:ab^c@tcp(h)/db", "x --dsn=***"},
		{"x|--password=ab^c|y", "x --password=***"},
		{"sh|-c|run --password='a b^c' d", "sh -c run --password='***"},
		{"x|http://h:80/ab^c|y", "x http://h:80/ab"},
		{"java|-cp|/lib/a.jar:/lib/b^.jar|-Xmx1g", "java -cp /lib/a.jar:/lib/b"},
		{"java|-cp|a.jar:b^.jar|-Xmx1g", "java -cp a.jar:b"},
		{"java|-XX:MaxRAMPer^centage=75", "java -XX:MaxRAMPer"},
		{"x|http://h:80^|y", "x http://h:80"},
		{"x|http://h:80|^y", "x http://h:80"},
		{"x|http://h:80^", "x http://h:80"},
	} {
		raw := []byte(strings.ReplaceAll(tt.args, "|", "\x00"))
		limit := bytes.IndexByte(raw, '^')
		raw = append(raw[:limit], raw[limit+1:]...)
		if got := cmdline.Redacted.LineUpTo(raw, limit); string(got) != tt.want {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.want)
		}
		if got := cmdline.Full.LineUpTo(raw, limit); len(got) > limit {
			t.Errorf("%q: got %q, which is more than the limit", tt.args, got)
		}
	}
	if got := cmdline.Redacted.LineUpTo([]byte("x"), 9); string(got) != "x" {
		t.Errorf("short of the limit: got %q", got)
	}
}

// secret is what the fuzz targets look for.
const secret = "5eCr3T"

// plant puts the secret in the place of each @@ of line.
func plant(line string) []byte { return []byte(strings.ReplaceAll(line, "@@", secret)) }

func check(t *testing.T, line string) {
	t.Helper()
	in := plant(line)
	got := cmdline.Redact(in)
	if bytes.Contains(got, []byte(secret)) {
		t.Errorf("%q leaks: %q", in, got)
	}
	if bytes.Count(got, []byte{0}) != bytes.Count(in, []byte{0}) {
		t.Errorf("the number of arguments changed in %q: %q", in, got)
	}
}

// checkCut cuts the line within its first secret.
func checkCut(t *testing.T, line string) {
	t.Helper()
	in := plant(line)
	cut := bytes.Index(in, []byte(secret)) + len(secret)/2
	if got := cmdline.Redacted.LineUpTo(in, cut); bytes.Contains(got, []byte(secret[:len(secret)/2])) {
		t.Errorf("%q leaks, cut at %d: %q", in, cut, got)
	}
}

// FuzzRedact has secrets between anything, as arguments and within a script.
func FuzzRedact(f *testing.F) {
	for _, tt := range redactions {
		f.Add(strings.ReplaceAll(tt.args, "|", "\x00"), "x")
	}
	for _, args := range shown {
		f.Add(strings.ReplaceAll(args, "|", "\x00"), "x")
	}
	words := []string{
		"--password=@@", "--db-password|@@", "--token=|@@", "-DsomeSecret=@@", "API_KEY=@@", "auth|@@", "-storepass|@@",
		"DB_PASS=@@", "pass:@@", "sig=@@", "mysql|-p@@", "redis-cli|-a|@@", "sshpass|-p|@@", "sshpass|-p@@", "curl|-u|@@:@@", "curl|-u@@",
		"https://h/?Signature=@@&x=1", "postgres://u:@@@h/db", "https://@@:x@h", "https://@@@h/", "u:@@@tcp(h)/db", "Authorization:|Bearer|@@",
	}
	args := []string{"PASSWORD=@@ @@", "Authorization: Bearer @@", "Cookie: a=@@; b=@@", "postgres://u:@@ @@@h/", `{"token": "@@ @@", "a": 1}`}
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, secret[:len(secret)/2]) || strings.Contains(before+after, "@@") {
			t.Skip("the secret is in what surrounds it")
		}
		for _, form := range append(args, words...) {
			line := before + "\x00" + strings.ReplaceAll(form, "|", "\x00") + "\x00" + after
			check(t, line)
			checkCut(t, line)
		}
		for _, form := range words {
			line := before + " " + strings.ReplaceAll(form, "|", " ") + " " + after
			check(t, line)
			checkCut(t, line)
		}
	})
}

// FuzzRedactWord has secrets in all that a shell takes for one word.
func FuzzRedactWord(f *testing.F) {
	pieces := []string{
		"@@", `\ @@`, "'@@ @@'", `'"'@@`, `"'@@ @@"`, `"\"@@"`, `"a $(b "@@ c") @@"`, "$(a '@@' @@)", "`a \"@@\" @@`",
		"${X:-@@ @@}", `$'\'@@'`, `"'"`, `''`, "=@@", ",@@", `:"@@"`, "$((1 + @@))", "<(a @@)", "\\\n@@", `"#"@@`, `\"@@`, "&@@", "}@@", "/@@",
	}
	forms := []string{"--password=", "--password ", "PASSWORD=", "DB_PASS=", "pass:", "AUTH ", "mysql -p", "curl -u ", "sshpass -p"}
	scripts := []string{"X=1 %s run", "X=$(%s) run", "if a; then\n%s\nfi # it's", "X=1 Y='a b' \"$(%s)\" run"}
	f.Add([]byte{0})
	for i := range pieces {
		f.Add([]byte{byte(i), byte(i + 1), byte(i * 7)})
	}
	f.Fuzz(func(t *testing.T, shape []byte) {
		word := "x"
		for _, b := range shape {
			word += pieces[int(b)%len(pieces)]
		}
		if !strings.Contains(word, "@@") {
			t.Skip("no secret in it")
		}
		for _, script := range scripts {
			for _, form := range forms {
				line := "sh\x00-c\x00" + strings.Replace(script, "%s", form+word, 1) + "\x00x"
				check(t, line)
				checkCut(t, line)
			}
			check(t, "sh\x00-c\x00"+strings.Replace(script, "%s", "--dsn=u:"+word+"@tcp(h)", 1))
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
