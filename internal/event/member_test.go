package event

import (
	"encoding/json"
	"math"
	"testing"
)

// What is read of an object without reading the rest is what reading all of it gives.
func FuzzTextMember(f *testing.F) {
	for _, object := range []string{
		`{}`, `{"v":"1"}`, ` { "a" : [1, {"v":"no"}, "}"] , "v" : "yes" } `, `{"a":"\"v\":","v":"caf\u00e9 \n"}`, `{"v":null}`, `{"v":12}`, `{"v":-1}`, `{"v":1.5}`, `{"v":2e3}`, `{"v":1e99}`, `{"v":-0}`, `{"v":7,"w":"v"}`,
		`{"v":{"v":"deep"}}`, `[{"v":"1"}]`, `{"v":"`, `{"v" "1"}`, `{"a":1 "v":"1"}`, `{"w":"v","v":"` + "\xff" + `"}`, `{"\u0076":"escaped","w":1}`, `{"v":"first","v":"last"}`, `{"v":"first","v":2}`,
	} {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		TextMember(object, "v") // ends, whatever it is given
		var p Parser
		var e Event
		whole := append(append([]byte(`{"event_id":"i","event_type":"llm_request","timestamp":"2026-01-01T00:00:00Z","data":{"model":"m"},"metadata":`), object...), '}')
		if p.Parse(whole, &e) != nil || len(e.Metadata) == 0 {
			return // an event carries only what was found to be well formed
		}
		var all map[string]any
		if err := json.Unmarshal(e.Metadata, &all); err != nil {
			t.Fatalf("metadata %s: %v", e.Metadata, err)
		}
		want, _ := all["v"].(string)
		if got := TextMember(e.Metadata, "v"); got != want {
			t.Errorf("%q of %s, want %q", got, e.Metadata, want)
		}
		n := []int64{-7}
		ok := CountMembers(e.Metadata, []string{"v"}, n)
		switch v := all["v"].(type) {
		case nil:
			if !ok || n[0] != -7 {
				t.Errorf("%d (%v) of %s, which has none", n[0], ok, e.Metadata)
			}
		case float64:
			if count := v >= 0 && v <= maxTokens && v == math.Trunc(v); ok != count || ok && n[0] != int64(v) {
				t.Errorf("%d (%v) of %s, want %v", n[0], ok, e.Metadata, v)
			}
		default:
			if ok {
				t.Errorf("%s has a count", e.Metadata)
			}
		}
	})
}

func BenchmarkTextMember(b *testing.B) {
	object := []byte(`{"experiment":"a/b","labels":["x","y","z"],"nested":{"prompt_version":"no"},"prompt_version":"2026-03","weight":0.75}`)
	b.ReportAllocs()
	for b.Loop() {
		if TextMember(object, "prompt_version") != "2026-03" {
			b.Fatal("not found")
		}
	}
}
