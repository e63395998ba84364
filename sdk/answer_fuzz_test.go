package sdk

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Whatever a server answers, in whatever pieces: no panic, the pieces change nothing, and the event is one that hxp takes.
func FuzzAnswer(f *testing.F) {
	for _, x := range exchanges {
		f.Add(x.path, x.contentType, "", []byte(x.ask), []byte(x.body), 3)
	}
	f.Add("/v1/messages", sse, "gzip", []byte("{"), []byte("\x1f\x8b\x08\x00"), 1)
	f.Add("/v1/responses", sse, "", []byte(`{"model":"\ud800"}`), append([]byte("data: "), bytes.Repeat([]byte("{"), maxLine+9)...), 1000)
	f.Add(strings.Repeat("\xa9 ", maxID), "", "", []byte("{}"), []byte("{}"), 1) // each byte that is no character takes three
	f.Fuzz(func(t *testing.T, path, contentType, encoding string, ask, body []byte, piece int) {
		ops := []string{opChat, opCompletion, opResponse, opEmbedding, opRerank, opMessage}
		watch := func(piece int) []byte {
			r, err := http.NewRequest(http.MethodPost, "http://h/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(headerRequestID, path)
			r.Header.Set("X-Tenant-Id", path)
			r.URL.Path = path
			c := newCall(epoch, ops[len(path)%len(ops)], r)
			for b := ask; len(b) > 0; b = b[min(piece, len(b)):] {
				c.asks(b[:min(piece, len(b))])
			}
			c.answers(200, http.Header{"Content-Type": {contentType}, "Content-Encoding": {encoding}})
			for b := body; len(b) > 0; b = b[min(piece, len(b)):] {
				c.says(epoch.Add(time.Second), b[:min(piece, len(b))])
			}
			c.whole = true
			event, err := c.event(c.end(epoch.Add(2*time.Second))).encode("fuzz", epoch)
			if err != nil {
				t.Fatal(err)
			}
			return event
		}
		whole := watch(1 << 20)
		var p event.Parser
		if v := p.Parse(whole, new(event.Event)); v != nil {
			t.Fatalf("hxp refuses %s: %v", whole, v)
		}
		long := false // the pieces of a line that is too long to be kept are judged by its beginning
		for _, line := range bytes.Split(body, []byte{'\n'}) {
			long = long || len(line) >= maxLine
		}
		if pieces := watch(1 + max(piece, 0)%300); !long && !bytes.Equal(whole, pieces) {
			t.Fatalf("in pieces\n%s, whole\n%s", pieces, whole)
		}
	})
}
