package conf

import (
	"regexp"
	"strings"
)

// Hidden stands for every secret.
const Hidden = "***"

var (
	urlStart = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://`)
	// secretPair finds password=… and the like in queries of URLs and in DSNs of the libpq kind.
	secretPair = regexp.MustCompile(`(?i)([a-z_]*(?:password|passwd|pwd|secret|token|api_?key|access_?key|signature)[a-z_]*=)('[^']*'|[^\s&;,']+)`)
)

// Redact hides passwords inside URLs and key=value texts: postgresql://user:***@host. It rather hides too much than too little.
func Redact(text string) string {
	var b strings.Builder
	for {
		m := urlStart.FindStringIndex(text)
		if m == nil {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:m[1]])
		rest := text[m[1]:]
		end := strings.IndexAny(rest, " \t\r\n\"<>")
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(redactAuthority(rest[:end]))
		text = rest[end:]
	}
	return secretPair.ReplaceAllString(b.String(), "${1}"+Hidden)
}

// Conceal hides every secret of the tree that a text holds, whatever brought it there, and passwords inside URLs.
func (t *Tree) Conceal(text string) string {
	for _, s := range secretsOf(t.schema.settings) {
		if len(s) >= 4 { // a shorter one would blank out words
			text = strings.ReplaceAll(text, s, Hidden)
		}
	}
	return Redact(text)
}

// secretsOf are the texts that nobody is shown.
func secretsOf(settings []*Setting) (out []string) {
	for _, st := range settings {
		switch v := st.value; {
		case st.items != nil:
			for i := range v.Len() {
				out = append(out, secretsOf(settingsOf(v.Index(i)))...)
			}
		case !st.Secret || st.place:
		case v.Type() == mapType:
			for _, k := range v.MapKeys() {
				out = append(out, v.MapIndex(k).String())
			}
		default:
			out = append(out, v.String())
		}
	}
	return out
}

// redactAuthority takes what follows "://". Passwords that ought to be escaped (with /, ?, @ or commas) are hidden as well.
func redactAuthority(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	colon := strings.IndexByte(s[:at], ':')
	if colon < 0 {
		return s
	}
	return s[:colon+1] + Hidden + s[at:]
}
