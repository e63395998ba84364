package stream

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// fed judges some failed requests that arrive at times, one each, and goes on to another time.
func (j *judge) fed(until time.Time, arrivals ...time.Time) {
	f := j.program.Load().Folder()
	for i, at := range arrivals {
		p := f.Begin()
		e := failedRequest(at, "m")
		f.Event(p, e, at.UnixMicro(), rule.Position{Kind: e.Kind, Offset: int64(i)})
		j.decide(j.engine.Advance(at.UnixMicro()))
		j.decide(j.engine.Merge(p))
		p.Release()
	}
	j.decide(j.engine.Advance(until.UnixMicro()))
	j.takeUp()
	j.alerts.acked()
}

// failedRequest is a request of a model that failed.
func failedRequest(at time.Time, model string) *event.Event {
	e := request(at.Unix(), model)
	e.Time = at.UnixMicro()
	e.SetBool(event.Success, false)
	e.Settle()
	return e
}

// says is a record of hxp-alerts by another judge.
func says(t *testing.T, d rule.Decision) hearing {
	value, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	return hearing{batch: bus.PartitionBatch{Messages: []*bus.Message{{Value: value, Headers: []bus.Header{{Key: judgeHeader, Value: []byte("another judge")}}}}, Next: 1}}
}

func (h *heard) story() string {
	var story []string
	for _, d := range h.all {
		story = append(story, fmt.Sprintf("%s %s", d.ID, d.State))
	}
	return fmt.Sprint(story)
}

// A judge that does not tell keeps what it decides until hxp-alerts says so. When it takes over it tells the rest, which is the same
// as what the teller would have told.
func TestWhatTheTellerLeftUnsaidIsTold(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	teller, told := idleJudge(t, blip)
	silent, said := idleJudge(t, blip)
	silent.telling = false
	for i := range 3 { // three episodes, each begins and ends
		at := start.Add(time.Duration(i) * time.Minute)
		teller.fed(at.Add(30*time.Second), at)
		silent.fed(at.Add(30*time.Second), at)
	}
	if len(told.all) != 6 || len(said.all) != 0 || silent.unsaid.n != 6 {
		t.Fatalf("told %s and %s, unsaid %d", told.story(), said.story(), silent.unsaid.n)
	}
	for _, d := range told.all[:3] { // the teller dies in the middle of its second episode
		silent.hear(says(t, d))
	}
	if silent.unsaid.n != 3 || len(silent.alerts.open) != 1 {
		t.Fatalf("%d are unsaid, %d open", silent.unsaid.n, len(silent.alerts.open))
	}
	silent.takeOver()
	later := start.Add(4 * time.Minute)
	silent.fed(later.Add(30*time.Second), later)
	teller.fed(later.Add(30*time.Second), later)
	want := heard{all: told.all[3:]}
	if said.story() != want.story() || silent.unsaid.n != 0 || !silent.taken {
		t.Errorf("told %s, want %s; %d are unsaid", said.story(), want.story(), silent.unsaid.n)
	}
}

// A teller that was thought dead tells on. Of an episode that both know, that changes nothing; an episode beside one that is open is
// ended; what nobody here knows of is ended when its time has come.
func TestTellerHearsAnother(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	j, h := idleJudge(t, outageNow)
	j.fed(start.Add(time.Second), start)
	if len(h.all) != 1 || h.all[0].State != rule.Firing {
		t.Fatalf("told %s", h.story())
	}
	own := h.all[0]
	j.hear(says(t, own))
	beside, strange := own, own
	beside.ID, beside.StartsAt = "beside", own.StartsAt+1
	strange.ID, strange.Version, strange.Key = "strange", "gone", map[string]string{"model": "x"}
	j.hear(says(t, beside))
	j.hear(says(t, strange))
	j.fed(start.Add(10 * time.Second))
	if got, want := h.story(), fmt.Sprintf("[%s firing beside resolved strange resolved]", own.ID); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if !j.alerts.isOpen(&own) || len(j.alerts.open) != 1 {
		t.Errorf("open are %+v", j.alerts.open)
	}
	over := own.Ended(int64(rule.Time(start.Add(11 * time.Second).UnixMicro())))
	j.hear(says(t, over))
	j.fed(start.Add(20 * time.Second))
	if len(j.alerts.open) != 0 || len(h.all) != 3 {
		t.Errorf("after it was told to be over: %s, open %+v", h.story(), j.alerts.open)
	}
}

const outageNow = "- {name: blip, type: sequence, steps: [data.success == false], within: 1s, keep_firing_for: 1h, group_by: [model]}\n"

// Each instance finds anomalies under ids of its own: one is told of, goes on under another teller, and ends once.
func TestAnomaliesAreToldOnce(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	find := func(id string, state rule.State, at time.Time) *rule.Decision {
		var d rule.Decision
		if err := json.Unmarshal(alertRecord(t, id, state, at), &d); err != nil {
			t.Fatal(err)
		}
		d.Class, d.Key = "requests", map[string]string{"model": "m"}
		return &d
	}
	teller, told := idleJudge(t, blip)
	silent, said := idleJudge(t, blip)
	silent.telling = false
	teller.found(find("one", rule.Firing, start))
	silent.found(find("two", rule.Firing, start.Add(time.Second)))
	for _, d := range told.all {
		silent.hear(says(t, d))
	}
	silent.takeOver()
	silent.fed(start.Add(time.Minute))
	if told.story() != "[one firing]" || len(said.all) != 0 || !silent.taken {
		t.Errorf("told %s, then %s", told.story(), said.story())
	}
	silent.found(find("two", rule.Resolved, start.Add(2*time.Minute)))
	if said.story() != "[one resolved]" {
		t.Errorf("told %s, want the end of the first", said.story())
	}
}

