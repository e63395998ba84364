package words

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"port", "host", "name", "workers", "batch_processing", "data_retention", "timeout"}
	for word, want := range map[string]string{"prot": "port", "Port": "port", "batch_procesing": "batch_processing", "data-retention": "data_retention", "timeuot": "timeout", "xyzzy": "", "a": "", "": "", "worker": "workers"} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"größe", "grösse", 2}, {"same", "same", 0}} {
		if got := Distance(c.a, c.b); got != c.want || Distance(c.b, c.a) != got {
			t.Errorf("Distance(%q, %q) = %d, want %d both ways", c.a, c.b, got, c.want)
		}
	}
}
