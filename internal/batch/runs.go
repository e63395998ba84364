package batch

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

const maxRunBody = 64 << 10

// runRequest is the body of POST /runs and, without dag_id, of POST /dags/{id}/trigger.
type runRequest struct {
	DagID       string          `json:"dag_id"`
	TaskID      string          `json:"task_id"`
	Start       *time.Time      `json:"data_interval_start"`
	End         *time.Time      `json:"data_interval_end"`
	LogicalDate *time.Time      `json:"logical_date"`
	RunID       string          `json:"run_id"`
	Conf        json.RawMessage `json:"conf"`
	Note        string          `json:"note"`
}

func (s *Service) postRun(w http.ResponseWriter, r *http.Request) {
	var req runRequest
	if !readBody(w, r, &req, httpx.Lenient) {
		return
	}
	if req.DagID == "" {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "a run needs the DAG that it executes",
			httpx.FieldError{Pointer: "/dag_id", Code: "required", Detail: "GET /dags lists them"})
		return
	}
	s.accept(w, r, req)
}

// postTrigger runs a DAG for the interval of the body, or for the last whole one when it names none.
func (s *Service) postTrigger(w http.ResponseWriter, r *http.Request) {
	d := s.dagOr404(w, r)
	if d == nil {
		return
	}
	var req runRequest
	if !readBody(w, r, &req, httpx.Lenient) {
		return
	}
	if req.DagID != "" && req.DagID != d.id {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the body names another DAG than the path",
			httpx.FieldError{Pointer: "/dag_id", Code: "mismatch", Detail: "leave it out"})
		return
	}
	req.DagID = d.id
	s.accept(w, r, req)
}

// readBody reads a JSON object into v; an empty body changes nothing.
func readBody(w http.ResponseWriter, r *http.Request, v any, rule httpx.BodyRule) bool {
	body, bad := httpx.ReadBody(w, r, maxRunBody)
	if bad == nil {
		bad = httpx.DecodeJSON(body, v, rule|httpx.Optional)
	}
	if bad != nil && bad.Status == http.StatusBadRequest {
		if field := timeField(body); field != "" {
			bad = httpx.Wrong(field, "bad_timestamp", "write it in RFC 3339, such as 2026-03-01T10:00:00Z")
		}
	}
	if bad != nil {
		bad.Answer(w, r)
	}
	return bad == nil
}

// timeField finds the field of a body that is to be a time and is none.
func timeField(body []byte) string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields)
	for _, name := range []string{"data_interval_start", "data_interval_end", "logical_date", "from", "to"} {
		var m moment
		if text, given := fields[name]; given && json.Unmarshal(text, &m) != nil {
			return "/" + name
		}
	}
	return ""
}

