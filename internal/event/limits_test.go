package event

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// wide is an event with n unknown keys, deep one whose deepest value lies n levels below its data, long one with a comment of n bytes.
func wide(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return []byte(`{"event_type":"llm_request","data":{` + b.String()[1:] + `}}`)
}

func deep(n int) []byte {
	return []byte(`{"event_type":"llm_request","data":{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`)
}

func long(n int) []byte {
	return []byte(`{"event_type":"llm_request","data":{"x":"` + strings.Repeat("x", n) + `"}}`)
}

// Each limit may be lowered and raised, up to the widest, for every form and by every reader.
func TestLimits(t *testing.T) {
	const canonical = len(`{"event_id":"00000000000000000000000000000000","event_type":"llm_request","timestamp":"1970-01-01T00:00:00.000001Z","data":{"x":""}}`)
	for _, c := range []struct {
		limits Limits
		deep   int // levels below data, keys beside those of the envelope, bytes of one text that are just taken
		keys   int
		bytes  int
	}{
		{Limits{}, 30, 508, 256<<10 - canonical},
		{Limits{Bytes: 2000, Depth: 4, Keys: 64}, 2, 60, 2000 - canonical},
		{Widest, 58, 4092, 512<<10 - canonical},
		{Limits{Bytes: 1 << 30, Depth: 1000, Keys: 1 << 20}, 58, 4092, 512<<10 - canonical},
		{Limits{Depth: 40}, 38, 508, 256<<10 - canonical},
	} {
		p, d := Parser{Limits: c.limits}, Decoder{Limits: c.limits}
		for _, x := range []struct {
			what string
			text []byte
			code string
		}{
			{"depth", deep(c.deep), ""}, {"depth", deep(c.deep + 1), CodeDepth},
			{"keys", wide(c.keys), ""}, {"keys", wide(c.keys + 1), CodeKeys},
			{"bytes", long(c.bytes), ""}, {"bytes", long(c.bytes + 1), CodeSize},
		} {
			agree(t, &p, x.text)
			for i, headers := range [][]Header{nil, {{Key: "content-type", Value: []byte("text/plain")}}} {
				var e Event
				got := ""
				if v := d.Decode(x.text, headers, &e); v != nil {
					got = v.Code
				}
				if got != x.code {
					t.Errorf("%+v, headers %d: %s just beyond or within: %q, want %q", c.limits, i, x.what, got, x.code)
				}
			}
		}
	}
}

// The limits hold for CloudEvents too, whose data lies one level higher and whose attributes become keys.
func TestLimitsOfCloudEvents(t *testing.T) {
	event := func(data string) []byte {
		return []byte(`{"specversion":"1.0","id":"i","source":"s","type":"llm_request","data":` + data + `}`)
	}
	structured := []Header{{Key: HeaderContentType, Value: []byte(CloudEventJSON)}}
	nested := event(`{"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`)
	for depth, want := range map[int]string{10: CodeDepth, 21: CodeDepth, 22: "", 40: ""} {
		d := Decoder{Limits: Limits{Depth: depth}}
		var e Event
		got := ""
		if v := d.Decode(nested, structured, &e); v != nil {
			got = v.Code
		}
		if got != want {
			t.Errorf("depth of 22 under a limit of %d: %q, want %q", depth, got, want)
		}
	}
}

// What is taken can be written to a topic, with an id and a time, and is taken there as well: at the borders where the canonical form is
// longer, deeper or has more keys than what came in.
func TestTakenIsTakenAgain(t *testing.T) {
	flat := func(n int) []byte {
		return []byte(`{"event_type":"llm_request","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	metrics := func(n int, value string) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"m%d":%s`, i, value)
		}
		return []byte(`{"event_type":"system_metric"` + b.String() + `}`)
	}
	derived := func(n int) []byte {
		return bytes.Replace(wide(n), []byte(`"data":{`), []byte(`"data":{"prompt_tokens":1,"status_code":200,`), 1)
	}
	joined := func(n int) []byte {
		return []byte(`{"event_type":"llm_request","data":{},"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	for _, limits := range []Limits{{}, {Bytes: 1500, Depth: 5, Keys: 64}} {
		p := Parser{Limits: limits}
		taken, refused := 0, 0
		try := func(text []byte) {
			agree(t, &p, text)
			var e, again Event
			if p.Parse(text, &e) != nil {
				refused++
				return
			}
			taken++
			e.ID, e.Time, e.HasTime = strings.Repeat("f", 32), 1777636800123456, true
			if v := p.Parse(AppendJSON(nil, &e), &again); v != nil {
				t.Errorf("%+v: taken, and refused from the topic: %v; %.200s", limits, v, text)
			}
		}
		l := limits.filled()
		for n := range 12 {
			try(flat(max(1, l.Depth-n)))
			try(joined(max(1, l.Depth-n)))
			try(deep(max(1, l.Depth-n)))
			try(wide(l.Keys - n))
			try(derived(l.Keys - n))
			try(long(l.Bytes - 20*n))
			try(metrics(min(l.Keys-n, MaxMetrics), "1e20"))
			try([]byte(`{"event_type":"llm_request","model":"` + strings.Repeat(`\b`, min(200, l.Bytes/10)) + `","x":"` + strings.Repeat("y", max(0, l.Bytes-400-20*n-6*min(200, l.Bytes/10))) + `"}`))
		}
		if taken == 0 || refused == 0 {
			t.Errorf("%+v: %d taken, %d refused: the border was not met", limits, taken, refused)
		}
	}
}
