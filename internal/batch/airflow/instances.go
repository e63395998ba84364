package airflow

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

var taskStates = []string{"removed", "scheduled", "queued", "running", "success", "restarting", "failed", "up_for_retry", "up_for_reschedule", "upstream_failed", "skipped", "deferred", "awaiting_input"}

// instanceViews are the task instances of a run that keep chooses.
func (a *API) instanceViews(run *agg.Run, keep func(*agg.Task) bool) []taskInstanceView {
	out := []taskInstanceView{}
	for i := range run.Tasks {
		if keep(&run.Tasks[i]) {
			out = append(out, a.taskInstanceView(run, i))
		}
	}
	return out
}

// instanceChoice is which task instances a list shows.
type instanceChoice struct {
	dag, run     string // "~" = all
	dags, runs   []string
	tasks, words []string // words are states; "none" is the state null
	bounds       []bound
	order        []sortKey
	page         page
}

var instanceKeys = []string{"id", "state", "duration", "start_date", "end_date", "map_index", "try_number", "logical_date", "run_after", "data_interval_start", "data_interval_end", "rendered_map_index", "operator", "task_id", "dag_id", "run_id"}

func (c *instanceChoice) states(f *flaws, words []string) {
	for _, s := range words {
		if s != "none" && s != "no_status" && !slices.Contains(taskStates, s) {
			f.add("state", "enum", "Input should be "+oneOf(taskStates), s, map[string]string{"expected": oneOf(taskStates)})
		}
	}
	c.words = words
}

func (a *API) getInstances(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	c := &instanceChoice{dag: r.PathValue("dag"), run: r.PathValue("run"), tasks: p.list("task_id"), bounds: bounds(p.time), page: p.page()}
	c.states(&p.flaws, p.list("state"))
	keys, err := order(p.list("order_by"), instanceKeys...)
	if bad := p.err(); bad != nil {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}
	c.order = keys
	return a.listInstances(r, c)
}

func (a *API) postInstances(w http.ResponseWriter, r *http.Request) (any, error) {
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	c := &instanceChoice{dag: r.PathValue("dag"), run: r.PathValue("run"), dags: b.words("dag_ids"), runs: b.words("dag_run_ids"), tasks: b.words("task_ids"), bounds: bounds(b.time),
		page: page{min(b.number("page_limit", 0, 100), maxLimit), b.number("page_offset", 0, 0)}}
	var words []string
	for _, s := range field[[]*string](b, "state", "list_type", "Input should be a valid list", nil) {
		if s == nil {
			s = new("none")
		}
		words = append(words, *s)
	}
	c.states(&b.flaws, words)
	var keys []string
	if k := b.text("order_by"); k != "" {
		keys = []string{k}
	}
	if c.order, err = order(keys, instanceKeys...); err != nil {
		return nil, err
	}
	for _, unused := range []string{"pool", "queue", "executor", "duration_gte", "duration_gt", "duration_lte", "duration_lt"} {
		b.get(unused)
	}
	if err := b.done(); err != nil {
		return nil, err
	}
	return a.listInstances(r, c)
}

