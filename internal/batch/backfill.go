package batch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Limits on the backfill of a stranger.
const (
	maxBackfillRuns   = 10_000 // intervals of one backfill: 13 months of hours
	backfillActive    = 10     // runs of a backfill under way at the same time, when it names no number
	maxBackfillActive = 64
	listedBackfills   = 1000
)

// PlanBackfill says what a backfill would do now.
func (s *Service) PlanBackfill(ctx context.Context, req agg.BackfillRequest) (agg.BackfillPlan, error) {
	d, err := s.checkBackfill(&req)
	if err != nil {
		return agg.BackfillPlan{}, err
	}
	now, err := s.deps.Runs.Clock(ctx)
	if err != nil {
		return agg.BackfillPlan{}, err
	}
	marks, err := s.deps.Runs.RunMarks(ctx, d.id, req.From, req.To)
	if err != nil {
		return agg.BackfillPlan{}, err
	}
	return plan(d, &req, marks, now), nil
}

// CreateBackfill makes the runs of a backfill. They are executed a few at a time, after manual and scheduled runs, and survive
// restarts like any other.
func (s *Service) CreateBackfill(ctx context.Context, req agg.BackfillRequest) (agg.Backfill, error) {
	d, err := s.checkBackfill(&req)
	if err != nil {
		return agg.Backfill{}, err
	}
	if err := s.available(d, d.tasks); err != nil {
		return agg.Backfill{}, err
	}
	now, err := s.deps.Runs.Clock(ctx)
	if err != nil {
		return agg.Backfill{}, err
	}
	ends, err := s.ends(ctx)
	if err != nil {
		return agg.Backfill{}, err
	}
	b, err := s.deps.Runs.CreateBackfill(ctx, agg.Backfill{DagID: d.id, From: req.From, To: req.To, Reprocess: req.Reprocess, Backwards: req.Backwards,
		MaxActiveRuns: req.MaxActiveRuns, Conf: req.Conf, TriggeredBy: req.TriggeredBy, User: req.User},
		func(marks []agg.RunMark) (runs []agg.Run) {
			for _, p := range plan(d, &req, marks, now).Runs {
				if p.Action != "skip" {
					runs = append(runs, s.backfilled(d, &req, p, ends))
				}
			}
			return runs
		})
	if err != nil {
		return b, err
	}
	s.log.Info("backfill accepted", "backfill", b.ID, "dag", b.DagID, "from", b.From, "to", b.To, "reprocess", b.Reprocess, "runs", b.Total)
	s.rouse()
	return b, nil
}

func (s *Service) backfilled(d *dag, req *agg.BackfillRequest, p agg.PlannedRun, ends map[string]map[int32]int64) agg.Run {
	return agg.Run{RunID: airflowID(agg.RunBackfill, p.Start), DagID: d.id, Trigger: agg.RunBackfill, TriggeredBy: "backfill", User: req.User, State: agg.RunQueued,
		Start: p.Start, End: p.End, LogicalDate: &p.Start, Conf: req.Conf, Until: ends, Tasks: s.newTasks(d, "")}
}

