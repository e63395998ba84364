package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

var partition0 = source{TopicID: "t1", Topic: "llm-requests", Partition: 0}

// request is an event of one token at a second, for a model.
func request(second int64, model string) *event.Event {
	e := &event.Event{ID: "x", Kind: event.LLMRequest, Time: second * 1e6, HasTime: true}
	e.SetText(event.Model, model)
	e.SetInt(event.DurationMS, second*1000+1)
	e.SetBool(event.Success, true)
	e.Settle()
	return e
}

// foldUnit folds log[from:to] as an owner would.
func foldUnit(log []*event.Event, unit byte, from, to int) [][]byte {
	type pane struct {
		start int64
		of    values
	}
	cells := map[pane]*agg.Cell{}
	for _, e := range log[from:to] {
		p := pane{e.Time / 1e6, values{e.Text(event.Model)}}
		if cells[p] == nil {
			cells[p] = new(agg.Cell)
		}
		cells[p].Add(e, false)
	}
	var ds []delta
	for p, c := range cells {
		ds = append(ds, delta{p.start, p.of, c, nil})
	}
	h := header{Unit: [16]byte{unit}, Source: partition0, From: int64(from), To: int64(to), Watermark: int64(to)}
	h.Tally.Records = int64(to - from)
	return encodeUnit(h, payload{deltas: ds})
}

// readAll is what any reader makes of the records.
func readAll(t *rapid.T, records [][]byte) (*journal, *ladder) {
	j, l := newJournal(), newLadder(1000, true)
	for i, r := range records {
		v, err := j.read(int64(i), r)
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if v == nil || !v.counted {
			continue
		}
		for _, b := range v.bodies {
			if err := eachDelta(b, func(d delta) { l.add(d.Start, d.Key, d.Cell, 0) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return j, l
}

func contents(l *ladder) map[values][]byte {
	sums := map[values]*agg.Cell{}
	l.facts(-1<<40, 1<<40, func(k values, c *agg.Cell) {
		if sums[k] == nil {
			sums[k] = new(agg.Cell)
		}
		sums[k].Merge(c)
	})
	out := map[values][]byte{}
	for k, c := range sums {
		out[k] = c.Append(nil)
	}
	return out
}

// Several owners that know nothing of each other fold the same log, send units twice, die between parts and begin again
// from what was counted: the journal's readers always see the fold of a prefix of the log, each event once.
func TestJournalCountsEachOffsetOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "events")
		log := make([]*event.Event, n)
		for i := range log {
			log[i] = request(rapid.Int64Range(0, 50).Draw(t, "second"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "model"))
		}
		var records [][]byte
		var sent [][][]byte
		unit := byte(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			j, _ := readAll(t, records)
			to := int64(0)
			if c := j.chains[partition0]; c != nil {
				to = c.To
			}
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2: // an owner that is up to date
				end := rapid.IntRange(int(to), n).Draw(t, "end")
				unit++
				u := foldUnit(log, unit, int(to), end)
				sent, records = append(sent, u), append(records, u...)
			case 3: // a zombie with an old idea of the position
				from := rapid.IntRange(0, int(to)).Draw(t, "from")
				if len(records) == 0 {
					from = 0
				}
				end := rapid.IntRange(from, n).Draw(t, "end")
				unit++
				records = append(records, foldUnit(log, unit, from, end)...)
			case 4: // a retry of something sent before
				if len(sent) > 0 {
					records = append(records, rapid.SampledFrom(sent).Draw(t, "again")...)
				}
			case 5: // half a unit: its owner was killed between the parts
				unit++
				records = append(records, halfUnit(log, unit, int(to), n))
			}
		}
		j, l := readAll(t, records)
		to := 0
		if c := j.chains[partition0]; c != nil {
			to = int(c.To)
			if c.Tally.Records != int64(to) {
				t.Fatalf("tally says %d records, the chain ends at %d", c.Tally.Records, to)
			}
		}
		want := newLadder(1000, true)
		for _, e := range log[:to] {
			c := new(agg.Cell)
			c.Add(e, false)
			want.add(e.Time/1e6, values{e.Text(event.Model)}, c, 0)
		}
		if got, want := contents(l), contents(want); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("the readers do not see the fold of the first %d events", to)
		}
	})
}

// halfUnit is the first part of a unit of two whose second never comes.
func halfUnit(log []*event.Event, unit byte, from, to int) []byte {
	whole := foldUnit(log, unit, from, to)[0]
	h, body, err := decodeUnit(whole)
	if err != nil {
		panic(err)
	}
	h.Parts = 2
	return append(appendHeader(nil, &h), body...)
}

