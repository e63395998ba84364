package rule

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Test is events at times of their own and the alerts that the rule must make of them, no more and no fewer.
type Test struct {
	Name   string   `json:"name"`
	Events []Sample `json:"events"`
	Until  Duration `json:"until,omitempty"` // when the test ends; 0 = when the last event was a minute ago
	Expect []Expect `json:"expect"`
}

// Sample is an event of a test, or many of them.
type Sample struct {
	At        Duration        `json:"at"`              // after the begin of the test
	Every     Duration        `json:"every,omitempty"` // between repeated ones
	Count     int             `json:"count"`
	EventType string          `json:"event_type"`
	Data      json.RawMessage `json:"data"` // "{i}" in texts is the number of the repetition
}

// event reads repetition n of s.
func (s *Sample) event(parser *event.Parser, n int) (e event.Event, bad *event.Invalid) {
	text := appendText([]byte(`{"event_id":"test","timestamp":0,"event_type":`), s.EventType)
	text = append(append(append(text, `,"data":`...), s.Data...), '}')
	bad = parser.Parse([]byte(strings.ReplaceAll(string(text), "{i}", strconv.Itoa(n))), &e)
	return e, bad
}

// Expect is an alert that must fire.
type Expect struct {
	Key        map[string]string `json:"key,omitempty"`
	Severity   string            `json:"severity,omitempty"`
	FiresBy    Duration          `json:"fires_by,omitempty"`    // at the latest, after the begin of the test
	ResolvesBy Duration          `json:"resolves_by,omitempty"` // at the latest; 0 = nothing is asked of its end
	Value      *float64          `json:"value,omitempty"`       // within a millionth

	line int
}

var (
	testKeys   = []string{"name", "events", "until", "expect"}
	sampleKeys = []string{"at", "every", "count", "event_type", "data"}
	expectKeys = []string{"key", "severity", "fires_by", "resolves_by", "value"}
	interval   = shape{kind: "duration", min: 1, max: 4 * MaxWindow.Seconds()}
	moment     = shape{kind: "duration", min: 0, max: 4 * MaxWindow.Seconds()}
)

func (d *decoder) tests(n *node, pointer string, s shape) []Test {
	if n.kind != listNode || len(n.items) > s.most {
		d.fault(n, pointer, "a list of at most %d tests belongs here", s.most)
		return nil
	}
	out := make([]Test, len(n.items))
	for i, item := range n.items {
		d.test(item, pointer+"/"+strconv.Itoa(i), &out[i])
	}
	return out
}

func (d *decoder) test(n *node, pointer string, t *Test) {
	if n.kind != mapNode {
		d.fault(n, pointer, "a test is an object with the keys %s", strings.Join(testKeys, ", "))
		return
	}
	seen := d.fields(n, pointer, testKeys)
	for _, name := range []string{"name", "events", "expect"} {
		if seen[name] == nil {
			d.fault(n, pointer+"/"+name, "%s is missing", name)
		}
	}
	if v := seen["name"]; v != nil {
		t.Name = d.scalar(v, pointer+"/name", shape{kind: "text", most: maxNameBytes})
	}
	if v := seen["until"]; v != nil {
		t.Until = d.duration(v, pointer+"/until", interval)
	}
	t.Events, t.Expect = []Sample{}, []Expect{}
	d.each(seen["events"], pointer+"/events", func(item *node, at string) { t.Events = append(t.Events, d.sample(item, at)) })
	d.each(seen["expect"], pointer+"/expect", func(item *node, at string) { t.Expect = append(t.Expect, d.expect(item, at)) })
	total := 0
	for _, s := range t.Events {
		total += s.Count
	}
	if total > MaxEvents {
		d.fault(n, pointer+"/events", "%d events are too many; at most %d are taken", total, MaxEvents)
	}
}

func (d *decoder) each(n *node, pointer string, one func(item *node, at string)) {
	switch {
	case n == nil:
	case n.kind != listNode || len(n.items) > MaxRules:
		d.fault(n, pointer, "a list of at most %d belongs here", MaxRules)
	default:
		for i, item := range n.items {
			at := pointer + "/" + strconv.Itoa(i)
			if item.kind != mapNode {
				d.fault(item, at, "%s stands here, but an object belongs here", nodeNames[item.kind])
				continue
			}
			one(item, at)
		}
	}
}

