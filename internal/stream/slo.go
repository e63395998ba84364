package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// objectives are the questions how objectives stand, on their way to the judge.
type objectives struct {
	asks    chan objectivesQuestion
	waiting []objectivesQuestion // of the judge
}

// objectivesQuestion waits for an answer that covers what had arrived when it was asked.
type objectivesQuestion struct {
	after  int64 // microseconds of the judge's clock
	until  time.Time
	answer chan<- []rule.Objective // never blocks
}

const (
	objectivesPatience = 2 * time.Second // then the answer is as of the judge's clock, which is behind
	objectivesWait     = 5 * time.Second // for the judge to answer at all
)

var errNoRules = errors.New("no rules run on this instance now")

// serve answers what can be answered.
func (o *objectives) serve(g *rule.Engine, now time.Time) {
	var all []rule.Objective
	o.waiting = slices.DeleteFunc(o.waiting, func(q objectivesQuestion) bool {
		if g.Now() < q.after && now.Before(q.until) {
			return false
		}
		if all == nil {
			all = g.Objectives()
		}
		q.answer <- all
		return true
	})
}

// Objectives says how the objectives of the rules of type burn_rate stand. The answer covers what had arrived when it was asked, unless
// the judge is behind.
func (s *Service) Objectives(ctx context.Context) ([]rule.Objective, error) {
	if s.judge == nil {
		return nil, errNoRules
	}
	now, answer := time.Now(), make(chan []rule.Objective, 1)
	ctx, cancel := context.WithTimeoutCause(ctx, objectivesWait, errNoRules)
	defer cancel()
	select {
	case s.judge.objectives.asks <- objectivesQuestion{now.UnixMicro(), now.Add(objectivesPatience), answer}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case all := <-answer:
		return all, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Service) mountObjectives(m *httpx.Mux) {
	away := httpx.Answer("503", "the rules cannot be asked now, see Retry-After")
	m.HandleFunc("GET /slo", s.getObjectives, httpx.Doc("Shows how objectives stand, for each key, counted over the period of their budget, which is 30 days unless they say otherwise; events that come late are in none; completeness is the part of it in which they were counted."), httpx.Paging(),
		httpx.Query("name", "only the objective of this name"), httpx.Query("model", "only those of this model"), httpx.Query("tenant", "only those of this tenant"), httpx.TenantIn("tenant"),
		httpx.Answer("200", "the objectives by rule and key", objectivesAnswer{}), away)
	m.HandleFunc("GET /slo/{name}", s.getObjective, httpx.Doc("Shows an objective as it is defined, with the name of the rule that watches over it."),
		httpx.Answer("200", "the objective", definitionAnswer{}), httpx.Answer("404", "there is no such objective"), away)
	m.HandleFunc("GET /slo/prometheus", s.getPrometheusRules, httpx.Doc("Gives a rule file of Prometheus for all objectives: burn rates, what is left of the budgets, and alerts. It stands on slo_events_total and slo_good_events_total of GET /metrics."),
		httpx.AnswerAs("200", "application/yaml", "the rule file"), away)
}

type definitionAnswer struct {
	Name       string    `json:"name"`
	Rule       string    `json:"rule"`
	Definition *rule.SLO `json:"definition"`
}

// getObjective finds an objective among the rules that count.
func (s *Service) getObjective(w http.ResponseWriter, r *http.Request) {
	rules, ok := s.rulesNow(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	i := slices.IndexFunc(rules, func(x rule.Rule) bool { return x.Type == rule.BurnRate && x.Promise() == name })
	if i < 0 {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no objective %.80q; GET /slo names those that there are", name))
		return
	}
	httpx.JSON(w, http.StatusOK, definitionAnswer{name, rules[i].Name, rules[i].Definition()})
}

func (s *Service) getPrometheusRules(w http.ResponseWriter, r *http.Request) {
	if rules, ok := s.rulesNow(w, r); ok {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(rule.Prometheus(rules).YAML()) // the client is gone: nobody to tell
	}
}

// rulesNow are the rules that count; without rules it answers itself.
func (s *Service) rulesNow(w http.ResponseWriter, r *http.Request) ([]rule.Rule, bool) {
	if s.opts.Rules == nil {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, errNoRules.Error())
		return nil, false
	}
	rules, _ := s.opts.Rules.Current()
	return rules, true
}

type objectivesAnswer struct {
	SLOs []rule.Objective `json:"slos"`
	Next *string          `json:"next_cursor"`
}

func (s *Service) getObjectives(w http.ResponseWriter, r *http.Request) {
	page, bad := httpx.PageOf(r)
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	all, err := s.Objectives(r.Context())
	if err != nil {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "the objectives cannot be counted now: "+err.Error())
		return
	}
	q := r.URL.Query()
	is := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
	out := objectivesAnswer{SLOs: []rule.Objective{}}
	for i := range all {
		o := &all[i]
		if !is("name", o.Name) || !is("model", o.Key["model"]) || !is("tenant", o.Key["tenant"]) || o.Place() <= page.After {
			continue
		}
		if len(out.SLOs) == page.Limit {
			out.Next = httpx.Cursor(out.SLOs[page.Limit-1].Place())
			break
		}
		out.SLOs = append(out.SLOs, *o)
	}
	httpx.JSON(w, http.StatusOK, out)
}