func (a *API) listInstances(r *http.Request, c *instanceChoice) (any, error) {
	runs, err := a.runsOf(r, c)
	if err != nil {
		return nil, err
	}
	all := []taskInstanceView{}
	for i := range runs {
		all = append(all, a.instanceViews(&runs[i], func(t *agg.Task) bool { return c.takes(&runs[i], t) })...)
	}
	sorting.StableBy(all, func(x, y taskInstanceView) int {
		for _, k := range c.order {
			n := compareInstances(k.field, &x, &y)
			if k.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return cursored("task_instances", cut(all, c.page), len(all)), nil
}

// runsOf are the runs whose tasks a list shows.
func (a *API) runsOf(r *http.Request, c *instanceChoice) ([]agg.Run, error) {
	if c.dag != "~" && c.run != "~" {
		run, err := a.run(r)
		return []agg.Run{run}, err
	}
	f := agg.RunFilter{Order: "created_at"}
	if c.dag != "~" {
		if _, err := a.dag(r.Context(), c.dag); err != nil {
			return nil, err
		}
		f.DagID = c.dag
	}
	p, err := a.sched.Runs(r.Context(), f)
	return slices.DeleteFunc(p.Runs, func(run agg.Run) bool {
		return c.run != "~" && run.RunID != c.run || len(c.dags) > 0 && !slices.Contains(c.dags, run.DagID) || len(c.runs) > 0 && !slices.Contains(c.runs, run.RunID)
	}), err
}

func (c *instanceChoice) takes(run *agg.Run, t *agg.Task) bool {
	if len(c.tasks) > 0 && !slices.Contains(c.tasks, t.TaskID) {
		return false
	}
	if len(c.words) > 0 {
		s := taskState(run, t)
		if s == nil && !slices.Contains(c.words, "none") && !slices.Contains(c.words, "no_status") || s != nil && !slices.Contains(c.words, *s) {
			return false
		}
	}
	for _, b := range c.bounds {
		at := runTime(run, b.field)
		switch b.field {
		case "start_date":
			at = t.StartedAt
		case "end_date":
			at = t.EndedAt
		}
		if !b.holds(at) {
			return false
		}
	}
	return true
}

func compareInstances(field string, x, y *taskInstanceView) int {
	switch field {
	case "start_date":
		return compareTimes(x.StartDate, y.StartDate)
	case "end_date":
		return compareTimes(x.EndDate, y.EndDate)
	case "logical_date":
		return compareTimes(x.LogicalDate, y.LogicalDate)
	case "run_after", "data_interval_start", "data_interval_end":
		return x.RunAfter.Compare(y.RunAfter)
	case "duration":
		return cmp.Compare(seconds(x.StartDate, x.EndDate), seconds(y.StartDate, y.EndDate))
	case "try_number":
		return x.Try - y.Try
	}
	word := map[string]func(*taskInstanceView) string{
		"task_id": func(v *taskInstanceView) string { return v.TaskID }, "dag_id": func(v *taskInstanceView) string { return v.DagID },
		"run_id": func(v *taskInstanceView) string { return v.RunID }, "id": func(v *taskInstanceView) string { return v.ID },
		"state": func(v *taskInstanceView) string {
			if v.State == nil {
				return ""
			}
			return *v.State
		},
	}[field]
	if word == nil {
		return 0 // the same for all
	}
	return cmp.Compare(word(x), word(y))
}

// instance finds the task instance that a path names.
func (a *API) instance(r *http.Request) (run agg.Run, i int, err error) {
	dag, id, task := r.PathValue("dag"), r.PathValue("run"), r.PathValue("task")
	run, err = a.sched.RunOf(r.Context(), dag, id)
	if f := asFault(err); err != nil && (f == nil || f.status != http.StatusNotFound) {
		return run, 0, err
	}
	if err == nil {
		if i = slices.IndexFunc(run.Tasks, func(t agg.Task) bool { return t.TaskID == task }); i >= 0 {
			return run, i, nil
		}
	}
	return run, 0, refuse(http.StatusNotFound, fmt.Sprintf("The Task Instance with dag_id: `%s`, run_id: `%s` and task_id: `%s` was not found", dag, id, task))
}

func (a *API) getInstance(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	return a.taskInstanceView(&run, i), nil
}

func (a *API) patchInstance(w http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	state := b.choice("new_state", "", "success", "failed", "skipped")
	note := b.text("note")
	for _, spread := range []string{"include_upstream", "include_downstream", "include_future", "include_past"} {
		if b.flag(spread, false) {
			b.add(spread, "value_error", "Value error, a state is set for one task at a time here", true, nil)
		}
	}
	switch {
	case state == "skipped":
		b.add("new_state", "value_error", "Value error, tasks are not skipped here; choose success or failed", state, nil)
	case note != "":
		b.add("note", "value_error", "Value error, a note belongs to a run here: PATCH the run", note, nil)
	}
	if err := b.done(); err != nil {
		return nil, err
	}
	if state == "" {
		httpx.Unchanged(r.Context())
	} else {
		before := run.Standing()
		if run, err = a.sched.MarkTask(r.Context(), run.ID, run.Tasks[i].TaskID, agg.RunState(state)); err != nil {
			return nil, err
		}
		httpx.Changed(r.Context(), before, run.Standing())
		a.noted(r, "patch_task_instance", run.DagID, run.RunID, r.PathValue("task"), map[string]any{"new_state": state})
	}
	views := a.instanceViews(&run, func(t *agg.Task) bool { return t.TaskID == r.PathValue("task") })
	return cursored("task_instances", views, len(views)), nil
}

func (a *API) getTries(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	var tries []tryView
	if run.Tasks[i].Try > 0 {
		tries = append(tries, a.tryView(&run, &run.Tasks[i], i))
	}
	return listing("task_instances", tries, len(tries)), nil
}

func (a *API) getTry(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	if n := r.PathValue("try"); n != strconv.Itoa(run.Tasks[i].Try) {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s`, try_number: `%s` and map_index: `-1` was not found", run.DagID, run.RunID, run.Tasks[i].TaskID, n))
	}
	return a.tryView(&run, &run.Tasks[i], i), nil
}

// getDependencies says what keeps a task from running; nothing when it runs or ran.
func (a *API) getDependencies(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	d, err := a.dag(r.Context(), run.DagID)
	if err != nil {
		return nil, err
	}
	why := []map[string]string{}
	t := &run.Tasks[i]
	if t.State == agg.RunQueued || t.State == agg.TaskUpForRetry {
		if t.NextTryAt != nil && t.NextTryAt.After(a.now()) {
			why = append(why, map[string]string{"name": "Not In Retry Period", "reason": "the next try begins at " + t.NextTryAt.Format(time.RFC3339)})
		}
		for _, up := range d.Tasks {
			for _, other := range run.Tasks {
				if other.TaskID == up.TaskID && slices.Contains(downstream(d, up.TaskID), t.TaskID) && other.State != agg.RunSuccess {
					why = append(why, map[string]string{"name": "Trigger Rule", "reason": fmt.Sprintf("the task waits for the success of %s, which is %s", up.TaskID, other.State)})
				}
			}
		}
	}
	return map[string]any{"dependencies": why}, nil
}

func (a *API) getLinks(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, _, err := a.instance(r); err != nil {
		return nil, err
	}
	return map[string]any{"extra_links": struct{}{}, "total_entries": 0}, nil
}

// xcom is what a task returned, in the form of Airflow's XCom.
func xcom(run *agg.Run, t *agg.Task) map[string]any {
	at := run.CreatedAt
	if t.EndedAt != nil {
		at = *t.EndedAt
	}
	return map[string]any{"key": "return_value", "timestamp": at, "logical_date": run.LogicalDate, "map_index": -1, "task_id": t.TaskID, "dag_id": run.DagID, "run_id": run.RunID,
		"dag_display_name": run.DagID, "task_display_name": t.TaskID, "run_after": run.RunAfter}
}

func (a *API) getXComs(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	if len(run.Tasks[i].Summary) > 0 {
		out = append(out, xcom(&run, &run.Tasks[i]))
	}
	return listing("xcom_entries", out, len(out)), nil
}

func (a *API) getXCom(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	t := &run.Tasks[i]
	if key := r.PathValue("key"); key != "return_value" || len(t.Summary) == 0 {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("XCom entry with key: `%s` not found", key))
	}
	x := xcom(&run, t)
	x["value"] = t.Summary
	if stringify, _ := paramsOf(r).flag("stringify"); stringify {
		x["value"] = string(t.Summary)
	}
	return x, nil
}
