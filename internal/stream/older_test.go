package stream

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// The files of testdata were written by the program as it was before there were further sets of dimensions: a unit of version 3, and a
// snapshot of version 4 of a lane that had read it, half of another one, and one that says that records are missing.
func older(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// counts is the part of a cell that these tests look at.
type counts struct{ requests, users uint64 }

func countsOf(c *agg.Cell) counts { return counts{c.Requests, c.Users.Count()} }

var olderCells = map[values]counts{{"m", "x"}: {3, 3}, {"m", ""}: {1, 1}}

func TestOlderUnitOfVersion3(t *testing.T) {
	h, body, err := decodeUnit(older(t, "unit-3"))
	if err != nil {
		t.Fatal(err)
	}
	if h.Source != partition0 || h.From != 10 || h.To != 15 || h.Watermark != 99e6 || h.Oldest != 98e6 || h.Arrival != 101e6 || h.Idle || h.Gap != nil {
		t.Errorf("header %+v", h)
	}
	if x := h.Tally; x.Records != 5 || x.Events != 4 || x.Duplicates != 1 || x.Late != 2 || x.Errors != 1 || len(x.BySource) != 1 || x.BySource["gateway"] != (oddities{Late: 2}) {
		t.Errorf("tally %+v", x)
	}
	cells, users, blocks := map[values]counts{}, map[string]spend{}, []string{}
	for _, err := range []error{
		eachDelta(body, func(d delta) { cells[d.Key] = countsOf(d.Cell) }),
		eachSpender(body, func(start int64, user string, x spend) {
			if start == 100 {
				users[user] = x
			}
		}),
		eachRules(body, func(b []byte) { blocks = append(blocks, string(b)) }),
		eachFurther(body, func(set string, _ delta) { t.Errorf("a set %q that was not there then", set) }),
		eachSpot(body, func(at dimSpan, _ *agg.Distinct) { t.Errorf("%+v of what was not told then", at) }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(cells) != 2 || cells[values{"m", "x"}] != olderCells[values{"m", "x"}] || cells[values{"m", ""}] != olderCells[values{"m", ""}] {
		t.Errorf("cells %v, want %v", cells, olderCells)
	}
	if len(users) != 1 || users["ua"] != (spend{requests: 3, tokens: 40}) || len(blocks) != 1 || blocks[0] != "a block" {
		t.Errorf("users %v, blocks %q", users, blocks)
	}
}

func TestOlderSnapshotOfVersion4(t *testing.T) {
	cfg := testConfig()
	r, err := decodeSnapshot(older(t, "snapshot-4"), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := r.journal.chains[partition0]
	if r.journal.next != 3 || len(r.journal.chains) != 2 || c == nil || c.Begin != 10 || c.To != 15 || c.Watermark != 99e6 || c.Arrival != 101e6 || c.Idle || c.Tally.BySource["gateway"].Late != 2 {
		t.Fatalf("at %d, chain %+v", r.journal.next, c)
	}
	if c := r.journal.chains[source{"t2", "user-feedback", 0}]; c == nil || c.Begin != 3 || c.To != 7 || !c.Idle || c.Lost != 4 || c.GapReason != reasonDeleted {
		t.Errorf("chain with a gap: %+v", c)
	}
	cells := map[values]counts{}
	r.windows.ladders[0].facts(0, 1000, func(v values, c *agg.Cell) { cells[v] = countsOf(c) })
	if len(cells) != 2 || cells[values{"m", "x"}] != olderCells[values{"m", "x"}] || cells[values{"m", ""}] != olderCells[values{"m", ""}] {
		t.Errorf("windows %v, want %v", cells, olderCells)
	}
	spent := &spenders{}
	if r.windows.wallet.window(100, 110, spent); spent.len() != 1 {
		t.Errorf("%d users of the window, want 1", spent.len())
	}
	f := r.filters[partition0]
	if f == nil || f.next != 15 || !f.seen([2]uint64{1, 2}, 13, 100e6) || f.seen([2]uint64{9, 9}, 13, 100e6) {
		t.Errorf("filter %+v", f)
	}

	// The other half of the unit comes after the update, from an instance that was not updated yet.
	other := header{Unit: [16]byte{4}, Source: partition0, From: 15, To: 20, Part: 1, Parts: 2, Watermark: 103e6}
	v, err := r.journal.read(3, (&body{}).appendTo(appendHeader(nil, &other)))
	if err != nil || v == nil || !v.counted || c.To != 20 || v.header.Tally.Records != 5 {
		t.Fatalf("%+v, %v, chain at %d", v, err, c.To)
	}
	requests := uint64(0)
	for _, b := range v.bodies {
		if err := eachDelta(b, func(d delta) { requests += d.Cell.Requests }); err != nil {
			t.Fatal(err)
		}
	}
	if requests != 2 {
		t.Errorf("%d requests in the half of before, want 2", requests)
	}
}