// accept takes a run, or attaches to the one that is the same, and answers.
func (s *Service) accept(w http.ResponseWriter, r *http.Request, req runRequest) {
	run, existed, err := s.Trigger(r.Context(), agg.RunRequest{DagID: req.DagID, TaskID: req.TaskID, RunID: req.RunID, Start: req.Start, End: req.End,
		LogicalDate: req.LogicalDate, Conf: req.Conf, Note: req.Note, TriggeredBy: "rest_api", IdempotencyKey: r.Header.Get("Idempotency-Key")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var before any
	if existed { // it counts what was there when somebody attached to it
		before = run.Standing()
	}
	httpx.Changed(r.Context(), before, run.Standing())
	w.Header().Set("Location", "/runs/"+run.ID)
	httpx.JSON(w, http.StatusAccepted, run)
}

func (s *Service) getRuns(w http.ResponseWriter, r *http.Request) {
	s.listRuns(w, r, "", "dag_id", "state", "run_type")
}

func (s *Service) getDagRuns(w http.ResponseWriter, r *http.Request) {
	if d := s.dagOr404(w, r); d != nil {
		s.listRuns(w, r, d.id, "state", "run_type")
	}
}

func (s *Service) listRuns(w http.ResponseWriter, r *http.Request, dag string, more ...string) {
	q := &query{values: r.URL.Query()}
	q.only(append(more, "limit", "cursor")...)
	f := agg.RunFilter{DagID: dag, Limit: q.limit(), Cursor: q.values.Get("cursor")}
	if dag == "" {
		if f.DagID = q.values.Get("dag_id"); f.DagID != "" && s.dag(f.DagID) == nil {
			q.bad("dag_id", "unknown_dag", "there is no DAG %q", f.DagID)
		}
	}
	if state := q.choice("state", "", "queued", "running", "success", "failed", "cancelled"); state != "" {
		f.States = []agg.RunState{agg.RunState(state)}
	}
	if kind := q.choice("run_type", "", agg.RunScheduled, agg.RunManual, agg.RunBackfill); kind != "" {
		f.Types = []string{kind}
	}
	if q.refused(w, r) {
		return
	}
	page, err := s.Runs(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if page.Runs == nil {
		page.Runs = []agg.Run{}
	}
	httpx.JSON(w, http.StatusOK, runList{page.Runs, cursorOf(page.Next)})
}

// answerRun answers with a run.
func (s *Service) answerRun(w http.ResponseWriter, r *http.Request, status int, run agg.Run, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, status, run)
}

func (s *Service) getRun(w http.ResponseWriter, r *http.Request) {
	run, err := s.RunByID(r.Context(), r.PathValue("id"))
	s.answerRun(w, r, http.StatusOK, run, err)
}

// getOutcome is 404 while the run is not over, because a sensor of Airflow takes any other error for the end of everything.
func (s *Service) getOutcome(w http.ResponseWriter, r *http.Request) {
	run, err := s.RunByID(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		s.fail(w, r, err)
	case !run.State.Final():
		w.Header().Set("Retry-After", "1")
		httpx.Problem(w, r, http.StatusNotFound, "the run has no outcome yet, it is "+string(run.State))
	default:
		var e *string
		if run.Error != "" {
			e = &run.Error
		}
		httpx.JSON(w, http.StatusOK, runOutcome{run.State, e})
	}
}

// postCancel ends a run that waits or executes and answers when it has ended, at the latest after five seconds.
func (s *Service) postCancel(w http.ResponseWriter, r *http.Request) {
	s.changeRun(w, r, http.StatusAccepted, s.CancelRun)
}

// changeRun does something with the run of the path and says so for the audit.
func (s *Service) changeRun(w http.ResponseWriter, r *http.Request, status int, change func(context.Context, string) (agg.Run, error)) {
	before, err := s.RunByID(r.Context(), r.PathValue("id"))
	run := before
	if err == nil {
		run, err = change(r.Context(), before.ID)
	}
	if err == nil {
		httpx.Changed(r.Context(), before.Standing(), run.Standing())
	}
	s.answerRun(w, r, status, run, err)
}

// postClear does tasks anew: {"tasks": [names], "only_failed": bool}, all of them where none are named.
func (s *Service) postClear(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Tasks      []string `json:"tasks"`
		OnlyFailed bool     `json:"only_failed"`
	}
	if !readBody(w, r, &body, httpx.Strict) {
		return
	}
	s.changeRun(w, r, http.StatusOK, func(ctx context.Context, id string) (agg.Run, error) {
		return s.ClearTasks(ctx, id, body.Tasks, body.OnlyFailed)
	})
}

// postMark sets a state: {"state": "success|failed", "task_id"?}.
func (s *Service) postMark(w http.ResponseWriter, r *http.Request) {
	var body struct {
		State  agg.RunState `json:"state"`
		TaskID string       `json:"task_id"`
	}
	if !readBody(w, r, &body, httpx.Strict) {
		return
	}
	s.changeRun(w, r, http.StatusOK, func(ctx context.Context, id string) (agg.Run, error) {
		if body.TaskID == "" {
			return s.MarkRun(ctx, id, body.State)
		}
		return s.MarkTask(ctx, id, body.TaskID, body.State)
	})
}

// getLogs answers with the lines of a run, or of one task.
func (s *Service) getLogs(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("task_id", "try", "limit", "cursor")
	q.onePage()
	try := 0
	if text := q.values.Get("try"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			q.bad("try", "out_of_range", "%q is not the number of a try, which begin at 1", text)
		}
		try = n
	}
	if q.refused(w, r) {
		return
	}
	id := r.PathValue("id")
	lines, err := s.TaskLogs(r.Context(), id, q.values.Get("task_id"), try)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, logList{RunID: id, Logs: append([]agg.LogLine{}, lines...)})
}
