package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Who asked, how often and for how long: from the raw events, since stored hours keep few users apart.

type heavyUser struct {
	User     string   `json:"user_id"`
	Requests uint64   `json:"requests"`
	Share    float64  `json:"share_of_requests"`
	CostUSD  *agg.USD `json:"cost_usd"`
	Days     int      `json:"active_days"`
}

// mostHeavy is how many users are named.
const mostHeavy = 10

// people adds activity, cohorts, sessions, heavy users and satisfaction. What cannot be told is a limit of the answer and no refusal: the
// findings of stored hours stand without it.
func (s *Service) people(ctx context.Context, o *outlook, r *insight.Report, l *insightLook, sections map[string]any, rows *reading) error {
	to := o.from.AddDate(0, 0, o.days)
	table, err := s.costTable(ctx, &costQuery{from: o.from, to: to, by: []string{"user_id", "session_id", "day"}, rows: rows})
	if no, ok := errors.AsType[*agg.Refusal](err); ok {
		l.limit("activity, cohorts, sessions, heavy users", "%s", no.Fields[0].Detail)
	} else if err != nil {
		return err
	} else {
		s.activities(table, o, l, sections)
	}
	c, err := s.judgedDays(ctx, o, l, rows)
	if err != nil || c == nil {
		return err
	}
	c.liking(r, sections)
	return nil
}

// activities are who asked how much.
func (s *Service) activities(table *cost.Table, o *outlook, l *insightLook, sections map[string]any) {
	groups := table.Groups()
	if slices.ContainsFunc(groups, func(g cost.Group) bool { return g.Key[0] == agg.Others }) {
		l.limit("activity, cohorts, sessions, heavy users", "there are more than %d sessions; the rest is counted together", cost.MaxGroups)
	}
	users := usersOf(groups, o.from)
	sections["activity"] = activityOf(groups, users, o.days)
	sections["cohorts"] = cohortsOf(users, o.from, o.days)
	sections["sessions"] = sessionsOf(groups)
	sections["heavy_users"] = heavyOf(users, table.Total.Requests)
}

// userDays is what one user did.
type userDays struct {
	name  string
	days  map[int]bool
	usage agg.Usage
}

func usersOf(groups []cost.Group, from time.Time) []*userDays {
	by := map[string]*userDays{}
	for i := range groups {
		g := &groups[i]
		if g.Key[0] == "" || g.Key[0] == agg.Others {
			continue
		}
		u := by[g.Key[0]]
		if u == nil {
			u = &userDays{name: g.Key[0], days: map[int]bool{}}
			by[u.name] = u
		}
		u.usage.Merge(&g.Usage)
		if at, err := time.Parse(time.DateOnly, g.Key[2]); err == nil {
			u.days[int(at.Sub(from)/(24*time.Hour))] = true
		}
	}
	out := make([]*userDays, 0, len(by))
	for _, u := range by {
		out = append(out, u)
	}
	sorting.By(out, func(a, b *userDays) int {
		return cmp.Or(cmp.Compare(b.usage.Requests, a.usage.Requests), strings.Compare(a.name, b.name))
	})
	return out
}

func activityOf(groups []cost.Group, users []*userDays, days int) insight.Users {
	a := insight.Users{Users: len(users)}
	for i := range groups {
		if groups[i].Key[0] == "" {
			a.Unnamed += groups[i].Requests
		}
	}
	daily := make([]float64, days)
	for _, u := range users {
		for d := range u.days {
			daily[d]++
		}
	}
	for i, n := range daily {
		if a.MostUsers = max(a.MostUsers, int(n)); n == 0 {
			daily[i] = insight.Absent
		}
	}
	a.DailyUsers = insight.Middle(daily)
	return a
}

func cohortsOf(users []*userDays, from time.Time, days int) []insight.Cohort {
	weeks := (days + 6) / 7
	came := make([][]int, weeks) // by week of the first request: how many came in it and the weeks after
	for _, u := range users {
		first := weeks
		in := make([]bool, weeks)
		for d := range u.days {
			in[d/7], first = true, min(first, d/7)
		}
		if first == weeks {
			continue
		}
		if came[first] == nil {
			came[first] = make([]int, weeks-first)
		}
		for w := first; w < weeks; w++ {
			if in[w] {
				came[first][w-first]++
			}
		}
	}
	out := []insight.Cohort{}
	for w, n := range came {
		if n == nil {
			continue
		}
		c := insight.Cohort{Week: from.AddDate(0, 0, 7*w).Format(time.DateOnly), Users: n[0]}
		for _, x := range n {
			c.Retained = append(c.Retained, float64(x)/float64(n[0]))
		}
		out = append(out, c)
	}
	return out
}

func sessionsOf(groups []cost.Group) insight.Sessions {
	by := map[string]float64{}
	for i := range groups {
		if id := groups[i].Key[1]; id != "" && id != agg.Others {
			by[id] += float64(groups[i].Requests)
		}
	}
	counts, ones := make([]float64, 0, len(by)), 0.0
	for _, n := range by {
		if counts = append(counts, n); n == 1 {
			ones++
		}
	}
	return insight.Sessions{Sessions: len(by), PerSession: insight.Middle(counts), OneRequest: insight.Mean(ones, float64(len(by)))}
}

func heavyOf(users []*userDays, requests uint64) []heavyUser {
	out := []heavyUser{}
	for _, u := range users[:min(len(users), mostHeavy)] {
		out = append(out, heavyUser{u.name, u.usage.Requests, float64(u.usage.Requests) / float64(requests), lineOf(&cost.Sum{Usage: u.usage}, false).CostUSD, len(u.days)})
	}
	return out
}
