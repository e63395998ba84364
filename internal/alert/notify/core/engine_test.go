package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

const (
	sec    = time.Second
	minute = time.Minute
)

const usual = `{"receiver":"ops","group_by":["alertname"],"group_wait":"10s","group_interval":"1m","repeat_interval":"1h"}`

func TestAlertsAreGathered(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A i=1", "A i=2", "B i=1")
	w.until(5 * sec)
	w.fire("A i=3")
	w.until(9 * sec)
	w.said()
	w.until(11 * sec)
	w.said("10s ops: A1 A2 A3", "10s ops: B1")
	w.fire("A i=4") // of a group that was told of: after group_interval, with the whole group
	w.until(69 * sec)
	w.said()
	w.until(2 * minute)
	w.said("1m10s ops: A1 A2 A3 A4")
}

func TestEndsAreTold(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A i=1", "A i=2")
	w.until(20 * sec)
	w.resolve("A i=1")
	w.until(90 * sec)
	w.resolve("A i=2")
	w.until(10 * minute)
	w.said("10s ops: A1 A2", "1m10s ops: -A1 A2", "2m10s ops: -A2")
	if len(w.kept) != 4 { // three messages, and what was said last
		t.Errorf("kept: %v", sortedKeys(w.kept))
	}
	w.fire("A i=2") // another episode waits anew
	w.until(10*minute + 20*sec)
	w.said("10m10s ops: A2")
}

func TestAnEndBeforeItWasToldIsNotTold(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A i=1")
	w.until(5 * sec)
	w.resolve("A i=1")
	w.until(5 * minute)
	w.said()
	if len(w.kept) != 0 {
		t.Errorf("kept: %v", sortedKeys(w.kept))
	}
}

func TestWhoWantsNoEnds(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"mute","group_by":["alertname"],"group_wait":"10s","group_interval":"1m"}`))
	w.fire("A i=1", "A i=2")
	w.until(20 * sec)
	w.resolve("A i=1", "A i=2")
	w.until(10 * minute)
	w.said("10s mute: A1 A2")
	w.fire("A i=1")
	w.until(20 * minute)
	w.said("10m10s mute: A1")
}

func TestRepeats(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"ops","group_wait":"0s","group_interval":"2s","repeat_interval":"5s"}`))
	w.fire("A")
	w.until(15 * sec)
	w.said("0s ops: A", "6s ops: A", "12s ops: A")
}

func TestOldAlertsDoNotWait(t *testing.T) {
	w := newWorld(t, receivers(usual))
	a := Alert{Labels: labelsOf("A"), StartsAt: begin.Add(-minute), Since: begin, UpdatedAt: begin}
	w.store(Put(KindAlert, string(a.Labels.Fingerprint()), a))
	w.until(sec)
	w.said("0s ops: A")
}

