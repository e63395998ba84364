package airflow

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// defaultActive is how many runs of a backfill are under way at the same time when it does not say.
const defaultActive = 10

// backfillIn reads the body of a backfill and checks it as Airflow does. Its to_date belongs to the range.
func (a *API) backfillIn(w http.ResponseWriter, r *http.Request) (agg.BackfillRequest, error) {
	var req agg.BackfillRequest
	b, err := readBody(w, r)
	if err != nil {
		return req, err
	}
	b.required("dag_id", "from_date", "to_date")
	b.notNull("dag_id", "string_type", "Input should be a valid string")
	b.notNull("from_date", "datetime_type", "Input should be a valid datetime")
	b.notNull("to_date", "datetime_type", "Input should be a valid datetime")
	from, to := b.time("from_date"), b.time("to_date")
	req = agg.BackfillRequest{
		DagID: b.text("dag_id"), Reprocess: b.choice("reprocess_behavior", agg.ReprocessNone, "failed", "completed", "none"), Backwards: b.flag("run_backwards", false),
		MaxActiveRuns: b.number("max_active_runs", 1, defaultActive), Conf: b.object("dag_run_conf"), TriggeredBy: "backfill", User: callerOf(r.Context()).Name,
	}
	b.get("run_on_latest_version")
	if err := b.done(); err != nil {
		return req, err
	}
	now := a.now()
	const form = "2006-01-02T15:04:05-07:00"
	switch _, err := a.dag(r.Context(), req.DagID); {
	case err != nil && asFault(err) != nil:
		return req, refuse(http.StatusNotFound, "Could not find dag "+req.DagID)
	case err != nil:
		return req, err
	case from.After(*to):
		return req, refuse(http.StatusUnprocessableEntity, fmt.Sprintf("from_date (%s) must not be after to_date (%s).", from.Format(form), to.Format(form)))
	case from.After(now):
		return req, refuse(http.StatusUnprocessableEntity, "Backfill cannot be executed for future dates.")
	}
	req.From, req.To = from.UTC(), exclusive(earlier(*to, now), 1)
	return req, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a.UTC()
	}
	return b.UTC()
}

func (a *API) postBackfill(w http.ResponseWriter, r *http.Request) (any, error) {
	req, err := a.backfillIn(w, r)
	if err != nil {
		return nil, err
	}
	bf, err := a.sched.CreateBackfill(r.Context(), req)
	if refused, ok := errors.AsType[*agg.Refusal](err); ok && refused.Kind == agg.RefusedConflict {
		return nil, refuse(http.StatusConflict, "There is already a running backfill for dag "+req.DagID)
	}
	if err != nil {
		return nil, err
	}
	httpx.Changed(r.Context(), nil, bf.Standing())
	a.noted(r, "create_backfill", bf.DagID, "", "", map[string]any{"backfill_id": bf.ID, "from_date": req.From, "to_date": req.To, "reprocess_behavior": req.Reprocess})
	return backfillViewOf(&bf), nil
}

// postDryRun lists what would be run: without the intervals that a real one would leave alone.
func (a *API) postDryRun(w http.ResponseWriter, r *http.Request) (any, error) {
	req, err := a.backfillIn(w, r)
	if err != nil {
		return nil, err
	}
	plan, err := a.sched.PlanBackfill(r.Context(), req)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, p := range plan.Runs {
		if p.Action != "skip" {
			out = append(out, map[string]any{"logical_date": p.Start, "partition_key": nil, "partition_date": nil})
		}
	}
	return listing("backfills", out, len(out)), nil
}

func (a *API) getBackfills(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	pg, dag := p.page(), p.values.Get("dag_id")
	if dag == "" {
		p.add("dag_id", "missing", "Field required", nil, nil)
	}
	keys, err := order(p.list("order_by"), "id")
	if bad := p.err(); bad != nil {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}
	all, err := a.sched.Backfills(r.Context(), dag)
	if err != nil {
		return nil, err
	}
	sorting.By(all, func(x, y agg.Backfill) int {
		n := int(x.ID - y.ID)
		if len(keys) > 0 && keys[0].desc {
			n = -n
		}
		return n
	})
	views := []backfillView{}
	for _, b := range cut(all, pg) {
		views = append(views, backfillViewOf(&b))
	}
	return listing("backfills", views, len(all)), nil
}

// backfillID reads the id of a path.
func backfillID(r *http.Request) (int64, error) {
	f := &flaws{part: "path"}
	id, err := strconv.ParseInt(r.PathValue("backfill"), 10, 64)
	switch {
	case err != nil:
		f.add("backfill_id", "int_parsing", "Input should be a valid integer, unable to parse string as an integer", r.PathValue("backfill"), nil)
	case id < 0:
		f.add("backfill_id", "greater_than_equal", "Input should be greater than or equal to 0", r.PathValue("backfill"), map[string]int{"ge": 0})
	}
	return id, f.err()
}

func (a *API) oneBackfill(r *http.Request) (agg.Backfill, error) {
	id, err := backfillID(r)
	if err != nil {
		return agg.Backfill{}, err
	}
	b, err := a.sched.Backfill(r.Context(), id)
	if f := asFault(err); err != nil && f != nil && f.status == http.StatusNotFound {
		err = refuse(http.StatusNotFound, "Backfill not found")
	}
	return b, err
}

func (a *API) getBackfill(_ http.ResponseWriter, r *http.Request) (any, error) {
	b, err := a.oneBackfill(r)
	if err != nil {
		return nil, err
	}
	return backfillViewOf(&b), nil
}

func (a *API) putPause(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.changeBackfill(r, "pause_backfill", func(b *agg.Backfill) (agg.Backfill, error) { return a.sched.PauseBackfill(r.Context(), b.ID, true) })
}

func (a *API) putUnpause(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.changeBackfill(r, "unpause_backfill", func(b *agg.Backfill) (agg.Backfill, error) { return a.sched.PauseBackfill(r.Context(), b.ID, false) })
}

func (a *API) putCancel(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.changeBackfill(r, "cancel_backfill", func(b *agg.Backfill) (agg.Backfill, error) { return a.sched.CancelBackfill(r.Context(), b.ID) })
}

// changeBackfill does something with a backfill that is not over.
func (a *API) changeBackfill(r *http.Request, event string, change func(*agg.Backfill) (agg.Backfill, error)) (any, error) {
	b, err := a.oneBackfill(r)
	if err != nil {
		return nil, err
	}
	if b.CompletedAt != nil {
		return nil, refuse(http.StatusConflict, "Backfill is already completed.")
	}
	before := b
	if b, err = change(&b); err != nil {
		return nil, err
	}
	httpx.Changed(r.Context(), before.Standing(), b.Standing())
	a.noted(r, event, b.DagID, "", "", map[string]any{"backfill_id": b.ID})
	return backfillViewOf(&b), nil
}
