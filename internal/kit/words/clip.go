package words

import "unicode/utf8"

// Clip keeps at most so many bytes of a text, up to the edge of a character, and shows that it was cut: what strangers send stands in
// messages and logs.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
