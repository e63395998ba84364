package store

import (
	"context"
	"crypto/sha256"
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

// Run returns the run with an id, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (agg.Run, error) {
	return s.one(ctx, id, "WHERE id = ?", id)
}

// RunOf returns the run of a DAG with a run id, or ErrNotFound.
func (s *Store) RunOf(ctx context.Context, dag, runID string) (agg.Run, error) {
	return s.one(ctx, runID, "WHERE dag_id = ? AND run_id = ?", dag, runID)
}

func (s *Store) one(ctx context.Context, name, where string, args ...any) (r agg.Run, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		r, err = oneRun(ctx, tx, where, args...)
		return err
	})
	if err != nil {
		return agg.Run{}, fmt.Errorf("store: run %s: %w", name, err)
	}
	return r, nil
}

func oneRun(ctx context.Context, tx *sql.Tx, where string, args ...any) (agg.Run, error) {
	runs, err := queryRuns(ctx, tx, true, where, args...)
	if err == nil && len(runs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return agg.Run{}, err
	}
	return runs[0], nil
}

// orders are what runs may be sorted by; the id makes the order total.
var orders = map[string]string{"created_at": "created_at", "data_interval_start": "interval_start", "logical_date": "interval_start",
	"run_after": "run_after", "queued_at": "queued_at", "started_at": "started_at", "start_date": "started_at", "ended_at": "ended_at", "end_date": "ended_at",
	"id": "id", "run_id": "run_id", "state": "state", "run_type": "run_type"}

// Runs returns a page of the runs that f chooses.
func (s *Store) Runs(ctx context.Context, f agg.RunFilter) (page agg.RunPage, err error) {
	where, args := chosen(&f)
	query := where
	column, backwards := strings.CutPrefix(f.Order, "-")
	if f.Order == "" {
		column, backwards = "created_at", true
	}
	if orders[column] == "" {
		return page, fmt.Errorf("store: runs cannot be sorted by %q", column)
	}
	paged := slices.Clone(args)
	if f.Cursor != "" {
		at, id, err := splitCursor(f.Cursor)
		if err != nil || column != "created_at" || !backwards {
			return page, ErrBadCursor
		}
		query += " AND (created_at < ? OR (created_at = ? AND id < ?))"
		paged = append(paged, micros(at), micros(at), id)
	}
	direction := map[bool]string{true: " DESC", false: ""}[backwards]
	query += " ORDER BY " + orders[column] + direction + ", id" + direction
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit+1)
		if f.Offset > 0 {
			query += fmt.Sprintf(" OFFSET %d", f.Offset)
		}
	}
	err = s.view(ctx, func(tx *sql.Tx) error {
		if f.CountTotal {
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM dag_runs "+where, args...).Scan(&page.Total); err != nil {
				return err
			}
		}
		page.Runs, err = queryRuns(ctx, tx, !f.WithoutTasks, query, paged...)
		return err
	})
	if err != nil {
		return agg.RunPage{}, fmt.Errorf("store: runs of %q: %w", f.DagID, err)
	}
	if f.Limit > 0 && len(page.Runs) > f.Limit {
		page.Runs = page.Runs[:f.Limit]
		last := &page.Runs[f.Limit-1]
		page.Next = joinCursor(last.CreatedAt, last.ID)
	}
	return page, nil
}

// chosen is the WHERE clause of a filter.
func chosen(f *agg.RunFilter) (where string, args []any) {
	where = "WHERE 1 = 1"
	and := func(clause string, a ...any) { where, args = where+" AND "+clause, append(args, a...) }
	in := func(column string, n int, value func(i int) string) {
		if n == 0 {
			return
		}
		var values []any
		for i := range n {
			values = append(values, value(i))
		}
		and(column+" IN (?"+strings.Repeat(", ?", n-1)+")", values...)
	}
	if f.DagID != "" {
		and("dag_id = ?", f.DagID)
	}
	if f.RunID != "" {
		and("run_id = ?", f.RunID)
	}
	in("state", len(f.States), func(i int) string { return string(f.States[i]) })
	in("run_type", len(f.Types), func(i int) string { return f.Types[i] })
	if f.BackfillID != 0 {
		and("backfill_id = ?", f.BackfillID)
	}
	if !f.From.IsZero() {
		and("interval_start >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		and("interval_start < ?", micros(f.To))
	}
	return where, args
}

// Unfinished counts the runs of a type that are queued or running.
func (s *Store) Unfinished(ctx context.Context, trigger string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM dag_runs WHERE state IN ('queued', 'running') AND run_type = ?", trigger).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: unfinished runs: %w", err)
	}
	return n, nil
}

