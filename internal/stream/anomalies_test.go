package stream

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
func TestArrived(t *testing.T) {
	a, own := newArrived(1010), cellOf(3)
	a.add(1000, agg.Key{Model: "m", Tenant: "x"}, own)
	a.add(1001, agg.Key{Model: "m", Tenant: "x"}, cellOf(2))
	a.add(1000, agg.Key{Model: "m"}, cellOf(1))
	a.add(1000, agg.Key{Model: otherName}, cellOf(4))
	a.add(1009-oldestWatched, agg.Key{Model: "old"}, cellOf(4))
	a.add(1000, agg.Key{Model: "gauges"}, new(agg.Cell))
	more := newArrived(1011)
	more.add(1000, agg.Key{Model: "m", Tenant: "y"}, cellOf(4))
	own.Add(&event.Event{Kind: event.LLMRequest}, false) // what the ladder does with it later is its own business
	a.take(more)
	if len(a.models) != 1 || a.models["m"].Requests != 10 {
		t.Errorf("models: %+v", a.models)
	}
	if want := []rule.Share{{Field: "tenant", Value: "x", Share: 0.5, Of: 10}, {Field: "tenant", Value: "y", Share: 0.4, Of: 10}}; !slices.Equal(a.contributors("m"), want) {
		t.Errorf("contributors: %+v", a.contributors("m"))
	}
}

// Steps are shown in order once they are over, empty ones too; what comes late is in the next one. A rest before a start is passed over.
func TestOutlook(t *testing.T) {
	unit := func(at int64, n int) *arrived {
		a := newArrived(at)
		a.add(at, agg.Key{Model: "m"}, cellOf(n))
		return a
	}
	l := newOutlook()
	shown := func(now, since int64) (story string) {
		for {
			at, step, ok := l.due(now*1e6, since*1e6)
			if !ok {
				return strings.TrimSpace(story)
			}
			n := uint64(0)
			if c := step.models["m"]; c != nil {
				n = c.Requests
			}
			story += fmt.Sprintf("%d:%d ", at, n)
		}
	}
	if got := shown(5000, 0); got != "" {
		t.Errorf("before anything arrived: %s", got)
	}
	l.take(unit(1003, 1))
	l.take(unit(1022, 2))
	l.take(unit(1007, 4))
	if got := shown(1029, 0); got != "1000:5 1010:0" {
		t.Errorf("%s", got)
	}
	l.take(unit(1001, 8)) // late
	if got := shown(1030, 0); got != "1020:10" {
		t.Errorf("%s", got)
	}
	l.take(unit(1500, 1))
	if got := shown(1510, 1480); got != "1480:0 1490:0 1500:1" {
		t.Errorf("after a start: %s", got)
	}
	l.take(unit(1550, 1))
	if got := shown(1560, 1549); got != "1510:0 1520:0 1530:0 1540:0 1550:1" {
		t.Errorf("a short rest is shown: %s", got)
	}
	story := ""
	for now := int64(1560); now < 1700; now++ { // its clock comes to a start at 1650 step by step
		story = strings.TrimSpace(story + " " + shown(now, 1650))
	}
	if story != "1650:0 1660:0 1670:0 1680:0" {
		t.Errorf("a rest before a start is shown: %s", story)
	}
	for i := range int64(20) {
		a := newArrived(2000 + 10*i)
		for k := range mostWaiting / 10 {
			a.add(a.at, agg.Key{Model: fmt.Sprint(k)}, cellOf(1))
		}
		l.take(a)
	}
	if l.cells > mostWaiting || l.next < 2050 || len(l.steps) != 10 {
		t.Errorf("%d cells wait in %d steps from %d on", l.cells, len(l.steps), l.next)
	}
}

// Tenants take room as well, be it of a single model.
func TestTenantsThatWaitAreBounded(t *testing.T) {
	l := newOutlook()
	for i := range int64(25) {
		a := newArrived(2000 + 10*i)
		for k := range mostWatched {
			a.add(a.at, agg.Key{Model: "m", Tenant: fmt.Sprint(k)}, cellOf(1))
		}
		l.take(a)
	}
	pairs, weight := 0, 0
	for _, step := range l.steps {
		pairs, weight = pairs+len(step.tenants), weight+step.weight()
	}
	if pairs > mostWaiting*pairsInCell || pairs < mostWaiting*pairsInCell-mostWatched || l.cells != weight {
		t.Errorf("%d pairs wait in %d steps, weighed as %d of %d", pairs, len(l.steps), l.cells, weight)
	}
	d := decoder{src: l.append(nil)}
	if again := d.outlook(); d.err != nil || again.cells != weight {
		t.Errorf("a restart weighs %d, want %d: %v", again.cells, weight, d.err)
	}
	for ok := true; ok; {
		_, _, ok = l.due(1e12, 0)
	}
	if l.cells != 0 {
		t.Errorf("%d are left of nothing", l.cells)
	}
}

