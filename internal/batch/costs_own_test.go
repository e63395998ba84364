package batch

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// sampled are rows of system metrics that say how much the GPUs of machines were in use.
func sampled(hour int64, usage map[string]float64) (rows []event.LakeRow) {
	for host, v := range usage {
		r := event.LakeRow{TopicID: "m", Topic: "system-metrics", Offset: int64(len(rows))}
		r.Event.Kind, r.Event.ID, r.Event.HasTime, r.Event.Time = event.SystemMetric, fmt.Sprint("m", hour, host), true, hour0*1e6 // publish shifts it
		r.Event.SetText(event.Host, host)
		r.Event.SetFloat(event.GPUUsage, v)
		rows = append(rows, r)
	}
	return rows
}

// Whatever own GPUs are asked by, what the groups took and what was idle make up what the pools cost, to the last nano; a day is the sum of
// its hours, and a hour without requests is idle.
func TestOwnCostsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		rng := rand.New(rand.NewPCG(5, 5))
		for hour := range 3 {
			rows := spent(rng, 60)
			for i := range rows {
				e := &rows[i].Event
				e.ID = fmt.Sprint(hour, e.ID)
				e.SetInt(event.CompletionTokens, rng.Int64N(300))
				e.SetText(event.Host, []string{"a-1", "b-1"}[rng.IntN(2)])
			}
			at := hour0 + int64(hour)*3600
			w.publish(at, rows...)
			w.publish(at, sampled(at, map[string]float64{"a-1": 40, "a-2": 20, "b-1": 90})...)
		}
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{
				{Name: "left", Models: []string{"a"}, Hosts: []string{"a-*"}, GPUs: 3, GPUHourUSD: 1.37, PUE: 1, OutputWeight: 4},
				{Name: "right", Models: []string{"a", "b"}, Hosts: []string{"b-1"}, GPUs: 7, GPUHourUSD: 2.11, PUE: 1, OutputWeight: 2},
			}
		})
		from := time.Unix(hour0, 0).UTC()
		s.now = func() time.Time { return from.Add(5*time.Hour + time.Minute) }
		ask := func(from, to time.Time, by ...string) *cost.Table {
			t.Helper()
			got, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: by, own: true})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		to := from.Add(24 * time.Hour)
		const hourly = 3*1_370_000_000 + 7*2_110_000_000
		all := ask(from, to)
		if whole := all.Total.Own + all.IdleTotal(); whole != 5*hourly || all.Total.Own == 0 {
			t.Errorf("%d in five hours, want %d", whole, 5*hourly)
		}
		if u := *all.Pools[0].Utilization; u != 0.3 || *all.Pools[1].Utilization != 0.9 || all.Pools[0].Unmeasured != 2 {
			t.Errorf("pools are in use by %v and %v", u, *all.Pools[1].Utilization)
		}
		if left := all.Pools[0]; len(left.Models) != 1 || *left.UsedUSD != 3*agg.USD(3*1_370_000_000*0.3) {
			t.Errorf("%+v", left)
		}
		for _, by := range [][]string{{"model"}, {"tenant"}, {"user_id"}, {"key"}, {"feature"}, {"endpoint"}, {"host"}, {"hour"}, {"day", "model", "tenant"}, {"hour", "user_id", "key"}} {
			got, sum := ask(from, to, by...), cost.Sum{}
			for _, g := range got.Groups() {
				sum.Own += g.Own
			}
			if sum.Own != got.Total.Own || got.Total != all.Total || got.IdleTotal() != all.IdleTotal() {
				t.Errorf("by %v: the groups took %d; in all %+v and %d idle, want %+v and %d", by, sum.Own, got.Total, got.IdleTotal(), all.Total, all.IdleTotal())
			}
		}
		sum := int64(0)
		for hour := range 5 {
			one := ask(from.Add(time.Duration(hour)*time.Hour), from.Add(time.Duration(hour+1)*time.Hour), "tenant")
			sum += one.Of("x").Own
		}
		if day := ask(from, to, "tenant").Of("x").Own; day != sum || day == 0 {
			t.Errorf("the hours of a tenant come to %d, the day to %d", sum, day)
		}
		one, err := s.costTable(context.Background(), &costQuery{from: from, to: to, by: []string{"day", "tenant"}, only: []string{"x"}, own: true})
		if err != nil || one.Total.Own != sum {
			t.Errorf("one tenant alone has %d, want %d: %v", one.Total.Own, sum, err)
		}
	})
}

