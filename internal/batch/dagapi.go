package batch

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// mountRuns adds the DAGs, runs and backfills to a mux.
func (s *Service) mountRuns(m *httpx.Mux) {
	limit := httpx.Query("limit", "Items a page, 1 to 1000; 100 when not given.")
	cursor := httpx.Query("cursor", "next_cursor of the page before.")
	noDAG, noRun := httpx.Answer("404", "There is no such DAG."), httpx.Answer("404", "There is no such run.")
	accepted := []httpx.Option{
		httpx.Header("Idempotency-Key", "The same key gives the same run."), httpx.Body("application/json"),
		httpx.Answer("202", "The run, accepted or attached to; Location names it.", agg.Run{}), httpx.Answer("409", "Switched off, or the id belongs to another run."),
		httpx.Answer("422", "The interval is empty or not made of whole periods, or the DAG or task is unknown."),
		httpx.Answer("501", "The task is not available in this version."), httpx.Answer("503", "Try again after Retry-After."),
	}
	changed := []httpx.Option{httpx.Answer("200", "The run as it is now.", agg.Run{}), noRun, httpx.Answer("422", "The body cannot be used; errors says why.")}
	m.HandleFunc("GET /dags", s.getDags, httpx.Doc("Lists the DAGs."), limit, cursor, httpx.Answer("200", "The DAGs.", dagList{}))
	m.HandleFunc("GET /dags/{id}", s.getDag, httpx.Doc("Describes one DAG."), httpx.Answer("200", "The DAG.", dagJSON{}), noDAG)
	m.HandleFunc("GET /dags/{id}/runs", s.getDagRuns, httpx.Doc("Lists the runs of a DAG, newest first."), limit, cursor, httpx.Answer("200", "The runs.", runList{}), noDAG)
	m.HandleFunc("POST /dags/{id}/trigger", s.postTrigger, append(accepted, httpx.Doc("Runs a DAG, without an interval for the last whole one."), httpx.NoBodyNeeded(), noDAG)...)
	m.HandleFunc("POST /dags/{id}/pause", s.postPause(true), httpx.Doc("Pauses a DAG: it starts nothing until it is unpaused."), httpx.Answer("200", "The DAG.", dagJSON{}), noDAG)
	m.HandleFunc("POST /dags/{id}/unpause", s.postPause(false), httpx.Doc("Lets a DAG go on; what was missed is made up for."), httpx.Answer("200", "The DAG.", dagJSON{}), noDAG)
	m.HandleFunc("POST /dags/{id}/backfill", s.postBackfill, httpx.Doc("Runs a DAG for every interval that starts in [from, to), or says what that would do."),
		httpx.Body("application/json"), httpx.Answer("200", "The plan of a dry run.", agg.BackfillPlan{}), httpx.Answer("202", "The backfill; Location names it.", agg.Backfill{}), noDAG,
		httpx.Answer("422", "The range is empty or too long, or a field is unknown."), httpx.Answer("503", "Try again after Retry-After."))
	m.HandleFunc("GET /backfills", s.getBackfills, httpx.Doc("Lists backfills, newest first."), httpx.Query("dag_id", "Only the backfills of this DAG."), limit, cursor, httpx.Answer("200", "The backfills.", backfillList{}))
	m.HandleFunc("GET /backfills/{id}", s.getBackfill, httpx.Doc("Shows one backfill and how far it is."), httpx.Answer("200", "The backfill.", agg.Backfill{}), httpx.Answer("404", "There is no such backfill."))
	m.HandleFunc("POST /backfills/{id}/cancel", s.postBackfillCancel, httpx.Doc("Ends the runs of a backfill that are not over."), httpx.Answer("202", "The backfill.", agg.Backfill{}), httpx.Answer("409", "It is over."))
	m.HandleFunc("POST /backfills/{id}/pause", s.postBackfillPause(true), httpx.Doc("Keeps a backfill from starting further runs."), httpx.Answer("200", "The backfill.", agg.Backfill{}))
	m.HandleFunc("POST /backfills/{id}/unpause", s.postBackfillPause(false), httpx.Doc("Lets a backfill go on."), httpx.Answer("200", "The backfill.", agg.Backfill{}))
	m.HandleFunc("GET /runs", s.getRuns, httpx.Doc("Lists runs, newest first."), httpx.Query("dag_id", "Only the runs of this DAG."),
		httpx.Query("state", "Only runs in this state."), httpx.Query("run_type", "Only scheduled, manual or backfill runs."), limit, cursor, httpx.Answer("200", "The runs.", runList{}))
	m.HandleFunc("POST /runs", s.postRun, append(accepted, httpx.Doc("Runs a DAG, or one task of it, for an interval."))...)
	m.HandleFunc("GET /runs/{id}", s.getRun, httpx.Doc("Shows one run with its tasks and progress."), httpx.Answer("200", "The run.", agg.Run{}), noRun)
	m.HandleFunc("GET /runs/{id}/outcome", s.getOutcome, httpx.Doc("How a run ended."), httpx.Answer("200", "It ended.", runOutcome{}), httpx.Answer("404", "It is not over, or there is none."))
	m.HandleFunc("GET /runs/{id}/logs", s.getLogs, httpx.Doc("What a run did, step by step."), httpx.Query("task_id", "Only this task."), httpx.Query("try", "Only this try; the last one when not given."), httpx.Answer("200", "The lines, oldest first.", logList{}), noRun)
	m.HandleFunc("POST /runs/{id}/cancel", s.postCancel, httpx.Doc("Ends a run that waits or executes."), httpx.Answer("202", "The run.", agg.Run{}), noRun, httpx.Answer("409", "It is over."))
	m.HandleFunc("POST /runs/{id}/clear", s.postClear, append(changed, httpx.Doc("Does tasks of a run anew, with what follows on them; all of them without a body."), httpx.Body("application/json"), httpx.NoBodyNeeded())...)
	m.HandleFunc("POST /runs/{id}/mark", s.postMark, append(changed, httpx.Doc("Sets the state of a run, or of one task, to success or failed."), httpx.Body("application/json"))...)
}

