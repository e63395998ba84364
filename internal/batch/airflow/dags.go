package airflow

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// dagsOf reads the filters of a list of DAGs and returns those that match, in order.
func (a *API) dagsOf(r *http.Request) (all []agg.DAG, pg page, err error) {
	p := paramsOf(r)
	pg = p.page()
	paused, asked := p.flag("paused")
	id, display := likeOf(p.values.Get("dag_id_pattern")), likeOf(p.values.Get("dag_display_name_pattern"))
	tags, owners := p.list("tags"), p.list("owners")
	everyTag := p.values.Get("tags_match_mode") == "all"
	keys, err := order(p.list("order_by"), "dag_id", "dag_display_name", "next_dagrun", "is_paused")
	if bad := p.err(); bad != nil {
		err = bad
	}
	if err != nil {
		return nil, pg, err
	}
	dags, err := a.sched.DAGs(r.Context())
	if err != nil {
		return nil, pg, err
	}
	all = slices.DeleteFunc(slices.Clone(dags), func(d agg.DAG) bool {
		return asked && d.Paused != paused || !id.matches(d.ID) || !display.matches(d.ID) || !tagged(&d, tags, everyTag) || len(owners) > 0 && !slices.Contains(owners, owner)
	})
	if len(keys) == 0 {
		keys = []sortKey{{"dag_id", false}}
	}
	sorting.StableBy(all, func(x, y agg.DAG) int { return compareDAGs(keys, &x, &y) })
	return all, pg, nil
}

func tagged(d *agg.DAG, tags []string, all bool) bool {
	have := tagsOf(d)
	hits := 0
	for _, t := range tags {
		if slices.Contains(have, t) {
			hits++
		}
	}
	return len(tags) == 0 || hits == len(tags) || hits > 0 && !all
}

func compareDAGs(keys []sortKey, x, y *agg.DAG) int {
	for _, k := range keys {
		n := 0
		switch k.field {
		case "next_dagrun":
			n = x.NextAfter.Compare(y.NextAfter)
		case "is_paused":
			n = cmp.Compare(fmt.Sprint(x.Paused), fmt.Sprint(y.Paused))
		default:
			n = cmp.Compare(x.ID, y.ID)
		}
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func (a *API) dagViews(dags []agg.DAG) []dagView {
	out := make([]dagView, len(dags))
	for i := range dags {
		out[i] = a.dagView(&dags[i])
	}
	return out
}

func (a *API) getDAGs(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, pg, err := a.dagsOf(r)
	if err != nil {
		return nil, err
	}
	return listing("dags", a.dagViews(cut(all, pg)), len(all)), nil
}

func (a *API) getDAG(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	return a.dagView(d), nil
}

func (a *API) getDetails(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	p, err := a.sched.Runs(r.Context(), agg.RunFilter{DagID: d.ID, States: []agg.RunState{agg.RunQueued, agg.RunRunning}, Limit: 1, CountTotal: true, WithoutTasks: true})
	if err != nil {
		return nil, err
	}
	return a.detailsView(d, p.Total), nil
}

// pausedIn reads the body of a PATCH of DAGs.
func pausedIn(w http.ResponseWriter, r *http.Request) (bool, error) {
	for _, mask := range r.URL.Query()["update_mask"] {
		if mask != "is_paused" {
			return false, refuse(http.StatusBadRequest, "Only `is_paused` field can be updated through the REST API")
		}
	}
	b, err := readBody(w, r)
	if err != nil {
		return false, err
	}
	b.required("is_paused")
	b.notNull("is_paused", "bool_type", "Input should be a valid boolean")
	return b.flag("is_paused", false), b.done()
}

// setPaused pauses or resumes the chosen DAGs, which it shows as they are then.
func (a *API) setPaused(r *http.Request, chosen []agg.DAG, paused bool) error {
	before, after := map[string]bool{}, map[string]bool{}
	for i := range chosen {
		d, err := a.sched.SetPaused(r.Context(), chosen[i].ID, paused)
		if err != nil {
			return err
		}
		before[d.ID], after[d.ID] = chosen[i].Paused, d.Paused
		httpx.Changed(r.Context(), map[string]any{"is_paused": before}, map[string]any{"is_paused": after})
		a.noted(r, "patch_dag", d.ID, "", "", map[string]any{"is_paused": paused, "method": r.Method})
		chosen[i] = d
	}
	return nil
}

func (a *API) patchDAG(w http.ResponseWriter, r *http.Request) (any, error) {
	paused, err := pausedIn(w, r)
	if err != nil {
		return nil, err
	}
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	chosen := []agg.DAG{*d}
	if err := a.setPaused(r, chosen, paused); err != nil {
		return nil, err
	}
	return a.dagView(&chosen[0]), nil
}

func (a *API) patchDAGs(w http.ResponseWriter, r *http.Request) (any, error) {
	paused, err := pausedIn(w, r)
	if err != nil {
		return nil, err
	}
	all, pg, err := a.dagsOf(r)
	if err != nil {
		return nil, err
	}
	chosen := cut(all, pg)
	if err := a.setPaused(r, chosen, paused); err != nil {
		return nil, err
	}
	return listing("dags", a.dagViews(chosen), len(all)), nil
}

func (a *API) getTasks(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	var out []taskView
	for i := range d.Tasks {
		out = append(out, taskViewOf(d, i))
	}
	return listing("tasks", out, len(out)), nil
}

func (a *API) getTask(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	id := r.PathValue("task")
	i := slices.IndexFunc(d.Tasks, func(t agg.DAGTask) bool { return t.TaskID == id })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, "Task with id "+id+" was not found")
	}
	return taskViewOf(d, i), nil
}

func (a *API) getVersions(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	return listing("dag_versions", []versionView{a.version(d.ID)}, 1), nil
}

func (a *API) getVersion(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	if n := r.PathValue("version"); n != "1" {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("The DagVersion with dag_id: `%s` and version_number: `%s` was not found", d.ID, n))
	}
	return a.version(d.ID), nil
}

// source is the definition of a DAG as a text, since there is no file of it.
func source(d *agg.DAG) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Built into hxp; settings: batch_processing in batch-processing-api.yaml.\ndag_id: %s\nschedule: %q  # %s\nretries: %d\nretry_delay_seconds: %g\ntimeout_seconds: %g\ntasks:\n",
		d.ID, d.Cron, zone(d), d.Retries, d.RetryDelay.Seconds(), d.Timeout.Seconds())
	for _, t := range d.Tasks {
		fmt.Fprintf(&b, "  - task_id: %s\n    depends_on: [%s]\n", t.TaskID, strings.Join(t.DependsOn, ", "))
	}
	return b.String()
}

func (a *API) getSource(w http.ResponseWriter, r *http.Request) (any, error) {
	d, err := a.dag(r.Context(), r.PathValue("dag"))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(source(d)))
		return answered, nil
	}
	return map[string]any{"content": source(d), "dag_id": d.ID, "version_number": 1, "dag_display_name": d.ID}, nil
}
