package airflow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// noon is the time of all tests: 2026-03-04T12:30:00Z, a Wednesday.
var noon = time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)

// fake is a scheduler in memory with the catalogue of the real one. Its runs stay as they are until a test changes them.
type fake struct {
	dags      []agg.DAG
	runs      []agg.Run
	logs      map[string][]agg.LogLine
	backfills []agg.Backfill
	broken    error // what everything answers when it is set
}

func newFake() *fake {
	f := &fake{logs: map[string][]agg.LogLine{}}
	for _, d := range []struct {
		id, period, cron string
		tasks            []string
	}{
		{"hxp_hourly_aggregation", "hourly", "0 * * * *", []string{"hourly_aggregation"}},
		{"hxp_daily_aggregation", "daily", "0 0 * * *", []string{"daily_aggregation", "report_generation"}},
		{"hxp_weekly_aggregation", "weekly", "0 0 * * 0", []string{"weekly_aggregation", "capacity_analysis"}},
		{"hxp_monthly_aggregation", "monthly", "0 0 1 * *", []string{"monthly_aggregation"}},
	} {
		dag := agg.DAG{ID: d.id, Description: d.period + " aggregation", Period: d.period, Cron: d.cron, Timezone: "UTC", CatchUp: "all", MaxActiveRuns: 1, Retries: 3,
			RetryDelay: 5 * time.Minute, Timeout: time.Hour}
		dag.NextStart = floor(d.period, noon)
		dag.NextEnd = step(d.period, dag.NextStart)
		dag.NextAfter, dag.NextRun = dag.NextEnd, dag.NextEnd
		for i, t := range d.tasks {
			task := agg.DAGTask{TaskID: t, Available: true}
			if i > 0 {
				task.DependsOn = []string{d.tasks[i-1]}
			}
			dag.Tasks = append(dag.Tasks, task)
		}
		f.dags = append(f.dags, dag)
	}
	return f
}

