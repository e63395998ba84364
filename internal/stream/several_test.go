package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// shared waits until some instances fold all of so many numbers, each number once, and equally many within one.
func shared(t *testing.T, numbers int, all ...*running) {
	t.Helper()
	var have [][]int32
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		have = have[:0]
		seen, sum, right := map[int32]bool{}, 0, true
		for _, s := range all {
			own := s.duties.holding()
			have = append(have, own)
			sum += len(own)
			right = right && !s.duties.alone() && len(own) >= numbers/len(all)
			for _, n := range own {
				seen[n] = true
			}
		}
		if right && sum == numbers && len(seen) == numbers {
			return
		}
	}
	t.Fatalf("%d numbers are shared out as %v", numbers, have)
}

func (r *running) complete() bool { return r.completeness() == 1 }

// Instances share the numbers, every one of them knows everything and says so, and whoever is left takes over.
func TestInstancesShareTheWork(t *testing.T) {
	b, addr := bustest.Start(t)
	dir, base, sent := t.TempDir(), time.Now().Add(-3*time.Hour).Unix(), 0
	send := func(n int) {
		produce(t, b, llm(sent, n, base))
		produce(t, b, llm(sent, n/2, base)) // again: known ids
		sent += n
	}
	knows := func(all ...*running) {
		t.Helper()
		for _, s := range all {
			await(t, "counted", uint64(sent), s.total)
			eventually(t, "complete", s.complete)
		}
	}
	one := startService(t, b, dir)
	shared(t, 3, one)
	send(1000)
	knows(one)
	moved(t, one, 3, 0)
	two := startService(t, bustest.Connect(t, addr), dir)
	shared(t, 3, one, two)
	moved(t, one, 2, 1)
	moved(t, two, 1, 1)
	send(1000)
	knows(one, two)
	three := startService(t, bustest.Connect(t, addr), dir)
	shared(t, 3, one, two, three)
	send(1000)
	knows(one, two, three)
	one.end(t)
	shared(t, 3, two, three)
	send(1000)
	knows(two, three)
	two.end(t)
	shared(t, 3, three)
	send(1000)
	again := startService(t, bustest.Connect(t, addr), dir)
	shared(t, 3, again, three)
	send(500)
	knows(again, three)
	again.end(t)
	three.end(t)
	if n := len(tallies(again)); n == 0 {
		t.Error("nothing was tallied")
	}
	for src, duplicates := range tallies(again) {
		if duplicates == 0 {
			t.Errorf("no duplicate was recognised in %v", src)
		}
	}
}

// moved waits until an instance says that it folds so many partitions of requests, and that so many of them have moved.
func moved(t *testing.T, s *running, here, times int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d partitions are folded here, %d have moved", here, times), func() bool {
		w, have, n := httptest.NewRecorder(), 0, 0
		s.getPerformance(w, httptest.NewRequest("GET", "/analytics/performance", nil))
		var a performanceAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		for _, p := range a.Partitions {
			if p.Topic != event.LLMRequest.Topic() {
				continue
			}
			if n += p.Moves; (p.Moves > 0) != (p.MovedAt != nil && time.Since(*p.MovedAt) < time.Hour) {
				t.Errorf("%+v", p)
			}
			if p.Here {
				have++
			}
		}
		return have == here && n == times
	})
}

// tallies are the duplicates of the partitions that had events.
func tallies(s *running) map[source]int64 {
	out := map[source]int64{}
	for src, p := range s.partitions() {
		if p.Tally.Events > 0 {
			out[src] = p.Tally.Duplicates
		}
	}
	return out
}

// An instance that shares no snapshots with the others knows everything, or says what it does not know. It counts on with them.
func TestInstanceWithoutTheSnapshotsOfOthers(t *testing.T) {
	b, addr := bustest.Start(t)
	dir, base, sent := t.TempDir(), time.Now().Add(-3*time.Hour).Unix(), 0
	send := func(n int) {
		produce(t, b, llm(sent, n, base))
		sent += n
	}
	honest := func(s *running) {
		t.Helper()
		eventually(t, "everything is counted, or said to be missing", func() bool {
			have, missing := int64(0), int64(0)
			for _, p := range s.partitions() {
				have, missing = have+p.Tally.Records, missing+p.Lost+p.Unseen
			}
			return have+missing == int64(sent) && s.total() == uint64(have) && (missing == 0) == s.complete() && (missing == 0) == (len(s.Problems()) == 0)
		})
	}
	one, apart := startService(t, b, dir), t.TempDir()
	send(1000)
	await(t, "counted", uint64(sent), one.total)
	journalStart := func() int64 { // where the journal begins, over all partitions
		logs, err := b.Offsets(t.Context(), event.TopicPanes)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, log := range logs[event.TopicPanes] {
			sum += log.Start
		}
		return sum
	}
	for range 2 {
		before := journalStart()
		two := startService(t, bustest.Connect(t, addr), apart)
		shared(t, 3, one, two)
		send(1000)
		honest(one)
		honest(two)
		two.end(t)
		shared(t, 3, one)
		for journalStart() == before { // until the journal is shortened behind what the other one knows
			send(100)
			await(t, "counted", uint64(sent), one.total)
		}
	}
	two := startService(t, bustest.Connect(t, addr), apart)
	shared(t, 3, one, two)
	send(1000)
	honest(one)
	honest(two)
	two.end(t)
	one.end(t)
}

