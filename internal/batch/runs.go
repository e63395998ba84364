package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

const maxRunBody = 64 << 10

// runRequest is the body of POST /runs and, without dag_id, of POST /dags/{id}/trigger.
type runRequest struct {
	DagID  string          `json:"dag_id"`
	TaskID string          `json:"task_id"`
	Start  *time.Time      `json:"data_interval_start"`
	End    *time.Time      `json:"data_interval_end"`
	RunID  string          `json:"run_id"`
	Conf   json.RawMessage `json:"conf"`
	Note   string          `json:"note"`

	LogicalDate *time.Time `json:"logical_date"`
}

func (s *Service) postRun(w http.ResponseWriter, r *http.Request) {
	req, ok := readRun(w, r)
	if !ok {
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
	req, ok := readRun(w, r)
	if !ok {
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

func readRun(w http.ResponseWriter, r *http.Request) (req runRequest, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRunBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		httpx.Problem(w, r, status, "the body cannot be read: "+err.Error())
		return req, false
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return req, true
	}
	if err := json.Unmarshal(body, &req); err != nil {
		if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is {
			httpx.Problem(w, r, http.StatusUnprocessableEntity, "the run has a field of the wrong type",
				httpx.FieldError{Pointer: "/" + strings.ReplaceAll(wrong.Field, ".", "/"), Code: "wrong_type", Detail: err.Error()})
			return req, false
		}
		if _, is := errors.AsType[*time.ParseError](err); is {
			httpx.Problem(w, r, http.StatusUnprocessableEntity, "the interval is not in RFC 3339, such as 2026-03-01T10:00:00Z: "+err.Error(),
				httpx.FieldError{Pointer: "/data_interval_start", Code: "bad_timestamp", Detail: "this or data_interval_end"})
			return req, false
		}
		httpx.Problem(w, r, http.StatusBadRequest, "the body is not a run: "+err.Error())
		return req, false
	}
	return req, true
}

// accept takes a run, or attaches to the one that is the same, and answers.
func (s *Service) accept(w http.ResponseWriter, r *http.Request, req runRequest) {
	run, _, err := s.Trigger(r.Context(), agg.RunRequest{DagID: req.DagID, TaskID: req.TaskID, RunID: req.RunID, Start: req.Start, End: req.End,
		LogicalDate: req.LogicalDate, Conf: req.Conf, Note: req.Note, TriggeredBy: "rest_api", IdempotencyKey: r.Header.Get("Idempotency-Key")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/runs/"+run.ID)
	httpx.JSON(w, http.StatusAccepted, run)
}

func (s *Service) getRuns(w http.ResponseWriter, r *http.Request) { s.listRuns(w, r, "", "dag_id") }

func (s *Service) getDagRuns(w http.ResponseWriter, r *http.Request) {
	if d := s.dagOr404(w, r); d != nil {
		s.listRuns(w, r, d.id)
	}
}

func (s *Service) listRuns(w http.ResponseWriter, r *http.Request, dag string, more ...string) {
	q := &query{values: r.URL.Query()}
	q.only(append(more, "limit", "cursor")...)
	limit := q.limit()
	if dag == "" {
		if dag = q.values.Get("dag_id"); dag != "" && s.dag(dag) == nil {
			q.bad("dag_id", "unknown_dag", "there is no DAG %q", dag)
		}
	}
	if q.refused(w, r) {
		return
	}
	runs, next, err := s.deps.Runs.Runs(r.Context(), dag, limit, q.values.Get("cursor"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if runs == nil {
		runs = []agg.Run{}
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"runs": runs, "next_cursor": cursorOf(next)})
}

// runOr404 answers for a run that does not exist.
func (s *Service) runOr404(w http.ResponseWriter, r *http.Request) (agg.Run, bool) {
	run, err := s.deps.Runs.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return run, false
	}
	return run, true
}

func (s *Service) getRun(w http.ResponseWriter, r *http.Request) {
	if run, ok := s.runOr404(w, r); ok {
		httpx.JSON(w, http.StatusOK, run)
	}
}

// getOutcome is 404 while the run is not over, because a sensor of Airflow takes any other error for the end of everything.
func (s *Service) getOutcome(w http.ResponseWriter, r *http.Request) {
	run, ok := s.runOr404(w, r)
	switch {
	case !ok:
	case !run.State.Final():
		w.Header().Set("Retry-After", "1")
		httpx.Problem(w, r, http.StatusNotFound, "the run has no outcome yet, it is "+string(run.State))
	default:
		var e *string
		if run.Error != "" {
			e = &run.Error
		}
		httpx.JSON(w, http.StatusOK, map[string]any{"state": run.State, "error": e})
	}
}

// postCancel ends a run that waits or executes and answers when it has ended, at the latest after five seconds.
func (s *Service) postCancel(w http.ResponseWriter, r *http.Request) {
	run, err := s.CancelRun(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusAccepted, run)
}

// getLogs answers with the lines of a run. What another process wrote is gone; then the stored steps are told.
func (s *Service) getLogs(w http.ResponseWriter, r *http.Request) {
	run, ok := s.runOr404(w, r)
	if !ok {
		return
	}
	lines := s.book.log(run.ID)
	if lines == nil {
		lines = toldBy(&run)
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"run_id": run.ID, "logs": lines, "next_cursor": nil})
}

func toldBy(r *agg.Run) []logLine {
	lines := []logLine{{r.CreatedAt.UTC(), "info", "", "run accepted"}}
	add := func(at *time.Time, task, text, err string) {
		if at == nil {
			return
		}
		level := "info"
		if err != "" {
			level = "error"
		}
		lines = append(lines, logLine{at.UTC(), level, task, text + errorText(err)})
	}
	add(r.StartedAt, "", "run starts", "")
	for _, t := range r.Tasks {
		add(t.StartedAt, t.TaskID, fmt.Sprintf("try %d starts", t.Try), "")
		add(t.EndedAt, t.TaskID, "task is "+string(t.State), t.Error)
	}
	add(r.EndedAt, "", "run is "+string(r.State), r.Error)
	return lines
}
