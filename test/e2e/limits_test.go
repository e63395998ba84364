package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The limits of an event are settings, and every reader keeps to the same: what is taken over HTTP or straight from a topic counts in
// the windows and in the hour, what is refused lies in the dead letters once.
func TestEventLimits(t *testing.T) {
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "HXP_EVENT_MAX_BYTES=400000", "HXP_EVENT_MAX_DEPTH=40", "HXP_EVENT_MAX_KEYS=64")
	h.up(t)
	w := &walk{instance: h, tag: "limits", first: time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC)}
	with := func(q request, extra string) []byte { // q with one more field
		return bytes.Replace(q.line(), []byte(`"data":{`), []byte(`"data":{"x":`+extra+","), 1)
	}
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	text := func(n int) string { return `"` + strings.Repeat("y", n) + `"` }
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	start := w.hour()
	rs := generate(8, 12, w.name("good"), start)
	var good [][]byte
	for i, extra := range []string{nested(38), text(399_000), keys(40)} { // two of them are too much by the ordinary limits
		good = append(good, with(rs[2*i], extra), with(rs[2*i+1], extra))
	}
	good = append(good, lines(rs[6:])...)
	bad := map[string]string{"too_deep": string(with(rs[0], nested(39))), "too_large": string(with(rs[0], text(400_000))), "too_many_keys": string(with(rs[0], keys(60)))}
	before := w.deadLetters(t)
	var body []byte
	var straight [][]byte
	for i, line := range good {
		if i%2 == 0 {
			body = append(append(body, line...), '\n')
		} else {
			straight = append(straight, line)
		}
	}
	for _, line := range bad {
		body = append(append(body, line...), '\n')
		straight = append(straight, []byte(line))
	}
	if status, a := w.post(t, body, nil); status != http.StatusMultiStatus || a.Accepted != 6 || a.Rejected != 3 {
		t.Errorf("%d %+v, want 6 taken and 3 refused", status, a)
	}
	w.produce(t, "llm-requests", straight...)
	w.dead(t, before, bad, 2)
	w.counted(t, start, rs)
}
