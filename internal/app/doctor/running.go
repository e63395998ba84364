package doctor

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type health = httpx.HealthBody

// service asks what runs how it is.
func (p *Plan) service() (checks []check) {
	for _, s := range p.Services {
		if p.running[s.Name] != "" {
			checks = append(checks, check{"health of " + s.Name, remote, func(ctx context.Context) Finding { return p.wellness(ctx, &s) }})
		}
	}
	for _, q := range questions {
		i := slices.IndexFunc(p.Services, func(s Service) bool { return s.Name == q.service })
		if i >= 0 && p.running[q.service] != "" {
			checks = append(checks, check{q.name, q.limit, func(ctx context.Context) Finding { return q.look(ctx, &p.Services[i]) }})
		}
	}
	return checks
}

// question is what one service is asked.
type question struct {
	service, name string
	limit         time.Duration
	look          func(context.Context, *Service) Finding
}

var questions = []question{
	{"batch-processing-api", "paused DAGs", remote, paused},
	{"batch-processing-api", "failed runs", remote, failures},
	{"batch-processing-api", "completeness", remote, completeness},
	{"event-processing-api", "windows", remote, windows},
	{"kafka-api", "dead letters", remote, letters},
	{"kafka-api", "consumer groups", pause + 2*remote, groups},
}

// unanswered is for a service that was there a moment ago.
func unanswered(err error) Finding {
	return warn("where authentication is on, give a token with the scope read (--token-file, HXP_TOKEN_FILE); else look at the log of the service", "it cannot be asked: %v", err)
}

// wellness is what a service says of itself. What it says of a full disk, and what follows from that, the disk's own check has found as well.
func (p *Plan) wellness(ctx context.Context, s *Service) Finding {
	told := p.room().Status != OK
	var h health
	if err := s.Ask(ctx, "/health", &h); err != nil {
		return fail("look at the log of the service and at docs/troubleshooting.md", "%v", err)
	}
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(h.Checks)) {
		if c := h.Checks[name]; c.Status != httpx.Healthy && !(told && (name == "disk" || strings.Contains(c.Detail, "the disk of "))) {
			bad = append(bad, name+": "+c.Detail)
		}
	}
	if len(bad) == 0 && h.Status != httpx.Healthy {
		return Finding{} // the disk alone
	}
	cure := "mend what it names (docs/runbooks/operations.md, Health)"
	switch h.Status {
	case httpx.Healthy:
		return ok("healthy; checks: %s", strings.Join(slices.Sorted(maps.Keys(h.Checks)), ", "))
	case httpx.Degraded:
		return warn(cure, "degraded: %s", few(bad))
	}
	return fail(cure, "%s: %s", h.Status, few(bad))
}

func paused(ctx context.Context, s *Service) Finding {
	var a struct {
		DAGs []struct {
			ID       string `json:"dag_id"`
			Paused   bool   `json:"paused"`
			Disabled bool   `json:"disabled"`
		} `json:"dags"`
	}
	if err := s.Ask(ctx, "/dags", &a); err != nil {
		return unanswered(err)
	}
	var names []string
	for _, d := range a.DAGs {
		if d.Paused && !d.Disabled {
			names = append(names, d.ID)
		}
	}
	if len(names) == 0 {
		return ok("none of %d DAGs is paused", len(a.DAGs))
	}
	return warn("hxp dags unpause "+strings.Join(names, " && hxp dags unpause "), "paused, so nothing of it runs by itself: %s", strings.Join(names, ", "))
}

