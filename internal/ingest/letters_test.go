package ingest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// plain is the index written down in the simplest way.
type plain struct {
	at       position
	d        event.DeadLetter
	redriven bool
	redrives int
}

// Whatever comes in whatever order, the index says what a plain list says.
func TestLettersAgainstAPlainList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newLetters(1000)
		var list []*plain
		byID := map[string]*plain{}
		early := map[string][]event.DeadMark{}
		next := map[int32]int64{}
		codes, topics := []string{"syntax", "negative", "own_code"}, []string{"", "llm-requests", "user-feedback"}
		t.Repeat(map[string]func(*rapid.T){
			"letter": func(t *rapid.T) {
				p := rapid.Int32Range(0, 2).Draw(t, "partition")
				d := event.DeadLetter{ID: fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "id")), Topic: rapid.SampledFrom(topics).Draw(t, "topic"),
					Code: rapid.SampledFrom(codes).Draw(t, "code"), ReceivedAt: rapid.Int64Range(0, 20).Draw(t, "received"), Redrives: rapid.IntRange(0, 3).Draw(t, "redrives")}
				at := position{p, next[p]}
				next[p]++
				x.add(at, &d)
				one := &plain{at: at, d: d, redrives: d.Redrives}
				if before := byID[d.ID]; before != nil { // it counts where it was written last
					one.redriven, one.redrives = before.redriven, max(one.redrives, before.redrives)
					list = slices.DeleteFunc(list, func(o *plain) bool { return o == before })
				}
				for _, m := range early[d.ID] {
					one.redriven, one.redrives = one.redriven || m.Redriven, max(one.redrives, m.Redrives)
				}
				delete(early, d.ID)
				list, byID[d.ID] = append(list, one), one
			},
			"mark": func(t *rapid.T) {
				m := event.DeadMark{ID: fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "id")), Redriven: rapid.Bool().Draw(t, "redriven"), Redrives: rapid.IntRange(0, 9).Draw(t, "count")}
				x.apply(&m)
				if one := byID[m.ID]; one != nil {
					one.redriven, one.redrives = one.redriven || m.Redriven, max(one.redrives, m.Redrives)
				} else {
					early[m.ID] = []event.DeadMark{m} // the last one is kept
				}
			},
			"trim": func(t *rapid.T) {
				p := rapid.Int32Range(0, 2).Draw(t, "partition")
				start := rapid.Int64Range(0, next[p]).Draw(t, "start")
				x.trim(p, start)
				list = slices.DeleteFunc(list, func(one *plain) bool {
					gone := one.at.partition == p && one.at.offset < start
					if gone {
						delete(byID, one.d.ID)
					}
					return gone
				})
			},
			"": func(t *rapid.T) {
				q := wanted{topic: rapid.SampledFrom(topics).Draw(t, "q.topic"), reason: rapid.SampledFrom([]string{"", "negative", "none"}).Draw(t, "q.reason"),
					since: rapid.Int64Range(0, 20).Draw(t, "since"), until: rapid.Int64Range(0, 20).Draw(t, "until"), state: rapid.SampledFrom([]string{"", "open", "redriven"}).Draw(t, "state")}
				newest := rapid.Bool().Draw(t, "newest")
				compareLetters(t, x, list, &q, newest)
			},
		})
	})
}

func compareLetters(t *rapid.T, x *letters, list []*plain, q *wanted, newest bool) {
	var want []letter
	open := map[string]int{}
	for _, one := range list {
		if q.topic != "" && one.d.Topic != q.topic || q.reason != "" && one.d.Code != q.reason || one.d.ReceivedAt < q.since ||
			q.until != 0 && one.d.ReceivedAt >= q.until || q.state != "" && (q.state == "redriven") != one.redriven {
			continue
		}
		want = append(want, letter{position: one.at, received: one.d.ReceivedAt, redriven: one.redriven, redrives: uint8(one.redrives)})
		if !one.redriven {
			open[one.d.Code]++
		}
	}
	slices.SortFunc(want, func(a, b letter) int {
		if newest {
			return b.older(&a)
		}
		return a.older(&b)
	})
	var got []letter
	var behind *letter
	for { // in pages of three
		page := x.pick(q, behind, 3, newest)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		behind = &page[len(page)-1]
	}
	same := slices.EqualFunc(got, want, func(a, b letter) bool {
		return a.position == b.position && a.received == b.received && a.redriven == b.redriven && a.redrives == b.redrives
	})
	if !same {
		t.Fatalf("%+v\n got %+v\nwant %+v", *q, got, want)
	}
	tally := x.tally(q)
	for code, n := range open {
		if tally.open[code] != n {
			t.Fatalf("%d open letters of %s, want %d", tally.open[code], code, n)
		}
	}
	for _, one := range list {
		if l, ok := x.get(one.d.ID); !ok || l.position != one.at || l.redriven != one.redriven {
			t.Fatalf("letter %s: %+v, %v", one.d.ID, l, ok)
		}
	}
}

// Beyond its limit the index forgets the oldest, and says how many.
func TestLettersAreBounded(t *testing.T) {
	x := newLetters(100)
	for i := range 250 {
		x.add(position{int32(i % 3), int64(i / 3)}, &event.DeadLetter{ID: fmt.Sprint(i), Code: fmt.Sprint("code", i), Topic: fmt.Sprint("topic", i), ReceivedAt: int64(i)})
		x.apply(&event.DeadMark{ID: fmt.Sprint("never", i)})
	}
	if x.count != 100 || x.forgotten != 150 || len(x.places) != 100 || len(x.early) > 10 {
		t.Errorf("%d letters, %d places, %d forgotten, %d early marks", x.count, len(x.places), x.forgotten, len(x.early))
	}
	if l := x.pick(&wanted{}, nil, 1, false); len(l) != 1 || l[0].received != 150 {
		t.Errorf("the oldest is %+v", l)
	}
	for i := range 1000 {
		x.add(position{0, int64(1000 + i)}, &event.DeadLetter{ID: "again", ReceivedAt: int64(1000 + i)})
	}
	if entries := len(x.parts[0]) + len(x.parts[1]) + len(x.parts[2]); entries > 200 || x.count > 100 || x.count+x.movedOn != entries {
		t.Errorf("%d entries of %d letters, %d written again", entries, x.count, x.movedOn)
	}
	for range 2000 {
		x.codes.number(fmt.Sprint("code", len(x.codes.list)))
	}
	if len(x.codes.list) > maxNames+1 {
		t.Errorf("%d codes", len(x.codes.list))
	}
}
