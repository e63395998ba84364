package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// TestPage is the report "test": a small document from real rows that proves that store, renderer and folder work together.
type TestPage struct {
	Period   Period
	Template *Template // nil = the built-in one
	Hours    []agg.Row // rows agg.AllModels of the hours of the period
	// Missing are the hours that have data but no row yet.
	Missing []time.Time
}

// Completeness is the share of the period that the numbers cover.
func (p *TestPage) Completeness() float64 {
	s := Summary{Kind: Hourly, Period: p.Period, Rows: p.Hours, Missing: p.Missing}
	return s.Completeness()
}

type checkJSON struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
}

func (p *TestPage) checks() []checkJSON {
	var events, requests int64
	for i := range p.Hours {
		events, requests = events+p.Hours[i].Events, requests+p.Hours[i].Requests
	}
	return []checkJSON{
		{"store", "ok", fmt.Sprintf("%s with data read: %s, %s", english.plural(int64(len(p.Hours)), "hour"), english.plural(events, "event"), english.plural(requests, "request"))},
		{"renderer", "ok", "this document was made by template " + Schema},
		{"folder", "ok", "this document was written whole, read again and compared before it was shown"},
	}
}

// Render makes the document in a format.
func (p *TestPage) Render(format string) ([]byte, error) {
	if !p.Period.Start.Before(p.Period.End) {
		return nil, fmt.Errorf("report: the period is empty")
	}
	switch format {
	case JSON:
		b, err := json.MarshalIndent(struct {
			Schema string      `json:"schema"`
			Type   Kind        `json:"report_type"`
			Title  string      `json:"title"`
			Period Period      `json:"period"`
			Checks []checkJSON `json:"checks"`
			Rows   []row       `json:"rows"`
		}{Schema, Test, Test.Title(), p.Period, p.checks(), p.rows()}, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		return append(b, '\n'), nil
	case CSV:
		return rowsCSV(p.Hours)
	}
	table, err := rowsCSV(p.Hours)
	if err != nil {
		return nil, err
	}
	return p.document(table).render(format)
}

func (p *TestPage) document(rows []byte) *document {
	d := newDocument(Test, p.Period, p.Template)
	d.attach(rows)
	d.lead = "Who reads this has proof that the chain works: rows were read from the database, this page was drawn from them, and the file was written, read again and compared before it was shown."
	for _, c := range p.checks() {
		d.checks = append(d.checks, [2]string{c.Name + ": " + c.Status, c.Detail})
	}
	s := Summary{Kind: Hourly, Period: p.Period, Rows: p.Hours, Trend: p.Hours, TrendLevel: "hourly", TrendPeriod: p.Period, Missing: p.Missing}
	d.hero = s.chart(d.style, "Requests per hour", d.style.short)
	d.hero.bars = true
	d.hero.add(&s, "requests", d.style.accent, func(r *agg.Row) *float64 { return new(float64(r.Requests)) })
	d.add("signs", "Signs", "What the fonts of this document draw.",
		prose("ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789"), prose("ÄÖÜ äöü ß ÀÉÎÕ àéîõ Łł Čč Şş Ωωλ Жж € % ‰ − ± × ≤ ≥ → – — „“ ‘’ … • ▲ ▼"))
	s.cover(d)
	d.terms = Definitions
	return d
}

func (p *TestPage) rows() []row {
	out := make([]row, 0, len(p.Hours))
	for _, r := range p.Hours {
		out = append(out, row{Row: r})
	}
	return out
}
