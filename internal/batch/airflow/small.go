package airflow

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// mountSmall adds the collections that Airflow's clients look at. Those of things that hxp does not have are empty.
func (a *API) mountSmall(v2 func(pattern, doc string, e endpoint, opts ...httpx.Option)) {
	v2("GET /api/v2/dagTags", "Lists the tags.", a.getTags)
	v2("GET /api/v2/dagStats", "Counts runs by DAG and state.", a.getStats)
	v2("GET /api/v2/dagSources/{dag}", "Shows the definition of a DAG.", a.getSource)
	v2("GET /api/v2/eventLogs", "Lists the last writes through this API.", a.getEvents)
	v2("GET /api/v2/eventLogs/{event}", "Describes a write.", a.getEvent)
	v2("GET /api/v2/jobs", "Lists the instances of the scheduler.", a.getJobs)
	v2("GET /api/v2/pools", "Lists the pools: one.", a.getPools)
	v2("GET /api/v2/pools/{pool}", "Describes a pool.", a.getPool)
	v2("GET /api/v2/providers", "Lists the providers: hxp itself.", a.getProviders)
	for path, name := range map[string]string{
		"importErrors": "import_errors", "dagWarnings": "dag_warnings", "plugins": "plugins", "plugins/importErrors": "import_errors", "variables": "variables",
		"connections": "connections", "assets": "assets",
	} {
		v2("GET /api/v2/"+path, "An empty list.", func(http.ResponseWriter, *http.Request) (any, error) { return listing(name, []struct{}{}, 0), nil })
	}
	secret := func(http.ResponseWriter, *http.Request) (any, error) {
		return nil, refuse(http.StatusForbidden, "Your Airflow administrator chose not to expose the configuration, most likely for security reasons.")
	}
	v2("GET /api/v2/config", "Refused: hxp config show tells the settings.", secret)
	v2("GET /api/v2/config/section/{section}/option/{option}", "Refused.", secret)
}

func (a *API) getVersionInfo(http.ResponseWriter, *http.Request) (any, error) {
	return map[string]string{"version": AnswersAs, "git_version": "hxp " + a.cfg.Version}, nil
}

// getHealth is open, as in Airflow. There is no triggerer and nothing to parse.
func (a *API) getHealth(_ http.ResponseWriter, r *http.Request) (any, error) {
	const healthy, unhealthy = "healthy", "unhealthy"
	database, scheduler := healthy, unhealthy
	var last *time.Time
	beats, err := a.sched.Heartbeats(r.Context())
	if err != nil {
		a.log.Error("the database of the scheduler does not answer", "err", err)
		database = unhealthy
	}
	for _, b := range beats {
		if last == nil || b.At.After(*last) {
			last = new(b.At.UTC())
		}
		if b.Alive {
			scheduler = healthy
		}
	}
	status := func(word string) map[string]any { return map[string]any{"status": word} }
	s := status(scheduler)
	s["latest_scheduler_heartbeat"] = last
	return map[string]any{
		"metadatabase": status(database), "scheduler": s,
		"triggerer":     map[string]any{"status": nil, "latest_triggerer_heartbeat": nil},
		"dag_processor": map[string]any{"status": nil, "latest_dag_processor_heartbeat": nil},
	}, nil
}

func (a *API) getTags(_ http.ResponseWriter, r *http.Request) (any, error) {
	dags, err := a.sched.DAGs(r.Context())
	if err != nil {
		return nil, err
	}
	p := paramsOf(r)
	pg, pattern := p.page(), likeOf(p.values.Get("tag_name_pattern"))
	if err := p.err(); err != nil {
		return nil, err
	}
	var tags []string
	for i := range dags {
		tags = append(tags, tagsOf(&dags[i])...)
	}
	slices.Sort(tags)
	tags = slices.DeleteFunc(slices.Compact(tags), func(t string) bool { return !pattern.matches(t) })
	return listing("tags", cut(tags, pg), len(tags)), nil
}

func (a *API) getStats(_ http.ResponseWriter, r *http.Request) (any, error) {
	dags, err := a.sched.DAGs(r.Context())
	if err != nil {
		return nil, err
	}
	wanted := paramsOf(r).list("dag_ids")
	out := []map[string]any{}
	for _, d := range dags {
		if len(wanted) > 0 && !slices.Contains(wanted, d.ID) {
			continue
		}
		counts, err := a.counts(r.Context(), d.ID)
		if err != nil {
			return nil, err
		}
		stats := make([]map[string]any, len(runStates))
		for i, s := range runStates {
			stats[i] = map[string]any{"state": s, "count": counts[s]}
		}
		out = append(out, map[string]any{"dag_id": d.ID, "dag_display_name": d.ID, "stats": stats})
	}
	return listing("dags", out, len(out)), nil
}

