package cost

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
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
	"BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass",
	"ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "InvoiceIssuerName",
	"ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory",
	"SubAccountId", "SubAccountName", "Tags", "x_Requests", "x_PromptTokens", "x_CompletionTokens", "x_CachedTokens", "x_ReasoningTokens", "x_UnpricedRequests",
}

// WriteFocus writes a table by FocusParts of requests within [from, to) as FOCUS 1.2, one line for each day, model and tenant. BilledCost
// may not be empty there, and a cost that nobody knows is not 0: groups in which nothing is priced have no line, and x_UnpricedRequests
// counts such requests in the others. The costs add up to the total exactly. text makes a text of strangers harmless for spreadsheets.
func WriteFocus(w io.Writer, t *Table, from, to time.Time, a Account, text func(string) string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(focusColumns) // Error tells
	groups := t.Groups()
	sorting.StableBy(groups, func(a, b Group) int { return slices.Compare(a.Key, b.Key) })
	for i := range groups {
		g := &groups[i]
		if g.Priced == 0 {
			continue
		}
		fields, err := focusLine(g, from, to, a, text)
		if err != nil {
			return err
		}
		line := make([]string, len(focusColumns))
		for n, name := range focusColumns {
			line[n] = fields[name]
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}

func focusLine(g *Group, from, to time.Time, a Account, text func(string) string) (map[string]string, error) {
	day, err := time.Parse(time.DateOnly, g.Key[0])
	if err != nil {
		return nil, fmt.Errorf("day %q of a cost: %w", g.Key[0], err)
	}
	month := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	start, end := later(day, from), earlier(day.AddDate(0, 0, 1), to)
	model, tenant := orUnknown(g.Key[1]), g.Key[2]
	tags, err := json.Marshal(map[string]string{"model": model, "tenant": tenant})
	if err != nil {
		return nil, err
	}
	usd := agg.USD(g.Cost).String()
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	return map[string]string{
		"BilledCost": usd, "EffectiveCost": usd, "ListCost": usd, "ContractedCost": usd, "BillingCurrency": "USD",
		"BillingAccountId": a.ID, "BillingAccountName": a.Name, "BillingAccountType": "Installation",
		"BillingPeriodStart": stamp(month), "BillingPeriodEnd": stamp(month.AddDate(0, 1, 0)), "ChargePeriodStart": stamp(start), "ChargePeriodEnd": stamp(end),
		"ChargeCategory": "Usage", "ChargeClass": "", "ChargeFrequency": "Usage-Based", "ChargeDescription": text("Requests to " + model),
		"ConsumedQuantity": number(g.Tokens.Total), "ConsumedUnit": "Tokens", "PricingQuantity": number(g.Tokens.Total), "PricingUnit": "Tokens", "PricingCategory": "Standard",
		"ProviderName": a.Provider, "PublisherName": a.Provider, "InvoiceIssuerName": a.Issuer, "ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI", "ServiceName": "LLM inference",
		"ResourceId": text(model), "ResourceName": text(model), "ResourceType": "Model", "SubAccountId": text(tenant), "SubAccountName": text(tenant), "Tags": strings.TrimSpace(string(tags)),
		"x_Requests": strconv.FormatUint(g.Requests, 10), "x_PromptTokens": number(g.Tokens.Prompt), "x_CompletionTokens": number(g.Tokens.Completion),
		"x_CachedTokens": number(g.Tokens.Cached), "x_ReasoningTokens": number(g.Tokens.Reasoning), "x_UnpricedRequests": strconv.FormatUint(g.Unpriced(), 10),
	}, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown model"
	}
	return s
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