func TestRoutesThatGoOn(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"none","group_wait":"1s","group_by":["..."],"routes":[{"matchers":["team=a"],"receiver":"ops","continue":true},{"matchers":["team=~a|b"],"receiver":"boss"}]}`))
	w.fire("A team=a", "B team=b", "C team=c")
	w.until(minute)
	w.said("1s ops: A", "1s boss: A", "1s boss: B")
}

func TestSilences(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.silence("s", 3*minute, `alertname=A,i!~"[2-9]"`)
	w.fire("A i=1", "A i=2")
	w.until(4 * minute)
	w.said("10s ops: A2", "3m10s ops: A1 A2")
	seen := w.e.Alerts(begin.Add(minute))
	if len(seen) != 2 || !seen[0].Suppressed() || seen[0].SilencedBy[0] != "s" || seen[1].Suppressed() {
		t.Errorf("%+v", seen)
	}
}

func TestInhibition(t *testing.T) {
	w := newWorld(t, receivers(usual, `,"inhibit_rules":[{"source_matchers":["severity=critical"],"target_matchers":["severity=~warning|critical"],"equal":["model"]}]`))
	w.fire("Down severity=critical model=m1", "Slow severity=warning model=m1", "Slow severity=warning model=m2", "Bad severity=critical model=m1")
	w.until(minute)
	w.said("10s ops: Bad", "10s ops: Down", "10s ops: Slow")
	w.resolve("Down severity=critical model=m1", "Bad severity=critical model=m1")
	w.until(3 * minute)
	w.said("1m10s ops: -Bad", "1m10s ops: -Down", "1m10s ops: Slow Slow")
}

func TestQuietHours(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"none","routes":[{"matchers":["team=a"],"receiver":"ops","group_wait":"1s","group_interval":"10m","mute_time_intervals":["lunch"]},{"matchers":["team=b"],"receiver":"boss","group_wait":"1s","group_interval":"10m","active_time_intervals":["lunch"]}]}`,
		`,"time_intervals":[{"name":"lunch","time_intervals":[{"times":[{"start_time":"12:00","end_time":"13:00"}]}]}]`))
	w.fire("A team=a", "B team=b")
	seen := w.e.Alerts(w.now)
	if len(seen) != 2 || !seen[0].Suppressed() || strings.Join(seen[0].MutedBy, ",") != "lunch" || seen[1].Suppressed() {
		t.Errorf("%+v", seen)
	}
	if later := w.e.Alerts(w.now.Add(2 * time.Hour)); later[0].Suppressed() || strings.Join(later[1].MutedBy, ",") != "lunch" {
		t.Errorf("%+v", later)
	}
	w.until(2 * time.Hour)
	w.said("1s boss: B", "1h0m1s ops: A")
}

