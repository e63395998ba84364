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

const noon = `,"time_intervals":[{"name":"noon","time_intervals":[{"times":[{"start_time":"12:05","end_time":"13:00"}]}]}]`

// What waits for a receiver that is away is looked at again before it is tried: what is over or hidden by then is not told, quiet hours
// that began are kept, nobody is woken for what somebody looks at, and of several alerts those are told that are left. This holds for what
// did not arrive for certain, and for what may have arrived.
func TestLateMessagesAreLookedAtAgain(t *testing.T) {
	routed := func(more string) string {
		return `{"receiver":"none","routes":[{"matchers":["alertname=~A|B"],"receiver":"ops","group_by":["..."],"group_wait":"0s","group_interval":"2h","repeat_interval":"12h"` + more + `}]}`
	}
	together := strings.Replace(routed(""), `"..."`, "", 1)
	for name, c := range map[string]struct {
		config string
		then   func(w *world)
		want   string // that is told, from the eighth minute on
	}{
		"over":              {routed(""), func(w *world) { w.resolve("A i=1") }, "-A1"},
		"silenced for long": {routed(""), func(w *world) { w.silence("s", 9*time.Hour, "alertname=A") }, ""},
		"silenced, then over": {routed(""), func(w *world) {
			w.silence("s", 30*minute, "alertname=A")
			w.until(20 * minute)
			w.resolve("A i=1") // as everywhere, what ends in silence is not told
		}, ""},
		"silenced for a while":    {routed(""), func(w *world) { w.silence("s", 30*minute, "alertname=A") }, "A1"},
		"quiet hours":             {routed(`,"mute_time_intervals":["noon"]`), func(*world) {}, "1h0m: A1"},
		"quiet hours, then over":  {routed(`,"mute_time_intervals":["noon"]`), func(w *world) { w.until(30 * minute); w.resolve("A i=1") }, "1h0m: -A1"},
		"of several, some over":   {together, func(w *world) { w.resolve("A i=1") }, "A2"},
		"of several, some silent": {together, func(w *world) { w.silence("s", 9*time.Hour, "i=1") }, "A2"},
		"still fires":             {routed(""), func(*world) {}, "A1"},
	} {
		for _, uncertain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, uncertain %v", name, uncertain), func(t *testing.T) {
				w := newWorld(t, receivers(c.config, noon))
				for range 20 { // while it is away
					w.refuse["ops/console/0"] = append(w.refuse["ops/console/0"], &deliver.Failure{Err: errors.New("503"), Uncertain: uncertain})
				}
				w.fire("A i=1")
				if c.config == together {
					w.fire("A i=2")
				}
				w.until(3 * minute)
				w.told = nil
				c.then(w)
				w.until(max(w.now.Sub(begin), 8*minute))
				w.refuse = nil
				w.until(2*time.Hour - sec)
				arrived := slices.DeleteFunc(w.told, func(line string) bool { return strings.HasSuffix(line, "refused") })
				for i, line := range arrived {
					at, what, _ := strings.Cut(line, " ops: ")
					if arrived[i] = what; strings.HasPrefix(c.want, "1h") {
						d, err := time.ParseDuration(at)
						if err != nil {
							t.Fatal(err)
						}
						arrived[i] = strings.TrimSuffix(d.Truncate(minute).String(), "0s") + ": " + what
					}
				}
				want := c.want
				if !uncertain {
					want = certain(name, want)
				}
				if got := strings.Join(arrived, "; "); got != want {
					t.Errorf("told %q, want %q", got, want)
				}
			})
		}
	}
}

// certain is what is told where nothing arrived for certain: nothing of an end, as nobody knows of a beginning.
func certain(name, want string) string {
	switch name {
	case "over", "quiet hours, then over":
		return ""
	case "of several, some over":
		return "-A1 A2" // a new message
	}
	return want
}

