package cost

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Lines add up to the total, however many tables they came through and however few are kept apart.
func TestTableAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sum, want := NewTable([]string{"model", "tenant"}), agg.Usage{}
		sum.most = rapid.IntRange(1, 8).Draw(t, "most")
		for range rapid.IntRange(1, 3).Draw(t, "tables") {
			part := NewTable(sum.By)
			for range rapid.IntRange(0, 10).Draw(t, "requests") {
				u := agg.Usage{Requests: 1, Cost: rapid.Int64Range(0, 1e12).Draw(t, "cost"), Priced: 1}
				part.Add([]string{rapid.StringMatching("[ab]?").Draw(t, "model"), rapid.StringMatching("[xyz]?").Draw(t, "tenant")}, &u)
				want.Merge(&u)
			}
			sum.Merge(part)
		}
		got := Sum{}
		groups := sum.Groups()
		for i := range groups {
			got.merge(&groups[i].Sum)
		}
		if got.Usage != want || sum.Total.Usage != want || len(groups) > sum.most+1 {
			t.Fatalf("%d groups of %d sum up to %+v, the total is %+v, want %+v", len(groups), sum.most, got, sum.Total, want)
		}
	})
}

// What pools cost while nobody used them adds up by time and pool, in the order in which they came first.
func TestIdleAddsUp(t *testing.T) {
	sum := NewTable([]string{"hour", "tenant"})
	for range 3 {
		part := NewTable(sum.By)
		for hour := range 3 {
			for pool := range 2 {
				part.AddIdle([]string{strconv.Itoa(hour), ""}, strconv.Itoa(pool), int64(10*hour+pool))
			}
		}
		sum.Merge(part)
	}
	if len(sum.Idle) != 6 || sum.IdleTotal() != 3*63 {
		t.Fatalf("%+v", sum.Idle)
	}
	for i, l := range sum.Idle {
		if hour, pool := i/2, i%2; l.Key[0] != strconv.Itoa(hour) || l.Key[1] != "" || l.Pool != strconv.Itoa(pool) || l.Nano != int64(3*(10*hour+pool)) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
}

// An hour of ten pools is added at the same cost however many there are before it.
func BenchmarkIdleOfManyHours(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		t := NewTable([]string{"hour"})
		for hour := range 24 * 400 {
			key := []string{strconv.Itoa(hour)}
			for pool := range 10 {
				t.AddIdle(key, strconv.Itoa(pool), 1)
			}
		}
	}
}

func TestFocus(t *testing.T) {
	table := NewTable(FocusParts)
	for _, x := range []struct {
		key  []string
		cost int64
		n    uint64
	}{{[]string{"2026-01-31", "gpt", "acme"}, 1_500_000_001, 1}, {[]string{"2026-02-01", "=evil()", ""}, 7, 1}, {[]string{"2026-02-01", "nobody knows", "acme"}, 0, 0}} {
		table.Add(x.key, &agg.Usage{Requests: 2, Priced: x.n, Cost: x.cost, Tokens: agg.Tokens{Total: 30}})
	}
	var out bytes.Buffer
	from, to := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC), time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)
	if err := WriteFocus(&out, table, from, to, Account{"1", "A", "P", "I"}, func(s string) string { return "'" + s }); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines, want a header and two: what nobody priced has none", len(lines))
	}
	first, second := map[string]string{}, map[string]string{}
	for i, name := range lines[0] {
		first[name], second[name] = lines[1][i], lines[2][i]
	}
	for name, want := range map[string]string{"BilledCost": "1.500000001", "ChargePeriodStart": "2026-01-31T06:00:00Z", "ChargePeriodEnd": "2026-02-01T00:00:00Z", "BillingPeriodStart": "2026-01-01T00:00:00Z",
		"BillingPeriodEnd": "2026-02-01T00:00:00Z", "SubAccountId": "'acme", "ConsumedQuantity": "30", "x_UnpricedRequests": "1"} {
		if first[name] != want {
			t.Errorf("%s is %q, want %q", name, first[name], want)
		}
	}
	if second["BilledCost"] != "0.000000007" || second["ResourceId"] != "'=evil()" {
		t.Errorf("second line %v", second)
	}
	mandatory := map[string]bool{"BilledCost": true, "BillingAccountId": true, "BillingAccountName": true, "BillingCurrency": true, "BillingPeriodEnd": true, "BillingPeriodStart": true, "ChargeCategory": true,
		"ChargeClass": true, "ChargeDescription": true, "ChargePeriodEnd": true, "ChargePeriodStart": true, "ContractedCost": true, "EffectiveCost": true, "InvoiceIssuerName": true, "ListCost": true,
		"PricingQuantity": true, "PricingUnit": true, "ProviderName": true, "PublisherName": true, "ServiceCategory": true, "ServiceName": true}
	for name := range maps.Keys(mandatory) {
		if !slices.Contains(lines[0], name) {
			t.Errorf("column %s of FOCUS 1.2 is missing", name)
		}
	}
	if _, err := strconv.ParseFloat(first["ListCost"], 64); err != nil {
		t.Error(err)
	}
}

// Too many groups for one table leave a FOCUS file whole: what is counted together keeps its day.
func TestFocusOfTooManyGroups(t *testing.T) {
	table := NewTable(FocusParts)
	table.most = 3
	for i := range 10 {
		table.Add([]string{"2026-03-0" + strconv.Itoa(1+i%2), "m", strconv.Itoa(i)}, &agg.Usage{Requests: 1, Priced: 1, Cost: 1_000_000_000})
	}
	var out bytes.Buffer
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if err := WriteFocus(&out, table, from, from.AddDate(0, 0, 2), Account{"1", "A", "P", "I"}, func(s string) string { return s }); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != 1+3+2 {
		t.Fatalf("%d lines, want a header, three groups and the rest of two days: %v", len(lines), err)
	}
	if rest := table.Of("2026-03-02", agg.Others, agg.Others); rest.Requests != 4 {
		t.Errorf("%d requests of the second day are counted together, want 4", rest.Requests)
	}
}

// TestBeyond: a table says when it has no room for more lines, and so does one that it is merged into.
func TestBeyond(t *testing.T) {
	few, all := NewTable([]string{"model"}), NewTable([]string{"model"})
	few.most = 1
	for _, model := range []string{"a", "a", "b"} {
		all.Merge(few)
		if all.Beyond {
			t.Errorf("beyond before %q", model)
		}
		few.Add([]string{model}, &agg.Usage{Requests: 1})
	}
	if all.Merge(few); !few.Beyond || !all.Beyond {
		t.Error("nobody says so")
	}
}
