package batch

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Limits on what a stranger may ask for.
const (
	maxRunBody    = 64 << 10
	maxUnfinished = 1000 // runs that wait or execute
	endsTimeout   = 10 * time.Second
)

// runRequest is the body of POST /runs and, without dag_id, of POST /dags/{id}/trigger.
type runRequest struct {
	DagID  string          `json:"dag_id"`
	TaskID string          `json:"task_id"`
	Start  *time.Time      `json:"data_interval_start"`
	End    *time.Time      `json:"data_interval_end"`
	RunID  string          `json:"run_id"`
	Conf   json.RawMessage `json:"conf"`
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

// runID is what a caller may choose as the id of a run: it stands in paths and logs. Airflow's ids hold times with "+" and ":".
var runID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:+~-]{0,199}$`)

// check finds what is wrong with a request for a run; status is 0 when nothing is.
func (s *Service) check(req *runRequest, d *dag) (status int, detail string, errs []httpx.FieldError) {
	bad := func(pointer, code, detail string) {
		errs = append(errs, httpx.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
	if d == nil {
		return http.StatusUnprocessableEntity, fmt.Sprintf("there is no DAG %q; GET /dags lists them", req.DagID),
			[]httpx.FieldError{{Pointer: "/dag_id", Code: "unknown_dag", Detail: "unknown DAG"}}
	}
	tasks := d.chosen(req.TaskID)
	if tasks == nil {
		bad("/task_id", "unknown_task", fmt.Sprintf("%s has no task %q", d.id, req.TaskID))
	}
	if req.RunID != "" && !runID.MatchString(req.RunID) {
		bad("/run_id", "bad_value", "use up to 200 letters, digits and _.:+~- beginning with a letter or digit")
	}
	if len(req.Conf) > 0 && !bytes.Equal(req.Conf, []byte("null")) && bytes.TrimSpace(req.Conf)[0] != '{' {
		bad("/conf", "wrong_type", "conf is a JSON object")
	}
	switch {
	case (req.Start == nil) != (req.End == nil):
		bad("/data_interval_start", "required", "give both ends of the interval, or none for the last whole one")
	case req.Start == nil && d.period == "hourly":
		end := s.now().UTC().Truncate(time.Hour)
		req.Start, req.End = new(end.Add(-time.Hour)), &end
	case req.Start != nil:
		if !req.Start.Before(*req.End) {
			bad("/data_interval_end", "empty_interval", "the interval must end after it starts")
		} else if _, _, err := hourSpan(*req.Start, *req.End); err != nil {
			bad("/data_interval_start", "bad_interval", err.Error())
		}
	}
	if len(errs) > 0 {
		return http.StatusUnprocessableEntity, "the run cannot be taken: " + errs[0].Detail, errs
	}
	if !s.cfg.Aggregation.enabled(d.period) {
		return http.StatusConflict, fmt.Sprintf("disabled: aggregation of this period is switched off; data_aggregation.enabled and data_aggregation.intervals.%s switch it on", d.period), nil
	}
	for _, t := range tasks {
		if t.run == nil {
			return http.StatusNotImplemented, fmt.Sprintf("the task %s of %s is not available in this version; hxp_hourly_aggregation is", t.ID, d.id), nil
		}
	}
	return 0, "", nil
}

// accept stores a run and starts it, or attaches to the one that is the same. What is acknowledged before the answer is counted.
func (s *Service) accept(w http.ResponseWriter, r *http.Request, req runRequest) {
	d := s.dag(req.DagID)
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 255 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the Idempotency-Key is longer than 255 bytes")
		return
	}
	if status, detail, errs := s.check(&req, d); status != 0 {
		httpx.Problem(w, r, status, detail, errs...)
		return
	}
	s.mu.Lock()
	full := len(s.active) >= maxUnfinished
	s.mu.Unlock()
	if full {
		w.Header().Set("Retry-After", "10")
		httpx.Problem(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d runs are under way; try again when some have ended", maxUnfinished))
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), endsTimeout)
	defer stop()
	ends, err := s.deps.Ends(ctx)
	if err != nil {
		s.log.Error("run not accepted: the ends of the topics are not known", "err", err)
		w.Header().Set("Retry-After", "5")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "the ends of the input topics cannot be read, so the run could not tell what it must count; is the broker there?")
		return
	}
	run := agg.Run{
		ID: req.RunID, DagID: d.id, TaskID: req.TaskID, Trigger: "manual", State: agg.RunQueued,
		Start: req.Start.UTC(), End: req.End.UTC(), IdempotencyKey: key, Conf: req.Conf, Until: ends, CreatedAt: s.now().UTC(),
	}
	if bytes.Equal(run.Conf, []byte("null")) {
		run.Conf = nil
	}
	if run.ID == "" {
		run.ID = newRunID(d.id, run.Start)
	}
	for _, t := range d.chosen(req.TaskID) {
		run.Tasks = append(run.Tasks, agg.Task{TaskID: t.ID, State: agg.RunQueued})
	}
	run, err = s.createOrAttach(ctx, run)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !sameWork(&run, &req) {
		httpx.Problem(w, r, http.StatusConflict, fmt.Sprintf("the run id or Idempotency-Key belongs to the run %s, which has another DAG, task or interval", run.ID))
		return
	}
	w.Header().Set("Location", "/runs/"+run.ID)
	httpx.JSON(w, http.StatusAccepted, run)
}

// createOrAttach stores and starts a run, or returns the same one of before. One that is just ending is waited for.
func (s *Service) createOrAttach(ctx context.Context, wish agg.Run) (agg.Run, error) {
	for looked := false; ; looked = true {
		run, existed, err := s.deps.Runs.CreateRun(ctx, wish)
		switch {
		case err != nil:
			return run, err
		case !existed:
			s.note(&run, "info", "", "run accepted")
			s.start(run)
			return run, nil
		case run.State.Final() || run.DagID != wish.DagID || run.TaskID != wish.TaskID || !run.Start.Equal(wish.Start) || !run.End.Equal(wish.End):
			return run, nil // its id or key was given: nothing is done again
		case s.attach(run.ID, wish.Until):
			return run, nil
		}
		s.mu.Lock()
		a := s.active[run.ID]
		stopped := !s.started || s.closing
		s.mu.Unlock()
		if stopped {
			return run, nil // the next start counts what is there by then
		}
		if a == nil {
			if looked { // nobody executes it: its end could not be stored
				run.Until = wish.Until
				s.start(run)
				return run, nil
			}
			continue // it ended between the two looks
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return run, ctx.Err()
		}
	}
}

func sameWork(run *agg.Run, req *runRequest) bool {
	return run.DagID == req.DagID && run.TaskID == req.TaskID && run.Start.Equal(*req.Start) && run.End.Equal(*req.End)
}

func newRunID(dag string, start time.Time) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "manual__" + strings.TrimSuffix(strings.TrimPrefix(dag, "hxp_"), "_aggregation") + "_" + start.Format("20060102T1504") + "_" + hex.EncodeToString(b[:])
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
	run, ok := s.runOr404(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	a := s.active[run.ID]
	s.mu.Unlock()
	if a != nil {
		a.cancel(errCancelled)
		wait, stop := context.WithTimeout(r.Context(), 5*time.Second)
		defer stop()
		select {
		case <-a.done:
		case <-wait.Done():
		}
		if run, ok = s.runOr404(w, r); !ok {
			return
		}
	}
	switch {
	case run.State == agg.RunSuccess || run.State == agg.RunFailed:
		httpx.Problem(w, r, http.StatusConflict, "the run is over, it is "+string(run.State))
	case a == nil && !run.State.Final():
		w.Header().Set("Retry-After", "1")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "the service that executes runs is not running")
	default:
		httpx.JSON(w, http.StatusAccepted, run)
	}
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
