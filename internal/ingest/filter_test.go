package ingest

import (
	"testing"

	"pgregory.net/rapid"
)

// Against a plain model: what was settled as written and is among the newest is known with its place, what failed is
// fresh again, what is in flight is pending. Few distinct homes make the searches collide.
func TestFilterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(0)
		for i := range f.shards {
			f.shards[i].limit = rapid.IntRange(1, 200).Draw(t, "limit")
			break // every id below falls into the first shard
		}
		s := &f.shards[0]
		type state struct {
			place place
			order int
		}
		model := map[[2]uint64]state{}
		order := 0
		oldest := 0 // claims before this one may be forgotten
		for range rapid.IntRange(1, 600).Draw(t, "steps") {
			id := [2]uint64{rapid.Uint64Range(0, 3).Draw(t, "hi"), rapid.Uint64Range(0, 90).Draw(t, "lo")}
			st, have := model[id]
			v, p, w := f.claim(id)
			if have && st.order < oldest && v == fresh {
				have = false // forgotten, as it may be
			}
			switch {
			case have && st.place.offset == inFlight:
				if v != pending {
					t.Fatalf("in flight but %d", v)
				}
				written := rapid.Bool().Draw(t, "written")
				at := place{1, 2, int64(order)}
				f.settle(id, written, at)
				select {
				case <-w.done:
				default:
					t.Fatal("nobody told the one who waits")
				}
				if w.written != written || written && w.place != at {
					t.Fatal("told something else")
				}
				if st.place = at; written {
					model[id] = st
				} else {
					delete(model, id)
				}
			case have:
				if v != known || p != st.place {
					t.Fatalf("known at %v but %d, %v", st.place, v, p)
				}
			default:
				if v != fresh {
					t.Fatalf("%v is new but %d", id, v)
				}
				order++
				model[id] = state{place{offset: inFlight}, order}
				// The ring holds limit entries, dead ones too, so this many of the newest claims are surely known.
				oldest = order - s.limit + 1
			}
			if s.used > s.limit || len(s.ring) > s.limit {
				t.Fatalf("%d entries, limit %d", s.used, s.limit)
			}
		}
	})
}

func TestFilterMemory(t *testing.T) {
	const budget = 1 << 20
	f := newFilter(budget)
	for i := range uint64(200_000) {
		f.add([2]uint64{i << 55, i * 0x9e3779b97f4a7c15}, place{1, 0, int64(i)})
	}
	total, held := 0, 0
	for i := range f.shards {
		s := &f.shards[i]
		total += len(s.ring)*entryBytes + len(s.index)*4
		held += s.used
	}
	if total > budget {
		t.Errorf("%d bytes, budget %d", total, budget)
	}
	if held < budget/(entryBytes+indexBytes)*9/10 {
		t.Errorf("only %d entries", held)
	}
	if v, p, _ := f.claim([2]uint64{199_999 << 55 & (1<<64 - 1), 199_999 * 0x9e3779b97f4a7c15 & (1<<64 - 1)}); v != known || p.offset != 199_999 {
		t.Errorf("the newest is %d at %v", v, p)
	}
}

func BenchmarkFilter(b *testing.B) {
	f := newFilter(64 << 20)
	i := uint64(0)
	for b.Loop() {
		i++
		id := [2]uint64{i * 0xff51afd7ed558ccd, i * 0x9e3779b97f4a7c15}
		f.claim(id)
		f.settle(id, true, place{1, 0, int64(i)})
	}
}
