package cost

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// focusRule is what FOCUS 1.2 says of a column: its type, whether a cell may be empty, and the values that it allows.
type focusRule struct {
	kind     string // decimal, time, text, tags, count
	nullable bool
	allowed  []string
}

// focusRules are those of all columns that are written, by the specification's pages of columns (version 1.2).
var focusRules = map[string]focusRule{
	"BilledCost": {kind: "decimal"}, "EffectiveCost": {kind: "decimal"}, "ListCost": {kind: "decimal"}, "ContractedCost": {kind: "decimal"},
	"BillingAccountId": {kind: "text"}, "BillingAccountName": {kind: "text", nullable: true}, "BillingAccountType": {kind: "text"}, "BillingCurrency": {kind: "text", allowed: []string{"USD"}},
	"BillingPeriodStart": {kind: "time"}, "BillingPeriodEnd": {kind: "time"}, "ChargePeriodStart": {kind: "time"}, "ChargePeriodEnd": {kind: "time"},
	"CapacityReservationId": {kind: "text", nullable: true}, "CapacityReservationStatus": {kind: "text", nullable: true, allowed: []string{"Used", "Unused"}},
	"ChargeCategory": {kind: "text", allowed: []string{"Usage", "Purchase", "Tax", "Credit", "Adjustment"}}, "ChargeClass": {kind: "text", nullable: true, allowed: []string{"Correction"}},
	"ChargeDescription": {kind: "text", nullable: true}, "ChargeFrequency": {kind: "text", allowed: []string{"One-Time", "Recurring", "Usage-Based"}},
	"ConsumedQuantity": {kind: "decimal", nullable: true}, "ConsumedUnit": {kind: "text", nullable: true}, "PricingQuantity": {kind: "decimal", nullable: true}, "PricingUnit": {kind: "text", nullable: true},
	"PricingCategory":   {kind: "text", nullable: true, allowed: []string{"Standard", "Dynamic", "Committed", "Other"}},
	"InvoiceIssuerName": {kind: "text"}, "ProviderName": {kind: "text"}, "PublisherName": {kind: "text"},
	"ResourceId": {kind: "text", nullable: true}, "ResourceName": {kind: "text", nullable: true}, "ResourceType": {kind: "text", nullable: true},
	"ServiceCategory": {kind: "text", allowed: []string{"AI and Machine Learning"}}, "ServiceSubcategory": {kind: "text", allowed: []string{"Generative AI"}}, "ServiceName": {kind: "text"},
	"SubAccountId": {kind: "text", nullable: true}, "SubAccountName": {kind: "text", nullable: true}, "Tags": {kind: "tags", nullable: true},
	"x_Requests": {kind: "count", nullable: true}, "x_PromptTokens": {kind: "count", nullable: true}, "x_CompletionTokens": {kind: "count", nullable: true}, "x_CachedTokens": {kind: "count", nullable: true},
	"x_ReasoningTokens": {kind: "count", nullable: true}, "x_UnpricedRequests": {kind: "count", nullable: true},
}

