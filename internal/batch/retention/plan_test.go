package retention

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var now = time.Date(2026, 3, 31, 15, 4, 5, 0, time.UTC)

// hours are whole hours of raw files, n days old, each with two files of 50 rows.
func hours(daysOld ...int) (out []Group) {
	for _, n := range daysOld {
		start := now.AddDate(0, 0, -n).Truncate(time.Hour)
		g := Group{Class: event.ClassRaw, Start: start, End: start.Add(time.Hour), Written: start}
		for i := range 2 {
			g.Objects = append(g.Objects, Object{Path: fmt.Sprintf("t/%s/%d", start.Format("2006-01-02T15"), i), Rows: 50, Bytes: 1000})
		}
		out = append(out, g)
	}
	return out
}

// state is a lake of a hundred files with 5,000 rows, some hours of which are old.
func state(old ...Group) *State {
	return &State{Now: now, Clock: now, Old: old, Holdings: map[string]event.Holdings{
		event.ClassRaw: {Objects: 100, Rows: 5000, Newest: now.Add(-time.Minute).UnixMicro()}}}
}

// said tells a plan in short: actions of the items in order, then the codes of the refusals, then the totals.
func said(p *Plan) string {
	var words []string
	for i := range p.Items {
		words = append(words, p.Items[i].Action)
	}
	for i := range p.Refused {
		words = append(words, p.Refused[i].Code)
	}
	return strings.Join(words, " ") + fmt.Sprintf(" | %d %d %d %d", p.Totals.Archived, p.Totals.Deleted, p.Totals.Kept, p.Totals.BytesFreed)
}

