package batch

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// A pool costs in the hours in which it is there and in no other: rented, sold and replaced within what is asked for, to the last nano.
func TestPoolsCostInTheirHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		rng := rand.New(rand.NewPCG(8, 8))
		for _, hour := range []int64{1, 2, 4} { // of the others nobody knows anything
			rows := spent(rng, 40)
			for i := range rows {
				rows[i].Event.ID = fmt.Sprint(hour, rows[i].Event.ID)
			}
			w.publish(hour0+hour*3600, rows...)
		}
		from := time.Unix(hour0, 0).UTC()
		hour := func(n int) string { return from.Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{
				{Name: "old", Models: []string{"a"}, From: "2025-01-01", To: hour(2), GPUs: 3, GPUHourUSD: 1.37, PUE: 1, OutputWeight: 4},
				{Name: "new", Models: []string{"a", "b"}, From: hour(3), GPUs: 1, GPUHourUSD: 2.11, PUE: 1, OutputWeight: 4},
				{Name: "gone", Models: []string{"a"}, To: "2025-01-01", GPUs: 9, GPUHourUSD: 9, PUE: 1, OutputWeight: 4},
			}
		})
		if err := s.cfg().Costs.validate(); err != nil {
			t.Fatal(err)
		}
		s.now = func() time.Time { return from.Add(7 * time.Hour) }
		ask := func(from, to time.Time, by ...string) *cost.Table {
			t.Helper()
			got, err := s.costTable(t.Context(), &costQuery{from: from, to: to, by: by, own: true})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		const old, new = 3 * 1_370_000_000, 2_110_000_000
		for _, by := range [][]string{nil, {"model"}, {"tenant"}, {"user_id"}, {"host", "key"}, {"hour"}, {"day", "model", "tenant"}} {
			got := ask(from, from.Add(7*time.Hour), by...)
			// Two hours of the old one, the second with requests; none in the third; four of the new one, the second with requests.
			if got.Total.Own != old+new || got.IdleTotal() != old+3*new {
				t.Errorf("by %v: %d used and %d idle, want %d and %d", by, got.Total.Own, got.IdleTotal(), old+new, old+3*new)
			}
			if len(got.Pools) != 2 || got.Pools[0].Hours != 2 || got.Pools[0].CostUSD != 2*old || got.Pools[1].Hours != 4 || got.Pools[1].CostUSD != 4*new {
				t.Errorf("by %v: %+v", by, got.Pools)
			}
		}
		all, sum := ask(from, from.Add(7*time.Hour), "tenant"), agg.Usage{}
		for n := range 7 {
			one := ask(from.Add(time.Duration(n)*time.Hour), from.Add(time.Duration(n+1)*time.Hour), "tenant")
			sum.Merge(&one.Total.Usage)
			want := map[int]int64{0: old, 1: old, 3: new, 4: new, 5: new, 6: new}[n]
			if got := one.Total.Own + one.IdleTotal(); got != want {
				t.Errorf("hour %d costs %d, want %d", n, got, want)
			}
		}
		if sum != all.Total.Usage || sum.Requests == 0 {
			t.Errorf("the hours count %+v, all of them %+v", sum, all.Total.Usage)
		}
		text := served(s, "/costs/self-hosted?from="+hour(0)+"&to="+hour(7))
		for _, want := range []string{`"cost_usd":16.66`, `"from":"2025-01-01T00:00:00Z","to":"` + hour(2) + `"`, `"from":"` + hour(3) + `","to":null`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %s", text, want)
			}
		}
	})
}

// What a move would have cost is told request by request where the price asks for it: cache writes and long prompts at their own price, to the
// last nano. Where some requests have left, it is told from their sums, and says so.
func TestWhatIfRatesEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		rows := said("llm-requests", event.LLMRequest, 3, func(i int, e *event.Event) {
			e.SetText(event.Model, "big")
			e.SetInt(event.PromptTokens, []int64{1000, 2000, 300_000}[i])
			e.SetInt(event.CompletionTokens, 100)
			e.SetInt(event.CachedTokens, []int64{0, 500, 0}[i])
			e.SetInt(event.Cost, 1e9)
			e.Extra = []byte([]string{`{"cache_creation_tokens":600}`, `{"cache_creation_tokens":700,"cache_creation_1h_tokens":200}`, `{}`}[i])
		})
		twice := rows[1]
		twice.Offset = 100
		w.publish(hour0, append(rows, twice)...)
		s, _ := newService(t, w, nil)
		now := time.Unix(hour0, 0).UTC().Add(time.Hour)
		s.now = func() time.Time { return now }
		put := func(fields string) {
			t.Helper()
			doc, err := cost.Read([]byte(`{"prices":[{"model":"small","effective_from":"2026-01-01T00:00:00Z",`+fields+`}]}`), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.putInBook(t.Context(), doc.Prices); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		ask := func() *cost.Outcome {
			t.Helper()
			move := cost.Move{From: "big", To: "small", Share: 1_000_000}
			facts, err := s.whatIfFacts(t.Context(), &costQuery{from: time.Unix(hour0, 0), to: now, by: []string{"model"}, rows: new(reading)}, []cost.Move{move})
			if err != nil {
				t.Fatal(err)
			}
			o, err := cost.WhatIf(move, &facts.table.Of("big").Usage, &facts.table.Of("small").Usage, facts.prices[0], facts.each[0], 1)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		put(`"input_cost_per_token":1e-6,"output_cost_per_token":2e-6,"cache_read_input_token_cost":1e-7,"cache_creation_input_token_cost":1.25e-6,"cache_creation_input_token_cost_above_1hr":2e-6,"input_cost_per_token_above_200k_tokens":2e-6`)
		const (
			first  = 600*1250 + 400*1000 + 100*2000
			second = 500*100 + 200*2000 + 500*1250 + 800*1000 + 100*2000
			long   = 300_000*2000 + 100*2000
		)
		if o := ask(); o.After != first+second+long || o.Before != 3e9 || o.Basis != "price" {
			t.Errorf("%+v, want %d", o, first+second+long)
		}
		w.mu.Lock()
		h := w.hours[hour0]
		w.mu.Unlock()
		if _, err := s.foldHour(t.Context(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		h.base, h.files = w.periods[claim{"hourly", hour0}].Cells, nil
		if o := ask(); o.After != (302_500*1000+500*100+300*2000) || o.Basis != "sums" {
			t.Errorf("of sums: %+v", o)
		}
		put(`"input_cost_per_token":1e-6,"output_cost_per_token":2e-6`)
		if o := ask(); o.After != 303_000*1000+300*2000 || o.Basis != "price" {
			t.Errorf("by a price that sums suffice for: %+v", o)
		}
	})
}
