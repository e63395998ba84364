package batch

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Limits on what a stranger may ask for.
const (
	maxUnfinished = 1000 // manual runs that wait or execute
	maxNote       = 4096 // bytes
	endsTimeout   = 10 * time.Second
)

// runID is what a caller may choose as the id of a run: it stands in paths and logs. Airflow's ids hold times with "+" and ":".
var runID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:+~-]{0,199}$`)

// Trigger stores a run and starts it, or attaches to the same one of before (existed). What is acknowledged before the answer is
// counted. An error that is an *agg.Refusal lies with the caller.
func (s *Service) Trigger(ctx context.Context, req agg.RunRequest) (run agg.Run, existed bool, err error) {
	d := s.dag(req.DagID)
	if err := s.check(&req, d); err != nil {
		return run, false, err
	}
	if n, err := s.deps.Runs.Unfinished(ctx, agg.RunManual); err != nil {
		return run, false, err
	} else if n >= maxUnfinished {
		return run, false, &agg.Refusal{Kind: agg.RefusedUnavailable, Detail: fmt.Sprintf("%d runs are under way; try again when some have ended", n)}
	}
	ends, err := s.ends(ctx)
	if err != nil {
		return run, false, err
	}
	wish := agg.Run{
		RunID: req.RunID, DagID: d.id, TaskID: req.TaskID, Trigger: agg.RunManual, State: agg.RunQueued,
		Start: req.Start.UTC(), End: req.End.UTC(), LogicalDate: req.LogicalDate, IdempotencyKey: req.IdempotencyKey, Conf: req.Conf, Note: req.Note,
		TriggeredBy: cmp.Or(req.TriggeredBy, "rest_api"), User: req.User, Until: ends, Tasks: s.newTasks(d, req.TaskID),
	}
	if wish.RunID == "" {
		wish.RunID = airflowID(agg.RunManual, s.now()) + "_" + randomHex(4)
	}
	run, existed, err = s.deps.Runs.CreateRun(ctx, wish)
	if err != nil {
		return run, false, err
	}
	if run.DagID != wish.DagID || run.TaskID != wish.TaskID || !run.Start.Equal(wish.Start) || !run.End.Equal(wish.End) {
		return run, true, &agg.Refusal{Kind: agg.RefusedConflict,
			Detail: fmt.Sprintf("the run id or Idempotency-Key belongs to the run %s, which has another DAG, task or interval", run.ID)}
	}
	if !existed {
		s.log.Info("aggregation run accepted", "run", run.ID, "dag", run.DagID, "start", run.Start, "end", run.End, "by", run.TriggeredBy)
	}
	s.rouse()
	return run, existed, nil
}

// ends are the offsets before which everything acknowledged by now lies.
func (s *Service) ends(ctx context.Context) (map[string]map[int32]int64, error) {
	ctx, stop := context.WithTimeout(ctx, endsTimeout)
	defer stop()
	ends, err := s.deps.Ends(ctx)
	if err != nil {
		s.log.Error("run not accepted: the ends of the topics are not known", "err", err)
		return nil, &agg.Refusal{Kind: agg.RefusedUnavailable,
			Detail: "the ends of the input topics cannot be read, so the run could not tell what it must count; is the broker there?"}
	}
	return ends, nil
}

// check finds everything that is wrong with a request for a run, and fills in the interval of one that names none.
func (s *Service) check(req *agg.RunRequest, d *dag) error {
	var faults []agg.FieldFault
	bad := func(field, code, detail string) {
		faults = append(faults, agg.FieldFault{Field: field, Code: code, Detail: detail})
	}
	if d == nil {
		return unknownDAG(req.DagID)
	}
	if bytes.Equal(req.Conf, []byte("null")) {
		req.Conf = nil
	}
	if len(req.Conf) > 0 && bytes.TrimSpace(req.Conf)[0] != '{' {
		bad("conf", "wrong_type", "conf is a JSON object")
	} else {
		checkParts(req, d, bad)
	}
	tasks := d.chosen(req.TaskID)
	if tasks == nil {
		bad("task_id", "unknown_task", fmt.Sprintf("%s has no task %q", d.id, req.TaskID))
	}
	if req.RunID != "" && !runID.MatchString(req.RunID) {
		bad("run_id", "bad_value", "use up to 200 letters, digits and _.:+~- beginning with a letter or digit")
	}
	if len(req.Note) > maxNote {
		bad("note", "too_long", fmt.Sprintf("a note has at most %d bytes", maxNote))
	}
	if len(req.IdempotencyKey) > 255 {
		bad("Idempotency-Key", "too_long", "the Idempotency-Key is longer than 255 bytes")
	}
	switch {
	case (req.Start == nil) != (req.End == nil):
		bad("data_interval_start", "required", "give both ends of the interval, or none for the last whole one")
	case req.Start == nil:
		start, end := levels[d.period].last(s.now())
		req.Start, req.End = &start, &end
	case req.Start != nil:
		if !req.Start.Before(*req.End) {
			bad("data_interval_end", "empty_interval", "the interval must end after it starts")
		} else if err := levels[d.period].span(*req.Start, *req.End); err != nil {
			bad("data_interval_start", "bad_interval", err.Error())
		}
	}
	if len(faults) > 0 {
		return &agg.Refusal{Kind: agg.RefusedInvalid, Detail: "the run cannot be taken: " + faults[0].Detail, Fields: faults}
	}
	return s.available(d, tasks)
}

func unknownDAG(id string) error {
	return &agg.Refusal{Kind: agg.RefusedUnknownDAG, Detail: fmt.Sprintf("there is no DAG %q; GET /dags lists them", id),
		Fields: []agg.FieldFault{{Field: "dag_id", Code: "unknown_dag", Detail: "unknown DAG"}}}
}

// available refuses tasks that are switched off or not in this version.
func (s *Service) available(d *dag, tasks []dagTask) error {
	if !s.cfg().Aggregation.enabled(d.period) {
		return &agg.Refusal{Kind: agg.RefusedDisabled,
			Detail: fmt.Sprintf("disabled: aggregation of this period is switched off; data_aggregation.enabled and data_aggregation.intervals.%s switch it on", d.period)}
	}
	if t := tasks[0]; t.run == nil { // those that follow on it are skipped while they are not there
		return &agg.Refusal{Kind: agg.RefusedNotYet, Detail: fmt.Sprintf("the task %s of %s is not available in this version", t.ID, d.id)}
	}
	return nil
}
