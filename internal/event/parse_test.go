package event

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// typical is an event of 380 bytes as a gateway sends it.
const typical = `{"event_id":"01JTX3M8Q6Z9V4K2WD7R","event_type":"llm_request","timestamp":"2026-05-01T12:00:00.123456Z","source":"gateway-eu-1",` +
	`"data":{"model":"citadel-70b-instruct","request_id":"req-7f3a9c2e41d8","user_id":"user-104729","session_id":"s-88213",` +
	`"tenant":"acme","duration_ms":1834.271,"ttft_ms":212.5,"prompt_tokens":1024,"completion_tokens":287,"success":true,"status_code":200}}`

func BenchmarkParse380(b *testing.B) {
	data := []byte(typical)
	var p Parser
	var e Event
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Parse(data, &e); v != nil {
			b.Fatal(v)
		}
	}
}

func BenchmarkParse380Flat(b *testing.B) {
	data := []byte(strings.TrimSuffix(strings.Replace(typical, `"data":{`, "", 1), "}"))
	var p Parser
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Parse(data, &e); v != nil {
			b.Fatal(v)
		}
	}
}

func BenchmarkReference380(b *testing.B) {
	data := []byte(typical)
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if v := Reference(data, &e); v != nil {
			b.Fatal(v)
		}
	}
}

func TestTypicalHas380Bytes(t *testing.T) {
	if len(typical) != 380 {
		t.Errorf("%d bytes", len(typical))
	}
}

// BenchmarkRefused is an event with a fault in its meaning, BenchmarkRubbish one that is cut in the middle.
func BenchmarkRefused(b *testing.B) {
	data := []byte(strings.Replace(typical, ":200", ":-20", 1))
	var p Parser
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Parse(data, &e); v == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkRubbish(b *testing.B) {
	data := []byte(typical[:200])
	var p Parser
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Parse(data, &e); v == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var p Parser
	var e Event
	if v := p.Parse([]byte(typical), &e); v != nil {
		b.Fatal(v)
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = AppendJSON(out[:0], &e)
	}
}

func BenchmarkIdentity(b *testing.B) {
	var p Parser
	var e Event
	if v := p.Parse([]byte(typical), &e); v != nil {
		b.Fatal(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Identity()
	}
}

// What is not UTF-8 is seen wherever it stands among the bytes that are looked at together.
func TestValidIsUTF8Valid(t *testing.T) {
	pieces := []string{"a", "ü", "€", "😀", "\x80", "\xc3", "0123456789abcdef0123456789abcde", "\xed\xa0\x80"}
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			text += rapid.SampledFrom(pieces).Draw(t, "piece")
		}
		if got, want := valid([]byte(text)), utf8.ValidString(text); got != want {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}
