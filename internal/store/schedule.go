package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// now is the time by which it is decided what is due and which lease is over: that of the database, so that instances whose clocks
// differ agree. It is the only place where such a decision meets a clock; UseClock replaces it. When that clock is set, the time follows by and
// by: a lease that is renewed does not end meanwhile, and what is due on two days does not come due at once.
func (s *Store) now(ctx context.Context, tx *sql.Tx) (time.Time, error) {
	says := time.Now()
	switch {
	case s.clock != nil:
		return s.clock().UTC().Truncate(time.Microsecond), nil
	case s.wall != nil:
		says = s.wall()
	case s.dialect.clock != "": // else the database lives on this machine
		var us int64
		if err := tx.QueryRowContext(ctx, s.dialect.clock).Scan(&us); err != nil {
			return time.Time{}, err
		}
		says = fromMicros(us)
	}
	return s.steady.Follow(says).UTC().Truncate(time.Microsecond), nil
}

// UseClock replaces the time by which decisions are made, and UseWall the clock that it follows, for tests. Call them before anything else.
func (s *Store) UseClock(now func() time.Time) { s.clock = now }
func (s *Store) UseWall(says func() time.Time) { s.wall = says }

// Between puts something between s and its databases, for tests: wrap gets each pool and returns what is used in its place. Call it
// before anything else.
func (s *Store) Between(wrap func(*sql.DB) *sql.DB) { s.write, s.read = wrap(s.write), wrap(s.read) }

// Clock returns the time by the clock of the database.
func (s *Store) Clock(ctx context.Context) (now time.Time, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		now, err = s.now(ctx, tx)
		return err
	})
	if err != nil {
		return now, fmt.Errorf("store: clock of the database: %w", err)
	}
	return now, nil
}

// EnsureDAG makes a DAG known. One that is new begins with the interval that starts at first.
func (s *Store) EnsureDAG(ctx context.Context, dag string, first time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO dags (dag_id, paused, next_start) VALUES (?, 0, ?) ON CONFLICT (dag_id) DO NOTHING", dag, micros(first))
		return err
	})
	if err != nil {
		return fmt.Errorf("store: DAG %s: %w", dag, err)
	}
	return nil
}

// Schedules returns what is stored of the DAGs, by id, and the time by the clock of the database.
func (s *Store) Schedules(ctx context.Context) (out map[string]agg.ScheduleState, now time.Time, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out = map[string]agg.ScheduleState{}
		if now, err = s.now(ctx, tx); err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var st agg.ScheduleState
			var paused int
			var next int64
			err := rows.Scan(&st.DagID, &paused, &next)
			st.Paused, st.Next = paused != 0, fromMicros(next)
			out[st.DagID] = st
			return err
		}, "SELECT dag_id, paused, next_start FROM dags")
	})
	if err != nil {
		return nil, now, fmt.Errorf("store: schedules: %w", err)
	}
	return out, now, nil
}

// SetPaused pauses a DAG, or ends its pause; ErrNotFound when it is not known.
func (s *Store) SetPaused(ctx context.Context, dag string, paused bool) error {
	return s.touch(ctx, "pause "+dag, "UPDATE dags SET paused = ? WHERE dag_id = ?", number(paused), dag)
}

// touch runs one statement that must change a row.
func (s *Store) touch(ctx context.Context, what, query string, args ...any) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return nil
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Materialise stores the scheduled runs of the intervals from first up to next and moves the DAG on to next, both or neither. Of
// several instances that do this at once one does it and the others do nothing (ok false); intervals that have a scheduled run are
// left as they are.
func (s *Store) Materialise(ctx context.Context, dag string, first, next time.Time, runs []agg.Run) (stored int, ok bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		stored, ok = 0, false
		n, err := changed(tx.ExecContext(ctx, "UPDATE dags SET next_start = ? WHERE dag_id = ? AND next_start = ?", micros(next), dag, micros(first)))
		if err != nil || n == 0 {
			return err
		}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		fresh := make([]agg.Run, len(runs))
		for i := range runs {
			fresh[i] = runs[i]
			fresh[i].CreatedAt = now.Add(time.Duration(i) * time.Microsecond) // taken and listed in their order
			if err := s.stamp(ctx, tx, &fresh[i]); err != nil {
				return err
			}
		}
		if err := dodge(ctx, tx, fresh, agg.RunScheduled, "_by_schedule"); err != nil {
			return err
		}
		stored, err = insertRuns(ctx, tx, fresh)
		ok = true
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("store: schedule %s: %w", dag, err)
	}
	return stored, ok, nil
}

