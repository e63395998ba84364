package format

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var update = flag.Bool("update", false, "write what the decoders say as what they should say")

// readers are the decoders by the name of their fixture.
var readers = map[string]func([]byte, *Items) error{
	"traces":   func(b []byte, it *Items) error { return OTLP(Traces, true, b, it) },
	"metrics":  func(b []byte, it *Items) error { return OTLP(Metrics, true, b, it) },
	"logs":     func(b []byte, it *Items) error { return OTLP(Logs, true, b, it) },
	"litellm":  LiteLLM,
	"openai":   OpenAI,
	"langfuse": Langfuse,
}

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// describe writes items one a line: the event as its readers will see it, or what is wrong with it; then what was left.
func describe(it *Items) string {
	var out strings.Builder
	var p event.Parser
	var e event.Event
	from := 0
	for i, end := range it.Ends {
		text := it.Text[from:end]
		from = end
		bad := it.Bad[i]
		if bad == nil {
			bad = p.Parse(text, &e)
		}
		if bad != nil {
			fmt.Fprintf(&out, "! %s at %s of %s\n", bad.Code, bad.Pointer, text)
		} else {
			fmt.Fprintf(&out, "%s\n", event.AppendJSON(nil, &e))
		}
	}
	if left := it.Reasons(); left != "" {
		fmt.Fprintf(&out, "left: %s\n", left)
	}
	return out.String()
}

func TestFixtures(t *testing.T) {
	for name, read := range readers {
		it := Items{Max: 100}
		if err := read(fixture(t, name), &it); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := describe(&it)
		if strings.Contains(got, "SECRET") {
			t.Errorf("%s: content is kept: %s", name, got)
		}
		file := filepath.Join("testdata", name+".want")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// TestProtobufSaysTheSame: what a request means does not depend on its encoding.
func TestProtobufSaysTheSame(t *testing.T) {
	for name, signal := range map[string]Signal{"traces": Traces, "metrics": Metrics, "logs": Logs} {
		var fromJSON, fromProto Items
		fromJSON.Max, fromProto.Max = 100, 100
		body := fixture(t, name)
		if err := OTLP(signal, true, body, &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := OTLP(signal, false, toProto(t, name, body), &fromProto); err != nil {
			t.Fatal(err)
		}
		if a, b := describe(&fromJSON), describe(&fromProto); a != b {
			t.Errorf("%s:\nJSON     %s\nprotobuf %s", name, a, b)
		}
	}
}

func TestWholeBodies(t *testing.T) {
	for _, c := range []struct {
		name, body string
		ok         bool
	}{
		{"traces", `{}`, true}, {"traces", `{"resourceSpans": null}`, true}, {"traces", `{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}`, true},
		{"traces", `[]`, false}, {"traces", `{`, false}, {"traces", ``, false},
		{"litellm", `{`, false}, {"litellm", ``, false}, {"litellm", `[]`, true}, {"litellm", `[{}`, false}, {"litellm", "{}\n{", true},
		{"openai", `{"id":"x","object":"list"}`, true}, {"openai", "\n\n", false}, {"langfuse", `{"trace":{}}`, true},
	} {
		it := Items{Max: 10}
		if err := readers[c.name]([]byte(c.body), &it); (err == nil) != c.ok {
			t.Errorf("%s %q: %v", c.name, c.body, err)
		}
	}
	if err := OTLP(Traces, false, bytes.Repeat([]byte{0xff}, 50), &Items{Max: 10}); err == nil {
		t.Error("50 bytes of 0xff are no protobuf")
	}
	if err := OTLP(Traces, false, nil, &Items{Max: 10}); err != nil {
		t.Errorf("an empty request: %v", err)
	}
}

// TestTooMany: a body holds no more than the limit, whatever it holds.
func TestTooMany(t *testing.T) {
	for name, read := range readers {
		it := Items{Max: 2}
		if err := read(fixture(t, name), &it); !errors.Is(err, ErrTooMany) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSeriesThatDifferByWhatIsNotKept: two series are two, even where what tells them apart is not stored.
func TestSeriesThatDifferByWhatIsNotKept(t *testing.T) {
	point := func(v string) string {
		return `{"timeUnixNano":"1748772060000000000","asInt":7,"attributes":[{"key":"model","value":{"stringValue":"m"}},{"key":"hidden_params","value":{"stringValue":"` + v + `"}}]}`
	}
	it := Items{Max: 10}
	body := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"n","gauge":{"dataPoints":[` + point("SECRET a") + "," + point("SECRET b") + `]}}]}]}]}`
	if err := OTLP(Metrics, true, []byte(body), &it); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(describe(&it)), "\n")
	if len(lines) != 2 || lines[0] == lines[1] || strings.Contains(lines[0]+lines[1], "SECRET") {
		t.Errorf("%q", lines)
	}
}

// Where tokens that a cache told, and those that were written to it, exceed the prompt together, they were counted beside it.
func TestCachedTokensBesideThePrompt(t *testing.T) {
	for _, tt := range []struct{ read, prompt int64 }{{50, 100}, {51, 201}, {900, 1050}} {
		number := func(name string, n int64) string {
			return fmt.Sprintf(`{"key":"gen_ai.usage.%s.input_tokens","value":{"intValue":"%d"}}`, name, n)
		}
		body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","attributes":[` +
			`{"key":"gen_ai.request.model","value":{"stringValue":"m"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"100"}},` +
			number("cache_read", tt.read) + "," + number("cache_creation", 50) + `]}]}]}]}`
		it := Items{Max: 10}
		var p event.Parser
		var e event.Event
		if err := OTLP(Traces, true, []byte(body), &it); err != nil {
			t.Fatal(err)
		}
		if bad := p.Parse(it.Text, &e); bad != nil || e.Int(event.PromptTokens) != tt.prompt || e.Int(event.CachedTokens) != tt.read {
			t.Errorf("%v, prompt %d, cached %d; want %d, %d", bad, e.Int(event.PromptTokens), e.Int(event.CachedTokens), tt.prompt, tt.read)
		}
	}
}

