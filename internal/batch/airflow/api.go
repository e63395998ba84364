package airflow

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// API serves /auth, /api/v2 and the data of the page. Make it with New and Mount it.
type API struct {
	cfg     Config
	sched   Scheduler
	vault   *Vault
	log     *slog.Logger
	now     func() time.Time
	began   time.Time
	guesses guesses
	audit   audit

	// What exists under which methods, to tell 405 from 404; written while mounting alone.
	paths *http.ServeMux
	known map[string]*allowed
}

// New opens the vault, which makes the password of admin on the first start.
func New(cfg Config, s Scheduler, log *slog.Logger, now func() time.Time) (*API, error) {
	v, err := OpenVault(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return &API{cfg: cfg, sched: s, vault: v, log: log, now: now, began: now().UTC(), paths: http.NewServeMux(), known: map[string]*allowed{}}, nil
}

// endpoint answers a request with a document, nil for none, or answered when it wrote by itself.
type endpoint func(w http.ResponseWriter, r *http.Request) (any, error)

// answered is the document of an endpoint that wrote its answer itself.
var answered = new(struct{})

// Mount adds the routes to a mux.
func (a *API) Mount(m *httpx.Mux) {
	a.mountAuth(m)
	a.mountPage(m)
	v2 := func(pattern, doc string, e endpoint, opts ...httpx.Option) { a.handle(m, pattern, doc, e, opts...) }
	dag, run := "/api/v2/dags/{dag}", "/api/v2/dags/{dag}/dagRuns/{run}"
	task := run + "/taskInstances/{task}"

	a.open(m, "GET /api/v2/version", "Which Airflow this answers as.", a.getVersionInfo)
	a.open(m, "GET /api/v2/monitor/health", "Health of the scheduler and its database.", a.getHealth)
	v2("GET /api/v2/dags", "Lists the DAGs.", a.getDAGs)
	v2("PATCH /api/v2/dags", "Pauses or resumes the DAGs that match.", a.patchDAGs)
	v2("GET "+dag, "Describes a DAG.", a.getDAG)
	v2("PATCH "+dag, "Pauses or resumes a DAG.", a.patchDAG)
	v2("GET "+dag+"/details", "Describes a DAG with its defaults.", a.getDetails)
	v2("GET "+dag+"/tasks", "Lists the tasks of a DAG.", a.getTasks)
	v2("GET "+dag+"/tasks/{task}", "Describes a task.", a.getTask)
	v2("GET "+dag+"/dagVersions", "Lists the versions of a DAG.", a.getVersions)
	v2("GET "+dag+"/dagVersions/{version}", "Describes a version of a DAG.", a.getVersion)
	v2("POST "+dag+"/clearTaskInstances", "Lets tasks be done again; a dry run unless dry_run is false.", a.postClearTasks)

	v2("GET "+dag+"/dagRuns", "Lists the runs of a DAG; ~ is all DAGs.", a.getRuns)
	v2("POST "+dag+"/dagRuns", "Triggers a run.", a.postRun)
	v2("POST "+dag+"/dagRuns/list", "Lists runs by a body of filters.", a.postRuns)
	v2("GET "+run, "Describes a run.", a.getRun)
	v2("PATCH "+run, "Sets the state or the note of a run.", a.patchRun)
	v2("POST "+run+"/clear", "Lets a run be done again; a dry run unless dry_run is false.", a.postClearRun)
	v2("GET "+run+"/wait", "Waits for the end of a run, a line for each look.", a.getWait, httpx.Stream())
	v2("GET "+run+"/upstreamAssetEvents", "Lists the asset events of a run: there are none.", a.getAssetEvents)

	v2("GET "+run+"/taskInstances", "Lists the task instances of a run; ~ is all.", a.getInstances)
	v2("POST "+run+"/taskInstances/list", "Lists task instances by a body of filters.", a.postInstances)
	v2("GET "+task, "Describes a task instance.", a.getInstance)
	v2("PATCH "+task, "Sets the state of a task instance.", a.patchInstance)
	v2("GET "+task+"/tries", "Lists the tries of a task instance that are known.", a.getTries)
	v2("GET "+task+"/tries/{try}", "Describes a try.", a.getTry)
	v2("GET "+task+"/dependencies", "Says what a task instance waits for.", a.getDependencies)
	v2("GET "+task+"/links", "Lists the extra links of a task instance: there are none.", a.getLinks)
	v2("GET "+task+"/xcomEntries", "Lists what a task returned.", a.getXComs)
	v2("GET "+task+"/xcomEntries/{key}", "Shows what a task returned.", a.getXCom)
	v2("GET "+task+"/logs/{try}", "Shows the log of a try, as JSON or NDJSON.", a.getLogs)

	v2("GET /api/v2/backfills", "Lists the backfills of a DAG.", a.getBackfills)
	v2("POST /api/v2/backfills", "Starts a backfill; both ends belong to the range.", a.postBackfill)
	v2("POST /api/v2/backfills/dry_run", "Lists the runs that a backfill would start.", a.postDryRun)
	v2("GET /api/v2/backfills/{backfill}", "Describes a backfill.", a.getBackfill)
	v2("PUT /api/v2/backfills/{backfill}/pause", "Holds a backfill.", a.putPause)
	v2("PUT /api/v2/backfills/{backfill}/unpause", "Lets a backfill go on.", a.putUnpause)
	v2("PUT /api/v2/backfills/{backfill}/cancel", "Ends a backfill.", a.putCancel)

	a.mountSmall(v2)
	m.Handle("/api/v2/{rest...}", http.HandlerFunc(a.noRoute), httpx.Hidden(), httpx.Open())
	m.Handle("/api/v1/{rest...}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpx.JSON(w, http.StatusNotFound, map[string]string{"error": "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead."})
	}), httpx.Hidden(), httpx.Open())
}