// counts are the runs of a DAG by the states of Airflow.
func (a *API) counts(ctx context.Context, dag string) (map[string]int, error) {
	out := map[string]int{}
	for _, s := range runStates {
		var c choice
		c.state(&flaws{}, "", s)
		p, err := a.sched.Runs(ctx, agg.RunFilter{DagID: dag, States: c.states, Limit: 1, CountTotal: true, WithoutTasks: true})
		if err != nil {
			return nil, err
		}
		out[s] = p.Total
	}
	return out, nil
}

func (a *API) getEvents(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	pg := p.page()
	dag, event := p.values.Get("dag_id"), p.values.Get("event")
	keys, err := order(p.list("order_by"), "id", "event_log_id", "when", "dttm", "dag_id", "event", "owner")
	if bad := p.err(); bad != nil {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(a.audit.all(), func(e eventView) bool {
		return dag != "" && (e.DagID == nil || *e.DagID != dag) || event != "" && e.Event != event
	})
	if len(keys) > 0 && keys[0].desc {
		slices.Reverse(all)
	}
	return listing("event_logs", cut(all, pg), len(all)), nil
}

func (a *API) getEvent(_ http.ResponseWriter, r *http.Request) (any, error) {
	for _, e := range a.audit.all() {
		if strconv.FormatInt(e.ID, 10) == r.PathValue("event") {
			return e, nil
		}
	}
	return nil, refuse(http.StatusNotFound, fmt.Sprintf("The Event Log with id: `%s` not found", r.PathValue("event")))
}

func (a *API) getJobs(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := paramsOf(r)
	pg := p.page()
	kind, state := p.values.Get("job_type"), p.values.Get("job_state")
	if err := p.err(); err != nil {
		return nil, err
	}
	beats, err := a.sched.Heartbeats(r.Context())
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for i, b := range beats {
		word := "running"
		var ended *time.Time
		if !b.Alive {
			word, ended = "failed", &beats[i].At
		}
		if kind != "" && kind != "SchedulerJob" || state != "" && state != word {
			continue
		}
		out = append(out, map[string]any{"id": i + 1, "dag_id": nil, "state": word, "job_type": "SchedulerJob", "start_date": b.StartedAt, "end_date": ended, "latest_heartbeat": b.At,
			"executor_class": nil, "hostname": b.Instance, "unixname": nil, "dag_display_name": nil})
	}
	return listing("jobs", cut(out, pg), len(out)), nil
}

func (a *API) poolView(ctx context.Context) (map[string]any, error) {
	p, err := a.sched.Runs(ctx, agg.RunFilter{States: []agg.RunState{agg.RunQueued, agg.RunRunning}})
	if err != nil {
		return nil, err
	}
	running, queued := 0, 0
	for _, r := range p.Runs {
		for _, t := range r.Tasks {
			switch t.State {
			case agg.RunRunning:
				running++
			case agg.RunQueued:
				queued++
			}
		}
	}
	return map[string]any{"name": poolName, "slots": a.cfg.Workers, "description": "Tasks at the same time in one process: batch_processing.workers", "include_deferred": false, "occupied_slots": running,
		"running_slots": running, "queued_slots": queued, "scheduled_slots": 0, "open_slots": max(a.cfg.Workers-running, 0), "deferred_slots": 0, "team_name": nil}, nil
}

func (a *API) getPools(_ http.ResponseWriter, r *http.Request) (any, error) {
	p, err := a.poolView(r.Context())
	if err != nil {
		return nil, err
	}
	return listing("pools", []map[string]any{p}, 1), nil
}

func (a *API) getPool(_ http.ResponseWriter, r *http.Request) (any, error) {
	if name := r.PathValue("pool"); name != poolName {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("The Pool with name: `%s` was not found", name))
	}
	return a.poolView(r.Context())
}

func (a *API) getProviders(http.ResponseWriter, *http.Request) (any, error) {
	version := strings.TrimPrefix(a.cfg.Version, "v")
	return listing("providers", []map[string]any{{"package_name": "hxp", "description": "The batch work of hxp, built in", "version": version, "documentation_url": nil}}, 1), nil
}
