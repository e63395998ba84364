package format

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// sound holds the promises for any body: the same items each time, bounded work and memory, texts that the parser can judge,
// and no item without a place.
func sound(t *testing.T, body []byte, read func([]byte, *Items) error) {
	t.Helper()
	const most = 200
	first, second := Items{Max: most}, Items{Max: most}
	kept := bytes.Clone(body)
	errFirst, errSecond := read(body, &first), read(body, &second)
	if !bytes.Equal(kept, body) {
		t.Fatal("the body was written to")
	}
	if (errFirst == nil) != (errSecond == nil) || describe(&first) != describe(&second) {
		t.Fatalf("two readings differ: %v\n%s\n%v\n%s", errFirst, describe(&first), errSecond, describe(&second))
	}
	if len(first.Ends) != len(first.Bad) || len(first.Ends) > most || first.Skipped() > most {
		t.Fatalf("%d items, %d judged, %d left", len(first.Ends), len(first.Bad), first.Skipped())
	}
	if len(first.Text) > 16*len(body)+4096*(len(first.Ends)+1) {
		t.Fatalf("%d bytes of %d", len(first.Text), len(body))
	}
	var p event.Parser
	var e event.Event
	from := 0
	for i, end := range first.Ends {
		text := first.Text[from:end]
		from = end
		if first.Bad[i] != nil {
			if first.Bad[i].Code == "" || first.Bad[i].Detail == "" {
				t.Fatalf("a fault without words: %+v", first.Bad[i])
			}
			continue
		}
		if v := p.Parse(text, &e); v != nil && (v.Code == event.CodeSyntax || v.Code == event.CodeUTF8) {
			t.Fatalf("%v of %q", v, text)
		}
	}
}

func fuzzOTLP(f *testing.F, name string, signal Signal) {
	body := fixture(f, name)
	root := roots[name]
	for rs := range elements(member(body, root[0])) { // each thing alone: small seeds make a fast search
		for ss := range elements(member(rs, root[1])) {
			for thing := range elements(member(ss, root[2])) {
				one := fmt.Appendf(nil, `{%q:[{"resource":%s,%q:[{%q:[%s]}]}]}`, root[0], member(rs, "resource"), root[1], root[2], thing)
				f.Add(one)
				f.Add(toProto(f, name, one))
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sound(t, body, func(b []byte, it *Items) error { return OTLP(signal, false, b, it) })
		sound(t, body, func(b []byte, it *Items) error { return OTLP(signal, true, b, it) })
	})
}

func FuzzTraces(f *testing.F)  { fuzzOTLP(f, "traces", Traces) }
func FuzzMetrics(f *testing.F) { fuzzOTLP(f, "metrics", Metrics) }
func FuzzLogs(f *testing.F)    { fuzzOTLP(f, "logs", Logs) }

func fuzzReader(f *testing.F, name string) {
	body := fixture(f, name)
	f.Add(body)
	for line := range bytes.Lines(body) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, body []byte) { sound(t, body, readers[name]) })
}

func FuzzLiteLLM(f *testing.F)  { fuzzReader(f, "litellm") }
func FuzzOpenAI(f *testing.F)   { fuzzReader(f, "openai") }
func FuzzLangfuse(f *testing.F) { fuzzReader(f, "langfuse") }
