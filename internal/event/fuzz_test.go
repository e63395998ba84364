package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are one input of each sort; the fuzzer makes the rest of them.
var seeds = []string{
	typical,
	`{"event_type": "system_metric", "data": {"cpu_usage": 75, "memory_usage": 80}}`,
	`{"event_type":"llm-requests","model":"m","duration":1.5,"prompt_tokens":1e3,"stream":true,"x":{"a": [1, 2, {}]}}`,
	`{"data":{"thumbs":"up","comment":"a\n\"b\" \ud83d\ude00 \ud800 \u00e9 é","satisfaction_score":4.5},"event_type":"user_feedback"}`,
	`{"event_type":"business_event","timestamp":1777636800.25,"data":{"business_value":-12.345678901,"cost":0.000000001,"cost_usd":null}}`,
	`{"event_type":"system_metric","data":{"a":1,"b":-0,"c":1e300,"d":"x","cpu_usage":1e-7,"queue_ms":5,"source":3},"zone":"eu","n":null}`,
	`{"event_type":"llm_request","data":null,"metadata":{ "a" : 1 , "b":null},"status_code":503}`,
	`{"event_type":"llm_request","data":{},"metadata":{"a":1},"trace":"x","a":2,"model":"top"}`,
	`{"event_type":"llm_request","timestamp":"2024-02-29t23:59:59.9999999+05:30","data":{"tokens":[ ],"duration_ms":0.0000005}}`,
	`{"event_type":"llm_request","timestamp":100000000000.5,"data":{"host":"a","hostname":"b","model":1,"model":"c"}}`,
	`{"event_type":"llm_request","d\u0061ta":{"na\u006de":1,"prompt_tokens":12.0}}`,
	`{"event_type":"llm_request","data":{"usage_source":"reported","error_type":"timeout","total_tokens":7}}` + "\n",
	`{"event_type":"llm_requests","data":{"prompt_tokens":12.5}}`, `{"event_type":"llm","data":{}}`, `{"data":[]}`, `[]`, `1`, ``, ` `, `{`, `{"a":1,}`,
	`{"event_type":"llm_request","data":{"duration_ms":NaN}}`, `{"event_type":"llm_request"} x`, "{\"event_type\":\"llm_request\xff\"}",
	strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), strings.Repeat("[", 40), `{"":"","":0}`,
	`{"event_type":"system_metric","a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"a":12}`,
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	parsers := []*Parser{{}, {Limits: Limits{Bytes: 1024, Depth: 4, Keys: 64}}, {Limits: Widest}}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range parsers {
			agree(t, p, data)
		}
	})
}

// agree holds the promises of the two readings for one input:
//   - they give the same verdict to the letter, and equal events;
//   - an event that was read is canonical JSON when written, and that reads back as an equal event and the same bytes;
//   - nothing is kept that grows beyond the input without bound.
func agree(t *testing.T, p *Parser, data []byte) {
	t.Helper()
	var fast, slow Event
	got, want := p.Parse(data, &fast), p.Limits.filled().reference(data, &slow)
	if (got == nil) != (want == nil) || got != nil && *got != *want {
		t.Fatalf("Parse says %v, Reference %v of %q", got, want, data)
	}
	if !fast.Equal(&slow) {
		t.Fatalf("Parse read %s\nReference %s\nof %q", AppendJSON(nil, &fast), AppendJSON(nil, &slow), data)
	}
	if got != nil {
		if got.Detail == "" || len(got.Detail) > 700 || !utf8.ValidString(got.Detail) || !utf8.ValidString(got.Pointer) {
			t.Fatalf("bad words: %q at %q", got.Detail, got.Pointer)
		}
		return
	}
	text := AppendJSON(nil, &fast)
	if !json.Valid(text) || bytes.ContainsAny(text, "\n\r") {
		t.Fatalf("wrote %q", text)
	}
	copied := fast.Clone()
	var again Event
	if v := p.Parse(text, &again); v != nil {
		t.Fatalf("wrote %q, which is %v; from %q", text, v, data)
	}
	if !again.Equal(copied) || !fast.Equal(copied) {
		t.Fatalf("wrote %q, read %q; from %q", text, AppendJSON(nil, &again), data)
	}
	if out := AppendJSON(nil, &again); !bytes.Equal(out, text) {
		t.Fatalf("wrote %q, then %q", text, out)
	}
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-05-01T12:00:00Z", "2024-02-29t23:59:59.9999999+05:30", "1970-01-01T00:00:00-00:00", "9999-12-31T23:59:59.999999Z",
		"2023-02-29T00:00:00Z", "2026-05-01T24:00:00Z", "2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "2026-05-01 12:00:00Z", "2026-05-01T12:00:00.Z", "2026-05-01T12:00:00+24:00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime(s)
		want, wantOK := referenceTime(s)
		if ok != wantOK || ok && got != want {
			t.Fatalf("%q: %d %v, the standard library says %d %v", s, got, ok, want, wantOK)
		}
		if !ok {
			return
		}
		if again, ok := parseTime(FormatTime(got)); !ok || again != got {
			t.Fatalf("%d is written %s, which is %d", got, FormatTime(got), again)
		}
	})
}

