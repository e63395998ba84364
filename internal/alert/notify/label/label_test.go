package label

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Prometheus knows these sets under these fingerprints (common/model, LabelSet.Fingerprint).
func TestFingerprintIsThatOfPrometheus(t *testing.T) {
	for _, c := range []struct {
		set  Set
		want Fingerprint
	}{
		{Set{}, "cbf29ce484222325"},
		{Set{"alertname": "A"}, Set{"alertname": "A"}.Fingerprint()},
	} {
		if got := c.set.Fingerprint(); got != c.want {
			t.Errorf("%v: %s, want %s", c.set, got, c.want)
		}
	}
	a, b := Set{"a": "b", "c": "d"}, Set{"a": "bc", "": "d"}
	if a.Fingerprint() == b.Fingerprint() || a.Fingerprint() != (Set{"c": "d", "a": "b"}).Fingerprint() {
		t.Error("sets are told apart wrongly")
	}
}

func TestMatchers(t *testing.T) {
	labels := Set{"team": "a", "severity": "critical", "model": "m-1"}
	for text, want := range map[string]bool{
		`team="a"`: true, `team=a`: true, `team!="a"`: false, `{team="a",severity=~"crit.*|page"}`: true, `severity=~"crit"`: false, `model!~"m-[2-9]"`: true,
		`absent=""`: true, `absent!=""`: false, `absent=~".*"`: true, `"team" = "a" , model = m-1`: true, `team="b\"c"`: false, `team=~"A"`: false, `team=~"(?i)A"`: true,
	} {
		ms, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := ms.Match(labels); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if again, err := Parse(ms.String()); err != nil || !again.Equal(ms) {
			t.Errorf("%s is written as %s, which is read as %v, %v", text, ms.String(), again, err)
		}
	}
}

// The order is that of the sorted pairs, of all sets there are of three names and two values, and none is sorted for it.
func TestCompare(t *testing.T) {
	var sets []Set
	for i := range 27 {
		s := Set{}
		for name, digit := range map[string]int{"a": i % 3, "b": i / 3 % 3, "c": i / 9} {
			if digit > 0 {
				s[name] = strconv.Itoa(digit)
			}
		}
		sets = append(sets, s)
	}
	pairs := func(s Set) (out []string) {
		for _, name := range s.Names() {
			out = append(out, name, s[name])
		}
		return out
	}
	for _, a := range sets {
		for _, b := range sets {
			if got, want := Compare(a, b), slices.Compare(pairs(a), pairs(b)); got != want {
				t.Errorf("%v and %v: %d, want %d", a, b, got, want)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { Compare(sets[25], sets[26]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMatchersThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"": "no condition", "{}": "no condition", "team": "must follow", `team="a`: "not closed", `{team="a"`: "brace", `team=~"("`: "regular expression", `="a"`: "name of the label",
		`a="b" c="d"`: "comma", `a=~"` + strings.Repeat("x", 2000) + `"`: "more than 1024", strings.Repeat("a=b,", 100): "more than 64",
	} {
		if ms, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v; want %q", text, ms, err, want)
		}
	}
}

// What Parse takes, it writes so that it reads the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`a="b"`, `{a=~"b|c",d!="e"}`, `"x y"!~"\n"`, `a=b,`, "=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ms, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(quotedNames(ms))
		if err != nil || !again.Equal(ms) {
			t.Errorf("%q: %v, %v", text, again, err)
		}
		ms.Match(Set{"a": text})
	})
}

func quotedNames(ms Matchers) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, strconv.Quote(m.Name)+m.Op()+strconv.Quote(m.Value))
	}
	return strings.Join(parts, ",")
}
