package expr

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func parse(t testing.TB, text string) *event.Event {
	t.Helper()
	var p event.Parser
	e := new(event.Event)
	if bad := p.Parse([]byte(text), e); bad != nil {
		t.Fatalf("%s: %v", text, bad)
	}
	return e
}

const request = `{"event_id":"e1","event_type":"llm_request","timestamp":"2025-06-01T10:00:00Z","source":"gw","correlation_id":"c1",
	"data":{"model":"gpt-4","request_id":"r1","duration_ms":2500,"prompt_tokens":120,"success":false,"status_code":429,"cost_usd":0.0125,
	"labels":{"team":"red","rank":3},"tags":["a","b"]},"metadata":{"colour":"teal","n":7}}`

const sample = `{"event_id":"e2","event_type":"system_metric","timestamp":"2025-06-01T10:00:00Z","data":{"host":"h1","cpu_usage":75,"nvlink_gbps":12.5}}`

func TestMatches(t *testing.T) {
	tests := []struct {
		source string
		event  string
		want   bool
		fails  bool
	}{
		{`true`, request, true, false},
		{`event_type == "llm_request"`, request, true, false},
		{`event_type == "system_metric"`, request, false, false},
		{`event_type == "llm_request" && data.model == "gpt-4"`, request, true, false},
		{`data.model == "other" || data.success == false`, request, true, false},
		{`!data.success`, request, true, false},
		{`data.duration_ms > 2000`, request, true, false}, // an integer beside a float
		{`data.duration_ms == 2500.0`, request, true, false},
		{`data.cost_usd < 0.02`, request, true, false},
		{`data.status_code == 429`, request, true, false},
		{`data["model"] in ["gpt-4", "gpt-5"]`, request, true, false},
		{`data.model.startsWith("gpt") && data.prompt_tokens >= 120`, request, true, false},
		{`data.model.matches("^gpt-[0-9]$")`, request, true, false},
		{`event.data.model == "gpt-4" && event.event_type == "llm_request"`, request, true, false},
		{`event.event_type == "system_metric"`, request, false, false},
		{`source == "gw" && correlation_id == "c1" && event_id == "e1"`, request, true, false},
		{`timestamp < timestamp("2025-07-01T00:00:00Z")`, request, true, false},
		{`timestamp.getHours() == 10`, request, true, false},
		{`metadata.colour == "teal" && metadata.n == 7`, request, true, false},
		{`data.labels.team == "red" && data.labels.rank > 2`, request, true, false},
		{`"b" in data.tags`, request, true, false},
		{`has(data.ttft_ms)`, request, false, false},
		{`has(data.model) && !has(data.tenant)`, request, true, false},
		{`has(event.data.model)`, request, true, false},
		{`data.tenant == "x"`, request, false, false},                             // settled by the guard
		{`data.tenant != "x"`, request, false, true},                              // absent: no match, and said so
		{`data.ttft_ms > 5`, request, false, true},                                // absent
		{`data.model > 5`, request, false, true},                                  // text
		{`data.model`, request, false, true},                                      // no bool
		{`data.nvlink_gbps == 12.5 && data.cpu_usage == 75`, sample, true, false}, // numbers of one's own
		{`data.exists(k, k == "cpu_usage")`, sample, true, false},
		{`size(data) == 3`, sample, true, false},
		{`data.model == "vllm" && data.cpu_usage > 3`, strings.Replace(sample, `"host"`, `"model":"vllm","host"`, 1), true, false}, // unknown to the kind
		{`event_type == "no_such_kind"`, sample, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			x, err := Compile(tt.source)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.Matches(parse(t, tt.event))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %v, %v; want %v, an error: %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ source, want string }{
		{``, "empty"},
		{"  \n", "empty"},
		{`data.model == `, "line 1"},
		{"true &&\n  nonsense", "line 2, column 3: undeclared reference to 'nonsense'"},
		{`event_type == 3`, "no matching overload"},
		{`"text"`, "gives string, a condition gives bool"},
		{`data.model.matches("(")`, "missing closing"},
		{strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200), "recursion"},
		{`data.model == "` + strings.Repeat("x", MaxSource) + `"`, "at most 4096"},
	}
	for _, tt := range tests {
		_, err := Compile(tt.source)
		var fault *Error
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: got %v, want %q in it", tt.source, err, tt.want)
		}
	}
}

