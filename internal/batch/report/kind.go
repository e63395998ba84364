package report

import (
	"slices"
	"time"
)

// Kind is what a report is about. The names are contracts with operators.
type Kind string

// The kinds.
const (
	Hourly          Kind = "hourly_summary"
	Daily           Kind = "daily_summary"
	Weekly          Kind = "weekly_summary"
	Monthly         Kind = "monthly_summary"
	Business        Kind = "business_intelligence"
	MonthlyBusiness Kind = "monthly_business_intelligence"
	CapacityReport  Kind = "capacity_analysis"
	Cost            Kind = "cost"
	Test            Kind = "test"
)

// Kinds lists every kind.
var Kinds = []Kind{Hourly, Daily, Weekly, Monthly, Business, MonthlyBusiness, CapacityReport, Cost, Test}

// The formats. HTML and Mail are forms of a document that are shown and not kept.
const (
	JSON = "json"
	CSV  = "csv"
	PDF  = "pdf"
	HTML = "html"
	Mail = "mail"
)

// Formats lists every format of files.
var Formats = []string{JSON, CSV, PDF}

// MediaType is the Content-Type of a format.
func MediaType(format string) string {
	switch format {
	case JSON:
		return "application/json"
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case PDF:
		return "application/pdf"
	case HTML, Mail:
		return "text/html; charset=utf-8"
	}
	return "application/octet-stream"
}

// Known tells whether there is such a kind.
func (k Kind) Known() bool { return slices.Contains(Kinds, k) }

// Summary tells whether it is a summary of the rows of a level.
func (k Kind) Summary() bool { return k == Hourly || k == Daily || k == Weekly || k == Monthly }

// Level is the aggregation level that a report is made from: its period is made of whole ones.
func (k Kind) Level() string {
	switch k {
	case Daily, Business, Cost:
		return "daily"
	case Weekly:
		return "weekly"
	case Monthly, MonthlyBusiness:
		return "monthly"
	}
	return "hourly"
}

// Usual is the level whose last complete period a report is about when none is named.
func (k Kind) Usual() string {
	switch k {
	case Business, CapacityReport:
		return "weekly"
	case Cost:
		return "monthly"
	case Test:
		return "daily"
	}
	return k.Level()
}

// Title is what stands on the first page.
func (k Kind) Title() string {
	switch k {
	case Hourly:
		return "Hourly summary"
	case Daily:
		return "Daily summary"
	case Weekly:
		return "Weekly summary"
	case Monthly:
		return "Monthly summary"
	case Business:
		return "Business intelligence"
	case MonthlyBusiness:
		return "Monthly business intelligence"
	case CapacityReport:
		return "Capacity analysis"
	case Cost:
		return "Costs"
	}
	return "Test report"
}

// unit is the word for one period of a level.
func unit(level string, n int) string {
	word := map[string]string{"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}[level]
	if n != 1 {
		word += "s"
	}
	return word
}

// ID names what a report of a kind, a period and a template is, in letters that a path and a file name may have.
func ID(k Kind, p Period, template string) string {
	id := string(k) + "-" + stamp(p.Start) + "-" + stamp(p.End)
	if template != "" {
		id += "-" + template
	}
	return id
}

// stamp writes a whole hour; midnight as the day alone.
func stamp(t time.Time) string {
	if t = t.UTC(); t.Hour() == 0 {
		return t.Format("20060102")
	}
	return t.Format("20060102T15")
}
