package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const good = `{"when":"data.model == \"a\"","to":"team-x","mode":"copy","tests":[
	{"event":{"event_type":"llm_request","data":{"model":"a"}},"matches":true},
	{"event":{"event_type":"user_feedback","data":{"satisfaction_score":3}},"matches":false}]}`

func TestParse(t *testing.T) {
	r, err := Parse("one", []byte(good))
	if err != nil || r.Name != "one" || len(r.Warnings) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	var d event.Decoder
	var e event.Event
	if bad := d.Decode([]byte(`{"event_type":"llm_request","data":{"model":"a"}}`), nil, &e); bad != nil || !r.Matches(&e) {
		t.Errorf("%v, matches %v", bad, r.Matches(&e))
	}
	tests := []struct{ name, text, pointer, detail string }{
		{"a b", good, "/name", "letters"},
		{"one", `{"name":"two",` + good[1:], "/name", "the path"},
		{"one", `{"wen":"true"}`, "", "unknown field"},
		{"one", `{`, "", "cannot be read"},
		{"one", good + "{}", "", "follows"},
		{"one", strings.Replace(good, `"copy"`, `"swap"`, 1), "/mode", "neither copy nor move"},
		{"one", strings.Replace(good, "team-x", "llm-requests", 1), "/to", "counted again"},
		{"one", strings.Replace(good, "team-x", "hxp-own", 1), "/to", "counted again"},
		{"one", strings.Replace(good, "team-x", "../up", 1), "/to", "no name of a topic"},
		{"one", strings.Replace(good, `data.model == \"a\"`, `data.model ==`, 1), "/when", "line 1"},
		{"one", strings.Replace(good, `"matches":true`, `"matches":false`, 1), "/tests/0/matches", "says true"},
		{"one", strings.Replace(good, `data.model == \"a\"`, `data.model != \"b\"`, 1), "/tests/0", ""},
		{"one", strings.Replace(good, `"satisfaction_score":3`, `"satisfaction_score":"x"`, 1), "/tests/1/event/data/satisfaction_score", ""},
	}
	for _, tt := range tests {
		_, err := Parse(tt.name, []byte(tt.text))
		var f *Fault
		if tt.pointer == "/tests/0" {
			if err != nil {
				t.Errorf("an absent field is no match, and none was wanted: %v", err)
			}
			continue
		}
		if !errors.As(err, &f) || f.Pointer != tt.pointer || !strings.Contains(f.Detail, tt.detail) {
			t.Errorf("%.60s: %v; want %q at %q", tt.text, err, tt.detail, tt.pointer)
		}
	}
	if r, err := Parse("one", []byte(`{"when":"data.modle == \"a\"","to":"x","mode":"move"}`)); err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "data.model") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTable(t *testing.T) {
	tb := NewTable()
	put := func(name, text string) error { return tb.Apply(Prefix+name, []byte(text), 0) }
	for _, name := range []string{"b", "a", "c"} {
		if err := put(name, good); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("a", strings.Replace(good, "team-x", "team-y", 1)); err != nil {
		t.Fatal(err)
	}
	if err := put("d", `{`); err == nil {
		t.Error("a definition that cannot be read was applied")
	}
	if err := put("b", ""); err != nil {
		t.Fatal(err)
	}
	if err := put("never there", ""); err != nil {
		t.Error("taking away what is not there:", err)
	}
	var names []string
	for _, r := range tb.All() {
		names = append(names, r.Name+">"+r.To)
	}
	if got := strings.Join(names, " "); got != "a>team-y c>team-x" {
		t.Error(got)
	}
	if got := tb.Uses("team-x"); len(got) != 1 || got[0] != "c" || tb.Find("a") == nil || tb.Find("b") != nil {
		t.Error(got)
	}
	for i := range Max {
		if err := put(fmt.Sprint("n", i), good); (err != nil) != (i >= Max-2) {
			t.Errorf("route %d: %v", i+2, err)
		}
	}
	tb.Reset()
	if err := put("old", strings.Replace(good, `"matches":true`, `"matches":false`, 1)); err != nil || len(tb.All()) != 1 {
		t.Errorf("a route that an earlier version took is gone because of its examples: %v", err)
	}
	if tb.Reset(); len(tb.All()) != 0 {
		t.Error("reset leaves routes")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"when":"true","to":"x","mode":"move"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := Parse("n", text); err == nil && (r.when == nil || r.Name != "n") {
			t.Errorf("%+v", r)
		}
	})
}
