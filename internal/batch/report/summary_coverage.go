package report

import (
	"fmt"
	"strings"
	"time"
)

// cover says how much of the period the numbers cover.
func (s *Summary) cover(d *document) {
	c, st := s.Coverage(), d.style
	d.coverage = [][2]string{
		{"Period", s.Period.Start.UTC().Format(time.RFC3339) + " to " + s.Period.End.UTC().Format(time.RFC3339) + " (end not included)"},
		{"Completeness", completeText(st, c)},
		{"Parts", fmt.Sprintf("%d of %s with data", c.WithData, st.plural(int64(c.Periods), unit(c.Level, 1)))},
		{"Late data", fmt.Sprintf("%s of %s came late and %s counted", st.count(c.LateEvents), st.plural(c.Events, "event"), map[bool]string{true: "is", false: "are"}[c.LateEvents == 1])},
		{"Not aggregated", missingText(st, c)},
		{"Source", "table " + c.Level + "_aggregations; its rows are in " + d.source},
	}
}

func completeText(st *style, c Coverage) string {
	if c.Events == 0 && len(c.Missing) == 0 {
		return "no event of the period is known, so nothing is left to count"
	}
	return st.percent(&c.Completeness) + " of the period is counted completely"
}

// comparison says with which periods the numbers are compared.
func (s *Summary) comparison(d *document) {
	d.coverage = append(d.coverage, [2]string{"Compared with", compareText(d.style, s.Period, s.Kind.Level(), s.Previous != nil, s.Earlier != nil)})
}

func compareText(st *style, p Period, level string, previous, earlier bool) string {
	say := func(p Period, known bool) string {
		if known {
			return st.span(p)
		}
		return st.span(p) + " (nothing is known of it)"
	}
	return "previous: " + say(p.Previous(level), previous) + "; " + strings.ToLower(p.earlierName(level)) + ": " + say(p.Earlier(level), earlier)
}

func missingText(st *style, c Coverage) string {
	if len(c.Missing) == 0 {
		return "nothing"
	}
	var names []string
	for _, t := range c.Missing[:min(len(c.Missing), 5)] {
		names = append(names, st.label(c.Level, t))
	}
	text := strings.Join(names, ", ")
	if n := len(c.Missing) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
