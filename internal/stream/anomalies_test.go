package stream

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/watch"
)

func cellOf(n int) *agg.Cell {
	c := new(agg.Cell)
	for range n {
		e := event.Event{Kind: event.LLMRequest}
		e.SetInt(event.DurationMS, 5e6)
		c.Add(&e, false)
	}
	return c
}

// What arrives is brought together by model once; what happened long ago and what is no request is passed over.
func TestArrivals(t *testing.T) {
	a := arrivals{cells: map[agg.Key]*agg.Cell{}}
	own := cellOf(3)
	a.add(1000, agg.Key{Model: "m", Tenant: "x"}, own, 1010)
	a.add(1001, agg.Key{Model: "m", Tenant: "x"}, cellOf(2), 1010)
	a.add(1000, agg.Key{Model: "m", Tenant: "y"}, cellOf(4), 1010)
	a.add(1000, agg.Key{Model: otherName}, cellOf(4), 1010)
	a.add(1000-oldestWatched, agg.Key{Model: "old"}, cellOf(4), 1010)
	a.add(1000, agg.Key{Model: "gauges"}, new(agg.Cell), 1010)
	own.Add(&event.Event{Kind: event.LLMRequest}, false) // what the ladder does with it later is its own business
	got := a.take()
	models := byModel(got)
	if len(models) != 1 || models["m"].Requests != 9 {
		t.Errorf("models: %+v", models)
	}
	if again := a.take(); len(again) != 0 {
		t.Errorf("taken twice: %v", again)
	}
	top := contributors("m", got)
	if len(top) != 2 || top[0] != (rule.Share{Field: "tenant", Value: "x", Share: 5. / 9, Of: 9}) {
		t.Errorf("contributors: %+v", top)
	}
}

// An anomaly becomes an episode that begins and ends under one id.
func TestAnomalyBecomesADecision(t *testing.T) {
	a := watch.Anomaly{ID: "1", Metric: "error_rate", Model: "m", Since: 100, DetectedAt: 130, Up: true, Value: 0.5, Usual: 0.01, Confidence: 0.9999999,
		Opinions: []watch.Opinion{{Name: "tail", Score: 1, Says: "so"}, {Name: "cusum", Score: 0.5, Says: "too"}}}
	opened := decided(&a, nil)
	a.EndedAt = 300
	closed := decided(&a, nil)
	if opened.State != rule.Firing || closed.State != rule.Resolved || opened.ID != closed.ID || int64(closed.EndsAt) != 300e6 || int64(opened.StartsAt) != 100e6 {
		t.Errorf("opened %+v\nclosed %+v", opened, closed)
	}
	if want := "tail (1.000): so; cusum (0.500): too"; opened.Annotations["why"] != want || opened.Labels["direction"] != "above" {
		t.Errorf("opened %+v", opened)
	}
	text, err := json.Marshal(opened)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Rule     string    `json:"rule"`
		StartsAt time.Time `json:"starts_at"`
	}
	if err := json.Unmarshal(text, &back); err != nil || back.Rule != AnomalyRule || back.StartsAt.Unix() != 100 {
		t.Errorf("%s: %v", text, err)
	}
}

// The weeks before are what the windows know of the same hours.
func TestWeeksBefore(t *testing.T) {
	b := bustest.New(t)
	s := judging(t, b, t.TempDir(), newRules(t, outage))
	defer s.end(t)
	hour := floor(time.Now().Unix(), 3600)
	const week = 7 * 24 * 3600
	for i, at := range []int64{hour - week, hour - week + 3598, hour - week - 3, hour - 4*week + 3600, hour - 5*week, hour} {
		produce(t, b, llm(100*i, i+1, at-int64(100*i)))
	}
	for end := time.Now().Add(2 * time.Minute); s.Counted() < 1+2+3+4+5+6; {
		if _, err := s.Objectives(t.Context()); err != nil || time.Now().After(end) { // a question takes about as long as it needs
			t.Fatal(s.Counted(), err)
		}
	}
	weeks := s.weeksBefore(hour)
	requests := func(week, of int) (n uint64) {
		for _, c := range weeks[week][of] {
			n += c.Requests
		}
		return n
	}
	if got := [...]uint64{requests(0, 0), requests(0, 1), requests(0, 2), requests(1, 1), requests(3, 1), requests(3, 2)}; got != [...]uint64{3, 1 + 2, 0, 0, 0, 4} {
		t.Errorf("the hours have %v", got)
	}
}
