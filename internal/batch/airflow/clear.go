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

// postClearTasks clears tasks of one run, or of the runs whose logical date lies in a range.
func (a *API) postClearTasks(w http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	req := clearRequest{runID: b.text("dag_run_id"), from: b.time("start_date"), to: b.time("end_date"), dry: b.flag("dry_run", true), onlyFailed: b.flag("only_failed", true),
		onlyRunning: b.flag("only_running", false), future: b.flag("include_future", false), past: b.flag("include_past", false), noRunning: b.flag("prevent_running_task", false)}
	req.tasks = tasksIn(b)
	up, down := b.flag("include_upstream", false), b.flag("include_downstream", false)
	b.flag("reset_dag_runs", true)
	b.get("run_on_latest_version")
	b.get("note")
	for _, t := range req.tasks {
		if !slices.ContainsFunc(d.Tasks, func(x agg.DAGTask) bool { return x.TaskID == t }) {
			b.add("task_ids", "value_error", fmt.Sprintf("Value error, %s has no task %q", d.ID, t), t, nil)
		}
	}
	if req.runID != "" && (req.from != nil || req.to != nil) {
		b.add("", "value_error", "Value error, give dag_run_id or start_date and end_date, not both", b.fields, nil)
	}
	if err := b.done(); err != nil {
		return nil, err
	}
	req.tasks = spread(d, req.tasks, up, down)
	return a.clear(r, d, &req)
}

type clearRequest struct {
	runID                                                 string
	tasks                                                 []string // empty = all
	from, to                                              *time.Time
	dry, onlyFailed, onlyRunning, future, past, noRunning bool
}

// tasksIn reads task_ids, whose items are ids or pairs of an id and a map index.
func tasksIn(b *body) (out []string) {
	for _, raw := range field[[]json.RawMessage](b, "task_ids", "list_type", "Input should be a valid list", nil) {
		var id string
		var pair []json.RawMessage
		if json.Unmarshal(raw, &id) != nil && (json.Unmarshal(raw, &pair) != nil || len(pair) != 2 || json.Unmarshal(pair[0], &id) != nil) {
			b.add("task_ids", "string_type", "Input should be a valid string", raw, nil)
			continue
		}
		out = append(out, id)
	}
	return out
}

// spread adds the tasks before and after the named ones.
func spread(d *agg.DAG, tasks []string, up, down bool) []string {
	for grown := len(tasks) > 0; grown; {
		grown = false
		for _, t := range d.Tasks {
			before := func(id string) bool { return slices.Contains(t.DependsOn, id) }
			if down && !slices.Contains(tasks, t.TaskID) && slices.ContainsFunc(tasks, before) {
				tasks, grown = append(tasks, t.TaskID), true
			}
			if up && slices.Contains(tasks, t.TaskID) {
				for _, id := range t.DependsOn {
					if !slices.Contains(tasks, id) {
						tasks, grown = append(tasks, id), true
					}
				}
			}
		}
	}
	return tasks
}

func (a *API) clear(r *http.Request, d *agg.DAG, req *clearRequest) (any, error) {
	runs, err := a.runsToClear(r.Context(), d, req)
	if err != nil {
		return nil, err
	}
	var views []taskInstanceView
	before, after := map[string]agg.Standing{}, map[string]agg.Standing{}
	httpx.Unchanged(r.Context()) // until something is cleared
	for i := range runs {
		run := &runs[i]
		chosen := a.instanceViews(run, func(t *agg.Task) bool {
			return (len(req.tasks) == 0 || slices.Contains(req.tasks, t.TaskID)) && (!req.onlyFailed || failed(t.State)) && (!req.onlyRunning || t.State == agg.RunRunning)
		})
		var ids []string
		for _, v := range chosen {
			if req.noRunning && v.State != nil && *v.State == "running" {
				return nil, refuse(http.StatusConflict, fmt.Sprintf("the task %s of %s runs", v.TaskID, v.RunID))
			}
			ids = append(ids, v.TaskID)
		}
		if !req.dry && len(ids) > 0 {
			cleared, err := a.sched.ClearTasks(r.Context(), run.ID, ids, req.onlyFailed)
			if err != nil {
				return nil, err
			}
			chosen = a.instanceViews(&cleared, func(t *agg.Task) bool { return slices.Contains(ids, t.TaskID) })
			before[run.RunID], after[run.RunID] = run.Standing(), cleared.Standing()
			httpx.Changed(r.Context(), before, after)
			a.noted(r, "clear_task_instances", d.ID, run.RunID, "", map[string]any{"task_ids": ids})
		}
		views = append(views, chosen...)
	}
	return cursored("task_instances", views, len(views)), nil
}

// runsToClear are the named run with those before or after it if that was asked for, or the runs of a range.
func (a *API) runsToClear(ctx context.Context, d *agg.DAG, req *clearRequest) ([]agg.Run, error) {
	f := agg.RunFilter{DagID: d.ID, Order: "data_interval_start"}
	if req.runID != "" {
		run, err := a.sched.RunOf(ctx, d.ID, req.runID)
		if f := asFault(err); err != nil && f != nil && f.status == http.StatusNotFound {
			err = refuse(http.StatusNotFound, fmt.Sprintf("Dag Run id %s not found in dag %s", req.runID, d.ID))
		}
		if err != nil || !req.future && !req.past {
			return []agg.Run{run}, err
		}
		f.From, f.To = run.Start, run.Start.Add(time.Microsecond)
		if req.past {
			f.From = longAgo
		}
		if req.future {
			f.To = a.now().AddDate(1, 0, 0)
		}
	} else {
		f.From, f.To = longAgo, a.now()
		if req.from != nil {
			f.From = *req.from
		}
		if req.to != nil {
			f.To = exclusive(*req.to, 1)
		}
	}
	p, err := a.sched.Runs(ctx, f)
	return p.Runs, err
}
