package event

import (
	"encoding/json"
	"testing"
)

// What is read of an object without reading the rest is what reading all of it gives.
func FuzzTextMember(f *testing.F) {
	for _, object := range []string{
		`{}`, `{"v":"1"}`, ` { "a" : [1, {"v":"no"}, "}"] , "v" : "yes" } `, `{"a":"\"v\":","v":"caf\u00e9 \n"}`, `{"v":null}`, `{"v":7,"w":"v"}`,
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
