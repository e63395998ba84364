package words

import "testing"

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aäb", 2, "a…"}, {"aäb", 3, "aä…"}, {"日本", 2, "…"}, {"a\xff\xffb", 2, "a\xff…"}, {"\x80\x80\x80", 2, "…"},
	} {
		if got := Clip(c.text, c.most); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, not %q", c.text, c.most, got, c.want)
		}
	}
}