// served is the answer to a question.
func served(s *Service, path string) string {
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec.Body.String()
}

// The answers tell own GPUs when they are asked to, and the FOCUS file always: as effective cost that nobody bills.
func TestOwnCostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(1, 1)), 50)...)
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "=rack", Models: []string{"a"}, GPUs: 1, GPUHourUSD: 2, PUE: 1, OutputWeight: 4}}
		})
		s.now = func() time.Time { return time.Unix(hour0, 0).Add(2 * time.Hour) }
		const span = "/costs?from=2026-03-01T10:00:00Z&to=2026-03-01T12:30:00Z"
		for path, has := range map[string]string{
			span + "&own=true":                 `"own_gpus":{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T12:00:00Z","cost_usd":4,"used_usd":2,"idle_usd":2,"idle":[{"key":{},"pool":"=rack","own_gpu_usd":2}]}`,
			span + "&own=true&group_by=tenant": `"own_gpu_usd":`, span + "&own=true&group_by=day&format=csv": "2026-03-01,,,,,,,,,,2,'=rack", span + "&own=maybe": "unknown_value",
		} {
			if text := served(s, path); !strings.Contains(text, has) {
				t.Errorf("%s: %s; want %s", path, text, has)
			}
		}
		if text := served(s, span); strings.Contains(text, "own_gpu") {
			t.Errorf("nobody asked for own GPUs: %s", text)
		}
		lines, err := csv.NewReader(bytes.NewReader([]byte(served(s, span+"&format=focus")))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		sums, place := map[string]agg.USD{}, map[string]int{}
		for i, name := range lines[0] {
			place[name] = i
		}
		for _, line := range lines[1:] {
			if line[place["ChargeCategory"]] != "Usage" {
				t.Errorf("%v", line)
			}
			for _, name := range []string{"BilledCost", "EffectiveCost"} {
				var usd agg.USD
				if err := usd.UnmarshalJSON([]byte(line[place[name]])); err != nil {
					t.Fatal(err)
				}
				sums[name] += usd
			}
		}
		if own := sums["EffectiveCost"] - sums["BilledCost"]; own != 4e9 {
			t.Errorf("own GPUs come to %s, want 4", own)
		}
	})
}

// A budget may be for whatever costs are told by, and count own GPUs, whose requests then need no price.
func TestBudgetsOfSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		rows := spent(rand.New(rand.NewPCG(9, 9)), 80)
		w.publish(hour0, rows...)
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "p", Models: []string{"a", "b", ""}, GPUs: 1, GPUHourUSD: 2, PUE: 1, OutputWeight: 4}}
		})
		from := time.Unix(hour0, 0).UTC()
		now := from.Add(3*time.Hour + 20*time.Minute)
		s.now = func() time.Time { return now }
		budgets := []cost.Budget{{UserID: "u"}, {Key: "k1"}, {Feature: "chat"}, {Endpoint: "/1"}, {Tenant: "x"}, {Model: "a"}, {}, {UserID: "u", OwnGPUs: true}, {OwnGPUs: true}}
		for i := range budgets {
			budgets[i].Name, budgets[i].USD = fmt.Sprint(i), 1000
			if err := budgets[i].Validate(); err != nil {
				t.Error(err)
			}
		}
		standings, err := s.standings(t.Context(), budgets, now)
		if err != nil {
			t.Fatal(err)
		}
		all := plainly(rows, nil, from, now).Total
		for i := range budgets {
			b, st := &budgets[i], standings[i]
			want := all
			if part, value := b.Subject(); part != "" {
				want = *plainly(rows, []string{part}, from, now).Of(value)
			}
			own := int64(st.SpentUSD) - want.Cost
			switch part, _ := b.Subject(); {
			case !b.OwnGPUs && (own != 0 || st.Unpriced != want.Unpriced() || want.Requests == 0):
				t.Errorf("%+v: %+v, want %+v", b, st, want)
			case b.OwnGPUs && st.Unpriced != 0:
				t.Errorf("%+v: %d requests of own GPUs have no price", b, st.Unpriced)
			case b.OwnGPUs && part == "" && own != 13*2e9: // the month has 13 hours so far
				t.Errorf("%+v: %d of own GPUs", b, own)
			case b.OwnGPUs && part != "" && (own <= 0 || own >= 2e9):
				t.Errorf("%+v: %d of own GPUs", b, own)
			}
		}
		if (cost.Budget{Name: "two", USD: 1, Key: "k", Feature: "f"}).Validate() == nil {
			t.Error("a budget is for two things")
		}
	})
}