func TestUnitInPartsJoins(t *testing.T) {
	var ds []delta
	for i := range 3000 {
		c := new(agg.Cell)
		for u := range 40 {
			e := request(int64(i), "m")
			e.SetText(event.UserID, string(rune('a'+u))+string(rune(i)))
			c.Add(e, false)
		}
		ds = append(ds, delta{int64(i), values{"m"}, c, nil})
	}
	values := encodeUnit(header{Unit: [16]byte{1}, Source: partition0, From: 0, To: 120_000}, payload{deltas: ds})
	if len(values) < 2 {
		t.Fatalf("%d parts, the test wants several", len(values))
	}
	j, seen := newJournal(), 0
	for i := len(values) - 1; i >= 0; i-- { // in any order
		v, err := j.read(int64(len(values)-i), values[i])
		if err != nil {
			t.Fatal(err)
		}
		if (v != nil) != (i == 0) {
			t.Fatalf("part %d: verdict %v", i, v)
		}
		if v != nil {
			for _, b := range v.bodies {
				if err := eachDelta(b, func(delta) { seen++ }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if seen != 3000 {
		t.Errorf("%d deltas, want 3000", seen)
	}
}

// What is in the sections of a unit comes out again, however many parts it takes, and units of the versions before are read.
func TestUnitSections(t *testing.T) {
	users := map[int64]*spenders{}
	for start := range int64(300) {
		users[10*start] = &spenders{}
		for u := range 90 {
			users[10*start].take(fmt.Sprint("user ", u, " of a long name, so that the sections of the unit take several parts"), spend{requests: 1}, mostSpenders)
		}
	}
	blocks := [][]byte{[]byte("first"), bytes.Repeat([]byte("b"), maxPart/3), bytes.Repeat([]byte("c"), maxPart/3), []byte("last")}
	c := new(agg.Cell)
	c.Add(request(1, "m"), false)
	further := []setDeltas{{set: "endpoint"}, {set: "user_id+host"}}
	for second := range int64(9000) {
		further[0].deltas = append(further[0].deltas, delta{second, values{"/v1/chat/completions"}, c, nil})
		further[1].deltas = append(further[1].deltas, delta{second, values{"user", "host"}, c, nil})
	}
	over := overflow{}
	for second := range int64(100) {
		over.of(dimSpan{"model", 60 * second}).Add(fmt.Sprint(second))
	}
	h := header{Unit: [16]byte{1}, Source: partition0, From: 0, To: 1, Arrival: 77}
	values := encodeUnit(h, payload{deltas: []delta{{1, values{"m"}, c, nil}}, users: users, rules: blocks, further: further, over: over})
	if len(values) < 3 {
		t.Fatalf("%d parts, the test wants several", len(values))
	}
	deltas, spent, spots, sets := 0, 0, 0, map[string]int{}
	var got [][]byte
	for _, v := range values {
		if len(v) > 2*maxPart {
			t.Errorf("a part of %d bytes", len(v))
		}
		h, body, err := decodeUnit(v)
		if err != nil || h.Arrival != 77 {
			t.Fatal(h, err)
		}
		for _, err := range []error{
			eachDelta(body, func(delta) { deltas++ }),
			eachSpender(body, func(int64, string, spend) { spent++ }),
			eachRules(body, func(b []byte) { got = append(got, b) }),
			eachFurther(body, func(set string, d delta) {
				if (d.Key[1] == "host") == (set == "user_id+host") && d.Cell.Equal(c) {
					sets[set]++
				}
			}),
			eachSpot(body, func(at dimSpan, d *agg.Distinct) {
				if at.dimension == "model" && d.Count() == 1 {
					spots++
				}
			}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if sets["endpoint"] != 9000 || sets["user_id+host"] != 9000 || spots != 100 {
		t.Errorf("%v of the further sets, %d spans of what overflowed", sets, spots)
	}
	if deltas != 1 || spent != 300*90 || !slices.EqualFunc(got, blocks, bytes.Equal) {
		t.Errorf("%d deltas, %d users, %d blocks", deltas, spent, len(got))
	}
}

// A journal may hold units that were written before users and rules were in them.
func TestOlderUnits(t *testing.T) {
	c := new(agg.Cell)
	c.Add(request(1, "m"), false)
	deltas := encodeDeltas([]delta{{1, values{"m"}, c, nil}}, maxPart)[0]
	u := &spenders{}
	u.take("u", spend{requests: 1}, 1)
	users := appendSpenders(binary.AppendVarint(nil, 10), u)
	for version, body := range [][]byte{1: deltas, 2: append(appendBytes(nil, deltas), users...)} {
		if version == 0 {
			continue
		}
		h := header{Unit: [16]byte{1}, Source: partition0, Parts: 1, To: 5, Watermark: 3, Oldest: 4}
		head := appendHeader(nil, &h)
		arrival := len(head) - len(h.Tally.appendTo(nil)) - 2 // one byte before the flags
		old := append(append(slices.Clone(head[:arrival]), head[arrival+1:]...), body...)
		old[len(unitMagic)] = byte(version)
		got, inside, err := decodeUnit(old)
		if err != nil || got.To != 5 || got.Oldest != 4 {
			t.Fatalf("version %d: %+v, %v", version, got, err)
		}
		deltas, spent := 0, 0
		if err := errors.Join(eachDelta(inside, func(delta) { deltas++ }), eachSpender(inside, func(int64, string, spend) { spent++ }), eachRules(inside, func([]byte) { t.Error("rules") })); err != nil {
			t.Fatal(err)
		}
		if deltas != 1 || spent != version-1 {
			t.Errorf("version %d: %d deltas, %d users", version, deltas, spent)
		}
	}
}

// A snapshot of the version before may hold units of which parts are missing, as that version wrote them.
func TestOlderHalfOfASnapshot(t *testing.T) {
	c := new(agg.Cell)
	c.Add(request(1, "m"), false)
	deltas := encodeDeltas([]delta{{1, values{"m"}, c, nil}}, maxPart)[0]
	h := header{Unit: [16]byte{1}, Source: partition0, From: 0, To: 5, Parts: 2, Tally: tally{Records: 5}}
	head := appendHeader(nil, &h)
	head[len(unitMagic)] = 3
	old := appendBytes(appendBytes(appendBytes(nil, deltas), nil), nil) // what 3 had: deltas, users, rules
	b := appendBytes(nil, head)
	b = binary.AppendVarint(b, 7)
	b = binary.AppendUvarint(b, 1)
	b = binary.AppendUvarint(b, 0)
	b = appendBytes(b, old)
	for range 2 { // from the version before, and from this one
		j, d := newJournal(), decoder{src: b}
		d.half(j)
		if d.err != nil || len(d.src) > 0 || len(j.halves) != 1 {
			t.Fatalf("%v, %d bytes are left, %d halves", d.err, len(d.src), len(j.halves))
		}
		b = appendHalf(nil, j.halves[0])
		h.Part = 1
		v, err := j.read(9, (&body{}).appendTo(appendHeader(nil, &h)))
		h.Part = 0
		if err != nil || v == nil || !v.counted || v.header.Tally.Records != 5 {
			t.Fatalf("%+v, %v", v, err)
		}
		seen := 0
		if err := eachDelta(v.bodies[0], func(x delta) {
			if x.Start == 1 && x.Cell.Equal(c) {
				seen++
			}
		}); err != nil || seen != 1 {
			t.Errorf("%d deltas, %v", seen, err)
		}
		_ = eachFurther(v.bodies[0], func(string, delta) { t.Error("a further set") })
	}
}

// However the sources of two tallies lie in memory, the same ones keep their names.
func TestTalliesKeepTheSameSources(t *testing.T) {
	more := tally{BySource: map[string]oddities{}}
	for i := range 2 * maxSources {
		more.BySource[fmt.Sprintf("source-%03d", i)] = oddities{Late: 1}
	}
	for range 10 {
		var sum tally
		sum.add(&more)
		for i := range maxSources {
			if name := fmt.Sprintf("source-%03d", i); sum.BySource[name].Late != 1 {
				t.Fatalf("%s has lost its name", name)
			}
		}
		if rest := sum.BySource[otherName].Late; rest != maxSources {
			t.Fatalf("%d under %s", rest, otherName)
		}
	}
}

func FuzzDecodeUnit(f *testing.F) {
	log := []*event.Event{request(1, "a"), request(2, "b")}
	f.Add(foldUnit(log, 1, 0, 2)[0])
	f.Add(halfUnit(log, 1, 0, 2))
	f.Add([]byte(unitMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, body, err := decodeUnit(data); err == nil {
			_ = eachDelta(body, func(delta) {})
			_ = eachSpender(body, func(int64, string, spend) {})
			_ = eachRules(body, func([]byte) {})
			_ = eachFurther(body, func(string, delta) {})
			_ = eachSpot(body, func(dimSpan, *agg.Distinct) {})
		}
		_, _ = newJournal().read(0, data)
		if r, err := decodeSnapshot(data, &Config{LadderCells: 100, FilterBytes: 1 << 16}); err == nil {
			_ = r
		}
	})
}