// failures are the DAGs whose last run has failed.
func failures(ctx context.Context, s *Service) Finding {
	var a struct {
		Runs []struct {
			ID    string `json:"id"`
			DAG   string `json:"dag_id"`
			State string `json:"state"`
			Tasks []struct {
				ID    string  `json:"task_id"`
				Error *string `json:"error"`
			} `json:"tasks"`
		} `json:"runs"`
	}
	if err := s.Ask(ctx, "/runs?limit=200", &a); err != nil {
		return unanswered(err)
	}
	var bad []string
	first, seen := "", map[string]bool{}
	for _, r := range a.Runs { // the newest first
		if seen[r.DAG] || (r.State != "failed" && r.State != "success") {
			continue
		}
		seen[r.DAG] = true
		if r.State != "failed" {
			continue
		}
		text := fmt.Sprintf("%s, run %s", r.DAG, r.ID)
		for _, t := range r.Tasks {
			if t.Error != nil && *t.Error != "" {
				text += fmt.Sprintf(": %s: %.160s", t.ID, *t.Error)
			}
		}
		if bad = append(bad, text); first == "" {
			first = r.ID
		}
	}
	if len(bad) == 0 {
		return ok("no DAG's last run has failed")
	}
	return fail(fmt.Sprintf("`hxp runs logs %s` says what it did; mend that, then POST /runs/%s/clear (Clear on the scheduler's page) does it again", first, url.PathEscape(first)), "the last run has failed: %s", few(bad))
}

// completeness tells of ended periods whose rows do not count everything.
func completeness(ctx context.Context, s *Service) Finding {
	var a struct {
		Detail map[string]struct {
			Dirty        int      `json:"dirty"`
			Completeness *float64 `json:"completeness"`
			LastError    *string  `json:"last_error"`
		} `json:"detail"`
	}
	if err := s.Ask(ctx, "/aggregation/status", &a); err != nil {
		return unanswered(err)
	}
	var behind []string
	for _, level := range []string{"hourly", "daily", "weekly", "monthly"} {
		d := a.Detail[level]
		if d.Completeness == nil || *d.Completeness >= 1 {
			continue
		}
		text := fmt.Sprintf("%s: %d ended periods are missing or behind", level, d.Dirty)
		if d.LastError != nil {
			text += fmt.Sprintf(" (last error: %.160s)", *d.LastError)
		}
		behind = append(behind, text)
	}
	if len(behind) == 0 {
		return ok("all ended hours, days, weeks and months count everything")
	}
	cure := "the next run of their DAG makes them; now: `hxp dags backfill hxp_daily_aggregation --from DATE --to DATE`, likewise weekly and monthly"
	if strings.HasPrefix(behind[0], "hourly") { // the levels above are made of hours
		cure = "wait a minute: hours are made within 60 s of their last event; if it lasts, `hxp dags trigger hxp_hourly_aggregation --wait` shows why (docs/troubleshooting.md)"
	}
	return warn(cure, "%s", few(behind))
}

// What the windows may be behind before somebody should look.
const (
	lagWarn       = 10_000 // records
	watermarkWarn = 60.0   // seconds
)

func windows(ctx context.Context, s *Service) Finding {
	var a struct {
		Lag       int64   `json:"consumer_lag"`
		Watermark float64 `json:"watermark_lag_seconds"`
		Rate      float64 `json:"events_per_second"`
		Parts     []struct {
			Lost      int64 `json:"lost"`
			Again     int64 `json:"counting_again"`
			Elsewhere int64 `json:"counted_elsewhere"`
		} `json:"partitions"`
	}
	if err := s.Ask(ctx, "/analytics/performance", &a); err != nil {
		return unanswered(err)
	}
	lack := int64(0) // what waits is not lacking, though completeness is below 1 as long as it does
	for _, p := range a.Parts {
		lack += p.Lost + p.Again + p.Elsewhere
	}
	switch {
	case a.Lag > lagWarn && a.Rate == 0:
		return fail("look at the log of event-processing-api; restart it when it says nothing", "the windows are stuck: %d records wait and none is taken in", a.Lag)
	case lack > 0:
		return warn("GET /analytics/performance names the partitions; GET /health says why (docs/runbooks/operations.md, Health)", "the windows lack %d records", lack)
	case a.Lag > lagWarn, a.Watermark > watermarkWarn:
		return warn("give event-processing-api more cores or instances (docs/runbooks/instances.md, docs/sizing.md)", "the windows are behind: %d records wait, the watermark is %.0f s back", a.Lag, a.Watermark)
	}
	return ok("complete; %d records wait", a.Lag)
}