func TestEscalation(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"ops","group_by":["alertname"],"group_wait":"10s","group_interval":"10m","repeat_interval":"4h","escalate":[{"after":"15m","receiver":"boss"}]}`))
	w.fire("A i=1", "A i=2", "B")
	w.until(minute)
	w.ack("A i=1")
	w.ack("B")
	w.until(30 * minute)
	w.said("10s ops: A1 A2", "10s ops: B", "15m0s boss: A2")
	w.ack("A i=2") // it is not over because somebody looks at it
	w.until(40 * minute)
	w.said()
	w.resolve("A i=1", "A i=2")
	w.until(time.Hour)
	w.said("40m10s ops: -A1 -A2", "40m10s boss: -A2")
	w.fire("B", "A i=2") // an acknowledgement is of one episode
	w.until(90 * minute)
	w.said("1h0m10s ops: A2", "1h15m0s boss: A2")
}

func TestTriesAgain(t *testing.T) {
	w := newWorld(t, receivers(usual))
	later, asked := &deliver.Failure{Err: errors.New("later")}, &deliver.Failure{Err: errors.New("asked"), After: 3 * minute}
	w.refuse["ops/console/0"] = []error{later, later, asked}
	w.fire("A i=1")
	w.until(20 * sec)
	w.fire("A i=2") // waits for what is on its way
	w.until(15 * minute)
	if len(w.told) != 5 || w.told[0] != "10s ops: refused" {
		t.Fatalf("%q", w.told)
	}
	m := w.e.Messages(begin)
	first := m[len(m)-1]
	if first.Attempts != 4 || first.State != Sent || first.EndedAt.Sub(begin) < 3*minute {
		t.Errorf("%+v", first)
	}
	if last := w.told[4]; last[len(last)-len("ops: A1 A2"):] != "ops: A1 A2" {
		t.Errorf("%q", w.told)
	}
}

// What becomes of a try counts only while the message is as it was when the try began.
func TestTriesOfAFormerOwner(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A")
	w.now = begin.Add(10 * sec)
	d := w.e.Decide(w.now, "")
	w.store(d.Docs...)
	d.Stored()
	m := w.e.Messages(begin)[0]
	docs := w.e.Ended(m, nil, w.now)
	if len(docs) != 1 {
		t.Fatalf("%v", docs)
	}
	w.store(docs...)
	if again := w.e.Ended(m, errors.New("the line was cut"), w.now); again != nil {
		t.Errorf("a message that was sent is to be sent again: %s", again[0].Body)
	}
}

// A message that arrived is not sent again because another owner failed with it meanwhile; a failure of before then changes nothing.
func TestATryOfAFormerOwnerThatArrived(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A")
	w.now = begin.Add(10 * sec)
	d := w.e.Decide(w.now, "")
	w.store(d.Docs...)
	d.Stored()
	first := w.e.Messages(begin)[0]
	w.store(w.e.Ended(first, errors.New("away"), w.now)...)
	if stale := w.e.Ended(first, errors.New("the line was cut"), w.now); stale != nil {
		t.Errorf("a stale failure counts: %s", stale[0].Body)
	}
	w.store(w.e.Ended(first, nil, w.now)...)
	if m := w.e.Messages(begin)[0]; m.State != Sent || m.Attempts != 2 || m.Error != "" {
		t.Errorf("%+v", m)
	}
}

func TestWhatWasRefusedWasNotSaid(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.refuse["ops/console/0"] = []error{&deliver.Failure{Err: errors.New("no"), Final: true}}
	w.fire("A")
	w.until(3 * minute)
	w.said("10s ops: refused", "1m10s ops: A")
}

func TestGone(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.refuse["ops/console/0"] = []error{&deliver.Failure{Err: errors.New("410"), Final: true, Gone: true}}
	w.fire("A", "B")
	w.until(30 * minute)
	w.said("10s ops: refused")
	if off := w.e.OffWays(); len(off) != 1 {
		t.Errorf("%v", off)
	}
	w.store(Remove(KindOff, "ops/console/0"))
	w.until(35 * minute)
	w.said("30m10s ops: A", "30m10s ops: B")
}

func TestLimits(t *testing.T) {
	w := newWorld(t, `{"route":{"receiver":"ops","group_by":["..."],"group_wait":"0s","group_interval":"5m"},"receivers":[{"name":"ops","console_configs":[{}],"limits":{"per_minute":2,"per_day":5}}]}`)
	for i := range 9 {
		w.fire(fmt.Sprintf("A i=%d", i))
	}
	w.until(30 * sec)
	if len(w.told) != 2 {
		t.Fatalf("%q", w.told)
	}
	w.restart()
	w.until(10 * minute)
	if len(w.told) != 5 {
		t.Fatalf("%q", w.told)
	}
	w.until(25 * time.Hour)
	if len(w.told) < 9 {
		t.Fatalf("what had no room is lost: %q", w.told)
	}
}

// Tries that a receiver refused for a while leave its day to what arrives; those that may have arrived do not.
func TestFailuresAndTheLimitOfADay(t *testing.T) {
	for _, c := range []struct {
		uncertain bool
		arrive    int
	}{{false, 5}, {true, 2}} {
		w := newWorld(t, `{"route":{"receiver":"ops","group_by":["..."],"group_wait":"0s","group_interval":"5m"},"receivers":[{"name":"ops","console_configs":[{}],"limits":{"per_minute":20,"per_day":5}}]}`)
		for range 3 {
			w.refuse["ops/console/0"] = append(w.refuse["ops/console/0"], &deliver.Failure{Err: errors.New("503"), Uncertain: c.uncertain})
		}
		for i := range 9 {
			w.fire(fmt.Sprintf("A i=%d", i))
		}
		w.until(time.Hour)
		arrived := slices.DeleteFunc(w.told, func(line string) bool { return strings.HasSuffix(line, "refused") })
		if len(arrived) != c.arrive {
			t.Errorf("uncertain %v: %q", c.uncertain, arrived)
		}
	}
}

// What fires no more, or is silenced, before a message of it arrived is not told as if it did; what was told before is told the end of.
func TestOvertakenMessages(t *testing.T) {
	for name, c := range map[string]struct {
		before bool
		then   func(w *world)
		want   string
	}{
		"over":                {false, func(w *world) { w.resolve("A x=1") }, ""},
		"silenced":            {false, func(w *world) { w.silence("s", time.Hour, `alertname="A"`) }, ""},
		"over, known before":  {true, func(w *world) { w.resolve("A x=1", "A x=2") }, "-A -A"},
		"over, perhaps known": {false, func(w *world) { w.restart(); w.resolve("A x=1") }, "-A"},
		"still fires":         {false, func(*world) {}, "A"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, receivers(usual))
			if c.before {
				w.fire("A x=2")
				w.until(20 * sec)
				w.told = nil
			}
			for range 9 {
				w.refuse["ops/console/0"] = append(w.refuse["ops/console/0"], &deliver.Failure{Err: errors.New("503")})
			}
			w.fire("A x=1")
			w.until(2 * minute)
			c.then(w)
			w.until(50 * minute)
			arrived := slices.DeleteFunc(w.told, func(line string) bool { return strings.HasSuffix(line, "refused") })
			for i, line := range arrived {
				_, arrived[i], _ = strings.Cut(line, "ops: ")
			}
			if got := strings.Join(arrived, "; "); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever is forgotten at a restart, everybody knows the same in the end, and nothing is told twice.
func TestRestartsChangeNothing(t *testing.T) {
	script := func(w *world, restart func()) {
		for i := range 40 {
			switch i % 8 {
			case 0:
				w.fire(fmt.Sprintf("A i=%d", i%3), "B")
			case 2:
				w.silence("s", 30*sec, "alertname=B")
			case 3:
				w.fire(fmt.Sprintf("A i=%d", i%5))
			case 5:
				w.resolve(fmt.Sprintf("A i=%d", i%3))
			}
			w.until(time.Duration(i+1) * 17 * sec)
			restart()
		}
		w.until(time.Hour)
	}
	a, b := newWorld(t, receivers(usual)), newWorld(t, receivers(usual))
	script(a, func() {})
	script(b, b.restart)
	knows := func(w *world) string {
		firing := map[string]any{}
		for _, s := range w.e.said {
			firing[s.Key] = s.Firing
		}
		return shownJSON(w.e.Alerts(w.now)) + shownJSON(firing)
	}
	if len(a.told) < 10 || knows(a) != knows(b) {
		t.Fatalf("%d messages; known in the end:\n%s\nwith restarts\n%s", len(a.told), knows(a), knows(b))
	}
	for _, m := range b.e.Messages(begin) {
		if m.State != Sent || m.Attempts != 1 {
			t.Errorf("%+v", m)
		}
	}
	for i := 1; i < len(b.told); i++ {
		if _, before, _ := strings.Cut(b.told[i-1], " "); strings.HasSuffix(b.told[i], before) {
			t.Errorf("told twice: %q, %q", b.told[i-1], b.told[i])
		}
	}
}

// A decision that could not be stored is made again, and once.
func TestDecisionsThatAreNotStored(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A")
	w.now = begin.Add(10 * sec)
	for range 3 {
		d := w.e.Decide(w.now, "")
		if len(d.Docs) != 2 {
			t.Fatalf("%d documents", len(d.Docs))
		}
		d.Failed()
	}
	w.until(20 * sec)
	w.said("10s ops: A")
}

func TestAnotherConfiguration(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.fire("A")
	w.until(20 * sec)
	w.store(Doc{Kind: KindConfig, ID: "current", Body: []byte(receivers(`{"receiver":"boss","group_by":["alertname"],"group_wait":"10s"}`))})
	w.until(minute)
	w.said("10s ops: A", "20s boss: A")
	if err := w.e.Apply(Doc{Kind: KindConfig, Body: []byte("{")}); err == nil {
		t.Error("what is no configuration is taken")
	}
}

func TestSweep(t *testing.T) {
	w := newWorld(t, receivers(usual))
	w.silence("s", minute, "a=b")
	w.fire("A")
	w.until(20 * sec)
	w.resolve("A")
	w.until(10 * minute)
	if docs := w.e.Sweep(w.now); docs != nil {
		t.Errorf("too early: %v", docs)
	}
	w.until(10 * 24 * time.Hour)
	w.store(w.e.Sweep(w.now)...)
	if len(w.kept) != 0 {
		t.Errorf("kept: %v", sortedKeys(w.kept))
	}
}
