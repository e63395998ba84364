package event

import (
	"strings"
	"testing"
)

// TestIdentityIsForEver: filters and files hold these values, so they never change.
func TestIdentityIsForEver(t *testing.T) {
	for _, c := range []struct {
		source, id string
		want       [2]uint64
	}{
		{"", "", [2]uint64{0xa6cd5e9392000f6a, 0xc44bdff4074eecdb}},
		{"gateway", "e1", [2]uint64{0x0498773b5d132e1e, 0xbb06dd70d4c08036}},
		{"", strings.Repeat("long", 300), [2]uint64{0x8bec82d42368013e, 0xc7bed03a89f110de}},
	} {
		e := Event{Source: c.source, ID: c.id}
		if got := e.Identity(); got != c.want {
			t.Errorf("%q %.20q: {%#x, %#x}", c.source, c.id, got[0], got[1])
		}
	}
	a, b := Event{Source: "a", ID: "bc"}, Event{Source: "ab", ID: "c"}
	if a.Identity() == b.Identity() {
		t.Error("source and id run together")
	}
}

func TestKey(t *testing.T) {
	e := Event{ID: "id", Kind: LLMRequest}
	if e.Key() != "id" {
		t.Error(e.Key())
	}
	e.SetText(Host, "h")
	e.SetText(RequestID, "")
	if e.Key() != "h" {
		t.Error(e.Key())
	}
	e.SetText(RequestID, "r")
	if e.Key() != "r" {
		t.Error(e.Key())
	}
}

func TestComplete(t *testing.T) {
	var e Event
	e.Complete("0af3", 2, 77, 1777636800000000)
	if e.ID != "0af3:2:77" || !e.HasTime || e.Time != 1777636800000000 {
		t.Errorf("%+v", e)
	}
	e.Complete("other", 0, 0, 0)
	if e.ID != "0af3:2:77" || e.Time != 1777636800000000 {
		t.Error("what was there is lost")
	}
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name         string
		status       int64
		errorType    string
		success, has bool
	}{
		{"nothing", -1, "", false, false},
		{"no answer", 0, "", false, false},
		{"no answer, with error", 0, "connect", false, true},
		{"informed", 100, "", true, true},
		{"fine", 200, "", true, true},
		{"redirected", 304, "", true, true},
		{"too many", 429, "", false, true},
		{"error in a stream", 200, "stream_cut", false, true},
	} {
		e := Event{Kind: LLMRequest}
		if c.status >= 0 {
			e.SetInt(StatusCode, c.status)
		}
		e.SetText(ErrorType, c.errorType)
		for range 2 { // settling twice changes nothing
			e.Settle()
			if e.Has(Success) != c.has || e.Bool(Success) != c.success {
				t.Errorf("%s: has %v, success %v", c.name, e.Has(Success), e.Bool(Success))
			}
		}
	}
}

func TestCloneStandsAlone(t *testing.T) {
	data := []byte(`{"event_id":"abc","event_type":"system_metric","source":"sss","zone":[1],"data":{"host":"hhh","fan":1,"note":"nnn"}}`)
	var p Parser
	var e Event
	if v := p.Parse(data, &e); v != nil {
		t.Fatal(v)
	}
	want := string(AppendJSON(nil, &e))
	c := e.Clone()
	if !c.Equal(&e) || !e.Equal(c) {
		t.Fatal("the copy differs")
	}
	clear(data)
	clear(p.slab)
	e.Reset()
	e.SetText(Host, "other")
	e.Metrics = append(e.Metrics, Metric{"other", 2})
	if got := string(AppendJSON(nil, c)); got != want {
		t.Errorf("the copy became %s", got)
	}
}

func TestEqual(t *testing.T) {
	base := func() *Event {
		e := &Event{ID: "i", Kind: LLMRequest}
		e.SetText(Model, "m")
		e.SetInt(PromptTokens, 1)
		return e
	}
	for name, change := range map[string]func(*Event){
		"id": func(e *Event) { e.ID = "" }, "kind": func(e *Event) { e.Kind = UserFeedback }, "time": func(e *Event) { e.HasTime = true },
		"source": func(e *Event) { e.Source = "s" }, "text": func(e *Event) { e.SetText(Model, "n") }, "int": func(e *Event) { e.SetInt(PromptTokens, 2) },
		"more": func(e *Event) { e.SetBool(Success, false) }, "less": func(e *Event) { e.Clear(Model) }, "extra": func(e *Event) { e.Extra = []byte(`{"a":1}`) },
		"metadata": func(e *Event) { e.Metadata = []byte(`{"a":1}`) }, "metric": func(e *Event) { e.Metrics = []Metric{{"a", 1}} },
	} {
		e := base()
		if change(e); e.Equal(base()) || base().Equal(e) {
			t.Errorf("%s: no difference seen", name)
		}
	}
	e := base()
	e.Time = 5 // without HasTime it says nothing
	e.SetText(Tenant, "was here")
	e.Clear(Tenant)
	if !e.Equal(base()) {
		t.Error("what is absent made a difference")
	}
}