func (d *decoder) sample(n *node, pointer string) (s Sample) {
	seen := d.fields(n, pointer, sampleKeys)
	s.Count = 1
	if v := seen["at"]; v != nil {
		s.At = d.duration(v, pointer+"/at", moment)
	} else {
		d.fault(n, pointer+"/at", "at is missing: when the event happens, after the begin of the test, such as 30s")
	}
	if v := seen["count"]; v != nil {
		s.Count = int(d.count(v, pointer+"/count", shape{min: 1, max: MaxEvents}))
	}
	if v := seen["every"]; v != nil {
		t, err := time.ParseDuration(v.text)
		if err != nil || t < 0 || t > MaxWindow {
			d.fault(v, pointer+"/every", "%s is no duration from 0s to %s", quote(v.text), Duration(MaxWindow))
		}
		s.Every = Duration(t)
	}
	if time.Duration(s.At)+time.Duration(s.Every)*time.Duration(s.Count) > 4*MaxWindow {
		d.fault(n, pointer, "the events reach beyond %s", Duration(4*MaxWindow))
		s.Count = 1
	}
	if v := seen["event_type"]; v != nil {
		s.EventType = d.scalar(v, pointer+"/event_type", shape{kind: "text"})
	} else {
		d.fault(n, pointer+"/event_type", "event_type is missing")
		return s
	}
	s.Data = json.RawMessage("{}")
	if v := seen["data"]; v != nil {
		s.Data = v.json(nil)
	}
	if _, bad := s.event(new(event.Parser), 0); bad != nil {
		d.fault(n, pointer+bad.Pointer, "this is no event: %s", bad.Detail)
	}
	return s
}

func (d *decoder) expect(n *node, pointer string) (x Expect) {
	seen := d.fields(n, pointer, expectKeys)
	x.line = n.line
	if v := seen["key"]; v != nil {
		x.Key = d.texts(v, pointer+"/key", shape{most: MaxGroupBy})
	}
	if v := seen["severity"]; v != nil {
		x.Severity = d.scalar(v, pointer+"/severity", shape{kind: "enum", enum: severities})
	}
	if v := seen["fires_by"]; v != nil {
		x.FiresBy = d.duration(v, pointer+"/fires_by", moment)
	}
	if v := seen["resolves_by"]; v != nil {
		x.ResolvesBy = d.duration(v, pointer+"/resolves_by", moment)
	}
	if v := seen["value"]; v != nil {
		value := d.number(v, pointer+"/value", shape{min: -huge, max: huge})
		x.Value = &value
	}
	return x
}

// Result is what became of a test.
type Result struct {
	Rule   string   `json:"rule"`
	Test   string   `json:"test"`
	Failed []string `json:"failed,omitempty"` // what is not as expected; none = passed
	Alerts []Alert  `json:"alerts,omitempty"` // what fired
}

// Alert is an episode that fired in a test; times are seconds after its begin.
type Alert struct {
	Key      map[string]string `json:"key"`
	Severity string            `json:"severity"`
	Fires    int64             `json:"fires"`
	Resolves int64             `json:"resolves,omitempty"` // 0 = not within the test
	Value    float64           `json:"value"`

	id string
}

func (a Alert) String() string {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Key)) {
		fmt.Fprintf(&key, "%s=%s ", name, a.Key[name])
	}
	end := "is not over"
	if a.Resolves > 0 {
		end = fmt.Sprintf("resolves at %ds", a.Resolves)
	}
	return fmt.Sprintf("%s%s, value %.6g, fires at %ds, %s", key.String(), a.Severity, a.Value, a.Fires, end)
}

// testBegin is the time at which all tests begin: 2026-01-01T00:00:00Z.
const testBegin = 1767225600 * second