// An escalation that waits is dropped when somebody looks at the alert, and goes on for the alerts at which nobody does.
func TestLateEscalations(t *testing.T) {
	for acked, want := range map[string]string{"A i=1": "A2", "": "A1 A2"} {
		w := newWorld(t, receivers(`{"receiver":"ops","group_by":["alertname"],"group_wait":"0s","group_interval":"4h","repeat_interval":"12h","escalate":[{"after":"5m","receiver":"boss"}]}`))
		for range 20 {
			w.refuse["boss/console/0"] = append(w.refuse["boss/console/0"], &deliver.Failure{Err: errors.New("503"), Uncertain: true})
		}
		w.fire("A i=1", "A i=2", "B")
		w.until(6 * minute)
		w.ack("B")
		if acked != "" {
			w.ack(acked)
		}
		w.until(10 * minute)
		w.refuse, w.told = nil, nil
		w.until(time.Hour)
		if len(w.told) != 1 || !strings.HasSuffix(w.told[0], " boss: "+want) {
			t.Errorf("told %q, want %s", w.told, want)
		}
	}
}

// What is being tried is left alone, and what is held back is named and worries nobody.
func TestWhatIsHeldBack(t *testing.T) {
	w := newWorld(t, receivers(`{"receiver":"none","routes":[{"matchers":["alertname=A"],"receiver":"ops","group_wait":"0s","mute_time_intervals":["noon"]}]}`, noon))
	w.refuse["ops/console/0"] = []error{&deliver.Failure{Err: errors.New("503"), After: 10 * minute}}
	w.fire("A")
	w.until(5 * minute)
	if n, since := w.e.Pending(); n != 1 || !since.Equal(begin) {
		t.Errorf("%d wait since %s", n, since)
	}
	w.until(20 * minute)
	for _, m := range w.e.Messages(begin) {
		if w.e.HeldBack(m.ID) != HeldQuiet {
			t.Errorf("%s waits for %q", m.ID, w.e.HeldBack(m.ID))
		}
	}
	if n, since := w.e.Pending(); n != 1 || !since.IsZero() {
		t.Errorf("%d wait since %s", n, since)
	}
	w.now = begin.Add(time.Hour)
	if d := w.e.Decide(w.now, ""); len(d.Docs) > 0 {
		t.Errorf("%+v", d.Docs)
	}
	flying := w.e.Ready(w.now, func(*Message) bool { return true })
	w.resolve("A")
	w.now = w.now.Add(minute)
	if d := w.e.Decide(w.now, ""); len(flying) != 1 || len(d.Docs) > 0 {
		t.Errorf("%d fly, and %d documents are made of them", len(flying), len(d.Docs))
	}
	w.store(w.e.Ended(flying[0], nil, w.now)...)
	if m := w.e.Messages(begin)[0]; m.State != Sent {
		t.Errorf("it is %s", m.State)
	}
}

// once is what is told once.
func once(w *world, id, text string) Alert {
	a := taker{w}.fires(id, text, 0)
	a.Once, a.EndsAt = true, w.now.Add(OnceFor)
	return a
}

// A report that is ready is told once: in time, after quiet hours, over a restart, and when its receiver refuses it at first; nobody hears of an
// end, it is forgotten, and said again it is not told again for weeks.
func TestOnce(t *testing.T) {
	config := receivers(`{"receiver":"none","routes":[{"matchers":["kind=report"],"receiver":"ops","group_by":["alertname"],"group_wait":"10s","group_interval":"5m","repeat_interval":"10m","escalate":[{"after":"1m","receiver":"boss"}],"mute_time_intervals":["noon"]}]}`, noon)
	for name, c := range map[string]struct {
		at    time.Duration
		first func(w *world)
		want  []string
	}{
		"in time":        {0, func(*world) {}, []string{"10s ops: R1 R2"}},
		"with an alert":  {0, func(w *world) { w.fire("R i=9 kind=report"); w.until(sec) }, []string{"10s ops: R1 R2 R9", "1m0s boss: R9"}},
		"in quiet hours": {30 * minute, func(*world) {}, []string{"1h0m0s ops: R1 R2"}},
		"refused for good": {0, func(w *world) {
			w.refuse["ops/console/0"] = []error{&deliver.Failure{Err: errors.New("404"), Final: true}}
		}, []string{"10s ops: refused", "1h0m10s ops: R1 R2"}},
		"silenced": {0, func(w *world) { w.silence("s", minute, "kind=report") }, nil},
		"with a lazy relay": {0, func(w *world) {
			w.refuse["ops/console/0"] = []error{&deliver.Failure{Err: errors.New("503"), After: 3 * minute}}
		}, []string{"10s ops: refused", "3m10s ops: R1 R2"}},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarts %v", name, restarts), func(t *testing.T) {
				w := newWorld(t, config)
				w.until(c.at)
				c.first(w)
				w.until(max(c.at, w.now.Sub(begin)))
				for range 3 { // said thrice
					taker{w}.take(once(w, "e1", "R i=1 kind=report"), once(w, "e2", "R i=2 kind=report"))
				}
				for next := w.now.Sub(begin); next < 4*time.Hour; next += 7 * minute {
					w.until(next)
					if restarts {
						w.restart()
					}
				}
				var got []string
				for _, line := range w.told {
					at, what, _ := strings.Cut(line, " ")
					d, err := time.ParseDuration(at)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, d.Truncate(10*sec).String()+" "+what)
				}
				got = got[:min(len(got), len(c.want))] // what fires is repeated later
				if !restarts && strings.Join(got, "\n") != strings.Join(c.want, "\n") {
					t.Errorf("told %q, want %q", got, c.want)
				}
				told := strings.Count(strings.Join(w.told, "\n"), "R1")
				if want := min(len(c.want), 1); told != want {
					t.Errorf("told %d times: %q", told, w.told)
				}
				taker{w}.take(once(w, "e1", "R i=1 kind=report"))
				if w.e.Alert(labelsOf("R i=1 kind=report").Fingerprint()) != nil || w.e.Alert(labelsOf("R i=2 kind=report").Fingerprint()) != nil {
					t.Error("it is not forgotten")
				}
				for _, d := range w.e.Sweep(w.now.Add(30 * 24 * time.Hour)) {
					if d.Kind == KindOver {
						t.Error("a month later it would be told again")
					}
				}
			})
		}
	}
}