var (
	focusDecimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?$`)
	focusCount   = regexp.MustCompile(`^[0-9]+$`)
)

// breaks tells how a cell breaks the rule, "" when it does not.
func (r focusRule) breaks(cell string) string {
	switch {
	case cell == "" && r.nullable:
		return ""
	case cell == "":
		return "is null"
	case r.allowed != nil && !slices.Contains(r.allowed, cell):
		return fmt.Sprintf("is none of %q", r.allowed)
	case r.kind == "decimal" && !focusDecimal.MatchString(cell), r.kind == "count" && !focusCount.MatchString(cell):
		return "is no number"
	case r.kind == "time":
		if t, err := time.Parse("2006-01-02T15:04:05Z", cell); err != nil || t.Location() != time.UTC {
			return "is no time in UTC"
		}
	case r.kind == "tags":
		var tags map[string]string
		if json.Unmarshal([]byte(cell), &tags) != nil {
			return "is no object of texts"
		}
		for name := range tags {
			if !strings.HasPrefix(name, "hxp/") {
				return "has a key of ours without our prefix"
			}
		}
	}
	return ""
}

// between are the rules between columns of one row; each tells what is wrong.
var between = map[string]func(row map[string]string) bool{
	"a unit stands with its quantity":         func(r map[string]string) bool { return (r["ConsumedUnit"] == "") != (r["ConsumedQuantity"] == "") },
	"a pricing unit stands with its quantity": func(r map[string]string) bool { return (r["PricingUnit"] == "") != (r["PricingQuantity"] == "") },
	"usage has quantities and a category": func(r map[string]string) bool {
		return r["ChargeCategory"] == "Usage" && (r["PricingQuantity"] == "" || r["ConsumedQuantity"] == "" || r["PricingCategory"] == "")
	},
	"a resource has a type, and no name without an id": func(r map[string]string) bool {
		return (r["ResourceId"] == "") != (r["ResourceType"] == "") || r["ResourceId"] == "" && r["ResourceName"] != ""
	},
	"a name does not repeat the id": func(r map[string]string) bool { return r["ResourceName"] != "" && r["ResourceName"] == r["ResourceId"] },
	"a sub account has a name":      func(r map[string]string) bool { return (r["SubAccountId"] == "") != (r["SubAccountName"] == "") },
	"a reservation has a status": func(r map[string]string) bool {
		return (r["CapacityReservationId"] == "") != (r["CapacityReservationStatus"] == "")
	},
	"a charge ends after it begins, within its month": func(r map[string]string) bool {
		return r["ChargePeriodStart"] >= r["ChargePeriodEnd"] || r["ChargePeriodStart"] < r["BillingPeriodStart"] || r["ChargePeriodEnd"] > r["BillingPeriodEnd"]
	},
	"a billing period is a month": func(r map[string]string) bool {
		return r["BillingPeriodStart"][8:] != "01T00:00:00Z" || r["BillingPeriodEnd"][8:] != "01T00:00:00Z"
	},
	"what is listed is what is charged: there is one list": func(r map[string]string) bool {
		return r["ListCost"] != r["EffectiveCost"] || r["ContractedCost"] != r["EffectiveCost"]
	},
	"own GPUs are billed by others": func(r map[string]string) bool {
		return strings.HasPrefix(r["ChargeDescription"], "Own GPUs") != (r["BilledCost"] == "0" && r["EffectiveCost"] != "0" && r["PricingCategory"] == "Other")
	},
}

// Whatever there is to charge, each cell is as FOCUS 1.2 wants it, the costs add up to the last nano, and each token counts once.
func TestFocusRules(t *testing.T) {
	start := time.Date(2026, 1, 30, 7, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		table, billed, effective := NewTable(FocusParts), int64(0), int64(0)
		name := rapid.SampledFrom([]string{"", "a", "=b", "c,\"d\"", "é", "-1"})
		money := rapid.Int64Range(0, 3e9)
		day := func() string {
			return start.AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "day")).Format(time.DateOnly)
		}
		for range rapid.IntRange(0, 9).Draw(t, "requests") {
			key := []string{day(), name.Draw(t, "model"), name.Draw(t, "tenant")}
			u := agg.Usage{Requests: 2, Tokens: agg.Tokens{Total: 30, Prompt: 20, Completion: 10}}
			if u.Priced = uint64(rapid.IntRange(0, 2).Draw(t, "priced")); u.Priced > 0 {
				u.Cost = 1 + money.Draw(t, "cost")
			}
			own := money.Draw(t, "own")
			table.Add(key, &u)
			table.AddOwn(key, own, 0)
			billed, effective = billed+u.Cost, effective+u.Cost+own
		}
		for range rapid.IntRange(0, 4).Draw(t, "idle") {
			nano := money.Draw(t, "idle cost")
			table.AddIdle([]string{day(), "", ""}, name.Draw(t, "pool")+"p", nano)
			effective += nano
		}
		var out bytes.Buffer
		if err := WriteFocus(&out, table, start, start.AddDate(0, 0, 4), Account{"1", "A", "P", "I"}, func(s string) string {
			if strings.ContainsAny(s[:min(1, len(s))], "=-") {
				return "'" + s
			}
			return s
		}); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		tokens := int64(0)
		for _, g := range table.Groups() {
			if g.Priced > 0 || g.Own > 0 {
				tokens += g.Tokens.Total
			}
		}
		sums := map[string]*big.Rat{}
		for _, column := range []string{"BilledCost", "EffectiveCost", "ConsumedQuantity", "PricingQuantity"} {
			sums[column] = new(big.Rat)
		}
		for _, line := range lines[1:] {
			row := map[string]string{}
			for i, column := range lines[0] {
				rule, known := focusRules[column]
				if !known {
					t.Fatalf("column %s has no rule", column)
				}
				if row[column] = line[i]; rule.breaks(line[i]) != "" {
					t.Fatalf("%s %q %s in %q", column, line[i], rule.breaks(line[i]), line)
				}
			}
			for rule, broken := range between {
				if broken(row) {
					t.Fatalf("%s: %v", rule, row)
				}
			}
			for column, sum := range sums {
				n, _ := new(big.Rat).SetString(row[column])
				sum.Add(sum, n)
			}
		}
		for column, want := range map[string]*big.Rat{"BilledCost": big.NewRat(billed, 1e9), "EffectiveCost": big.NewRat(effective, 1e9), "ConsumedQuantity": big.NewRat(tokens, 1), "PricingQuantity": big.NewRat(tokens, 1)} {
			if sums[column].Cmp(want) != 0 {
				t.Fatalf("%s adds up to %s, want %s", column, sums[column].FloatString(9), want.FloatString(9))
			}
		}
	})
}