func TestDraft(t *testing.T) {
	unproved, busy, lately := hours(40), hours(40), hours(40)
	unproved[0].Unproved, busy[0].Busy = "the hour has no aggregate", "it is needed"
	lately[0].Written = now.Add(-23 * time.Hour)
	hold := func(class string, from, to int) func(*Config, *State, *Order) {
		return func(_ *Config, st *State, _ *Order) {
			st.Holds = []event.Hold{{Name: "audit", Class: class, From: now.AddDate(0, 0, -from), To: now.AddDate(0, 0, -to)}}
		}
	}
	force := func(_ *Config, _ *State, o *Order) { o.Force = true }
	daily := func(_ *Config, _ *State, o *Order) { o.Daily = true }
	ahead := func(by time.Duration) func(*Config, *State, *Order) {
		return func(_ *Config, st *State, _ *Order) { st.Now = now.Add(by) }
	}
	newest := func(by time.Duration) func(*Config, *State, *Order) {
		return func(_ *Config, st *State, _ *Order) {
			st.Holdings[event.ClassRaw] = event.Holdings{Objects: 100, Rows: 5000, Newest: now.Add(by).UnixMicro()}
		}
	}
	setForward := func(_ *Config, st *State, _ *Order) { st.Doubt = time.Hour }
	many := hours(31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43)
	for name, c := range map[string]struct {
		old  []Group
		with func(*Config, *State, *Order)
		want string
	}{
		"nothing is old":                 {nil, nil, " | 0 0 100 0"},
		"an hour leaves whole":           {hours(40), nil, "archive archive | 2 0 98 2000"},
		"without archive":                {hours(40), func(c *Config, _ *State, _ *Order) { c.ArchivalEnabled = false }, "delete delete | 0 2 98 2000"},
		"no proof":                       {unproved, nil, "keep keep no_proof | 0 0 100 0"},
		"force overrides no proof":       {unproved, force, "keep keep no_proof | 0 0 100 0"},
		"one of two is not proved":       {append(hours(41), unproved...), nil, "archive archive keep keep no_proof | 2 0 98 2000"},
		"needed for now":                 {busy, nil, "keep keep | 0 0 100 0"},
		"a hold":                         {hours(40), hold(event.ClassRaw, 41, 39), "keep keep | 0 0 100 0"},
		"a hold before it":               {hours(40), hold(event.ClassRaw, 45, 41), "archive archive | 2 0 98 2000"},
		"a hold on another class":        {hours(40), hold(event.ClassReports, 41, 39), "archive archive | 2 0 98 2000"},
		"force overrides no hold":        {hours(40), func(c *Config, st *State, o *Order) { hold(event.ClassRaw, 41, 39)(c, st, o); o.Force = true }, "keep keep | 0 0 100 0"},
		"it came lately, by hand":        {lately, nil, "archive archive | 2 0 98 2000"},
		"it came lately, daily":          {lately, daily, "keep keep | 0 0 100 0"},
		"daily":                          {hours(40), daily, "archive archive | 2 0 98 2000"},
		"a quarter":                      {many[:12], nil, strings.Repeat("archive ", 24) + "| 24 0 76 24000"},
		"more than a quarter":            {many, nil, strings.Repeat("archive ", 26) + "too_much | 26 0 74 26000"},
		"more than a quarter, by force":  {many, force, strings.Repeat("archive ", 26) + "| 26 0 74 26000"},
		"a clock ahead of the database":  {hours(40), ahead(61 * time.Minute), "archive archive clock | 2 0 98 2000"},
		"a clock behind the database":    {hours(40), ahead(-61 * time.Minute), "archive archive clock | 2 0 98 2000"},
		"clocks that differ a little":    {hours(40), ahead(59 * time.Minute), "archive archive | 2 0 98 2000"},
		"events of the day after":        {hours(40), newest(23 * time.Hour), "archive archive | 2 0 98 2000"},
		"events of another year":         {hours(40), newest(25 * time.Hour), "archive archive clock | 2 0 98 2000"},
		"a clock that was set forward":   {hours(40), setForward, "archive archive clock | 2 0 98 2000"},
		"and by force":                   {hours(40), func(c *Config, st *State, o *Order) { setForward(c, st, o); o.Force = true }, "archive archive clock | 2 0 98 2000"},
		"a clock in doubt, and by force": {hours(40), func(c *Config, st *State, o *Order) { newest(25*time.Hour)(c, st, o); o.Force = true }, "archive archive clock | 2 0 98 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, st, o := Defaults(), state(c.old...), Order{}
			if c.with != nil {
				c.with(&cfg, st, &o)
			}
			p := Draft(&cfg, st, o)
			if got := said(p); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if whole := strings.Contains(c.want, tooMuch) || strings.Contains(c.want, clock); whole != (p.stopped() != "") {
				t.Errorf("stopped: %q", p.stopped())
			}
			for i := range p.Items {
				if p.Items[i].Reason == "" {
					t.Errorf("%s: no reason", p.Items[i].Path)
				}
			}
		})
	}
}

func TestCutoffs(t *testing.T) {
	cfg := Defaults()
	got := cfg.cutoffs(now)
	for class, want := range map[string]string{event.ClassRaw: "2026-03-01T15:00:00Z", event.ClassAggregated: "2025-03-31T00:00:00Z", event.ClassReports: "2024-03-31T15:04:05Z"} {
		if text := got[class].Format(time.RFC3339); text != want {
			t.Errorf("%s: %s, want %s", class, text, want)
		}
	}
}

func TestLastDue(t *testing.T) {
	for at, want := range map[string]string{"2026-03-01T02:59:59Z": "daily-20260228", "2026-03-01T03:00:00Z": "daily-20260301", "2026-03-02T02:00:00Z": "daily-20260301"} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := dailyID(lastDue(when)); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// A plan of more than one can deal with leaves the rest to the next.
func TestDraftIsBounded(t *testing.T) {
	old := make([]Group, maxGroups+7)
	for i := range old {
		start := now.AddDate(-3, 0, 0).Add(time.Duration(i) * time.Hour)
		old[i] = Group{Class: event.ClassRaw, Start: start, End: start.Add(time.Hour), Objects: []Object{{Path: fmt.Sprint(i), Rows: 1}}}
	}
	cfg := Defaults()
	p := Draft(&cfg, state(old...), Order{Force: true})
	if len(p.Items) != maxGroups || p.Postponed != 7 {
		t.Errorf("%d items, %d postponed", len(p.Items), p.Postponed)
	}
}
