// SPDX-License-Identifier: Apache-2.0

package cmdline

// Names are secret that contain one of words, or a part that ends with one of
// endings, in either case: parts are delimited by _ - . digits and capitals.
var (
	words = [...]string{
		"password", "passwd", "passphrase", "passcode", "pwd",
		"secret", "credential", "authorization", "apikey",
	}
	endings = [...]string{"pass", "passin", "passout", "pw", "token", "bearer", "key", "auth", "cookie", "sig", "signature"}
)

var (
	// harmless end with one of endings by chance.
	harmless = [...]string{"bypass", "compass", "monkey", "donkey", "turkey", "hotkey"}

	// about are last parts of names that say something about a secret.
	about = [...]string{"file", "path", "dir", "jar", "store", "stdin", "type", "mode", "size", "length", "serializer", "deserializer"}

	// counts make the plural behind them a number: --max-tokens.
	counts = [...]string{"max", "min", "num"}

	// switches are values that are no secrets.
	switches = [...]string{"true", "false"}

	// schemes precede the secret itself.
	schemes = [...]string{"bearer", "basic", "digest", "negotiate", "token", "apikey", "plain", "login", "default"}
)

// isSecret says whether what follows name is a secret.
func isSecret(name []byte) bool {
	secret := containsOne(name, words[:])
	var last []byte
	var counted bool
	for i := 0; i < len(name); {
		start := i
		for i < len(name) && isLetter(name[i]) && (i == start || !isHump(name, i)) {
			i++
		}
		if i == start {
			i++
			continue
		}
		last = name[start:i]
		counted = counted || isOne(last, counts[:])
		secret = secret || isEnding(last) || !counted && last[len(last)-1]|0x20 == 's' && isEnding(last[:len(last)-1])
	}
	return secret && !isOne(last, about[:])
}

// isHump says whether a part of camelCase or of URLName begins at i.
func isHump(name []byte, i int) bool {
	return isUpper(name[i]) && (!isUpper(name[i-1]) || i+1 < len(name) && isLetter(name[i+1]) && !isUpper(name[i+1]))
}

func isEnding(part []byte) bool {
	return hasOneAtEnd(part, endings[:]) && !hasOneAtEnd(part, harmless[:])
}

// isWord says whether name alone, without a dash, makes the next argument a secret.
func isWord(name []byte) bool { return isOne(name, words[:]) || isOne(name, endings[:]) }

func isScheme(word []byte) bool { return isOne(word, schemes[:]) }

func isOne(b []byte, list []string) bool {
	for _, w := range list {
		if foldEqual(b, w) {
			return true
		}
	}
	return false
}

func hasOneAtEnd(b []byte, list []string) bool {
	for _, w := range list {
		if len(b) >= len(w) && foldEqual(b[len(b)-len(w):], w) {
			return true
		}
	}
	return false
}

func containsOne(b []byte, list []string) bool {
	for _, w := range list {
		for i := 0; i+len(w) <= len(b); i++ {
			if foldEqual(b[i:i+len(w)], w) {
				return true
			}
		}
	}
	return false
}

// foldEqual says whether b is lower, lower-case ASCII, in any case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if isUpper(c) {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isNameByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '-' || c == '.'
}
