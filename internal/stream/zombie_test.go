package stream

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// An owner whose writes are held back is thought dead; another one takes over, counts, and then the first one's writes arrive after
// all: nothing of them counts, and both know what does.
func TestZombieWritesOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		one, two := w.begin(quick(), dir, true), w.begin(quick(), dir, false)
		w.put(requests0, many(time.Now(), 0, 50)...)
		one.counts(50)
		two.counts(50)
		one.sends.sleep()
		w.put(requests0, many(time.Now(), 50, 50)...)
		one.counts(50) // it has folded them, and sent them in vain
		two.takeOver()
		two.counts(100)
		w.put(requests0, many(time.Now(), 100, 50)...)
		two.counts(150)
		before := len(w.journal.values)
		one.sends.wake()
		one.counts(150)
		two.counts(150)
		if len(w.journal.values) == before {
			t.Error("the first owner wrote nothing when it woke")
		}
		one.handOver()
		w.put(requests0, many(time.Now(), 0, 200)...) // 50 are new
		for name, r := range map[string]*rig{"who was first": one, "the owner": two} {
			r.counts(200)
			if p := r.of(requests0); name == "the owner" && p.Tally.Duplicates != 150 {
				t.Errorf("%s knows of %d duplicates, want 150", name, p.Tally.Duplicates)
			}
		}
		one.stop()
		two.stop()
	})
}

// The number of a lane changes hands at random moments, in order or because its owner crashed, sleeps or is thought dead: windows of
// all instances and joined requests are those of one that was never disturbed.
func TestRolesChangeAtRandom(t *testing.T) {
	seeds := uint64(10)
	if testing.Short() {
		seeds = 4
	}
	changes := 0
	for seed := range seeds {
		bubble(t, func(t *testing.T, w *world) {
			joinWorld(w)
			rnd := rand.New(rand.NewPCG(seed, 6))
			mine, others := idsOf{}, idsOf{}
			cfg, dir := quick(), t.TempDir()
			cfg.SnapshotEvery = 20 * time.Second
			all := []*rig{w.begin(cfg, dir, true), w.begin(cfg, dir, false)}
			owner := 0
			orderly := true
			for range 300 {
				other := 1 - owner
				switch rnd.IntN(12) {
				case 0: // in order
					changes++
					all[owner].handOver()
					all[other].takeOver()
					owner = other
				case 1: // the owner dies
					changes++
					all[owner].crash()
					all[other].takeOver()
					all[owner] = w.begin(cfg, dir, false)
					owner = other
				case 2: // it is thought dead, and is not
					changes++
					orderly = false
					all[owner].sends.sleep()
					w.traffic(rnd, mine, others)
					all[other].takeOver()
					all[other].settle()
					all[owner].sends.wake()
					all[owner].handOver()
					owner = other
				case 3: // a follower dies
					all[other].kill()
					all[other] = w.begin(cfg, dir, false)
				case 4:
					time.Sleep(time.Duration(rnd.IntN(40)) * time.Second)
				default:
					w.traffic(rnd, mine, others)
				}
			}
			all[owner].settle()
			time.Sleep(2 * time.Minute)
			all[owner].settle()
			want := w.distinct()
			for i, r := range all {
				if got := r.total(); got != want {
					t.Errorf("seed %d, instance %d of owner %d: %d requests counted, want %d", seed, i, owner, got, want)
				}
			}
			if s := all[owner].joinStats(); s.Open != 0 {
				t.Errorf("seed %d: %+v", seed, s)
			}
			for _, r := range all {
				r.stop()
			}
			if got := w.written(!orderly); !maps.EqualFunc(got, mine, maps.Equal) {
				t.Errorf("seed %d: written\n%v\nwant\n%v", seed, got, mine)
			}
		})
	}
	t.Logf("%d changes of the owner", changes)
}

// distinct is how many requests lie in the input, each id once.
func (w *world) distinct() uint64 {
	ids := map[string]bool{}
	for _, m := range w.inputs[requests0].values {
		var e struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(m.Value, &e); err != nil || e.ID == "" {
			w.t.Fatalf("%v: %s", err, m.Value)
		}
		ids[e.ID] = true
	}
	return uint64(len(ids))
}
