package report

import (
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// The cost of a request is of those that have a price; what cannot be told of tokens and users is blank, and never told as if the unpriced
// were free.
func TestUnitCostsAreOfPricedRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		unpriced             *int64
		requests, tokens     float64 // 0 = blank
		sentence, inDocument string
	}{
		"all have a price": {new(int64(0)), 10, 20, "all have a price", ">0<"},
		"some have none":   {new(int64(60)), 25, 0, "60 of 100 requests without a price", ">60<"},
		"none is known":    {nil, 0, 0, "not known", ">–<"},
	} {
		s := sample(Cost, 1)
		s.Unpriced = Unpriced{}
		if tc.unpriced != nil {
			s.Unpriced[agg.AllModels], s.Unpriced["m"] = *tc.unpriced, *tc.unpriced
		}
		s.Total.Requests, s.Total.TotalTokens, s.Total.CostUSD = 100, 50_000, new(1.0)
		row := *s.Total
		row.Model = "m"
		s.Models = []agg.Row{row}
		h := s.Headline()
		for i, want := range map[int]float64{1: tc.requests, 2: tc.tokens} {
			if v := h[i].Value; (v == nil) != (want == 0) || v != nil && (*v < want*0.999 || *v > want*1.001) {
				t.Errorf("%s: %s is %v, want %v", name, h[i].Key, v, want)
			}
		}
		if !strings.Contains(h[1].Sentence, tc.sentence) {
			t.Errorf("%s: %q", name, h[1].Sentence)
		}
		page, err := Insight{s}.Render(HTML)
		if err != nil {
			t.Fatal(err)
		}
		if _, cost, _ := strings.Cut(string(page), "Unpriced"); !strings.Contains(cost, tc.inDocument) {
			t.Errorf("%s: the table does not say %q", name, tc.inDocument)
		}
	}
}

// A document of alerts says what it does not know.
func TestIncidentsThatAreNotKnown(t *testing.T) {
	for want, alerts := range map[string]Alerts{
		"No alert fired in this period.":         {Fired: []Incident{}},
		"No alert that began after":              {Fired: []Incident{}, Since: new(day0.AddDate(0, 0, 1).Add(-1))},
		"of this period are not known any more.": {Fired: []Incident{}, Since: new(day0.AddDate(0, 0, 2))},
		"some may be missing.":                   {Fired: []Incident{{Start: day0, Rule: "r"}}, Since: new(day0)},
	} {
		s := sample(Daily, 1)
		s.Incidents = alerts
		page, err := s.Render(HTML)
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("%q is not said, %v", want, err)
		}
	}
}