// Members come and go all the time under load: every event counts once.
func TestRebalanceStorm(t *testing.T) {
	b, addr := bustest.Start(t)
	rnd := rand.New(rand.NewPCG(6, 2))
	dir, base, sent := t.TempDir(), time.Now().Add(-3*time.Hour).Unix(), 0
	all := []*running{startService(t, b, dir)}
	rounds := 12
	if testing.Short() {
		rounds = 6
	}
	for range rounds {
		n := 100 + rnd.IntN(400)
		produce(t, b, llm(sent, n, base))
		produce(t, b, llm(sent, n/4, base))
		sent += n
		switch at := rnd.IntN(len(all)); {
		case len(all) < 3 && (len(all) == 1 || rnd.IntN(2) == 0):
			all = append(all, startService(t, bustest.Connect(t, addr), dir))
		default:
			all[at].end(t)
			all = append(all[:at], all[at+1:]...)
		}
	}
	for i, s := range all {
		await(t, "counted", uint64(sent), s.total)
		eventually(t, "complete", s.complete)
		if i > 0 {
			continue
		}
		duplicates := int64(0)
		for _, n := range tallies(s) {
			duplicates += n
		}
		t.Logf("%d events, %d duplicates recognised", sent, duplicates)
	}
	for _, s := range all {
		s.end(t)
	}
}

// end of an instance whose connections break first: nothing that is under way gets out.
func (r *running) breakOff(t *testing.T, b *bus.Bus) {
	b.Close()
	if err := r.stop(); err != nil && !errors.Is(err, bus.ErrClosed) {
		t.Fatal(err)
	}
}

// The teller leaves, and breaks off, again and again: every event that a rule names is told of, each in one episode and to its end, and
// the one that stays open goes on under its id. A teller that was thought dead, as on a slow machine, may say again what was said: with
// the same id.
func TestInstancesTellOnce(t *testing.T) {
	home, addr := bustest.Start(t)
	dir, rules := t.TempDir(), newRules(t, outage+single+blip)
	type instance struct {
		*running
		bus *bus.Bus
	}
	begin := func() instance {
		b := bustest.Connect(t, addr)
		return instance{judging(t, b, dir, rules), b}
	}
	told := func(name string, state rule.State, n int) (all []rule.Decision) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d episodes of %s are %s", n, name, state), func() bool {
			all = decisions(t, home)
			return episodes(all, name, state) >= n
		})
		return all
	}
	produce(t, home, failures(0, 6, "a"))
	all, sent := []instance{begin()}, 6
	told("single", rule.Firing, sent)
	rounds := 4
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		all = append(all, begin())
		shared(t, 3, all[0].running, all[1].running)
		produce(t, home, failures(sent, 5, fmt.Sprint("m", round)))
		sent += 5
		teller := -1
		eventually(t, "one of them tells", func() bool {
			teller = slices.IndexFunc(all, func(s instance) bool { return s.duties.holds(tellerNumber) })
			return teller >= 0
		})
		if gone := all[teller]; round%2 == 0 {
			gone.end(t)
		} else {
			gone.breakOff(t, gone.bus)
		}
		all = slices.Delete(all, teller, teller+1)
		told("single", rule.Firing, sent)
		told("blip", rule.Resolved, 2+round)
		told("outage", rule.Firing, 2+round)
	}
	rules.set(t, single)
	ended := told("outage", rule.Resolved, 1+rounds)
	all[0].end(t)
	for _, d := range ended {
		if d.Rule != "single" && !hasEnded(ended, d.ID) {
			t.Errorf("episode %s of %s never ends", d.ID, d.Rule)
		}
	}
	for name, want := range map[string]int{"single": sent, "outage": 1 + rounds} {
		if n := episodes(ended, name, rule.Firing); n != want {
			t.Errorf("%s fired %d times, want %d", name, n, want)
		}
	}
	t.Logf("%d decisions", len(ended))
}

// episodes counts those of a rule that came to a state.
func episodes(all []rule.Decision, name string, state rule.State) int {
	ids := map[string]bool{}
	for _, d := range all {
		if d.Rule == name && d.State == state {
			ids[d.ID] = true
		}
	}
	return len(ids)
}

func hasEnded(all []rule.Decision, id string) bool {
	return slices.ContainsFunc(all, func(d rule.Decision) bool { return d.ID == id && d.State != rule.Firing })
}