// Sweep finds what nobody else would: tasks whose lease is over (tried again at once, as long as tries are left), runs whose time is
// over and that nobody is failing (grace late), and runs that missed their deadline, again and again until MarkLate. Any instance may do it at any time.
func (s *Store) Sweep(ctx context.Context, grace time.Duration, timeout string) (swept agg.Swept, err error) {
	if found, err := s.dirty(ctx, grace); err != nil || !found {
		return agg.Swept{}, err
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		swept = agg.Swept{}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := reap(ctx, tx, now, &swept); err != nil {
			return err
		}
		over, err := queryRuns(ctx, tx, true, overdue, micros(now), micros(now.Add(-grace)))
		if err != nil {
			return err
		}
		for i := range over {
			why := timeout
			for _, t := range over[i].Tasks {
				if !t.State.Final() && t.Error != "" {
					why += ": " + t.Error
				}
			}
			if err := endRun(ctx, tx, over[i].ID, agg.RunFailed, why, agg.RunFailed, now); err != nil {
				return err
			}
			run, err := oneRun(ctx, tx, "WHERE id = ?", over[i].ID)
			if err != nil {
				return err
			}
			swept.TimedOut = append(swept.TimedOut, run)
		}
		swept.Late, err = queryRuns(ctx, tx, true, late, micros(now))
		for i := range swept.Late {
			swept.Late[i].DeadlineMissedAt = &now
		}
		return err
	})
	if err != nil {
		return agg.Swept{}, fmt.Errorf("store: sweep: %w", err)
	}
	return swept, nil
}

// MarkLate notes that a run missed its deadline, which it was told of. One of all that ask is the first.
func (s *Store) MarkLate(ctx context.Context, id string, at time.Time) (first bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE dag_runs SET deadline_missed_at = ? WHERE id = ? AND deadline_missed_at IS NULL", micros(at), id)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		first = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: mark run %s as late: %w", id, err)
	}
	return first, nil
}

// MissedAndEnded are the runs that missed their deadline and have ended since a time, also those of which it was not noted.
func (s *Store) MissedAndEnded(ctx context.Context, since time.Time) (runs []agg.Run, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		runs, err = queryRuns(ctx, tx, false, "WHERE deadline_at IS NOT NULL AND ended_at >= ? AND (deadline_missed_at IS NOT NULL OR ended_at > deadline_at)", micros(since))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: runs that missed their deadline: %w", err)
	}
	return runs, nil
}

// overdue are the runs whose time is over: at once where no task is executed, else after a grace, because the owner fails it itself.
const overdue = `WHERE state = 'running' AND timeout_at IS NOT NULL AND timeout_at <= ? AND
	(timeout_at <= ? OR NOT EXISTS (SELECT 1 FROM task_instances t WHERE t.run_id = dag_runs.id AND t.state = 'running'))`

// late are the runs that should have succeeded by now and of which that was not said yet.
const late = `WHERE deadline_at IS NOT NULL AND deadline_missed_at IS NULL AND deadline_at <= ? AND state IN ('queued', 'running')`

// expired are leases that are over, or that somebody gave whose clock was ahead: no lease lasts for longest.
const expired = `FROM task_instances WHERE state = 'running' AND lease_expires IS NOT NULL AND (lease_expires <= ? OR lease_expires > ?)`

const longest = time.Hour

// dirty tells, without a lock, whether a sweep would find anything.
func (s *Store) dirty(ctx context.Context, grace time.Duration) (found bool, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		var n int
		err = tx.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) "+expired+") + (SELECT COUNT(*) FROM dag_runs "+overdue+") + (SELECT COUNT(*) FROM dag_runs "+late+")",
			micros(now), micros(now.Add(longest)), micros(now), micros(now.Add(-grace)), micros(now)).Scan(&n)
		found = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: sweep: %w", err)
	}
	return found, nil
}

// freeTries is how many tries of a task may end with the death of their owner before such tries count.
const freeTries = 20

// reap takes expired leases from their owners. The owner did not fail at the task, it died or lost the database: the next try comes
// at once, and the lost one does not count, so that a machine that restarts again and again fails no run. Only so often, or a task that
// kills its process would do so for ever.
func reap(ctx context.Context, tx *sql.Tx, now time.Time, swept *agg.Swept) error {
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var l agg.Lease
		err := rows.Scan(&l.Run, &l.Task, &l.Owner, &l.Fence, &l.Try)
		swept.Lost = append(swept.Lost, l)
		return err
	}, "SELECT run_id, task_id, lease_owner, fence, try_number "+expired, micros(now), micros(now.Add(longest)))
	if err != nil {
		return err
	}
	for _, l := range swept.Lost {
		var line int
		err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(line), 0) + 1 FROM task_logs WHERE run_id = ? AND task_id = ? AND try_number = ?", l.Run, l.Task, l.Try).Scan(&line)
		if err != nil {
			return err
		}
		why := fmt.Sprintf("%s, which executed the task, gave no sign of life any more", l.Owner)
		res := agg.TaskResult{State: agg.TaskUpForRetry, Error: why, Log: []agg.LogLine{{At: now, Level: "error", Event: why, Line: line}}}
		if l.Try <= freeTries {
			if _, err := tx.ExecContext(ctx, "UPDATE task_instances SET max_tries = max_tries + 1 WHERE run_id = ? AND task_id = ?", l.Run, l.Task); err != nil {
				return err
			}
		}
		if err := endTry(ctx, tx, l, &res, now); err != nil {
			return err
		}
		if err := settle(ctx, tx, l.Run, now); err != nil {
			return err
		}
		run, err := oneRun(ctx, tx, "WHERE id = ?", l.Run)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if run.State.Final() {
			swept.Ended = append(swept.Ended, run)
		}
	}
	return nil
}