// queryRuns reads runs and then their tasks; tx keeps both of one moment.
func queryRuns(ctx context.Context, tx *sql.Tx, tasks bool, rest string, args ...any) ([]agg.Run, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+runColumns+" FROM dag_runs "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil || !tasks {
		return out, err
	}
	rows.Close()
	for part := range slices.Chunk(out, 500) {
		if err := readTasks(ctx, tx, part); err != nil {
			return nil, fmt.Errorf("tasks: %w", err)
		}
	}
	return out, nil
}

func scanRun(rows *sql.Rows) (r agg.Run, err error) {
	var start, end, after, created int64
	var logical, queued, started, ended, timeout, deadline, missed sql.NullInt64
	var conf, until string
	err = rows.Scan(&r.ID, &r.RunID, &r.DagID, &r.TaskID, &r.Trigger, &r.State, &start, &end, &logical, &r.TriggeredBy, &r.User, &r.Note,
		&r.BackfillID, &conf, &r.IdempotencyKey, &until, &r.Raised, &after, &created, &queued, &started, &ended, &timeout, &deadline, &missed,
		&r.Error, &r.Progress.Done, &r.Progress.Total, &r.Progress.Unit)
	if err != nil {
		return r, err
	}
	r.Start, r.End, r.RunAfter, r.CreatedAt = fromMicros(start), fromMicros(end), fromMicros(after), fromMicros(created)
	r.LogicalDate, r.QueuedAt, r.StartedAt, r.EndedAt = fromNull(logical), fromNull(queued), fromNull(started), fromNull(ended)
	r.TimeoutAt, r.DeadlineAt, r.DeadlineMissedAt = fromNull(timeout), fromNull(deadline), fromNull(missed)
	r.Conf, r.Tasks = rawOrNil(conf), []agg.Task{}
	if until != "" {
		if err := json.Unmarshal([]byte(until), &r.Until); err != nil {
			return r, fmt.Errorf("until_offsets of run %s: %w", r.ID, err)
		}
	}
	return r, nil
}

// readTasks fills in the tasks of runs.
func readTasks(ctx context.Context, tx *sql.Tx, runs []agg.Run) error {
	byID := make(map[string]*agg.Run, len(runs))
	args := make([]any, len(runs))
	for i := range runs {
		byID[runs[i].ID], args[i] = &runs[i], runs[i].ID
	}
	rows, err := tx.QueryContext(ctx, `SELECT run_id, task_id, state, try_number, max_tries, queued_at, next_try_at, started_at, ended_at, error, summary, lease_owner
		FROM task_instances WHERE run_id IN (?`+strings.Repeat(", ?", len(runs)-1)+`) ORDER BY run_id, position, task_id`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t agg.Task
		var run, summary string
		var queued, next, started, ended sql.NullInt64
		if err := rows.Scan(&run, &t.TaskID, &t.State, &t.Try, &t.MaxTries, &queued, &next, &started, &ended, &t.Error, &summary, &t.Owner); err != nil {
			return err
		}
		t.ID = taskUUID(run, t.TaskID)
		t.QueuedAt, t.NextTryAt, t.StartedAt, t.EndedAt, t.Summary = fromNull(queued), fromNull(next), fromNull(started), fromNull(ended), rawOrNil(summary)
		byID[run].Tasks = append(byID[run].Tasks, t)
	}
	return rows.Err()
}

// taskUUID names a task of a run: a UUID of version 8, made from what identifies it.
func taskUUID(run, task string) string {
	h := sha256.Sum256([]byte(run + "\x00" + task))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func jsonOrEmpty(v any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func rawOrNil(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}
