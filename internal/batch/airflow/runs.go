package airflow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// dagOrAll checks the DAG of a path where "~" stands for all.
func (a *API) dagOrAll(r *http.Request) (string, error) {
	id := r.PathValue("dag")
	if id == "~" {
		return id, nil
	}
	_, err := a.dag(r.Context(), id)
	return id, err
}

func (a *API) getRuns(_ http.ResponseWriter, r *http.Request) (any, error) {
	dag, err := a.dagOrAll(r)
	if err != nil {
		return nil, err
	}
	c, err := choiceOf(paramsOf(r), dag)
	if err != nil {
		return nil, err
	}
	return a.listRuns(r.Context(), c)
}

func (a *API) postRuns(w http.ResponseWriter, r *http.Request) (any, error) {
	dag, err := a.dagOrAll(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	c, err := choiceIn(b, dag)
	if err != nil {
		return nil, err
	}
	return a.listRuns(r.Context(), c)
}

func (a *API) listRuns(ctx context.Context, c *choice) (any, error) {
	runs, total, err := a.runs(ctx, c)
	if err != nil {
		return nil, err
	}
	views := make([]runView, len(runs))
	for i := range runs {
		views[i] = a.runView(&runs[i])
	}
	return cursored("dag_runs", views, total), nil
}

func (a *API) getRun(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	return a.runView(&run), nil
}

// triggerIn reads the body of a trigger. The interval is what it says; with a logical date alone it is the last whole one before that, and
// with neither the scheduler takes the last whole one before now.
func (a *API) triggerIn(w http.ResponseWriter, r *http.Request, d *agg.DAG) (agg.RunRequest, error) {
	b, err := readBody(w, r)
	if err != nil {
		return agg.RunRequest{}, err
	}
	b.required("logical_date")
	req := agg.RunRequest{
		DagID: d.ID, RunID: b.text("dag_run_id"), LogicalDate: b.time("logical_date"), Start: b.time("data_interval_start"), End: b.time("data_interval_end"),
		Conf: b.object("conf"), Note: b.text("note"), TriggeredBy: callerOf(r.Context()).via, User: callerOf(r.Context()).Name,
	}
	after, key := b.time("run_after"), b.text("partition_key")
	if err := b.done(); err != nil {
		return req, err
	}
	switch {
	case (req.Start == nil) != (req.End == nil):
		b.add("", "value_error", "Value error, Either both data_interval_start and data_interval_end must be provided or both must be None", b.fields, map[string]any{"error": struct{}{}})
	case req.Start != nil && !req.Start.Before(*req.End):
		b.add("data_interval_end", "value_error", "Value error, the interval must end after it starts", req.End, map[string]any{"error": struct{}{}})
	case after != nil && after.After(a.now().Add(time.Minute)):
		b.add("run_after", "value_error", "Value error, a run starts at once here; leave run_after out", after, map[string]any{"error": struct{}{}})
	case key != "":
		b.add("partition_key", "value_error", "Value error, the DAGs here have no partitions", key, map[string]any{"error": struct{}{}})
	}
	return req, b.err()
}

func (a *API) postRun(w http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	req, err := a.triggerIn(w, r, d)
	if err != nil {
		return nil, err
	}
	if req.LogicalDate != nil {
		if err := a.settleLogical(r.Context(), d, &req); err != nil {
			return nil, err
		}
	}
	run, existed, err := a.sched.Trigger(r.Context(), req)
	if f := asFault(err); f != nil && f.status == http.StatusConflict && run.RunID != "" {
		return nil, taken(run.RunID)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case existed && run.RunID == req.RunID:
		return nil, taken(run.RunID)
	case existed && req.RunID != "": // a client that named its run would look for it in vain
		return nil, refuse(http.StatusConflict, fmt.Sprintf("The run %s does this interval now, and will count what was there when you asked; wait for it, or leave dag_run_id out to attach to it", run.RunID))
	}
	var before any
	if existed { // it counts what was there when somebody attached to it
		before = run.Standing()
	}
	httpx.Changed(r.Context(), before, run.Standing())
	a.noted(r, "trigger_dag_run", d.ID, run.RunID, "", map[string]any{"data_interval_start": run.Start, "data_interval_end": run.End})
	return a.runView(&run), nil
}

// settleLogical refuses a logical date that a run has already, and finds the interval where none is given.
func (a *API) settleLogical(ctx context.Context, d *agg.DAG, req *agg.RunRequest) error {
	c := &choice{dags: []string{d.ID}, bounds: []bound{{"logical_date", "_gte", *req.LogicalDate}, {"logical_date", "_lte", *req.LogicalDate}}, page: page{limit: 1}}
	runs, _, err := a.runs(ctx, c)
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		return taken(runs[0].RunID)
	}
	if req.Start != nil {
		return nil
	}
	start, end, err := a.lastInterval(ctx, d, *req.LogicalDate)
	req.Start, req.End = &start, &end
	return err
}

// taken is the answer to a run id or a logical date that a run has already.
func taken(id string) error {
	return refuse(http.StatusConflict, map[string]string{
		"reason": "Unique constraint violation", "statement": "hidden", "orig_error": "hidden",
		"message": fmt.Sprintf("The run %s has this run id or logical date; clear it to have it done again, or choose another", id),
	})
}

