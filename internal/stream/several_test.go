package stream

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
)

// shared waits until some instances fold all of so many numbers, each number once, and equally many within one.
func shared(t *testing.T, numbers int, all ...*running) {
	t.Helper()
	var have [][]int32
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
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
	two := startService(t, bustest.Connect(t, addr), dir)
	shared(t, 3, one, two)
	send(1000)
	knows(one, two)
	three := startService(t, bustest.Connect(t, addr), t.TempDir()) // knows no snapshots
	shared(t, 3, one, two, three)
	send(1000)
	knows(one, two)
	one.end(t)
	shared(t, 3, two, three)
	send(1000)
	knows(two)
	two.end(t)
	shared(t, 3, three)
	send(1000)
	again := startService(t, bustest.Connect(t, addr), dir)
	shared(t, 3, again, three)
	send(500)
	knows(again)
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

// Members come and go all the time under load: every event counts once.
func TestRebalanceStorm(t *testing.T) {
	b, addr := bustest.Start(t)
	rnd := rand.New(rand.NewPCG(6, 2))
	dir, base, sent := t.TempDir(), time.Now().Add(-3*time.Hour).Unix(), 0
	all := []*running{startService(t, b, dir)}
	rounds := 30
	if testing.Short() {
		rounds = 8
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
