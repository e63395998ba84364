package erasure

import (
	"bytes"
	"slices"
	"testing"
)

// A name is found however its producer has written it.
func TestSpellings(t *testing.T) {
	for name, records := range map[string][]string{
		"jane@example.org": {`{"user_id":"jane@example.org"}`, `user=jane@example.org;`},
		"josé & söhne":     {`{"u":"josé & söhne"}`, `{"u":"josé \u0026 söhne"}`, `{"u":"jos\u00e9 & s\u00f6hne"}`, `{"u":"jos\u00E9 & s\u00F6hne"}`},
		"a \"b\"\\c\n":     {`{"u":"a \"b\"\\c\n"}`, "a \"b\"\\c\n"},
		"smile-😀":          {`{"u":"smile-\ud83d\ude00"}`, `{"u":"smile-😀"}`},
		"u1":               {`{"user_id":"u1"}`},
	} {
		texts := spellings(name)
		found := func(record string) bool {
			return slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains([]byte(record), text) })
		}
		for _, r := range records {
			if !found(r) {
				t.Errorf("%q is not found in %s; looked for %q", name, r, texts)
			}
		}
		if found(`{"user_id":"somebody","gpu1":"u10"}`) {
			t.Errorf("%q is found where it is not: %q", name, texts)
		}
	}
}