// FuzzNumber holds the short reading of numbers against the one with big integers.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "12", "12.0", "1e3", "0.0000005", "0.0000015", "123456789012345678", "9.223372036854775807e18", "1e400", "1e-400", "-1.5E+2", "100000000000.0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > maxNumber || s == "" || !isNumber([]byte(s)) || !json.Valid([]byte(s)) || strings.ContainsAny(s, " \t\r\n") {
			return
		}
		d, ok := readDecimal([]byte(s))
		if !ok {
			return
		}
		for _, shift := range []int{0, 6, 9} {
			v, exact, ok := d.scaled(shift)
			want, wantExact := bigScaled(s, shift)
			if ok != want.IsInt64() && want.CmpAbs(bigPow10(18)) < 0 || ok && (v != want.Int64() || exact != wantExact) {
				t.Fatalf("%s × 10^%d: %d %v %v, want %v %v", s, shift, v, exact, ok, want, wantExact)
			}
		}
		us, ok := d.epochMicros()
		if want, wantOK := epoch(s); ok != wantOK || ok && us != want {
			t.Fatalf("%s as a time: %d %v, want %d %v", s, us, ok, want, wantOK)
		}
	})
}

func FuzzDeadLetter(f *testing.F) {
	f.Add("t:0:1", "llm-requests", int32(0), int64(1), int64(1777636800123456), CodeType, "/data/x", "a sentence", "name", "value", []byte("payload"))
	f.Add("0123456789abcdef0123456789abcdef", "", int32(-1), int64(-1), int64(0), CodeSyntax, "", "", "", "\xff\x00", []byte{})
	f.Add("x", "t", int32(5), int64(1<<62), maxMicros-1, CodeUTF8, strings.Repeat("é", 5000), strings.Repeat("r", 5000), "h.id", strings.Repeat("v", 70<<10), bytes.Repeat([]byte("z"), 901<<10))
	f.Fuzz(func(t *testing.T, id, topic string, partition int32, offset, at int64, code, pointer, reason, name, value string, payload []byte) {
		d := &DeadLetter{ID: id, Topic: topic, Partition: partition, Offset: offset, ReceivedAt: at, Code: code, Pointer: pointer, Reason: reason,
			Headers: [][2]string{{name, value}, {name, ""}}, Payload: payload}
		key, body, headers := d.Record()
		total := len(key) + len(body)
		for _, h := range headers {
			total += len(h.Key) + len(h.Value) + 16
		}
		if len(id)+len(topic)+len(code) < 1<<10 && total > 1_000_000 {
			t.Fatalf("record of %d bytes", total)
		}
		back, err := ParseDeadLetter(key, body, headers)
		if err != nil {
			t.Fatal(err)
		}
		key2, body2, headers2 := back.Record()
		if !bytes.Equal(key, key2) || !bytes.Equal(body, body2) || !sameHeaders(headers, headers2) {
			t.Fatalf("written again it differs: %q %q", headers, headers2)
		}
		if back.ID != id || back.Topic != topic || back.Partition != partition || back.Offset != offset || back.Code != code ||
			back.PayloadSize != int64(len(payload)) || !bytes.HasPrefix(payload, back.Payload) {
			t.Fatalf("%+v", back)
		}
		// Strangers' records must not harm.
		_, _ = ParseDeadLetter(payload, key, []Header{{name, []byte(value)}, {id, payload}, {topic, key}})
	})
}

func sameHeaders(a, b []Header) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !bytes.Equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}