// A budget that takes too much to be read leaves the others what they need.
func TestLargeBudgetsDoNotBlindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(2, 2)), 40)...)
		w.publish(hour0+3600, request("1", "m", 0))
		w.hours[hour0+3600].files[0].Rows = maxCostRows + 1 // as far as the lake knows: nobody gets to read them
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "p", Models: []string{"a"}, GPUs: 1, GPUHourUSD: 2, PUE: 1, OutputWeight: 4}}
		})
		now := time.Unix(hour0, 0).UTC().Add(90 * time.Minute)
		s.now = func() time.Time { return now }
		// Those of own GPUs do not ask for the hour that runs.
		standings, err := s.standings(t.Context(), []cost.Budget{{UserID: "u"}, {UserID: "v"}, {UserID: "u", OwnGPUs: true}, {Key: "k1"}, {Key: "k1", OwnGPUs: true}}, now)
		if err != nil {
			t.Fatal(err)
		}
		for i, large := range []bool{true, true, false, true, false} {
			if st := standings[i]; strings.Contains(st.Why, "raw events") != large || (st.SpentUSD == 0) != large {
				t.Errorf("budget %d: %+v", i, st)
			}
		}
	})
}

// What was too much to be read is not counted as read.
func TestReadingCountsWhatIsTaken(t *testing.T) {
	var r reading
	if !r.take(maxCostRows-5) || r.take(6) || !r.take(5) || r.take(1) {
		t.Errorf("%d are taken of %d", r.rows.Load(), maxCostRows)
	}
}

// Raw events that have left were counted by model and by tenant, not by both: what they took of own GPUs is still no idle time, and what
// they were priced at still their tenant's.
func TestOwnCostsOfEventsThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(3, 3)), 80)...)
		w.publish(hour0, sampled(hour0, map[string]float64{"a-1": 40})...)
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "p", Models: []string{"a", "b"}, GPUs: 3, GPUHourUSD: 1.37, PUE: 1, OutputWeight: 4}}
		})
		from := time.Unix(hour0, 0).UTC()
		s.now = func() time.Time { return from.Add(time.Hour) }
		ask := func(by ...string) *cost.Table {
			t.Helper()
			got, err := s.costTable(t.Context(), &costQuery{from: from, to: from.Add(time.Hour), by: by, own: true})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		whole, tenants := ask(), ask("tenant")
		if _, err := s.foldHour(t.Context(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		w.hours[hour0].base = w.periods[claim{"hourly", hour0}].Cells
		w.hours[hour0].files = nil
		for _, by := range [][]string{nil, {"model"}, {"tenant"}, {"endpoint"}, {"day", "tenant"}, {"tenant", "model"}, {"model", "tenant"}} {
			got := ask(by...)
			if got.Total.Usage != whole.Total.Usage || got.Total.Own != whole.Total.Own || got.IdleTotal() != whole.IdleTotal() || whole.Total.Own == 0 {
				t.Errorf("by %v: %+v and %d idle, want %+v and %d", by, got.Total, got.IdleTotal(), whole.Total, whole.IdleTotal())
			}
			groups := got.Groups()
			for i := range groups {
				if g := &groups[i]; g.Covered > g.Unpriced() {
					t.Errorf("by %v: own GPUs served %d of %d requests without a price to %v", by, g.Covered, g.Unpriced(), g.Key)
				}
			}
		}
		for _, g := range tenants.Groups() {
			if now := ask("tenant").Of(g.Key...); now.Usage != g.Usage {
				t.Errorf("tenant %q: %+v, want %+v", g.Key, now.Usage, g.Usage)
			}
		}
	})
}
