package airflow

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// What the page shows at once.
const (
	lastRuns    = 24
	defaultGrid = 40
	maxGrid     = 1000

	maxBackfillRuns = 2500
)

// mountPage adds what the page of the scheduler asks for beside /api/v2: the same facts put together for one look.
func (a *API) mountPage(m *httpx.Mux) {
	a.handle(m, "GET /ui/overview", "All DAGs with their last runs.", a.getOverview)
	a.handle(m, "GET /ui/dags/{dag}/grid", "Runs of a DAG by task, newest first.", a.getGrid, httpx.Query("limit", "Runs, 1 to 1000; 40 when not given."), httpx.Query("offset", "Runs to leave out."))
	a.handle(m, "GET /ui/dags/{dag}/runs/{run}", "One run with its progress and what its tasks found.", a.getPageRun)
	a.handle(m, "GET /ui/dags/{dag}/runs/{run}/logs", "Log of a run.", a.getPageLogs, httpx.Query("task", "Only this task."), httpx.Query("after", "Lines that are known already."))
	a.handle(m, "POST /ui/dags/{dag}/runs/{run}/cancel", "Ends a run that waits or executes.", a.postCancel)
	a.handle(m, "POST /ui/backfills/plan", "What a backfill would do with each interval.", a.postPlan)
	a.handle(m, "GET /ui/backfills", "Backfills with how far they are, newest first.", a.getPageBackfills, httpx.Query("dag_id", "Only those of this DAG."))
	a.handle(m, "GET /ui/backfills/{backfill}", "A backfill with how far it is.", a.getPageBackfill, httpx.Query("runs", "true: with its runs, the first 2,500 by their intervals."))
}

// cell is the state of one task in one run.
type cell struct {
	Task  string       `json:"task_id"`
	State agg.RunState `json:"state"`
	Try   int          `json:"try_number"`
}

// brief is a run in a list or a grid of the page. Its state is the scheduler's own: the page knows cancelled.
type brief struct {
	RunID      string       `json:"run_id"`
	State      agg.RunState `json:"state"`
	Type       string       `json:"run_type"`
	Start      time.Time    `json:"data_interval_start"`
	End        time.Time    `json:"data_interval_end"`
	RunAfter   time.Time    `json:"run_after"`
	StartedAt  *time.Time   `json:"started_at"`
	EndedAt    *time.Time   `json:"ended_at"`
	BackfillID int64        `json:"backfill_id,omitempty"`
	Tasks      []cell       `json:"tasks,omitempty"`
}

func briefOf(r *agg.Run) brief {
	b := brief{RunID: r.RunID, State: r.State, Type: r.Trigger, Start: r.Start, End: r.End, RunAfter: r.RunAfter, StartedAt: r.StartedAt, EndedAt: r.EndedAt, BackfillID: r.BackfillID}
	for _, t := range r.Tasks {
		b.Tasks = append(b.Tasks, cell{t.TaskID, t.State, t.Try})
	}
	return b
}

type pageDAG struct {
	ID            string        `json:"dag_id"`
	Description   string        `json:"description"`
	Period        string        `json:"period"`
	Cron          string        `json:"cron"`
	Timezone      string        `json:"timezone"`
	Paused        bool          `json:"paused"`
	Disabled      bool          `json:"disabled"`
	NextStart     *time.Time    `json:"next_start"`
	NextEnd       *time.Time    `json:"next_end"`
	NextAfter     *time.Time    `json:"next_run_after"`
	CatchUp       string        `json:"catch_up"`
	Retries       int           `json:"retries"`
	RetrySeconds  float64       `json:"retry_delay_seconds"`
	TimeoutSecond float64       `json:"timeout_seconds"`
	Tasks         []agg.DAGTask `json:"tasks"`
}

// overviewDAG is a DAG with how its last runs went.
type overviewDAG struct {
	pageDAG
	Runs   []brief        `json:"runs"`
	Counts map[string]int `json:"counts"`
}

func pageDAGOf(d *agg.DAG) pageDAG {
	v := pageDAG{ID: d.ID, Description: d.Description, Period: d.Period, Cron: d.Cron, Timezone: zone(d), Paused: d.Paused, Disabled: d.Disabled, CatchUp: d.CatchUp,
		Retries: d.Retries, RetrySeconds: d.RetryDelay.Seconds(), TimeoutSecond: d.Timeout.Seconds(), Tasks: d.Tasks}
	if !d.NextEnd.IsZero() && !d.Disabled {
		v.NextStart, v.NextEnd = &d.NextStart, &d.NextEnd
	}
	if !d.NextAfter.IsZero() && !d.Disabled {
		v.NextAfter = &d.NextAfter
	}
	return v
}

