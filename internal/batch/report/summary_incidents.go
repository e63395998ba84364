package report

import (
	"fmt"
	"strings"
	"time"
)

// incidents are alerts and what was done about them.
func (s *Summary) incidents(d *document) {
	const title = "Incidents and actions taken"
	st, known := d.style, &s.Incidents
	if known.Fired == nil {
		return
	}
	if len(known.Fired) == 0 {
		text := "No alert fired in this period."
		if since := known.Since; since != nil && since.Before(s.Period.End) {
			text = "No alert that began after " + st.moment(*since) + " fired in this period. Earlier ones are not known any more."
		} else if since != nil {
			text = "The alerts of this period are not known any more."
		}
		d.add("incidents", title, "", prose(text))
		return
	}
	var list items
	acted := 0
	for _, x := range known.Fired {
		acted += len(x.Actions)
		if len(list) < mostItems {
			list = append(list, x.item(st))
		}
	}
	about := st.plural(int64(len(known.Fired)), "alert") + " fired; " + st.plural(int64(acted), "action") + " followed. The oldest first."
	if n := len(known.Fired) - len(list); n > 0 {
		about += " The first " + st.count(int64(len(list))) + " are shown; the JSON has all."
	}
	if known.Since != nil {
		about += " Of those that began before " + st.moment(*known.Since) + " some may be missing."
	}
	d.add("incidents", title, about, list)
}

// moment writes a time for a sentence.
func (s *style) moment(t time.Time) string { return s.date(t, s.day+", "+s.clock) + " UTC" }

func (x *Incident) item(st *style) item {
	out := item{title: x.Rule, tone: Neutral, right: "lasts"}
	if x.Severity == "critical" || x.Severity == "error" {
		out.tone = Worse
	}
	if x.Subject != "" {
		out.title += ", " + x.Subject
	}
	if x.End != nil {
		out.right = lasted(x.End.Sub(x.Start))
	}
	words := []string{st.date(x.Start, st.day+", "+st.clock) + " UTC, " + x.Severity + "."}
	if x.Text != "" {
		words = append(words, x.Text)
	}
	if len(x.Actions) == 0 {
		words = append(words, "Nothing was changed.")
	}
	for _, a := range x.Actions {
		words = append(words, fmt.Sprintf("%s: %s at %s, %s.", st.date(a.At, st.clock), a.Action, a.Target, a.State))
	}
	out.text = strings.Join(words, " ")
	return out
}

// lasted writes a duration in two units at most.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}