// checkBackfill finds everything that is wrong with a request, and fills in what it leaves out.
func (s *Service) checkBackfill(req *agg.BackfillRequest) (*dag, error) {
	d := s.dag(req.DagID)
	if d == nil {
		return nil, unknownDAG(req.DagID)
	}
	var faults []agg.FieldFault
	bad := func(field, code, format string, args ...any) {
		faults = append(faults, agg.FieldFault{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	req.From, req.To = req.From.UTC(), req.To.UTC()
	switch {
	case req.From.IsZero():
		bad("from", "required", "give the time from which intervals are taken, such as 2026-03-01T00:00:00Z")
	case req.To.IsZero():
		bad("to", "required", "give the time before which intervals start, such as 2026-04-01T00:00:00Z")
	case !req.From.Before(req.To):
		bad("to", "empty_interval", "the range must end after it starts")
	case req.From.Year() < 1970 || req.To.Year() > 9999:
		bad("from", "out_of_range", "the range lies outside the years 1970 to 9999")
	default:
		if n := d.startsIn(req.From, req.To, maxBackfillRuns+1); len(n) > maxBackfillRuns {
			bad("to", "too_many", "the range has more than %d intervals of %s; split it, the first part may end at %s", maxBackfillRuns, d.id, n[maxBackfillRuns].Format(time.RFC3339))
		}
	}
	req.Reprocess = cmp.Or(req.Reprocess, agg.ReprocessNone)
	if !slices.Contains([]string{agg.ReprocessNone, agg.ReprocessFailed, agg.ReprocessCompleted}, req.Reprocess) {
		bad("reprocess", "unknown_value", "%q is not one of none, failed, completed", req.Reprocess)
	}
	req.MaxActiveRuns = cmp.Or(req.MaxActiveRuns, backfillActive)
	if req.MaxActiveRuns < 1 || req.MaxActiveRuns > maxBackfillActive {
		bad("max_active_runs", "out_of_range", "%d is not within 1 to %d", req.MaxActiveRuns, maxBackfillActive)
	}
	if bytes.Equal(req.Conf, []byte("null")) {
		req.Conf = nil
	}
	if len(req.Conf) > 0 && (!json.Valid(req.Conf) || bytes.TrimSpace(req.Conf)[0] != '{') {
		bad("conf", "wrong_type", "conf is a JSON object")
	}
	req.TriggeredBy = cmp.Or(req.TriggeredBy, "rest_api")
	if len(faults) > 0 {
		return nil, &agg.Refusal{Kind: agg.RefusedInvalid, Detail: "the backfill cannot be taken: " + faults[0].Detail, Fields: faults}
	}
	return d, nil
}

// startsIn returns the starts of the periods that start in [from, to), at most limit of them.
func (d *dag) startsIn(from, to time.Time, limit int) (out []time.Time) {
	start := d.first(from)
	if start.Before(from) {
		start = d.end(start)
	}
	for ; start.Before(to) && len(out) < limit; start = d.end(start) {
		out = append(out, start)
	}
	return out
}

// plan decides what a backfill does with each interval. marks are the runs that are there, oldest first. A run that waits or executes is
// never doubled; none takes intervals that have no run, failed also those whose last run failed or was cancelled, completed also those
// whose last run succeeded.
func plan(d *dag, req *agg.BackfillRequest, marks []agg.RunMark, now time.Time) agg.BackfillPlan {
	last, active := map[time.Time]agg.RunState{}, map[time.Time]bool{}
	for _, m := range marks {
		if !m.End.Equal(d.end(m.Start)) {
			continue // of a longer interval that somebody asked for by hand
		}
		last[m.Start] = m.State
		active[m.Start] = active[m.Start] || !m.State.Final()
	}
	out := agg.BackfillPlan{DagID: d.id, Runs: []agg.PlannedRun{}}
	for _, start := range d.startsIn(req.From, req.To, maxBackfillRuns) {
		p := agg.PlannedRun{Start: start, End: d.end(start), Action: "skip"}
		switch state := last[start]; {
		case p.End.After(now):
			p.Reason = "the interval is not over yet"
		case active[start]:
			p.Reason = "a run is under way"
		case state == "":
			p.Action = "run"
		case state == agg.RunSuccess && req.Reprocess == agg.ReprocessCompleted, state != agg.RunSuccess && req.Reprocess != agg.ReprocessNone:
			p.Action = "rerun"
		default:
			p.Reason = "the last run is " + string(state)
		}
		if p.Action != "skip" {
			out.Total++
		}
		out.Runs = append(out.Runs, p)
	}
	if req.Backwards {
		slices.Reverse(out.Runs)
	}
	return out
}

// Backfill returns one backfill with how far it is.
func (s *Service) Backfill(ctx context.Context, id int64) (agg.Backfill, error) {
	return s.foundBackfill(id)(s.deps.Runs.Backfill(ctx, id))
}

func (s *Service) foundBackfill(id int64) func(agg.Backfill, error) (agg.Backfill, error) {
	return func(b agg.Backfill, err error) (agg.Backfill, error) {
		if errors.Is(err, s.deps.NotFound) {
			err = &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("there is no backfill %d", id)}
		}
		return b, err
	}
}

// Backfills lists the newest backfills of a DAG ("" = all), newest first.
func (s *Service) Backfills(ctx context.Context, dag string) ([]agg.Backfill, error) {
	if dag != "" && s.dag(dag) == nil {
		return nil, unknownDAG(dag)
	}
	return s.deps.Runs.Backfills(ctx, dag, listedBackfills)
}

// CancelBackfill ends the runs of a backfill that are not over; one that is over is refused, unless it was cancelled.
func (s *Service) CancelBackfill(ctx context.Context, id int64) (agg.Backfill, error) {
	b, err := s.foundBackfill(id)(s.deps.Runs.CancelBackfill(ctx, id))
	if err != nil {
		return b, err
	}
	if b.State != agg.RunCancelled {
		return b, &agg.Refusal{Kind: agg.RefusedConflict, Detail: "the backfill is over, it is " + string(b.State)}
	}
	select {
	case s.recheck <- struct{}{}: // which leases still hold
	default:
	}
	return b, nil
}

// PauseBackfill keeps a backfill from starting further runs, or lets it go on.
func (s *Service) PauseBackfill(ctx context.Context, id int64, paused bool) (agg.Backfill, error) {
	b, err := s.foundBackfill(id)(s.deps.Runs.PauseBackfill(ctx, id, paused))
	s.rouse()
	return b, err
}