// Langfuse has the names of whoever was asked: Anthropic's input leaves the cache out, unless the total says that it does not.
func TestLangfuseCountsTheCache(t *testing.T) {
	for usage, prompt := range map[string]int64{
		`"input":10,"cache_creation_input_tokens":5000,"cache_read_input_tokens":0`:                            5010,
		`"input":9000,"output":7,"cache_creation_input_tokens":500,"cache_read_input_tokens":100`:              9600,
		`"input":9000,"output":7,"total":9607,"cache_creation_input_tokens":500,"cache_read_input_tokens":100`: 9600,
		`"input":9000,"output":7,"total":9007,"cache_creation_input_tokens":500,"cache_read_input_tokens":100`: 9000,
		`"input":9000,"output":7,"input_cache_creation":500,"input_cache_read":100`:                            9000,
		`"input":90,"output":7,"input_cache_creation":500`:                                                     590,
	} {
		it := Items{Max: 10}
		var p event.Parser
		var e event.Event
		if err := Langfuse([]byte(`{"trace":{"id":"t"},"observations":[{"id":"o","type":"GENERATION","model":"m","startTime":"2026-03-01T10:00:00Z","usageDetails":{`+usage+`}}]}`), &it); err != nil {
			t.Fatal(err)
		}
		if bad := p.Parse(it.Text, &e); bad != nil || e.Int(event.PromptTokens) != prompt {
			t.Errorf("%s: %v, prompt %d; want %d", usage, bad, e.Int(event.PromptTokens), prompt)
		}
	}
}

func TestUsageCountsTheCache(t *testing.T) {
	for usage, prompt := range map[string]int64{
		`{"prompt_tokens":10,"cache_creation_input_tokens":5000}`:                                       5010,
		`{"prompt_tokens":9000,"cache_creation_input_tokens":5000,"cache_read_input_tokens":4000}`:      9000,
		`{"input_tokens":9000,"cache_creation_input_tokens":500,"cache_read_input_tokens":100}`:         9600,
		`{"prompt_tokens":90,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}`:     90,
		`{"inputTokens":10,"outputTokens":7,"cacheReadInputTokens":0,"cacheWriteInputTokens":5000}`:     5010,
		`{"input_tokens":9000,"input_tokens_details":{"cached_tokens":8000,"cache_write_tokens":1001}}`: 18001,
	} {
		var e event.Event
		var rest object
		if found, bad := readUsage(&e, &rest, []byte(usage)); !found || bad != nil || e.Int(event.PromptTokens) != prompt {
			t.Errorf("%s: %v, %v, prompt %d; want %d", usage, found, bad, e.Int(event.PromptTokens), prompt)
		}
	}
}