// letters tells of dead letters that came within the last hour.
func letters(ctx context.Context, s *Service) Finding {
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	var recent, all struct {
		Open  map[string]int `json:"open"`
		Total int            `json:"total"`
	}
	if err := s.Ask(ctx, "/dead-letters/summary?since="+url.QueryEscape(since), &recent); err != nil {
		return unanswered(err)
	}
	if err := s.Ask(ctx, "/dead-letters/summary", &all); err != nil {
		return unanswered(err)
	}
	if len(recent.Open) == 0 {
		return ok("none came within the last hour; known in all: %d", all.Total)
	}
	codes := slices.SortedFunc(maps.Keys(recent.Open), func(a, b string) int { return recent.Open[b] - recent.Open[a] })
	var texts []string
	for _, c := range codes {
		texts = append(texts, fmt.Sprintf("%d of %s", recent.Open[c], c))
	}
	return warn(fmt.Sprintf("`hxp dead-letters list --reason %s --state open` shows them with the reason; mend the producer, then `hxp dead-letters redrive`", codes[0]), "they grow: within the last hour came %s", few(texts))
}

// pause is between two looks at a group: one that reads has told a new position in it. Clients of Kafka do so every 5 s.
const pause = 6 * time.Second

type group struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Lag   int64  `json:"lag"`
	Own   bool   `json:"own"`
	Parts []struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Position  *int64 `json:"position"`
		Lag       *int64 `json:"lag"`
	} `json:"partitions"`
}

// at is how far the group has come: the sum of its positions.
func (g *group) at() (sum int64) {
	for _, p := range g.Parts {
		if p.Position != nil {
			sum += *p.Position
		}
	}
	return sum
}

// groups looks twice at the consumer groups that lag: one that has not moved is stuck. Those of hxp itself are told by the windows and by the
// health of the lake, since their positions are a courtesy.
func groups(ctx context.Context, s *Service) Finding {
	var list struct {
		Groups []group `json:"groups"`
	}
	if err := s.Ask(ctx, "/consumer-groups?limit=1000", &list); err != nil {
		return unanswered(err)
	}
	before := map[string]int64{}
	for _, g := range list.Groups {
		if g.Own || g.Lag == 0 || len(before) == 20 { // of many the first are enough to see it
			continue
		}
		if one, err := groupNamed(ctx, s, g.ID); err == nil {
			before[g.ID] = one.at()
		}
	}
	if len(before) == 0 {
		return ok("none of %d lags", len(list.Groups))
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return unanswered(context.Cause(ctx))
	}
	var stuck, slow []string
	for _, id := range slices.Sorted(maps.Keys(before)) {
		g, err := groupNamed(ctx, s, id)
		switch {
		case err != nil || g.Lag == 0:
		case g.at() == before[id]:
			stuck = append(stuck, fmt.Sprintf("%s (%s) is %d records behind and does not move", id, strings.ToLower(g.State), g.Lag))
		case g.Lag > lagWarn:
			slow = append(slow, fmt.Sprintf("%s is %d records behind", id, g.Lag))
		}
	}
	switch {
	case len(stuck) > 0:
		return warn("start its consumers, or look at their log; `hxp topics lag GROUP` names the partitions; a group that nobody needs any more is removed with the tools of Kafka", "%s", few(stuck))
	case len(slow) > 0:
		return warn("give it more consumers, up to one a partition; `hxp topics lag GROUP` names the partitions", "%s", few(slow))
	}
	return ok("those that lag go on: %s", strings.Join(slices.Sorted(maps.Keys(before)), ", "))
}

func groupNamed(ctx context.Context, s *Service, id string) (g group, err error) {
	return g, s.Ask(ctx, "/consumer-groups/"+url.PathEscape(id), &g)
}