// Records of before may stand in several partitions, which are read in any order.
func TestEpisodesOfASeriesInAnyOrder(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	teller, told := idleJudge(t, blip)
	silent, said := idleJudge(t, blip)
	silent.telling = false
	at := start.Add(time.Minute)
	for _, j := range []*judge{teller, silent} {
		j.fed(start.Add(30*time.Second), start)
		j.fed(at.Add(time.Second), at)
	}
	for _, i := range []int{2, 0, 1} {
		silent.hear(says(t, told.all[i]))
	}
	silent.takeOver()
	silent.fed(at.Add(time.Hour))
	if len(said.all) != 1 {
		t.Errorf("the new teller told %s, want the end of the second episode", said.story())
	}
}

// An episode that was told to be over stays so: whoever decides once more that it fires, from an older state, or says it once more, tells
// nothing new, also while another episode of its series is open, and also where the next teller stands.
func TestEpisodeThatIsOverStaysSo(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	j, h := idleJudge(t, blip)
	j.fed(start.Add(30*time.Second), start)
	if len(h.all) != 2 || h.all[1].State != rule.Resolved {
		t.Fatalf("told %s", h.story())
	}
	told := h.all[:2:2]
	again := told[0]
	again.At = told[1].At + 1
	decided := func(j *judge) {
		d := again
		j.decide([]rule.Decision{d})
		j.alerts.acked()
	}
	decided(j)
	j.hear(says(t, again))
	if len(h.all) != 2 || len(j.alerts.open) != 0 {
		t.Errorf("told %s, open %+v", h.story(), j.alerts.open)
	}
	next := start.Add(time.Minute)
	j.fed(next, next)
	j.decide(j.engine.Advance(next.Add(250 * time.Millisecond).UnixMicro()))
	if len(h.all) != 3 || h.all[2].State != rule.Firing || len(j.alerts.open) != 1 {
		t.Fatalf("told %s, open %+v", h.story(), j.alerts.open)
	}
	decided(j)
	j.hear(says(t, again))
	if j.alerts.acked(); len(h.all) != 3 || !j.alerts.isOpen(&h.all[2]) {
		t.Errorf("beside an open one: told %s, open %+v", h.story(), j.alerts.open)
	}

	silent, said := idleJudge(t, blip)
	silent.telling = false
	for _, d := range told {
		silent.hear(says(t, d))
	}
	if decided(silent); silent.unsaid.n != 0 {
		t.Errorf("%d are unsaid, which nobody is to be told", silent.unsaid.n)
	}
	silent.takeOver()
	if silent.alerts.acked(); len(said.all) != 0 {
		t.Errorf("the next teller told %s", said.story())
	}
}

// What was over long ago is not told any more; what goes on still is.
func TestUnsaidIsForgotten(t *testing.T) {
	var u unsaid
	over, open := series{key: "over"}, series{key: "open"}
	u.add(over, &rule.Decision{State: rule.Firing, At: 1})
	u.add(over, &rule.Decision{State: rule.Resolved, At: 5})
	u.add(open, &rule.Decision{State: rule.Firing, At: 1})
	u.forget(5)
	if u.n != 3 {
		t.Fatalf("%d are kept at the time of the last, want all", u.n)
	}
	u.forget(6)
	if left := u.take(); len(left) != 1 || left[0].State != rule.Firing {
		t.Errorf("left %+v", left)
	}
}

// An instance that slept while another one told overwrites none of its states.
func TestStateOfAnotherIsKept(t *testing.T) {
	dir := t.TempDir()
	var awake, asleep saver
	state := func(text string) *judgeState { return &judgeState{head: []byte(text), rules: &rule.Export{}} }
	if err := awake.write(dir, 1, state("of the one that tells")); err != nil {
		t.Fatal(err)
	}
	if err := asleep.write(dir, 1, state("of before")); err == nil {
		t.Error("the state was overwritten")
	}
	data, err := os.ReadFile(asleep.path(dir, 1))
	if err != nil || !strings.HasPrefix(string(data), "of the one that tells") {
		t.Errorf("%q, %v", data, err)
	}
	if asleep.goOn(dir); asleep.number != 1 {
		t.Errorf("goes on behind %d", asleep.number)
	}
}

// What hxp-alerts says to be over stays over, also when an engine whose state is older comes to the same episode once more and later, and whoever
// tells. Another episode of the same series is told.
func TestAnEndedEpisodeStaysOver(t *testing.T) {
	first := rule.Decision{ID: "first", Rule: "blip", Version: "v", State: rule.Firing, Key: map[string]string{"model": "m"}, StartsAt: 5e6, At: 10e6}
	again, second := first, first
	again.At = 30e6
	second.ID, second.StartsAt, second.At = "second", 35e6, 40e6
	for _, telling := range []bool{true, false} {
		j, told := idleJudge(t, blip)
		j.telling = telling
		end := first.Ended(20e6)
		j.alerts.record(&first)
		j.alerts.record(&end)
		j.decide([]rule.Decision{again, again.Ended(33e6)})
		if len(told.all) != 0 || j.unsaid.n != 0 {
			t.Errorf("telling %t: the episode is told again: %s, %d unsaid", telling, told.story(), j.unsaid.n)
		}
		if j.decide([]rule.Decision{second}); len(told.all)+j.unsaid.n != 1 {
			t.Errorf("telling %t: the next episode: %s, %d unsaid", telling, told.story(), j.unsaid.n)
		}
	}
}