// Check runs the tests of a rule that Decode gave. It fails when ctx ends before they do.
func Check(ctx context.Context, r *Rule) ([]Result, error) {
	var out []Result
	for i := range r.Tests {
		alerts, err := r.Tests[i].run(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, Result{r.Name, r.Tests[i].Name, r.Tests[i].compare(alerts), alerts})
	}
	return out, nil
}

// run shows the rule the events of a test, second by second.
func (t *Test) run(ctx context.Context, r *Rule) ([]Alert, error) {
	engine, err := New([]Rule{*r}, Options{})
	if err != nil {
		return nil, err
	}
	events, err := t.timeline()
	if err != nil {
		return nil, err
	}
	end := testBegin + time.Duration(t.Until).Microseconds()
	if t.Until == 0 && len(events) > 0 {
		end = events[len(events)-1].Time + 60*second
	}
	var decisions []Decision
	next := 0
	for now := testBegin; now <= end; now += second {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("test %s of rule %s was not done in time: %w", t.Name, r.Name, context.Cause(ctx))
		}
		for ; next < len(events) && events[next].Time < now; next++ {
			e := &events[next]
			engine.Event(e, Position{Kind: e.Kind, Offset: int64(next)})
		}
		decisions = append(decisions, engine.Advance(now)...)
	}
	return alertsOf(decisions), nil
}

// timeline is all events of a test in the order of their times.
func (t *Test) timeline() ([]event.Event, error) {
	var out []event.Event
	var parser event.Parser
	for i, s := range t.Events {
		for n := range s.Count {
			e, bad := s.event(&parser, n)
			if bad != nil {
				return nil, fmt.Errorf("test %s: event %d: %w", t.Name, i, bad)
			}
			e.ID = fmt.Sprintf("test-%d-%d", i, n)
			e.Time, e.HasTime = testBegin+(time.Duration(s.At)+time.Duration(n)*time.Duration(s.Every)).Microseconds(), true
			e.Settle()
			out = append(out, e)
		}
	}
	sorting.StableBy(out, func(a, b event.Event) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return out, nil
}

func alertsOf(decisions []Decision) (out []Alert) {
	since := func(t Time) int64 { return -floor(testBegin-int64(t), second) } // rounded up
	for _, d := range decisions {
		switch d.State {
		case Firing:
			out = append(out, Alert{Key: d.Key, Severity: d.Severity, Fires: since(d.At), Value: d.Value, id: d.ID})
		case Resolved:
			for i := range out {
				if out[i].id == d.ID {
					out[i].Resolves = since(d.At)
				}
			}
		}
	}
	return out
}

// compare says what is not as expected. Each expected alert takes the first that has its key and severity.
func (t *Test) compare(alerts []Alert) (failed []string) {
	left := slices.Clone(alerts)
	for _, x := range t.Expect {
		i := slices.IndexFunc(left, x.means)
		if i < 0 {
			failed = append(failed, fmt.Sprintf("line %d: the alert does not fire", x.line))
			continue
		}
		failed = append(failed, x.faults(left[i])...)
		left = slices.Delete(left, i, i+1)
	}
	for _, a := range left {
		failed = append(failed, "not expected, but it fires: "+a.String())
	}
	return failed
}

func (x Expect) means(a Alert) bool {
	for k, v := range x.Key {
		if a.Key[k] != v {
			return false
		}
	}
	return x.Severity == "" || x.Severity == a.Severity
}

func (x Expect) faults(a Alert) (out []string) {
	fault := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("line %d: ", x.line)+fmt.Sprintf(format, args...)+": "+a.String())
	}
	if x.FiresBy > 0 && a.Fires > x.FiresBy.seconds() {
		fault("it fires later than %s", x.FiresBy)
	}
	if x.ResolvesBy > 0 && (a.Resolves == 0 || a.Resolves > x.ResolvesBy.seconds()) {
		fault("it does not resolve by %s", x.ResolvesBy)
	}
	if x.Value != nil && math.Abs(a.Value-*x.Value) > 1e-6*max(1, math.Abs(*x.Value)) {
		fault("the value is not %v", *x.Value)
	}
	return out
}
