package sdk

import (
	"slices"
	"strings"
	"testing"
)

// heardLines joins what a stream tells, so that long lines in pieces and whole ones compare.
type heardLines struct{ lines []string }

func (h *heardLines) line(data []byte) { h.lines = append(h.lines, string(data)) }
func (h *heardLines) piece(data []byte, first bool) {
	if first {
		h.lines = append(h.lines, "")
	}
	h.lines[len(h.lines)-1] += string(data)
}

func split(text string, piece int) []string {
	var h heardLines
	l := lines{to: &h}
	for b := []byte(text); len(b) > 0; {
		n := min(piece, len(b))
		l.feed(b[:n])
		b = b[n:]
	}
	return h.lines
}

func TestLines(t *testing.T) {
	long := `{"text":"` + strings.Repeat("é", maxLine) + `"}`
	text := "data: one\r\n\r\nevent: x\ndata:two é\n: comment\n\ndata: " + long + "\n" + strings.Repeat("y", 2*maxLine) + "\nid: 7\ndata: [DONE]\n\n"
	want := []string{"one", "two é", long, "[DONE]"}
	for _, piece := range []int{1, 2, 3, 5, 7, 100, maxLine - 1, maxLine, maxLine + 1, 1 << 20} {
		if got := split(text, piece); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %d lines", piece, len(got))
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("data: a\r\ndata:b\n\nda", 2)
	f.Add("data:"+strings.Repeat("x", maxLine)+"\n", 1000)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		var want []string
		all := strings.Split(text, "\n")
		for _, line := range all[:len(all)-1] {
			if len(line) > maxLine-2 { // its end is handed on as it is
				return
			}
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				want = append(want, strings.TrimSuffix(strings.TrimPrefix(data, " "), "\r"))
			}
		}
		if len(all[len(all)-1]) > maxLine-2 {
			return
		}
		if got := split(text, 1+max(piece, 0)%100); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	})
}

func TestSays(t *testing.T) {
	for line, want := range map[string]bool{
		`{"delta":{"content":"x"}}`: true, `{"delta":{"content": "x"}}`: true, `{"content":""}`: false, `{"content":null}`: false,
		`{"logprobs":{"content":[]},"delta":{"content":"x"}}`: true, `{"content":`: false, ``: false, `{"reasoning_content":"x"}`: false,
	} {
		if got := says([]byte(line), []byte(`"content":`), true); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	if says([]byte(`"usage": null, "usage":  {`), wordUsage, false) != true || says([]byte(`"usage":null`), wordUsage, false) {
		t.Error("usage")
	}
}
