package cost

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// FocusParts are the parts of the key of a table that WriteFocus takes.
var FocusParts = []string{"day", "model", "tenant"}

// Account says on whose account a FOCUS file charges.
type Account struct{ ID, Name, Provider, Issuer string }

// focusColumns are those of FOCUS 1.2 (FinOps Open Cost and Usage Specification) that are mandatory, those conditional ones that can be
// told, and columns of our own, which the specification wants to begin with x_.
var focusColumns = []string{
	"BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId", "CapacityReservationStatus", "ChargeCategory", "ChargeClass",
	"ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "InvoiceIssuerName",
	"ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory",
	"SubAccountId", "SubAccountName", "Tags", "x_Requests", "x_PromptTokens", "x_CompletionTokens", "x_CachedTokens", "x_ReasoningTokens", "x_UnpricedRequests",
}

// focus writes one file.
type focus struct {
	out      *csv.Writer
	from, to time.Time
	account  Account
	text     func(string) string
}

// WriteFocus writes a table by FocusParts of requests within [from, to) as FOCUS 1.2, one line for each day, model and tenant. BilledCost
// may not be empty there, and a cost that nobody knows is not 0: groups in which nothing is priced have no line, and x_UnpricedRequests
// counts such requests in the others. The costs add up to the total exactly. text makes a text of strangers harmless for spreadsheets.
//
// Own GPUs are capacity that was paid for elsewhere, so nothing is billed for them here and their cost is effective alone: a line for what each day,
// model and tenant used of them, and one for each day and pool for what nobody used.
func WriteFocus(w io.Writer, t *Table, from, to time.Time, a Account, text func(string) string) error {
	f := &focus{csv.NewWriter(w), from, to, a, text}
	f.out.UseCRLF = true
	_ = f.out.Write(focusColumns) // Error tells
	groups := t.Groups()
	sorting.StableBy(groups, func(a, b Group) int { return slices.Compare(a.Key, b.Key) })
	for i := range groups {
		g := &groups[i]
		if g.Priced > 0 {
			if err := f.write(g.Key, f.priced(g)); err != nil {
				return err
			}
		}
		if g.Own > 0 {
			if err := f.write(g.Key, f.own(g)); err != nil {
				return err
			}
		}
	}
	idle := slices.Clone(t.Idle)
	sorting.StableBy(idle, func(a, b IdleLine) int {
		return cmp.Or(slices.Compare(a.Key, b.Key), strings.Compare(a.Pool, b.Pool))
	})
	for i := range idle {
		if idle[i].Nano == 0 {
			continue
		}
		if err := f.write(idle[i].Key, f.idle(&idle[i])); err != nil {
			return err
		}
	}
	f.out.Flush()
	return f.out.Error()
}

// write writes a line with what all lines of a day have in common.
func (f *focus) write(key []string, own map[string]string) error {
	day, err := time.Parse(time.DateOnly, key[0])
	if err != nil {
		return fmt.Errorf("day %q of a cost: %w", key[0], err)
	}
	month := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	start, end := later(day, f.from), earlier(day.AddDate(0, 0, 1), f.to)
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	a := &f.account
	common := map[string]string{
		"BillingCurrency": "USD", "BillingAccountId": a.ID, "BillingAccountName": a.Name, "BillingAccountType": "Installation",
		"BillingPeriodStart": stamp(month), "BillingPeriodEnd": stamp(month.AddDate(0, 1, 0)), "ChargePeriodStart": stamp(start), "ChargePeriodEnd": stamp(end),
		"ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based", "ProviderName": a.Provider, "PublisherName": a.Provider, "InvoiceIssuerName": a.Issuer,
		"ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI", "ServiceName": "LLM inference",
	}
	line := make([]string, len(focusColumns))
	for n, name := range focusColumns {
		line[n] = cmp.Or(own[name], common[name])
	}
	_ = f.out.Write(line) // Error tells
	return nil
}

// requests are the columns of requests to a model by a tenant.
func (f *focus) requests(g *Group) map[string]string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	tokens := number(g.Tokens.Total)
	line := map[string]string{
		"ConsumedQuantity": tokens, "ConsumedUnit": "Tokens", "PricingQuantity": tokens, "PricingUnit": "Tokens", "PricingCategory": "Standard",
		"x_Requests": strconv.FormatUint(g.Requests, 10), "x_PromptTokens": number(g.Tokens.Prompt), "x_CompletionTokens": number(g.Tokens.Completion),
		"x_CachedTokens": number(g.Tokens.Cached), "x_ReasoningTokens": number(g.Tokens.Reasoning), "x_UnpricedRequests": strconv.FormatUint(g.Unpriced(), 10),
	}
	if model := g.Key[1]; model != "" { // else it is not known which resource they are for
		line["ResourceId"], line["ResourceType"] = f.text(model), "Model"
	}
	line["SubAccountId"], line["SubAccountName"] = f.text(g.Key[2]), f.text(g.Key[2])
	line["Tags"] = tagsOf(map[string]string{"hxp/model": g.Key[1], "hxp/tenant": g.Key[2]})
	return line
}

// priced is what requests cost by their prices.
func (f *focus) priced(g *Group) map[string]string {
	line := f.requests(g)
	line["ChargeDescription"] = f.text("Requests to " + orUnknown(g.Key[1]))
	putCosts(line, agg.USD(g.Cost), agg.USD(g.Cost))
	return line
}

// own is what requests used of own GPUs.
func (f *focus) own(g *Group) map[string]string {
	line := f.requests(g)
	if g.Priced > 0 { // counted beside their price
		maps.DeleteFunc(line, func(name, _ string) bool { return strings.HasPrefix(name, "x_") })
		line["ConsumedQuantity"], line["PricingQuantity"] = "0", "0"
	}
	line["ChargeDescription"], line["PricingCategory"] = f.text("Own GPUs, used by requests to "+orUnknown(g.Key[1])), "Other"
	putCosts(line, 0, agg.USD(g.Own))
	return line
}

// idle is what a pool cost while nobody used it.
func (f *focus) idle(l *IdleLine) map[string]string {
	line := map[string]string{"ChargeDescription": f.text("Own GPUs of pool " + l.Pool + ", idle"), "CapacityReservationId": f.text(l.Pool), "CapacityReservationStatus": "Unused",
		"ConsumedQuantity": "0", "ConsumedUnit": "Tokens", "PricingQuantity": "0", "PricingUnit": "Tokens", "PricingCategory": "Other",
		"ResourceId": f.text(l.Pool), "ResourceType": "GPU pool", "Tags": tagsOf(map[string]string{"hxp/pool": l.Pool})}
	putCosts(line, 0, agg.USD(l.Nano))
	return line
}

// putCosts writes the four costs: what is billed, and what was used up whoever billed it. There is no other price list than what was charged.
func putCosts(line map[string]string, billed, effective agg.USD) {
	line["BilledCost"], line["EffectiveCost"], line["ListCost"], line["ContractedCost"] = billed.String(), effective.String(), effective.String(), effective.String()
}

// tagsOf writes tags as an object; what has no value is no tag. They are of our making, so their keys have our prefix.
func tagsOf(tags map[string]string) string {
	maps.DeleteFunc(tags, func(_, v string) bool { return v == "" })
	text, _ := json.Marshal(tags) // texts alone
	return string(text)
}

func orUnknown(s string) string {
	return cmp.Or(s, "unknown model")
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