type dagJSON struct {
	DagID         string        `json:"dag_id"`
	Description   string        `json:"description"`
	Cron          string        `json:"cron"`
	Timezone      string        `json:"timezone"`
	Paused        bool          `json:"paused"`
	Disabled      bool          `json:"disabled"`
	NextRun       time.Time     `json:"next_run"`
	NextStart     time.Time     `json:"next_data_interval_start"`
	NextEnd       time.Time     `json:"next_data_interval_end"`
	CatchUp       string        `json:"catchup"`
	MaxActiveRuns int           `json:"max_active_runs"`
	Deadline      int           `json:"deadline_seconds"`
	Retries       int           `json:"retries"`
	RetryDelay    int           `json:"retry_delay_seconds"`
	Timeout       int           `json:"timeout_seconds"`
	Tasks         []agg.DAGTask `json:"tasks"`
}

func jsonOf(d *agg.DAG) dagJSON {
	return dagJSON{d.ID, d.Description, d.Cron, d.Timezone, d.Paused, d.Disabled, d.NextRun, d.NextStart, d.NextEnd, d.CatchUp, d.MaxActiveRuns,
		int(d.Deadline.Seconds()), d.Retries, int(d.RetryDelay.Seconds()), int(d.Timeout.Seconds()), d.Tasks}
}

func (s *Service) getDags(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("limit", "cursor")
	if q.onePage(); q.refused(w, r) {
		return
	}
	dags, err := s.DAGs(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := make([]dagJSON, len(dags))
	for i := range dags {
		out[i] = jsonOf(&dags[i])
	}
	httpx.JSON(w, http.StatusOK, dagList{DAGs: out})
}

// onePage reads the parameters of a list that fits one page.
func (q *query) onePage() {
	q.limit()
	if q.values.Get("cursor") != "" {
		q.bad("cursor", "bad_cursor", "this list has one page")
	}
}

// dagOr404 answers 404 when the path names no DAG.
func (s *Service) dagOr404(w http.ResponseWriter, r *http.Request) *dag {
	d := s.dag(r.PathValue("id"))
	if d == nil {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no DAG %q; GET /dags lists them", r.PathValue("id")))
	}
	return d
}

func (s *Service) getDag(w http.ResponseWriter, r *http.Request) {
	if d := s.dagOr404(w, r); d != nil {
		shown, err := s.DAG(r.Context(), d.id)
		s.answerDAG(w, r, &shown, err)
	}
}

func (s *Service) answerDAG(w http.ResponseWriter, r *http.Request, d *agg.DAG, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, jsonOf(d))
}

// isPaused is what of a DAG a person changes, as the audit shows it.
type isPaused struct {
	Paused bool `json:"paused"`
}

func (s *Service) postPause(paused bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := s.dagOr404(w, r)
		if d == nil {
			return
		}
		before, err := s.DAG(r.Context(), d.id)
		var shown agg.DAG
		if err == nil {
			shown, err = s.SetPaused(r.Context(), d.id, paused)
		}
		if err == nil {
			httpx.Changed(r.Context(), isPaused{before.Paused}, isPaused{shown.Paused})
		}
		s.answerDAG(w, r, &shown, err)
	}
}