func TestCostIsBounded(t *testing.T) {
	list := `[` + strings.Repeat(`1,`, 99) + `1]`
	x, err := Compile(list + `.all(a, ` + list + `.all(b, ` + list + `.all(c, a + b + c > 0)))`)
	if err != nil {
		t.Skip("refused before it ran:", err) // as good
	}
	if ok, err := x.Matches(parse(t, request)); ok || err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("got %v, %v; want an end for its cost", ok, err)
	}
}

func TestStrangeFieldsAreNamed(t *testing.T) {
	x, err := Compile(`data.modle == "x" && has(data.latency_ms) && data.model == "y" && event.data.my_own_number > 3`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"data.modle is no field that is known; did you mean data.model?",
		"data.latency_ms is no field that is known; did you mean data.duration_ms?",
		"data.my_own_number is no field that is known",
	}
	got := slices.Clone(x.Strange())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// What the guard and the plain questions say must be what the evaluation says.
func TestGuardAgrees(t *testing.T) {
	sources := []string{
		`event_type == "llm_request" && data.model == "gpt-4" && data.success == false`,
		`data.model == "gpt-4" || data.model == "gpt-5"`,
		`"gpt-4" == data.model && !(data.user_id == "u")`,
		`event.data.model == "gpt-4" && data.duration_ms > 1.0`,
		`(data.model == "gpt-5" && true) || event_type == "llm_request"`,
		`!(data.model == "gpt-4")`, `data.model == ""`, `data.nothing == "x" && false`,
		`event_type == "llm_request"`, `data.success == false`, `data.success == true`, `event.data.success == false && has(data.cost_usd)`, `has(data.ttft_ms)`,
		`has(data.model) && data.model == ""`, `data.tenant == ""`, `data.cpu_usage == 75.0`, `data.cpu_usage >= 75`, `has(data.nvlink_gbps)`,
	}
	for _, field := range []string{"duration_ms", "cost_usd", "prompt_tokens", "status_code"} {
		for _, op := range []string{"==", "<", "<=", ">", ">=", "!="} {
			for _, n := range []string{"2500", "2500.0", "0.0125", "120", "120.5", "-1", "429.0", "1e300"} {
				sources = append(sources, "data."+field+" "+op+" "+n, n+" "+op+" data."+field, "has(data."+field+") && data."+field+" "+op+" "+n)
			}
		}
	}
	for _, source := range sources {
		x, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{request, sample, strings.Replace(request, "gpt-4", "gpt-5", 1)} {
			e := parse(t, text)
			with, bad := x.Matches(e)
			bare := *x
			bare.guard, bare.simple = guard{}, simple{}
			without, badly := bare.Matches(e)
			if settled := !x.guard.passes(e); with != without || (bad == nil) != (badly == nil) && !settled && !strings.Contains(source, "has(") {
				t.Errorf("%s on %s: %v with the guard, %v without", source, e.ID, with, without)
			}
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`event_type == "llm_request" && data.model == "x"`)
	f.Add(`data.a.b.c[0] > 3 || metadata.x.matches("a+")`)
	f.Add(`size(data) > 2 && data.all(k, k != "x")`)
	f.Add(`timestamp - duration("1h") < timestamp("2025-01-01T00:00:00Z")`)
	e := parse(f, request)
	f.Fuzz(func(t *testing.T, source string) {
		x, err := Compile(source)
		if err != nil {
			return
		}
		_, _ = x.Matches(e)
	})
}

func BenchmarkMatches(b *testing.B) {
	e := parse(b, request)
	for _, bb := range []struct{ name, source string }{
		{"guard says no", `event_type == "llm_request" && data.model == "other"`},
		{"equality", `data.model == "gpt-4" && event_type == "llm_request"`},
		{"number", `data.duration_ms > 2000.0`},
	} {
		x, err := Compile(bb.source)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = x.Matches(e)
			}
		})
	}
}