// What is told once stays in its group as long as somebody has not got it yet, or an escalation is on its way. Who was told of it is not told
// again with what else happens there.
func TestOnceWhileOthersWait(t *testing.T) {
	config := `{"route":{"receiver":"none","routes":[{"matchers":["kind=report"],"receiver":"two","group_by":["alertname"],"group_wait":"10s","group_interval":"5m","repeat_interval":"12h","escalate":[{"after":"1m","receiver":"boss"}]}]},
		"receivers":[{"name":"two","console_configs":[{},{}]},{"name":"boss","console_configs":[{}]},{"name":"none"}]}`
	for away, reached := range map[string]int{"two/console/1": 1, "boss/console/0": 2} { // ways of two
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s is away, restarts %v", away, restarts), func(t *testing.T) {
				w := newWorld(t, config)
				pass := func(d time.Duration) {
					for end := w.now.Add(d); w.now.Before(end); {
						w.until(w.now.Sub(begin) + 7*minute)
						if restarts {
							w.restart()
						}
					}
				}
				told := func(want int, names ...string) {
					t.Helper()
					for _, name := range names {
						got := 0
						for _, line := range w.told {
							if _, what, _ := strings.Cut(line, " two: "); slices.Contains(strings.Fields(what), name) {
								got++
							}
						}
						if got != want {
							t.Errorf("%s is told %d times, want %d: %q", name, got, want, w.told)
						}
					}
				}
				for range 500 {
					w.refuse[away] = append(w.refuse[away], &deliver.Failure{Err: errors.New("450 greylisted")})
				}
				w.fire("R i=9 kind=report") // which escalates
				taker{w}.take(once(w, "e1", "R i=1 kind=report"))
				pass(20 * minute)
				if away == "boss/console/0" { // all have it; it only stays
					w.silence("s", 10*minute, "i=1")
				}
				w.refuse["two/console/0"] = []error{&deliver.Failure{Err: errors.New("404"), Final: true}} // for a moment, so that all is made anew
				taker{w}.take(once(w, "e2", "R i=2 kind=report"))
				pass(20 * minute)
				w.fire("R i=3 kind=report")
				pass(20 * minute)
				w.resolve("R i=3 kind=report")
				pass(3 * time.Hour)
				told(reached, "R1", "R2", "R3", "-R3")
				w.refuse = nil
				w.resolve("R i=9 kind=report")
				pass(3 * time.Hour)
				told(2, "R1", "R2", "-R9")
				for _, text := range []string{"R i=1 kind=report", "R i=2 kind=report"} {
					if w.e.Alert(labelsOf(text).Fingerprint()) != nil {
						t.Errorf("%s is not forgotten", text)
					}
				}
			})
		}
	}
}
