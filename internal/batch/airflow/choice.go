package airflow

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// choice is which runs a list shows: what the scheduler can choose itself, and what is left to do here.
type choice struct {
	dags   []string // empty = all
	states []agg.RunState
	types  []string
	id     like
	bounds []bound
	order  []sortKey
	page   page
}

// The words of Airflow for runs.
var (
	runStates = []string{"queued", "running", "success", "failed"}
	runTypes  = []string{"backfill", "scheduled", "manual", "operator_triggered", "asset_triggered", "asset_materialization"}
	runKeys   = []string{"id", "dag_id", "run_id", "dag_run_id", "state", "run_type", "logical_date", "data_interval_start", "data_interval_end", "run_after", "queued_at", "start_date", "end_date", "updated_at", "conf", "duration"}
)

// state reads a state of Airflow; its failed is both failed and cancelled here.
func (c *choice) state(f *flaws, name, s string) {
	switch {
	case s == "failed":
		c.states = append(c.states, agg.RunFailed, agg.RunCancelled)
	case slices.Contains(runStates, s):
		c.states = append(c.states, agg.RunState(s))
	default:
		f.add(name, "enum", "Input should be "+oneOf(runStates), s, map[string]string{"expected": oneOf(runStates)})
	}
}

// choiceOf reads the parameters of a list of runs of a DAG ("~" = all).
func choiceOf(p *params, dag string) (*choice, error) {
	c := &choice{page: p.page(), id: likeOf(p.values.Get("run_id_pattern")), bounds: bounds(p.time), types: p.list("run_type")}
	if dag != "~" {
		c.dags = []string{dag}
	}
	for _, s := range p.list("state") {
		c.state(&p.flaws, "state", s)
	}
	for _, t := range c.types {
		if !slices.Contains(runTypes, t) {
			p.add("run_type", "enum", "Input should be "+oneOf(runTypes), t, map[string]string{"expected": oneOf(runTypes)})
		}
	}
	keys, err := order(p.list("order_by"), runKeys...)
	c.order = keys
	if bad := p.err(); bad != nil {
		return nil, bad
	}
	return c, err
}

// choiceIn reads the body of POST …/dagRuns/list.
func choiceIn(b *body, dag string) (*choice, error) {
	c := &choice{dags: b.words("dag_ids"), bounds: bounds(b.time), page: page{min(b.number("page_limit", 0, 100), maxLimit), b.number("page_offset", 0, 0)}}
	if dag != "~" {
		c.dags = []string{dag}
	}
	for _, s := range b.words("states") {
		c.state(&b.flaws, "states", s)
	}
	var keys []string
	if k := b.text("order_by"); k != "" {
		keys = []string{k}
	}
	var err error
	if c.order, err = order(keys, runKeys...); err != nil {
		return nil, err
	}
	for _, unused := range []string{"conf_contains", "duration_gte", "duration_gt", "duration_lte", "duration_lt"} {
		b.get(unused)
	}
	return c, b.done()
}

// storedOrder are the keys by which the store itself can order.
var storedOrder = map[string]string{
	"id": "created_at", "queued_at": "queued_at", "run_id": "run_id", "dag_run_id": "run_id", "state": "state", "run_type": "run_type", "logical_date": "data_interval_start",
	"data_interval_start": "data_interval_start", "run_after": "run_after", "start_date": "started_at", "end_date": "ended_at",
}

// runs returns the page of a choice and how many runs it has in all. The store does it alone where it can; else it gives the
// runs of the DAG and the rest is done here.
func (a *API) runs(ctx context.Context, c *choice) ([]agg.Run, int, error) {
	f := agg.RunFilter{States: c.states, Types: c.types, Order: "created_at", CountTotal: true}
	if len(c.dags) == 1 {
		f.DagID = c.dags[0]
	}
	if len(c.dags) < 2 && c.id == nil && len(c.bounds) == 0 && c.page.limit > 0 {
		if key, ok := c.stored(); ok {
			f.Order, f.Limit, f.Offset = key, c.page.limit, c.page.offset
			p, err := a.sched.Runs(ctx, f)
			return p.Runs, p.Total, err
		}
	}
	p, err := a.sched.Runs(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	all := slices.DeleteFunc(p.Runs, func(r agg.Run) bool { return !c.takes(&r) })
	sorting.StableBy(all, func(x, y agg.Run) int { return c.compare(&x, &y) })
	if c.page.limit == 0 {
		c.page.limit = maxLimit
	}
	return cut(all, c.page), len(all), nil
}

// stored is the order in the words of the store, if it knows it.
func (c *choice) stored() (string, bool) {
	if len(c.order) == 0 {
		return "created_at", true
	}
	key, ok := storedOrder[c.order[0].field]
	if c.order[0].desc {
		key = "-" + key
	}
	return key, ok && len(c.order) == 1
}

func (c *choice) takes(r *agg.Run) bool {
	if len(c.dags) > 0 && !slices.Contains(c.dags, r.DagID) || !c.id.matches(r.RunID) {
		return false
	}
	for _, b := range c.bounds {
		if !b.holds(runTime(r, b.field)) {
			return false
		}
	}
	return true
}

func runTime(r *agg.Run, field string) *time.Time {
	switch field {
	case "logical_date":
		return r.LogicalDate
	case "run_after":
		return &r.RunAfter
	case "queued_at":
		return r.QueuedAt
	case "start_date":
		return r.StartedAt
	case "end_date", "updated_at":
		return r.EndedAt
	case "data_interval_start":
		return &r.Start
	case "data_interval_end":
		return &r.End
	}
	return &r.CreatedAt // id: as they came
}

func (c *choice) compare(x, y *agg.Run) int {
	for _, k := range c.order {
		n := compareBy(k.field, x, y)
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func compareBy(field string, x, y *agg.Run) int {
	switch field {
	case "dag_id":
		return cmp.Compare(x.DagID, y.DagID)
	case "run_id", "dag_run_id":
		return cmp.Compare(x.RunID, y.RunID)
	case "state":
		return cmp.Compare(x.State, y.State)
	case "run_type":
		return cmp.Compare(x.Trigger, y.Trigger)
	case "conf":
		return cmp.Compare(string(x.Conf), string(y.Conf))
	case "duration":
		return cmp.Compare(seconds(x.StartedAt, x.EndedAt), seconds(y.StartedAt, y.EndedAt))
	}
	return compareTimes(runTime(x, field), runTime(y, field))
}

// compareTimes puts what has no time first, as an order of SQL does.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(*b)
}

func seconds(from, to *time.Time) float64 {
	if from == nil || to == nil {
		return 0
	}
	return to.Sub(*from).Seconds()
}
