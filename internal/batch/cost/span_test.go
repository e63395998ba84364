package cost

import (
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// A pool is there from a whole hour to a whole hour, and what is wrong with its times is told.
func TestPoolSpan(t *testing.T) {
	at := func(text string) int64 {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v.Unix()
	}
	p := Pool{Name: "p", Models: []string{"m"}, GPUHourUSD: 1, From: "2026-03-01", To: "2026-03-02T07:00:00+02:00"}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	for text, in := range map[string]bool{"2026-02-28T23:00:00Z": false, "2026-03-01T00:00:00Z": true, "2026-03-02T04:00:00Z": true, "2026-03-02T05:00:00Z": false} {
		if p.Span().Holds(at(text)) != in {
			t.Errorf("%s: %v", text, !in)
		}
	}
	if always := (&Pool{}).Span(); !always.Holds(0) || !always.Holds(at("9999-01-01T00:00:00Z")) {
		t.Errorf("%+v", always)
	}
	for _, tc := range []struct{ from, to, want string }{
		{"spring", "", `from: "spring" is no day`}, {"2026-03-01T00:30:00Z", "", "from: \"2026-03-01T00:30:00Z\" is no whole hour"},
		{"2026-03-01", "2026-03-01", "does not lie behind"}, {"2026-03-01", "2026-02-01", "does not lie behind"}, {"", "x", "to: "},
	} {
		p.From, p.To = tc.from, tc.to
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q to %q: %v, want %q", tc.from, tc.to, err, tc.want)
		}
	}
}

// Pools of one model after each other need no hosts to be told apart; at the same time they do.
func TestPoolsAfterEachOther(t *testing.T) {
	pools := []Pool{{Name: "old", Models: []string{"m"}, To: "2026-03-01"}, {Name: "new", Models: []string{"m", "n"}, From: "2026-03-01"}}
	if err := CheckPools(pools); err != nil || Split(pools) {
		t.Errorf("split %v: %v", Split(pools), err)
	}
	pools[0].To = "2026-03-02"
	if err := CheckPools(pools); err == nil || !strings.Contains(err.Error(), `model "m" is in the pools "old" and "new" at the same time`) || !Split(pools) {
		t.Errorf("split %v: %v", Split(pools), err)
	}
}

// What was bought is written off over its life from then on, to the last nano, and costs power and hosts alone after it.
func TestWrittenOff(t *testing.T) {
	p := Pool{Name: "p", Models: []string{"m"}, GPUs: 1, From: "2026-01-01", CapexUSD: 1000, LifeYears: 0.1, Residual: 0.25, PUE: 1, HostHourUSD: 0.5}
	from, c := p.Span().From, p.Begin()
	const life = 876 // whole hours of 0.1 · 8766 = 876.6
	for hour := range int64(life + 10) {
		c.Add(p.Hour(from+3600*hour, -1, nil, nil), nil)
	}
	c.End()
	want := life*nanos(750/876.6) + nanos(750/876.6*0.6)
	if off := want - nanos(750); off > life || off < -life {
		t.Fatalf("%d nano-USD are written off of 750 USD", want)
	}
	if c.CapitalUSD != agg.USD(want) || c.HostUSD != (life+10)*500_000_000 || c.From == nil || c.From.Unix() != from || c.To != nil {
		t.Errorf("%+v; want a capital of %d", c, want)
	}
}