func floor(period string, t time.Time) time.Time {
	switch period {
	case "hourly":
		return t.Truncate(time.Hour)
	case "monthly":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	t = t.Truncate(24 * time.Hour)
	if period == "weekly" {
		t = t.AddDate(0, 0, -int(t.Weekday()))
	}
	return t
}

func step(period string, t time.Time) time.Time {
	switch period {
	case "hourly":
		return t.Add(time.Hour)
	case "daily":
		return t.AddDate(0, 0, 1)
	case "weekly":
		return t.AddDate(0, 0, 7)
	}
	return t.AddDate(0, 1, 0)
}

// did adds a run that ended in a state; each began a second after it was due and took ten.
func (f *fake) did(dag, typ string, start time.Time, state agg.RunState) *agg.Run {
	d := f.dag(dag)
	end := step(d.Period, start)
	began, ended := end.Add(time.Second), end.Add(11*time.Second)
	r := agg.Run{ID: fmt.Sprintf("r%d", len(f.runs)+1), RunID: typ + "__" + end.Format("2006-01-02T15:04:05+00:00"), DagID: dag, Trigger: typ, State: state, Start: start, End: end,
		LogicalDate: &start, TriggeredBy: "timetable", RunAfter: end, CreatedAt: end, QueuedAt: &end, StartedAt: &began, EndedAt: &ended}
	for i, t := range d.Tasks {
		task := agg.Task{TaskID: t.TaskID, State: state, Try: 1, MaxTries: 3, QueuedAt: &end, StartedAt: &began, EndedAt: &ended, Summary: []byte(`{"rows":3}`)}
		if state == agg.RunFailed && i > 0 {
			task = agg.Task{TaskID: t.TaskID, State: agg.TaskUpstreamFailed, MaxTries: 3}
		}
		r.Tasks = append(r.Tasks, task)
	}
	f.runs = append(f.runs, r)
	return &f.runs[len(f.runs)-1]
}

func (f *fake) dag(id string) *agg.DAG {
	i := slices.IndexFunc(f.dags, func(d agg.DAG) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return &f.dags[i]
}

func (f *fake) find(id string) (*agg.Run, error) {
	i := slices.IndexFunc(f.runs, func(r agg.Run) bool { return r.ID == id })
	if i < 0 {
		return nil, &agg.Refusal{Kind: agg.RefusedNotFound, Detail: "no run " + id}
	}
	return &f.runs[i], nil
}

func (f *fake) DAGs(context.Context) ([]agg.DAG, error) { return f.dags, f.broken }

func (f *fake) SetPaused(_ context.Context, id string, paused bool) (agg.DAG, error) {
	f.dag(id).Paused = paused
	return *f.dag(id), nil
}

func (f *fake) RunOf(_ context.Context, dag, runID string) (agg.Run, error) {
	for _, r := range f.runs {
		if r.DagID == dag && r.RunID == runID {
			return r, nil
		}
	}
	return agg.Run{}, &agg.Refusal{Kind: agg.RefusedNotFound, Detail: "no run " + runID}
}

func (f *fake) Runs(_ context.Context, q agg.RunFilter) (agg.RunPage, error) {
	var out []agg.Run
	for _, r := range f.runs {
		if (q.DagID == "" || q.DagID == r.DagID) && (len(q.States) == 0 || slices.Contains(q.States, r.State)) && (q.BackfillID == 0 || q.BackfillID == r.BackfillID) && (len(q.Types) == 0 || slices.Contains(q.Types, r.Trigger)) &&
			(q.From.IsZero() || !r.Start.Before(q.From)) && (q.To.IsZero() || r.Start.Before(q.To)) {
			out = append(out, r)
		}
	}
	key, desc := strings.CutPrefix(q.Order, "-")
	slices.SortStableFunc(out, func(x, y agg.Run) int {
		n := x.CreatedAt.Compare(y.CreatedAt)
		switch key {
		case "data_interval_start":
			n = x.Start.Compare(y.Start)
		case "run_after":
			n = x.RunAfter.Compare(y.RunAfter)
		case "run_id":
			n = strings.Compare(x.RunID, y.RunID)
		}
		if desc {
			n = -n
		}
		return n
	})
	total := len(out)
	out = out[min(q.Offset, total):]
	if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	return agg.RunPage{Runs: out, Total: total}, f.broken
}

func (f *fake) Trigger(ctx context.Context, req agg.RunRequest) (agg.Run, bool, error) {
	if r, err := f.RunOf(ctx, req.DagID, req.RunID); err == nil {
		return r, true, nil
	}
	d := f.dag(req.DagID)
	r := agg.Run{ID: fmt.Sprintf("r%d", len(f.runs)+1), RunID: req.RunID, DagID: req.DagID, Trigger: agg.RunManual, State: agg.RunQueued, LogicalDate: req.LogicalDate, Conf: req.Conf, Note: req.Note,
		TriggeredBy: req.TriggeredBy, User: req.User, RunAfter: noon, CreatedAt: noon, QueuedAt: &noon}
	if r.RunID == "" {
		r.RunID = "manual__" + noon.Format("2006-01-02T15:04:05+00:00")
	}
	if req.Start != nil {
		r.Start, r.End = *req.Start, *req.End
	} else {
		r.End = floor(d.Period, noon)
		r.Start = floor(d.Period, r.End.Add(-time.Hour))
	}
	for _, other := range f.runs {
		if other.DagID == r.DagID && other.Start.Equal(r.Start) && other.End.Equal(r.End) && !other.State.Final() {
			return other, true, nil
		}
	}
	for _, t := range d.Tasks {
		r.Tasks = append(r.Tasks, agg.Task{TaskID: t.TaskID, State: agg.RunQueued, MaxTries: 3})
	}
	f.runs = append(f.runs, r)
	return r, false, nil
}

func (f *fake) CancelRun(ctx context.Context, id string) (agg.Run, error) {
	return f.MarkRun(ctx, id, agg.RunCancelled)
}

func (f *fake) MarkRun(_ context.Context, id string, state agg.RunState) (agg.Run, error) {
	r, err := f.find(id)
	if err != nil {
		return agg.Run{}, err
	}
	r.State = state
	return *r, nil
}

func (f *fake) MarkTask(_ context.Context, id, task string, state agg.RunState) (agg.Run, error) {
	r, err := f.find(id)
	if err != nil {
		return agg.Run{}, err
	}
	for i := range r.Tasks {
		if r.Tasks[i].TaskID == task {
			r.Tasks[i].State = state
		}
	}
	return *r, nil
}

func (f *fake) ClearTasks(_ context.Context, id string, tasks []string, onlyFailed bool) (agg.Run, error) {
	r, err := f.find(id)
	if err != nil {
		return agg.Run{}, err
	}
	r.State, r.EndedAt = agg.RunQueued, nil
	for i := range r.Tasks {
		if t := &r.Tasks[i]; (len(tasks) == 0 || slices.Contains(tasks, t.TaskID)) && (!onlyFailed || t.State != agg.RunSuccess) {
			t.State = agg.RunQueued
		}
	}
	return *r, nil
}

func (f *fake) SetNote(_ context.Context, id, note string) (agg.Run, error) {
	r, err := f.find(id)
	if err != nil {
		return agg.Run{}, err
	}
	r.Note = note
	return *r, nil
}

func (f *fake) TaskLogs(_ context.Context, id, task string, try int) ([]agg.LogLine, error) {
	var out []agg.LogLine
	for _, l := range f.logs[id] {
		if (task == "" || l.TaskID == task) && (try == 0 || l.Try == try) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (f *fake) PlanBackfill(_ context.Context, req agg.BackfillRequest) (agg.BackfillPlan, error) {
	d := f.dag(req.DagID)
	plan := agg.BackfillPlan{DagID: req.DagID}
	for s := floor(d.Period, req.From); s.Before(req.To); s = step(d.Period, s) {
		if s.Before(req.From) {
			continue
		}
		p := agg.PlannedRun{Start: s, End: step(d.Period, s), Action: "run"}
		for _, r := range f.runs {
			if r.DagID == d.ID && r.Start.Equal(s) && req.Reprocess != agg.ReprocessCompleted {
				p.Action, p.Reason = "skip", "a run exists"
			}
		}
		if p.Action == "run" {
			plan.Total++
		}
		plan.Runs = append(plan.Runs, p)
	}
	return plan, nil
}

func (f *fake) CreateBackfill(ctx context.Context, req agg.BackfillRequest) (agg.Backfill, error) {
	for _, b := range f.backfills {
		if b.DagID == req.DagID && b.CompletedAt == nil {
			return b, &agg.Refusal{Kind: agg.RefusedConflict, Detail: "one runs"}
		}
	}
	plan, err := f.PlanBackfill(ctx, req)
	b := agg.Backfill{ID: int64(len(f.backfills) + 1), DagID: req.DagID, State: agg.RunRunning, From: req.From, To: req.To, Reprocess: req.Reprocess, MaxActiveRuns: req.MaxActiveRuns, Conf: req.Conf,
		Total: plan.Total, CreatedAt: noon, UpdatedAt: noon}
	f.backfills = append(f.backfills, b)
	return b, err
}

func (f *fake) Backfill(_ context.Context, id int64) (agg.Backfill, error) {
	for _, b := range f.backfills {
		if b.ID == id {
			return b, nil
		}
	}
	return agg.Backfill{}, &agg.Refusal{Kind: agg.RefusedNotFound, Detail: "no backfill"}
}

func (f *fake) Backfills(_ context.Context, dag string) ([]agg.Backfill, error) {
	return slices.DeleteFunc(slices.Clone(f.backfills), func(b agg.Backfill) bool { return dag != "" && b.DagID != dag }), nil
}

func (f *fake) PauseBackfill(_ context.Context, id int64, paused bool) (agg.Backfill, error) {
	b := &f.backfills[id-1]
	b.Paused = paused
	return *b, nil
}

func (f *fake) CancelBackfill(_ context.Context, id int64) (agg.Backfill, error) {
	b := &f.backfills[id-1]
	b.State, b.CompletedAt = agg.RunCancelled, &noon
	return *b, nil
}

func (f *fake) Heartbeats(context.Context) ([]agg.Heartbeat, error) {
	return []agg.Heartbeat{{Instance: "one", StartedAt: noon.Add(-time.Hour), At: noon.Add(-time.Second), Alive: true}}, f.broken
}