// lastInterval is the last whole interval of a DAG that ended by a time. The scheduler knows its intervals as those that a backfill would
// take, so it is asked for a few before that time.
func (a *API) lastInterval(ctx context.Context, d *agg.DAG, by time.Time) (start, end time.Time, err error) {
	for _, back := range []time.Duration{3 * time.Hour, 3 * 24 * time.Hour, 21 * 24 * time.Hour, 93 * 24 * time.Hour} {
		plan, err := a.sched.PlanBackfill(ctx, agg.BackfillRequest{DagID: d.ID, From: by.Add(-back), To: by, Reprocess: agg.ReprocessCompleted})
		if err != nil {
			return start, end, err
		}
		for _, p := range plan.Runs {
			if !p.End.After(by) && p.Start.After(start) {
				start, end = p.Start, p.End
			}
		}
		if !start.IsZero() {
			return start, end, nil
		}
	}
	return start, end, refuse(http.StatusUnprocessableEntity, fmt.Sprintf("%s has no whole interval before %s", d.ID, by.Format(time.RFC3339)))
}

func (a *API) patchRun(w http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	state := b.choice("state", "", "queued", "success", "failed")
	_, noted := b.fields["note"]
	text := b.text("note")
	if err := b.done(); err != nil {
		return nil, err
	}
	before, mask := run.Standing(), r.URL.Query()["update_mask"]
	only := func(field string) bool { return len(mask) == 0 || slices.Contains(mask, field) }
	if noted && only("note") {
		if run, err = a.sched.SetNote(r.Context(), run.ID, text); err != nil {
			return nil, err
		}
		httpx.Changed(r.Context(), before, run.Standing())
	}
	if state != "" && only("state") {
		if state == "queued" {
			run, err = a.sched.ClearTasks(r.Context(), run.ID, nil, false)
		} else {
			run, err = a.sched.MarkRun(r.Context(), run.ID, agg.RunState(state))
		}
		if err != nil {
			return nil, err
		}
	}
	httpx.Changed(r.Context(), before, run.Standing())
	a.noted(r, "patch_dag_run", run.DagID, run.RunID, "", map[string]any{"state": state, "note": text})
	return a.runView(&run), nil
}

// postClearRun answers a dry run with the tasks that would be cleared, and a real one with the run.
func (a *API) postClearRun(w http.ResponseWriter, r *http.Request) (any, error) {
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	dry, onlyFailed, onlyNew := b.flag("dry_run", true), b.flag("only_failed", false), b.flag("only_new", false)
	text := b.text("note")
	b.get("run_on_latest_version")
	if err := b.done(); err != nil {
		return nil, err
	}
	if onlyNew {
		return nil, refuse(http.StatusUnprocessableEntity, "only_new is not possible: a run has all tasks of its DAG from the beginning")
	}
	if dry {
		httpx.Unchanged(r.Context())
		views := a.instanceViews(&run, func(t *agg.Task) bool { return !onlyFailed || failed(t.State) })
		return listing("task_instances", views, len(views)), nil
	}
	before := run.Standing()
	if text != "" {
		if run, err = a.sched.SetNote(r.Context(), run.ID, text); err != nil {
			return nil, err
		}
		httpx.Changed(r.Context(), before, run.Standing())
	}
	if run, err = a.sched.ClearTasks(r.Context(), run.ID, nil, onlyFailed); err != nil {
		return nil, err
	}
	httpx.Changed(r.Context(), before, run.Standing())
	a.noted(r, "clear_dag_run", run.DagID, run.RunID, "", map[string]any{"only_failed": onlyFailed})
	return a.runView(&run), nil
}

func failed(s agg.RunState) bool {
	return s == agg.RunFailed || s == agg.RunCancelled || s == agg.TaskUpstreamFailed
}

// Limits of a wait.
const (
	leastWait = 0.1
	mostWait  = 60.0
)

// getWait writes a line with the state at once and then every interval until the run is over, the last with what its tasks returned.
func (a *API) getWait(w http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	every := 2.0
	if text := p.values.Get("interval"); text != "" {
		if _, err := fmt.Sscanf(text, "%g", &every); err != nil || every <= 0 {
			p.add("interval", "greater_than", "Input should be greater than 0", text, map[string]int{"gt": 0})
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	run, err := a.run(r)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	ctl := http.NewResponseController(w)
	tick := time.NewTicker(time.Duration(min(max(every, leastWait), mostWait) * float64(time.Second)))
	defer tick.Stop()
	for {
		line := map[string]any{"state": runState(run.State)}
		if results := p.list("result"); run.State.Final() && len(results) > 0 {
			line["results"] = resultsOf(&run, results)
		}
		data, err := json.Marshal(line)
		if err != nil {
			return answered, nil //nolint:nilerr // the answer has begun; what a task returned was checked when it was stored
		}
		if _, err := w.Write(append(data, '\n')); err != nil || ctl.Flush() != nil || run.State.Final() {
			return answered, nil //nolint:nilerr // the client is gone
		}
		select {
		case <-r.Context().Done():
			return answered, nil
		case <-tick.C:
		}
		if run, err = a.run(r); err != nil {
			a.log.Error("wait for a run ended early", "err", err)
			return answered, nil
		}
	}
}

// resultsOf is what the named tasks of a run returned.
func resultsOf(run *agg.Run, tasks []string) map[string]any {
	out := map[string]any{}
	for i := range run.Tasks {
		if t := &run.Tasks[i]; slices.Contains(tasks, t.TaskID) {
			out[t.TaskID] = t.Summary
			if len(t.Summary) == 0 {
				out[t.TaskID] = nil
			}
		}
	}
	return out
}

func (a *API) getAssetEvents(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := a.run(r); err != nil {
		return nil, err
	}
	return listing("asset_events", []struct{}{}, 0), nil
}
