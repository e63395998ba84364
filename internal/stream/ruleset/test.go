package ruleset

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Tested is what the tests that rules carry came to.
type Tested struct {
	Rules   int           `json:"rules"`
	Passed  int           `json:"passed"`
	Failed  int           `json:"failed"`
	Results []rule.Result `json:"results"`
}

// RunTests runs the tests that rules carry.
func RunTests(ctx context.Context, rules []rule.Rule) (*Tested, error) {
	t := &Tested{Rules: len(rules), Results: []rule.Result{}}
	for i := range rules {
		of, err := rule.Check(ctx, &rules[i])
		if err != nil {
			return nil, err
		}
		for _, r := range of {
			if len(r.Failed) > 0 {
				t.Failed++
			}
		}
		t.Results = append(t.Results, of...)
	}
	t.Passed = len(t.Results) - t.Failed
	return t, nil
}

// postTest tries rules: by the tests that they carry, or on what happened.
func (a *API) postTest(w http.ResponseWriter, r *http.Request) {
	body, ok := text(w, r)
	if !ok {
		return
	}
	rules, faults := a.meant(r, body)
	if len(faults) > 0 {
		refuse(w, r, faults)
		return
	}
	if q := r.URL.Query(); q.Has("from") || q.Has("to") {
		a.dryRun(w, r, rules)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), testLimit, errSlow)
	defer cancel()
	tested, err := RunTests(ctx, rules)
	if err != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, err.Error())
		return
	}
	httpx.JSON(w, http.StatusOK, tested)
}

// meant are the rules of a body; without one those that count, or the one that the query names.
func (a *API) meant(r *http.Request, body []byte) ([]rule.Rule, []rule.Fault) {
	if len(body) > 0 {
		return rule.Decode(body)
	}
	rules, _ := a.Set.Current()
	name := r.URL.Query().Get("rule")
	if name == "" {
		return rules, nil
	}
	for i := range rules {
		if rules[i].Name == name {
			return rules[i : i+1], nil
		}
	}
	return nil, []rule.Fault{{Detail: fmt.Sprintf("no rule %.80q counts; send it as the body, or name another", name)}}
}

// dryRun answers what the rules would have said of a span of time: with one object, or with a line of JSON for each step of
// progress and one for the end.
func (a *API) dryRun(w http.ResponseWriter, r *http.Request, rules []rule.Rule) {
	from, to, bad := span(r, time.Now())
	switch {
	case bad != nil:
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad.Detail, *bad)
		return
	case a.Past == nil:
		httpx.Problem(w, r, http.StatusNotImplemented, "this instance cannot read what happened")
		return
	case !a.running.CompareAndSwap(false, true):
		httpx.Unavailable(w, r, http.StatusTooManyRequests, 10*time.Second, "one dry run is under way, and it takes a core; try again when it is done")
		return
	}
	defer a.running.Store(false)
	lines := strings.Contains(r.Header.Get("Accept"), typeLines)
	var told func(Progress)
	if lines {
		told = teller(w)
	}
	out, err := a.Past.DryRun(r.Context(), rules, from, to, told)
	switch {
	case err == nil && lines:
		line(w, map[string]any{"result": out})
	case err == nil:
		httpx.JSON(w, http.StatusOK, out)
	case r.Context().Err() != nil:
	case lines && w.Header().Get("Content-Type") == typeLines: // the answer has begun
		line(w, map[string]any{"error": err.Error()})
	default:
		a.Log.Warn("dry run failed", "error", err)
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, 2*time.Second, "the topics cannot be read now")
	}
}

const typeLines = "application/x-ndjson"

// teller writes progress, a few lines a second.
func teller(w http.ResponseWriter) func(Progress) {
	var last time.Time
	return func(p Progress) {
		if now := time.Now(); now.Sub(last) >= 200*time.Millisecond {
			last = now
			line(w, map[string]any{"progress": p})
		}
	}
}

func line(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", typeLines)
	if json.NewEncoder(w).Encode(v) == nil { // else the client is gone, and the run ends with its context
		_ = http.NewResponseController(w).Flush()
	}
}

// span reads the time of a dry run.
func span(r *http.Request, now time.Time) (from, to time.Time, bad *httpx.FieldError) {
	wrong := func(name, format string, args ...any) (time.Time, time.Time, *httpx.FieldError) {
		return from, to, &httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)}
	}
	q := r.URL.Query()
	from, err := time.Parse(time.RFC3339, q.Get("from"))
	if err != nil || from.Year() < 1970 {
		return wrong("from", "from=%.40q: give the beginning as RFC 3339, e.g. 2026-03-01T10:00:00Z", q.Get("from"))
	}
	if to = now; q.Get("to") != "" {
		if to, err = time.Parse(time.RFC3339, q.Get("to")); err != nil {
			return wrong("to", "to=%.40q: give the end as RFC 3339, or leave it out for now", q.Get("to"))
		}
	}
	switch to = minTime(to, now); {
	case !from.Before(to):
		return wrong("from", "from=%s is not before to, or it lies ahead", from.Format(time.RFC3339))
	case to.Sub(from) > longestRun:
		return wrong("from", "from=%s: a dry run covers at most %s", from.Format(time.RFC3339), rule.Duration(longestRun))
	}
	return from, to, nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
