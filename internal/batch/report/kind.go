package report

import "slices"

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
	Capacity        Kind = "capacity_analysis"
	Cost            Kind = "cost"
	Test            Kind = "test"
)

// Kinds lists every kind.
var Kinds = []Kind{Hourly, Daily, Weekly, Monthly, Business, MonthlyBusiness, Capacity, Cost, Test}

// The formats.
const (
	JSON = "json"
	CSV  = "csv"
	PDF  = "pdf"
)

// Formats lists every format.
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
	}
	return "application/octet-stream"
}

// Known tells whether there is such a kind.
func (k Kind) Known() bool { return slices.Contains(Kinds, k) }

// Available tells whether this version can make it.
func (k Kind) Available() bool { return k.Known() && (k.Level() != "" || k == Test) }

// Level is the aggregation level whose rows a summary shows, "" for the other kinds.
func (k Kind) Level() string {
	switch k {
	case Hourly:
		return "hourly"
	case Daily:
		return "daily"
	case Weekly:
		return "weekly"
	case Monthly:
		return "monthly"
	}
	return ""
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
	case Capacity:
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