// handle adds an endpoint that needs a token.
func (a *API) handle(m *httpx.Mux, pattern, doc string, e endpoint, opts ...httpx.Option) {
	method, path, _ := strings.Cut(pattern, " ")
	if reads(method, path) {
		opts = append(opts, httpx.ChangesNothing())
	}
	a.open(m, pattern, doc, func(w http.ResponseWriter, r *http.Request) (any, error) {
		who, err := a.who(r)
		if err != nil {
			return nil, err
		}
		if who.Role == "Viewer" && !reads(method, path) {
			return nil, refuse(http.StatusForbidden, "Forbidden")
		}
		httpx.ChangedBy(r.Context(), who.record)
		return e(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	}, opts...)
}

// reads tells whether an endpoint changes nothing, so that a viewer may call it. Some take their question in a body.
func reads(method, path string) bool {
	switch method {
	case http.MethodGet:
		return true
	case http.MethodPost:
		return strings.HasSuffix(path, "/list") || path == "/api/v2/backfills/dry_run" || path == "/ui/backfills/plan"
	}
	return false
}

// open adds an endpoint that everybody may call.
func (a *API) open(m *httpx.Mux, pattern, doc string, e endpoint, opts ...httpx.Option) {
	method, path, _ := strings.Cut(pattern, " ")
	a.remember(method, path)
	opts = append(opts, httpx.Faults("application/json", httpx.Schema{"type": "object"})) // Airflow's {"detail": …}
	m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, err := e(w, r)
		switch {
		case err != nil:
			a.fail(w, r, err)
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
		case v != any(answered):
			w.Header().Set("Cache-Control", "no-store")
			httpx.JSON(w, http.StatusOK, v)
		}
	}, append(opts, httpx.Doc(doc), httpx.Open())...) // who asks is found out here, as Airflow does
}

// allowed are the methods of one path.
type allowed struct{ methods []string }

func (*allowed) ServeHTTP(http.ResponseWriter, *http.Request) {}

func (a *API) remember(method, path string) {
	if a.known[path] == nil {
		a.known[path] = &allowed{}
		a.paths.Handle(path, a.known[path])
	}
	a.known[path].methods = append(a.known[path].methods, method)
}

// noRoute answers what no route took: another method, or nothing of ours.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	h, pattern := a.paths.Handler(r)
	list, ok := h.(*allowed)
	if pattern == "" || !ok {
		httpx.JSON(w, http.StatusNotFound, map[string]string{"error": "API route not found"})
		return
	}
	methods := slices.Clone(list.methods)
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	slices.Sort(methods)
	w.Header().Set("Allow", strings.Join(methods, ", "))
	a.fail(w, r, refuse(http.StatusMethodNotAllowed, "Method Not Allowed"))
}

// dag finds the DAG that a path names.
func (a *API) dag(ctx context.Context, id string) (*agg.DAG, error) {
	dags, err := a.sched.DAGs(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(dags, func(d agg.DAG) bool { return d.ID == id })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", id))
	}
	return &dags[i], nil
}

// run finds the run that a path names.
func (a *API) run(r *http.Request) (agg.Run, error) {
	dag, id := r.PathValue("dag"), r.PathValue("run")
	run, err := a.sched.RunOf(r.Context(), dag, id)
	if f := asFault(err); err != nil && f != nil && f.status == http.StatusNotFound {
		err = refuse(http.StatusNotFound, fmt.Sprintf("The DagRun with dag_id: `%s` and run_id: `%s` was not found", dag, id))
	}
	return run, err
}

// listing is the body of a list.
func listing[T any](name string, items []T, total int) map[string]any {
	if items == nil {
		items = []T{}
	}
	return map[string]any{name: items, "total_entries": total}
}

// cursored is a list of which Airflow also tells cursors; pages are by offset here.
func cursored[T any](name string, items []T, total int) map[string]any {
	l := listing(name, items, total)
	l["total_entries_limit"], l["next_cursor"], l["previous_cursor"] = nil, nil, nil
	return l
}
