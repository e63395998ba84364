package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ErrNotFound is the error of a run that does not exist.
var ErrNotFound = errors.New("not found")

// CreateRun stores a new run with its tasks. When a run of the DAG has the same run id, or any has the same idempotency key, or one
// is queued or running for the same DAG, task and interval, that run is returned instead and existed is true. If it is not over, what
// it must count is raised to r.Until, so that it counts also what was acknowledged before this call.
func (s *Store) CreateRun(ctx context.Context, r agg.Run) (run agg.Run, existed bool, err error) {
	if r.RunID == "" || r.DagID == "" || !r.Start.Before(r.End) {
		return r, false, fmt.Errorf("store: run %q of %q: needs an id, a DAG and an interval that is not empty", r.RunID, r.DagID)
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		found, err := queryRuns(ctx, tx, true, `WHERE (dag_id = ? AND run_id = ?) OR (idempotency_key <> '' AND idempotency_key = ?)
			OR (dag_id = ? AND task_id = ? AND interval_start = ? AND interval_end = ? AND state IN ('queued', 'running'))
			ORDER BY CASE WHEN run_id = ? THEN 0 WHEN idempotency_key <> '' AND idempotency_key = ? THEN 1 ELSE 2 END, created_at LIMIT 1`,
			r.DagID, r.RunID, r.IdempotencyKey, r.DagID, r.TaskID, micros(r.Start), micros(r.End), r.RunID, r.IdempotencyKey)
		if err != nil {
			return err
		}
		if existed = len(found) > 0; existed {
			run = found[0]
			if run.State.Final() || !sameWork(&run, &r) {
				return nil
			}
			return raise(ctx, tx, &run, r.Until)
		}
		run = r
		if err := s.stamp(ctx, tx, &run); err != nil {
			return err
		}
		if run.ID, err = freeID(ctx, tx, &run); err != nil {
			return err
		}
		stored, err := insertRuns(ctx, tx, []agg.Run{run})
		if err == nil && stored == 0 {
			err = fmt.Errorf("its id %s is taken", run.ID)
		}
		return err
	})
	if err != nil {
		return r, false, fmt.Errorf("store: create run %s: %w", r.RunID, err)
	}
	return run, existed, nil
}

func sameWork(a, b *agg.Run) bool {
	return a.DagID == b.DagID && a.TaskID == b.TaskID && a.Start.Equal(b.Start) && a.End.Equal(b.End)
}

// raise lets a run count until the later of both ends, by partition.
func raise(ctx context.Context, tx *sql.Tx, r *agg.Run, until map[string]map[int32]int64) error {
	merged := map[string]map[int32]int64{}
	for _, ends := range []map[string]map[int32]int64{r.Until, until} {
		for topic, parts := range ends {
			if merged[topic] == nil {
				merged[topic] = map[int32]int64{}
			}
			for p, end := range parts {
				merged[topic][p] = max(merged[topic][p], end)
			}
		}
	}
	if maps.EqualFunc(merged, r.Until, maps.Equal) {
		return nil
	}
	text, err := jsonOrEmpty(merged, len(merged) == 0)
	if err != nil {
		return err
	}
	r.Until, r.Raised = merged, r.Raised+1
	_, err = tx.ExecContext(ctx, "UPDATE dag_runs SET until_offsets = ?, raised = ? WHERE id = ?", text, r.Raised, r.ID)
	return err
}

// stamp fills in the times and states of a new run.
func (s *Store) stamp(ctx context.Context, tx *sql.Tx, r *agg.Run) error {
	now, err := s.now(ctx, tx)
	if err != nil {
		return err
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = now
	}
	r.CreatedAt = r.CreatedAt.UTC().Truncate(time.Microsecond)
	if r.RunAfter.IsZero() {
		r.RunAfter = r.CreatedAt
	}
	if r.State == "" {
		r.State = agg.RunQueued
	}
	if r.QueuedAt == nil {
		r.QueuedAt = &r.CreatedAt
	}
	r.Tasks = slices.Clone(r.Tasks)
	for i := range r.Tasks {
		t := &r.Tasks[i]
		if t.State == "" {
			t.State = agg.RunQueued
		}
		if t.QueuedAt == nil {
			t.QueuedAt = &r.CreatedAt
		}
	}
	return nil
}

// freeID makes the id of a run: its run id, which is unique within the DAG only, and more where another DAG has used that.
func freeID(ctx context.Context, tx *sql.Tx, r *agg.Run) (string, error) {
	id := r.ID
	if id == "" {
		id = r.RunID
	}
	var taken int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM dag_runs WHERE id = ?", id).Scan(&taken); err != nil {
		return "", err
	}
	if taken > 0 {
		id += "." + r.DagID
	}
	return id, nil
}