// An anomaly becomes an episode that begins and ends under one id. It can wait, unless an objective suffers badly: then it calls people, and asks
// for what is set.
func TestAnomalyBecomesADecision(t *testing.T) {
	cfg := Config{AnomalySeverity: "warning", AnomalyMode: "propose", AnomalyActions: []AnomalyAction{{Type: "cool_down", Target: "gateway", With: map[string]string{"endpoint": "{model}"}}}}
	a := watch.Anomaly{ID: "1", Metric: "error_rate", Model: "m", Since: 100, DetectedAt: 130, Up: true, Value: 0.5, Usual: 0.01, Confidence: 0.9999999,
		Opinions: []watch.Opinion{{Name: "tail", Score: 1, Says: "so"}, {Name: "cusum", Score: 0.5, Says: "too"}}}
	nothing := newArrived(120)
	opened := cfg.decided(&a, nothing)
	a.EndedAt = 300
	closed := cfg.decided(&a, nothing)
	if opened.State != rule.Firing || closed.State != rule.Resolved || opened.ID != closed.ID || int64(closed.EndsAt) != 300e6 || int64(opened.StartsAt) != 100e6 {
		t.Errorf("opened %+v\nclosed %+v", opened, closed)
	}
	if want := "tail (1.000): so; cusum (0.500): too"; opened.Annotations["why"] != want || opened.Labels["direction"] != "above" || opened.Severity != "warning" || opened.Actions != nil {
		t.Errorf("opened %+v", opened)
	}
	a.Objective, a.EndedAt = "good answers", 0
	if d := cfg.decided(&a, nothing); d.Severity != "warning" || d.Labels["slo"] != "good answers" || d.Actions != nil {
		t.Errorf("while an objective suffers a little: %+v", d)
	}
	a.Urgent = true
	if d := cfg.decided(&a, nothing); d.Severity != "critical" || d.Mode != "propose" || len(d.Actions) != 1 || d.Actions[0].With["endpoint"] != "{model}" || !strings.Contains(d.Annotations["summary"], "good answers") {
		t.Errorf("while an objective suffers badly: %+v", d)
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

// An action that no rule could ask for is refused at the start.
func TestAnomalyActionsAreChecked(t *testing.T) {
	for want, actions := range map[string][]AnomalyAction{
		"":                        {{Type: "incident", Target: "pager"}, {Type: "drain", Target: "router"}},
		"anomaly_actions[1].type": {{Type: "notify"}, {Type: "dance"}},
		"at most 8":               make([]AnomalyAction, 9),
	} {
		cfg := testConfig()
		cfg.AnomalyActions = actions
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", actions, err, want)
		}
	}
}

// The objectives that suffer are those of the same thing and of the model, or of all models.
func TestSufferingIsOfTheSameSeries(t *testing.T) {
	suffers := suffering([]rule.Burning{{Name: "a", Indicator: "availability", Model: "m", Page: true}, {Name: "l", Indicator: "latency"}, {Name: "own"}})
	for _, tt := range []struct{ model, metric, want string }{
		{"m", "error_rate", "a true"}, {"x", "error_rate", " false"}, {"x", "latency_ms.p50", "l false"}, {"m", "requests", " false"}, {"m", "ttft_ms.p50", " false"},
	} {
		if name, page := suffers(tt.model, tt.metric); fmt.Sprint(name, " ", page) != tt.want {
			t.Errorf("%s of %s: %q %v, want %s", tt.metric, tt.model, name, page, tt.want)
		}
	}
	for metric := range indicated {
		if !slices.Contains(watch.Metrics(), metric) || !slices.Contains(rule.IndicatorNames(), indicated[metric]) {
			t.Errorf("%s and %s are not both known", metric, indicated[metric])
		}
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
	weeks := s.weeksBefore(hour, []string{"m0", "m1", "m2", "m3", "m4"})
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

// When too much waits the watcher begins anew, and what it had open is told to be over: the new one would never say so.
func TestWhatIsOpenEndsWhenTheWatcherBeginsAnew(t *testing.T) {
	j, h := idleJudge(t, blip)
	j.since = 0
	const begin = 1_700_000_000
	offset := int64(0)
	arrive := func(a *arrived) {
		offset++
		j.merge(merge{journal: "j", offset: offset, arrived: a})
	}
	for at := int64(begin); at < begin+1850; at += watch.Step {
		a, c := newArrived(at), cellOf(100)
		if c.Unknown = 0; at >= begin+1800 {
			c.Errors = 50
		}
		a.add(at, agg.Key{Model: "m"}, c)
		arrive(a)
		j.engine.Advance((at + watch.Step) * 1e6)
		j.look()
	}
	open := len(j.unusual)
	if open == 0 || len(h.all) != open || len(j.outlook.watcher.Open()) != open {
		t.Fatalf("%d are open, and %d were told", open, len(h.all))
	}
	for i := range int64(30) {
		a := newArrived(begin + 2000 + 10*i)
		for k := range mostWaiting / 10 {
			a.add(a.at, agg.Key{Model: fmt.Sprint(k)}, cellOf(1))
		}
		arrive(a)
	}
	j.alerts.acked()
	if n := len(j.outlook.watcher.Open()); n != 0 || len(j.unusual) != 0 || len(j.alerts.open) != 0 || len(j.shown) != 0 {
		t.Errorf("%d are open to the watcher, %d to the judge, %d as was told, %d are shown", n, len(j.unusual), len(j.alerts.open), len(j.shown))
	}
	for i, d := range h.all[open:] {
		if d.State != rule.Resolved || d.EndsAt < d.StartsAt || i >= open {
			t.Errorf("told %+v", d)
		}
	}
	if len(h.all) != 2*open {
		t.Errorf("%d decisions about %d anomalies", len(h.all), open)
	}
}
