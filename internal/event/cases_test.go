package event

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestAccepted reads testdata/accepted.txt: an input, then the canonical form that it must have. Both readings are asked.
func TestAccepted(t *testing.T) {
	for _, c := range cases(t, "testdata/accepted.txt") {
		t.Run(c.name, func(t *testing.T) {
			var p Parser
			agree(t, &p, []byte(c.input))
			var e Event
			if v := p.Parse([]byte(c.input), &e); v != nil {
				t.Fatalf("refused: %v", v)
			}
			if got := string(AppendJSON(nil, &e)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRefused reads testdata/refused.txt: an input, then "code pointer".
func TestRefused(t *testing.T) {
	for _, c := range cases(t, "testdata/refused.txt") {
		t.Run(c.name, func(t *testing.T) {
			var p Parser
			agree(t, &p, []byte(c.input))
			var e Event
			v := p.Parse([]byte(c.input), &e)
			if v == nil {
				t.Fatalf("accepted as %s", AppendJSON(nil, &e))
			}
			if got := strings.TrimSpace(v.Code + " " + v.Pointer); got != c.want {
				t.Errorf("got %s, want %s (%s)", got, c.want, v.Detail)
			}
		})
	}
}

type textCase struct{ name, input, want string }

// cases reads blocks of "# name", input, "→ want"; lines between name and arrow are the input.
func cases(t *testing.T, file string) (list []textCase) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq("\n"+string(text), "\n# ") {
		if block = strings.TrimSpace(block); block == "" {
			continue
		}
		name, rest, _ := strings.Cut(block, "\n")
		input, want, ok := strings.Cut(rest, "→ ")
		if !ok {
			t.Fatalf("%s: case %q has no arrow", file, name)
		}
		list = append(list, textCase{name, strings.TrimSuffix(input, "\n"), want})
	}
	return list
}

// TestRefusedLarge holds the limits, each at its border.
func TestRefusedLarge(t *testing.T) {
	request := func(data string) string { return `{"event_type":"llm_request","data":{` + data + `}}` }
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		return b.String()[1:]
	}
	nested := func(n int) string { return `"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) }
	padded := func(n int) string { s := request(""); return s + strings.Repeat(" ", n-len(s)) }
	str := func(name string, n int) string { return fmt.Sprintf(`%q:"%s"`, name, strings.Repeat("x", n)) }
	for _, c := range []struct{ name, input, want string }{
		{"size, just", padded(MaxSize), ""},
		{"size", padded(MaxSize + 1), CodeSize},
		{"size before UTF-8", strings.Repeat("\xff", MaxSize+1), CodeSize},
		{"depth, just", request(nested(MaxDepth - 2)), ""},
		{"depth", request(nested(MaxDepth - 1)), CodeDepth},
		{"depth 10,000 before syntax", strings.Repeat("[", 10000), CodeDepth},
		{"depth of objects", strings.Repeat(`{"a":`, 10000), CodeDepth},
		// event_id and timestamp are keys that every event gets.
		{"keys, just", request(keys(MaxKeys - 4)), ""},
		{"keys", request(keys(MaxKeys - 3)), CodeKeys},
		{"keys in depth", request(`"x":[{` + keys(300) + `},{` + keys(300) + `}]`), CodeKeys},
		{"metrics, just", `{"event_type":"system_metric",` + keys(MaxMetrics) + `}`, ""},
		{"metrics", `{"event_type":"system_metric",` + keys(MaxMetrics+1) + `}`, CodeKeys + " /k256"},
		{"metric's name, just", `{"event_type":"system_metric","` + strings.Repeat("n", 200) + `":1}`, ""},
		{"metric's name", `{"event_type":"system_metric","` + strings.Repeat("n", 201) + `":1}`, CodeSize + " /" + strings.Repeat("n", 200) + "…"},
		{"model, just", request(str("model", 256)), ""},
		{"model", request(str("model", 257)), CodeSize + " /data/model"},
		{"request_id", request(str("request_id", 513)), CodeSize + " /data/request_id"},
		{"operation, just", request(str("operation", 1024)), ""},
		{"operation", request(str("operation", 1025)), CodeSize + " /data/operation"},
		{"text of 2 MiB", request(str("model", 2<<20)), CodeSize},
		{"comment, just", `{"event_type":"user_feedback",` + str("comment", 64<<10) + `}`, ""},
		{"comment, escaped", `{"event_type":"user_feedback","comment":"` + strings.Repeat(`\n`, 64<<10) + `"}`, ""},
		{"comment", `{"event_type":"user_feedback",` + str("comment", 64<<10+1) + `}`, CodeSize + " /comment"},
		{"event_id", `{"event_type":"user_feedback",` + str("event_id", 513) + `}`, CodeSize + " /event_id"},
		{"source", `{"event_type":"user_feedback",` + str("source", 1025) + `}`, CodeSize + " /source"},
		{"number, just", request(`"duration_ms":0.` + strings.Repeat("1", 254)), ""},
		{"number", request(`"duration_ms":0.` + strings.Repeat("1", 255)), CodeRange + " /data/duration_ms"},
		{"unknown number of any length", request(`"x":0.` + strings.Repeat("1", 5000)), ""},
		{"invalid UTF-8", request("\"model\":\"\xc3\x28\""), CodeUTF8},
		{"surrogate as UTF-8", request("\"model\":\"\xed\xa0\x80\""), CodeUTF8},
		{"UTF-8 before syntax", "{\xff", CodeUTF8},
		{"control character in a string", request("\"model\":\"a\x00b\""), CodeSyntax},
		{"byte order mark", "\uFEFF" + request(""), CodeSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Parser
			agree(t, &p, []byte(c.input))
			got := ""
			if v := p.Parse([]byte(c.input), new(Event)); v != nil {
				got = strings.TrimSpace(v.Code + " " + v.Pointer)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDetail(t *testing.T) {
	for _, c := range []struct{ input, want string }{
		{`{"event_type":"LLM_Reqests"}`, `"LLM_Reqests" is not an event type; "llm_request" is the nearest`},
		{`{"event_type":"feedback"}`, `"user_feedback" is the nearest`},
		{`{"event_type":"llm_request","duration":-1}`, `"-1" is negative`},
		{`{"event_type":"llm_request","duration":1e9}`, `"1e9" is not between 0 and 2.6784e+06`},
		{`{"event_type":"llm_request","usage_source":"x"}`, `"x" is not one of reported, estimated, none`},
		{`{"event_type":"llm_request","data":{"model":7}}`, `must be a string, not a number`},
		{"", "empty payload; send one JSON object"},
	} {
		v := Reference([]byte(c.input), new(Event))
		if v == nil || !strings.Contains(v.Detail, c.want) {
			t.Errorf("%s: %v; want it to say %s", c.input, v, c.want)
		}
	}
}

// TestKindAfterFault: who buries a faulty event must know the topic that it would have gone to.
func TestKindAfterFault(t *testing.T) {
	var p Parser
	e := Event{ID: "old"}
	if v := p.Parse([]byte(`{"event_id":"x","event_type":"user_feedback","data":{"thumbs":"sideways"}}`), &e); v == nil {
		t.Fatal("accepted")
	}
	if !e.Equal(&Event{Kind: UserFeedback}) {
		t.Errorf("left behind: %s", AppendJSON(nil, &e))
	}
}

// TestAllocations holds the promise of the hot path, and with it that these forms do not fall back to the reference.
func TestAllocations(t *testing.T) {
	for _, input := range []string{
		typical,
		`{"event_type": "system_metric", "data": {"cpu_usage": 75, "memory_usage": 80.5, "fan_rpm": 1200}}`,
		`{"event_type":"llm-request","timestamp":1777636800.25,"duration":1.25,"model_name":"m","cost":0.0021,"usage_source":"reported","success":null}`,
		`{ "data" : { "thumbs" : "up" , "satisfaction_score" : 5 } , "metadata" : {"a":1} , "event_type" : "user_feedback" }`,
		`{"event_type":"business_event","business_value":-12.5,"timestamp":"2026-05-01T14:00:00+02:00"}`,
	} {
		var p Parser
		var e Event
		data := []byte(input)
		out := make([]byte, 0, 1024)
		n := testing.AllocsPerRun(100, func() {
			if v := p.Parse(data, &e); v != nil {
				t.Fatal(v)
			}
			_ = e.Identity()
			out = AppendJSON(out[:0], &e)
		})
		if n != 0 {
			t.Errorf("%v allocations for %s", n, input)
		}
	}
}

// TestKept holds that what one event keeps is not overwritten by the next, and that memory is shared among many.
func TestKept(t *testing.T) {
	var p Parser
	list := make([]Event, 3000)
	var inputs []string
	for i := range list {
		inputs = append(inputs, fmt.Sprintf(`{"event_type":"user_feedback","trace":{"n": %d},"data":{"comment":"line %d\n","x":[%d, 1]},"metadata":{"m" : %d}}`, i, i, i, i))
		if v := p.Parse([]byte(inputs[i]), &list[i]); v != nil {
			t.Fatal(v)
		}
	}
	for i := range list {
		want := fmt.Sprintf(`{"event_type":"user_feedback","data":{"comment":"line %d\n","x":[%d,1]},"metadata":{"m":%d,"trace":{"n":%d}}}`, i, i, i, i)
		if got := string(AppendJSON(nil, &list[i])); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	data, e := []byte(inputs[7]), Event{}
	if n := testing.AllocsPerRun(100, func() { p.Parse(data, &e) }); n > 1 {
		t.Errorf("%v allocations an event with texts to keep", n)
	}
}