func (a *API) getOverview(_ http.ResponseWriter, r *http.Request) (any, error) {
	dags, err := a.sched.DAGs(r.Context())
	if err != nil {
		return nil, err
	}
	out := []overviewDAG{}
	for i := range dags {
		v := overviewDAG{pageDAG: pageDAGOf(&dags[i]), Runs: []brief{}}
		p, err := a.sched.Runs(r.Context(), agg.RunFilter{DagID: v.ID, Order: "-created_at", Limit: lastRuns, WithoutTasks: true})
		if err != nil {
			return nil, err
		}
		for j := range p.Runs {
			v.Runs = append(v.Runs, briefOf(&p.Runs[j]))
		}
		if v.Counts, err = a.counts(r.Context(), v.ID); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	beats, err := a.sched.Heartbeats(r.Context())
	if err != nil {
		return nil, err
	}
	alive := len(slices.DeleteFunc(slices.Clone(beats), func(b agg.Heartbeat) bool { return !b.Alive }))
	return map[string]any{"now": a.now().UTC(), "dags": out, "schedulers": map[string]int{"alive": alive, "known": len(beats)}}, nil
}

func (a *API) getGrid(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	p := paramsOf(r)
	limit, offset := p.number("limit", 1, defaultGrid), p.number("offset", 0, 0)
	if limit > maxGrid {
		p.add("limit", "less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", maxGrid), p.values.Get("limit"), map[string]int{"le": maxGrid})
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	runs, err := a.sched.Runs(r.Context(), agg.RunFilter{DagID: d.ID, Order: "-created_at", Limit: limit, Offset: offset, CountTotal: true})
	if err != nil {
		return nil, err
	}
	out := []brief{}
	for i := range runs.Runs {
		out = append(out, briefOf(&runs.Runs[i]))
	}
	return map[string]any{"now": a.now().UTC(), "dag": pageDAGOf(d), "runs": out, "total": runs.Total}, nil
}

func (a *API) getPageRun(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	d, err := a.dag(r.Context(), run.DagID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"now": a.now().UTC(), "dag": pageDAGOf(d), "run": run}, nil
}

func (a *API) getPageLogs(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	p := paramsOf(r)
	after := p.number("after", 0, 0)
	if err := p.err(); err != nil {
		return nil, err
	}
	lines, err := a.sched.TaskLogs(r.Context(), run.ID, p.values.Get("task"), 0)
	if err != nil {
		return nil, err
	}
	after = min(after, len(lines))
	return map[string]any{"state": run.State, "total": len(lines), "lines": append([]agg.LogLine{}, lines[after:]...)}, nil
}

func (a *API) postCancel(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	before := run.Standing()
	if run, err = a.sched.CancelRun(r.Context(), run.ID); err != nil {
		return nil, err
	}
	httpx.Changed(r.Context(), before, run.Standing())
	a.noted(r, "cancel_dag_run", run.DagID, run.RunID, "", nil)
	return briefOf(&run), nil
}

func (a *API) postPlan(w http.ResponseWriter, r *http.Request) (any, error) {
	req, err := a.backfillIn(w, r)
	if err != nil {
		return nil, err
	}
	plan, err := a.sched.PlanBackfill(r.Context(), req)
	if err != nil {
		return nil, err
	}
	if plan.Runs == nil {
		plan.Runs = []agg.PlannedRun{}
	}
	return plan, nil
}

// included gives the end of a backfill back as it was asked for: it belongs to the range.
func included(b agg.Backfill) agg.Backfill {
	b.To = exclusive(b.To, -1)
	return b
}

func (a *API) getPageBackfills(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	pg := p.page()
	if err := p.err(); err != nil {
		return nil, err
	}
	all, err := a.sched.Backfills(r.Context(), p.values.Get("dag_id"))
	if err != nil {
		return nil, err
	}
	out := []agg.Backfill{}
	for _, b := range cut(all, pg) {
		out = append(out, included(b))
	}
	return listing("backfills", out, len(all)), nil
}

func (a *API) getPageBackfill(_ http.ResponseWriter, r *http.Request) (any, error) {
	b, err := a.oneBackfill(r)
	if err != nil {
		return nil, err
	}
	answer := struct {
		agg.Backfill
		Tasks taskCounts    `json:"tasks"`
		Runs  []backfillRun `json:"runs,omitempty"`
	}{Backfill: included(b)}
	if answer.Tasks, err = a.countTasks(r.Context(), &b); err != nil {
		return nil, err
	}
	if wanted, _ := paramsOf(r).flag("runs"); wanted {
		runs, err := a.sched.Runs(r.Context(), agg.RunFilter{DagID: b.DagID, BackfillID: b.ID, Order: "data_interval_start", Limit: maxBackfillRuns, WithoutTasks: true})
		if err != nil {
			return nil, err
		}
		for _, run := range runs.Runs {
			answer.Runs = append(answer.Runs, backfillRun{run.RunID, run.State, run.Start, run.End})
		}
	}
	return answer, nil
}

// backfillRun is a run of a backfill with as little as the page needs, because there may be thousands.
type backfillRun struct {
	RunID string       `json:"run_id"`
	State agg.RunState `json:"state"`
	Start time.Time    `json:"data_interval_start"`
	End   time.Time    `json:"data_interval_end"`
}

// taskCounts are the tasks of a backfill by what they are doing.
type taskCounts struct {
	Waiting   int `json:"waiting"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
}

// countTasks looks at the tasks of the runs that are under way or went wrong alone: those of the others are all done or all waiting, and there
// may be thousands, asked for twice a second.
func (a *API) countTasks(ctx context.Context, b *agg.Backfill) (n taskCounts, err error) {
	d, err := a.dag(ctx, b.DagID)
	if err != nil {
		return n, err
	}
	odd, err := a.sched.Runs(ctx, agg.RunFilter{DagID: b.DagID, BackfillID: b.ID, States: []agg.RunState{agg.RunRunning, agg.RunFailed, agg.RunCancelled}})
	if err != nil {
		return n, err
	}
	n.Succeeded = b.Done * len(d.Tasks)
	n.Waiting = max(0, b.Total-b.Done-len(odd.Runs)) * len(d.Tasks)
	for _, r := range odd.Runs {
		for _, t := range r.Tasks {
			switch {
			case t.State == agg.RunSuccess:
				n.Succeeded++
			case t.State == agg.RunRunning:
				n.Running++
			case failed(t.State):
				n.Failed++
			default:
				n.Waiting++
			}
		}
	}
	return n, nil
}