// dodge gives another id to runs whose id or run id a run of another kind than except has taken: a person may choose any, and must not
// keep an interval from being run by that.
func dodge(ctx context.Context, tx *sql.Tx, runs []agg.Run, except, suffix string) error {
	for part := range slices.Chunk(runs, 500) {
		var ids, runIDs []any
		for i := range part {
			ids, runIDs = append(ids, part[i].ID), append(runIDs, part[i].RunID)
		}
		list := "(?" + strings.Repeat(", ?", len(part)-1) + ")"
		args := append(append([]any{except}, ids...), append([]any{part[0].DagID}, runIDs...)...)
		taken := map[string]bool{}
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var id, runID, dag string
			err := rows.Scan(&id, &runID, &dag)
			if taken[id] = true; dag == part[0].DagID {
				taken[runID] = true
			}
			return err
		}, "SELECT id, run_id, dag_id FROM dag_runs WHERE run_type <> ? AND (id IN "+list+" OR (dag_id = ? AND run_id IN "+list+"))", args...)
		if err != nil {
			return err
		}
		for i := range part {
			if taken[part[i].ID] || taken[part[i].RunID] {
				part[i].ID, part[i].RunID = part[i].ID+suffix, part[i].RunID+suffix
			}
		}
	}
	return nil
}

const runColumns = `id, run_id, dag_id, task_id, run_type, state, interval_start, interval_end, logical_date, triggered_by, user_name,
	note, backfill_id, conf, idempotency_key, until_offsets, raised, run_after, created_at, queued_at, started_at, ended_at,
	timeout_at, deadline_at, deadline_missed_at, error, progress_done, progress_total, progress_unit`

// runsPerInsert keeps a statement below the limit of parameters of every database.
const runsPerInsert = 200

// insertRuns stores runs with their tasks and leaves out those that are there already; it returns how many it stored.
func insertRuns(ctx context.Context, tx *sql.Tx, runs []agg.Run) (stored int, err error) {
	for part := range slices.Chunk(runs, runsPerInsert) {
		var args []any
		for i := range part {
			r := &part[i]
			until, err := jsonOrEmpty(r.Until, len(r.Until) == 0)
			if err != nil {
				return stored, err
			}
			args = append(args, r.ID, r.RunID, r.DagID, r.TaskID, r.Trigger, string(r.State), micros(r.Start), micros(r.End), microsOrNull(r.LogicalDate),
				r.TriggeredBy, r.User, r.Note, r.BackfillID, string(r.Conf), r.IdempotencyKey, until, r.Raised, micros(r.RunAfter), micros(r.CreatedAt),
				microsOrNull(r.QueuedAt), microsOrNull(r.StartedAt), microsOrNull(r.EndedAt), nil, microsOrNull(r.DeadlineAt), microsOrNull(r.DeadlineMissedAt),
				r.Error, r.Progress.Done, r.Progress.Total, r.Progress.Unit)
		}
		fresh, err := insertedIDs(ctx, tx, "INSERT INTO dag_runs ("+runColumns+", counted) VALUES "+valueRows(len(part), 29, ", 0")+
			" ON CONFLICT DO NOTHING RETURNING id", args...)
		if err != nil {
			return stored, err
		}
		stored += len(fresh)
		if err := insertTasks(ctx, tx, part, fresh); err != nil {
			return stored, err
		}
	}
	return stored, nil
}

func insertedIDs(ctx context.Context, tx *sql.Tx, query string, args ...any) (map[string]bool, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}

func insertTasks(ctx context.Context, tx *sql.Tx, runs []agg.Run, fresh map[string]bool) error {
	var args []any
	n := 0
	for i := range runs {
		if !fresh[runs[i].ID] {
			continue
		}
		for pos := range runs[i].Tasks {
			t := &runs[i].Tasks[pos]
			args = append(args, runs[i].ID, pos, t.TaskID, string(t.State), t.Try, t.MaxTries, microsOrNull(t.QueuedAt),
				microsOrNull(t.StartedAt), microsOrNull(t.EndedAt), t.Error, string(t.Summary))
			n++
		}
	}
	if n == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO task_instances (run_id, position, task_id, state, try_number, max_tries, queued_at, started_at, ended_at, error, summary,
		lease_owner, fence) VALUES `+valueRows(n, 11, ", '', 0"), args...)
	return err
}

// rowsPerStatement is how many rows one INSERT has at most. A round trip for each row would take most of the time; longer
// statements would hardly be faster, and each length is one more statement to remember.
const rowsPerStatement = 64

// valueRows is the text of n rows of parameters, each followed by rest.
func valueRows(n, columns int, rest string) string {
	row := "(" + strings.Repeat("?, ", columns-1) + "?" + rest + ")"
	return strings.Repeat(row+", ", n-1) + row
}

func jsonOrEmpty(v any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}
