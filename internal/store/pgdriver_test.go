package store

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestRebind(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELECT 1", "SELECT 1"},
		{"a = ? AND b IN (?, ?)", "a = $1 AND b IN ($2, $3)"},
		{"a <> '?' AND b = ? AND c = 'it''s ?' AND d = ?", "a <> '?' AND b = $1 AND c = 'it''s ?' AND d = $2"},
	} {
		if got := rebind(c.in, 1); got != c.want {
			t.Errorf("%s becomes %s, not %s", c.in, got, c.want)
		}
	}
	if q := "CREATE TABLE a (b TEXT) -- what?"; rebind(q, 0) != q {
		t.Error("a query without parameters is changed")
	}
}

// Whatever a stranger calls a model can be stored, comes back as it was, and is nobody else's name.
func TestStorable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"mixtral-8x7b", "mixtral-8x7b"}, {"ü", "ü"}, {"a\x00b", "a␀00b"}, {"\xff\xfe", "␀ff␀fe"}, {"␀00", "␀␀00"},
	} {
		if got := storable(c.in); got != c.want {
			t.Errorf("%q is stored as %q, not %q", c.in, got, c.want)
		}
	}
	for _, s := range []string{"␀", "a␀0", "␀zz", "␀+1"} { // written by others
		if got := original(s); got != s {
			t.Errorf("%q is read as %q", s, got)
		}
	}
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"\x00", "\xe2", "\x90", "\x80", "␀", "0", "f", "ü", "z"}), 0, 8).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		stored := storable(a)
		if original(stored) != a || !utf8.ValidString(stored) || strings.Contains(stored, "\x00") {
			t.Fatalf("%q is stored as %q and read as %q", a, stored, original(stored))
		}
		if (a == b) != (stored == storable(b)) {
			t.Fatalf("%q and %q are stored as %q and %q", a, b, stored, storable(b))
		}
	})
}
