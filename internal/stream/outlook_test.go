package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// hourOfFailures makes what arrives in each second of an hour in which two models have an outage each.
func hourOfFailures(begin int64) (seconds []*arrived) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range int64(3600) {
		a := newArrived(begin + i)
		for m, model := range []string{"a", "b"} {
			c := new(agg.Cell)
			for range 3 + rnd.IntN(3) {
				e := event.Event{Kind: event.LLMRequest}
				from := int64(1200 + 900*m)
				e.SetBool(event.Success, rnd.IntN(100) > 0 && (i < from || i > from+400 || rnd.IntN(2) == 0))
				e.SetInt(event.DurationMS, int64(1e9*(1+rnd.Float64())))
				c.Add(&e, false)
			}
			a.add(begin+i, agg.Key{Model: model, Tenant: "t"}, c)
		}
		seconds = append(seconds, a)
	}
	return seconds
}

// copied is a, so that a may be taken once more.
func (a *arrived) copied() *arrived {
	out := newArrived(a.at)
	for model, c := range a.models {
		out.merge(model, c, true)
	}
	for key, n := range a.tenants {
		out.credit(key, n)
	}
	return out
}

func (j *judge) shows(seconds []*arrived) {
	for _, a := range seconds {
		j.outlook.take(a.copied())
		j.judgeTo((a.at + 1) * 1e6)
		j.takeUp()
		j.alerts.acked()
	}
}

// A judge is killed again and again, at any moment, and the next one takes up a state that is older and merges what the journal has behind
// it: it is not blind for a second, and tells the same anomalies under the same ids, each once.
func TestAnomaliesAreExactOverKills(t *testing.T) {
	begin := int64(1_700_000_000) / 3600 * 3600
	seconds := hourOfFailures(begin)
	whole, told := idleJudge(t, blip)
	whole.since = begin * 1e6
	whole.shows(seconds)
	if n := count(told.all, AnomalyRule, rule.Firing); n < 2 || n != count(told.all, AnomalyRule, rule.Resolved) {
		t.Fatalf("told %s", told.story())
	}
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		j, h := idleJudge(t, blip)
		j.since = begin * 1e6
		var all []rule.Decision
		for done := 0; done < len(seconds); {
			kept := min(done+rnd.IntN(400), len(seconds))
			j.shows(seconds[done:kept])
			state := j.encoded(t)
			j.shows(seconds[kept:min(kept+rnd.IntN(200), len(seconds))])
			all = append(all, h.all...)
			done = kept
			j, h = idleJudge(t, blip)
			if err := j.load(state); err != nil {
				t.Fatal(err)
			}
			j.since = begin * 1e6
			for i := range all { // as it reads hxp-alerts
				record, err := json.Marshal(&all[i])
				if err != nil {
					t.Fatal(err)
				}
				j.told(record, time.Unix(begin+7200, 0))
			}
			j.alerts.early = early{left: j.alerts.opened(), last: j.alerts.latest()}
		}
		if got, want := (&heard{all: all}).story(), told.story(); got != want {
			t.Errorf("seed %d: told %s\nwant %s", seed, got, want)
		}
		for i := range all {
			if a, b := all[i], told.all[i]; a.At != b.At || a.StartsAt != b.StartsAt || a.Value != b.Value || fmt.Sprint(a.Top) != fmt.Sprint(b.Top) || a.Annotations["why"] != b.Annotations["why"] {
				t.Errorf("seed %d: %+v\nwant %+v", seed, a, b)
			}
		}
	}
}

// A state that was written before there was a watcher in it is taken up, and one whose watcher is of other metrics too: the rules are not to
// suffer from that.
func TestStateWithoutAWatcher(t *testing.T) {
	j, _ := idleJudge(t, blip)
	begin := int64(1_700_000_000)
	j.shows(hourOfFailures(begin)[:60])
	state := j.outlook.append(nil)
	state[3]++ // the number of metrics
	next, _ := idleJudge(t, blip)
	next.watchOn(&decoder{src: state}, judgeVer)
	if next.outlook.next != 0 {
		t.Error("a watcher of other metrics is taken up")
	}
	next.watchOn(&decoder{}, verBefore)
	if next.outlook == nil {
		t.Error("no watcher")
	}
	good := j.outlook.append(nil)
	next.watchOn(&decoder{src: good}, judgeVer)
	if next.outlook.next != j.outlook.next {
		t.Errorf("the next step is at %d, want %d", next.outlook.next, j.outlook.next)
	}
}

// encoded is the judge's state as it is written.
func (j *judge) encoded(t *testing.T) []byte {
	t.Helper()
	state, err := j.state()
	if err != nil {
		t.Fatal(err)
	}
	for state.rules.Next() {
	}
	var b bytes.Buffer
	if err := state.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
