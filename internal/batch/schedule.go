package batch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// The scheduler has no leader: every instance materialises what is due, sweeps up after the dead and claims tasks, and the database
// decides between them. An instance remembers nothing that another could not go on with.
const (
	scheduleEvery = time.Second      // materialise, sweep and claim; sooner when woken
	beatEvery     = 5 * time.Second  // renew leases
	leaseTime     = 20 * time.Second // how long a silent owner keeps its tasks
	timeoutGrace  = 5 * time.Second  // an owner fails a run whose time is over itself; others wait so much longer
	catchUpBatch  = 100              // runs that one look materialises for a DAG at most
	logAge        = 90 * 24 * time.Hour
)

// newOwner names this process among those that share the database.
func newOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), randomHex(3))
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// rouse makes the scheduler look at once.
func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// enrol makes the DAGs known and learns which of them are paused.
func (s *Service) enrol(ctx context.Context) error {
	now, err := s.deps.Runs.Clock(ctx)
	if err != nil {
		return err
	}
	for _, d := range s.dags() {
		if err := s.deps.Runs.EnsureDAG(ctx, d.id, d.first(now)); err != nil {
			return err
		}
	}
	_, _, err = s.schedules(ctx)
	return err
}

// schedules reads what is stored of the DAGs, and remembers which are paused.
func (s *Service) schedules(ctx context.Context) (map[string]agg.ScheduleState, time.Time, error) {
	states, now, err := s.deps.Runs.Schedules(ctx)
	if err != nil {
		return nil, now, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.paused)
	for id, st := range states {
		s.paused[id] = st.Paused
	}
	return states, now, nil
}

// isPaused tells whether a DAG is paused, as of the last look.
func (s *Service) isPaused(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused[id]
}

// schedule looks for what is to do until ctx ends.
func (s *Service) schedule(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	var purged time.Time
	for {
		s.attempt(ctx, "schedule", s.materialise)
		s.attempt(ctx, "sweep", s.sweep)
		s.attempt(ctx, "claim", s.claim)
		if now := s.now(); now.Sub(purged) > time.Hour {
			purged = now
			s.attempt(ctx, "purge", func(ctx context.Context) error {
				return errors.Join(s.deps.Runs.PurgeLogs(ctx, logAge), s.deps.Parts.PurgeHourPlans(ctx, 2*planAge))
			})
		}
		select {
		case <-tick.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// attempt does a part of the scheduler's work; what fails is done at the next look.
func (s *Service) attempt(ctx context.Context, part string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("scheduler could not do its work and tries again", "part", part, "err", err)
	}
}

// materialise stores the runs that came due. The next interval of a DAG is stored with them, so whichever instance comes next goes
// on from there, however long there was none.
func (s *Service) materialise(ctx context.Context) error {
	states, now, err := s.schedules(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range s.dags() {
		st, known := states[d.id]
		if !known || st.Paused || s.available(d, d.tasks) != nil {
			continue
		}
		if ahead := d.end(d.first(now)); st.Next.After(ahead) { // the clock was ahead and went back; what has a run keeps it
			s.log.Warn("schedule lies in the future and is set back to the present interval", "dag", d.id, "was", st.Next)
			_, _, err := s.deps.Runs.Materialise(ctx, d.id, st.Next, d.first(now), nil)
			errs = append(errs, err)
			continue
		}
		starts, next := d.dueRuns(st.Next, now, catchUpBatch)
		if next.Equal(st.Next) {
			continue
		}
		runs := make([]agg.Run, len(starts))
		for i, start := range starts {
			runs[i] = s.scheduled(d, start)
		}
		stored, ok, err := s.deps.Runs.Materialise(ctx, d.id, st.Next, next, runs)
		errs = append(errs, err)
		if ok && stored > 0 {
			s.counts.scheduled.WithLabelValues(d.id).Add(float64(stored))
			s.log.Info("runs scheduled", "dag", d.id, "runs", stored, "from", st.Next, "to", next)
		}
		if len(starts) == catchUpBatch { // more may be due
			s.rouse()
		}
	}
	return errors.Join(errs...)
}

// scheduled is the run of one interval. It counts what is there when it executes.
func (s *Service) scheduled(d *dag, start time.Time) agg.Run {
	end := d.end(start)
	due := d.due(end)
	r := agg.Run{RunID: airflowID(agg.RunScheduled, start), DagID: d.id, Trigger: agg.RunScheduled, TriggeredBy: "timetable", State: agg.RunQueued,
		Start: start, End: end, LogicalDate: &start, RunAfter: due, Tasks: s.newTasks(d, "")}
	r.ID = r.RunID + "." + d.id // the run id is unique within the DAG only
	if d.policy.Deadline > 0 {
		r.DeadlineAt = new(due.Add(time.Duration(d.policy.Deadline) * time.Second))
	}
	return r
}

// airflowID spells the id of a run as Airflow does.
func airflowID(kind string, at time.Time) string {
	return kind + "__" + at.UTC().Format("2006-01-02T15:04:05.999999") + "+00:00"
}

// sweep ends what nobody else would.
func (s *Service) sweep(ctx context.Context) error {
	swept, err := s.deps.Runs.Sweep(ctx, timeoutGrace, s.timeoutText())
	if err != nil {
		return err
	}
	for _, l := range swept.Lost {
		s.counts.lost.Inc()
		s.log.Warn("lease of a task expired; the task is tried again", "run", l.Run, "task", l.Task, "owner", l.Owner, "try", l.Try)
	}
	s.tellDeadlines(ctx, swept.Late)
	s.tellEnds(ctx, s.now())
	for _, r := range append(swept.Ended, swept.TimedOut...) {
		s.book.ended(&r, s.now())
		s.ended(&r)
	}
	return nil
}

// claim takes tasks and executes them, as many as there is room for.
func (s *Service) claim(ctx context.Context) error {
	room := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closing {
			return 0
		}
		return maxLive - len(s.active)
	}
	if room() <= 0 {
		return nil
	}
	waiting, err := s.deps.Runs.Waiting(ctx)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		d := s.dag(id)
		if d == nil || s.available(d, d.tasks) != nil {
			continue // of another version, or switched off: what waits stays queued
		}
		claims, err := s.deps.Runs.Claim(ctx, agg.ClaimRequest{DagID: id, Owner: s.owner, Limit: min(room(), claimBatch), Parts: s.roomForParts(), MaxActive: d.policy.MaxActive,
			Lease: leaseTime, Timeout: s.cfg().Processing.timeout()})
		if err != nil {
			return err
		}
		for _, c := range claims {
			s.start(c)
		}
	}
	return nil
}

// claimBatch bounds a claim, so that several instances share the work.
const claimBatch = 16

// beat keeps the leases of this process alive until ctx ends. What was taken from it is stopped: its result would not count. So is
// everything when the database cannot be reached for as long as a lease lasts, because somebody else may have it by then.
func (s *Service) beat(ctx context.Context) {
	started, last := s.now(), s.now()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		before := s.executions()
		limit, stop := context.WithTimeout(ctx, leaseTime)
		held, err := s.deps.Runs.Beat(limit, s.owner, started, leases(before), leaseTime)
		stop()
		switch {
		case err == nil:
			last = s.now()
			s.dropLost(before, held)
			s.attempt(ctx, "look around", s.lookAround)
		case ctx.Err() != nil:
			return
		default:
			s.log.Error("leases of running tasks cannot be renewed", "err", err)
			if s.now().Sub(last) >= leaseTime {
				s.dropLost(before, nil)
			}
		}
		select {
		case <-tick.C:
		case <-s.recheck:
		case <-ctx.Done():
			return
		}
	}
}

func leases(executions []*execution) []agg.Lease {
	out := make([]agg.Lease, len(executions))
	for i, e := range executions {
		out[i] = e.lease
	}
	return out
}

// dropLost stops the executions whose lease is not among those held.
func (s *Service) dropLost(executions []*execution, held []agg.Lease) {
	mine := make(map[agg.Lease]bool, len(held))
	for _, l := range held {
		mine[l] = true
	}
	for _, e := range executions {
		if !mine[e.lease] {
			e.cancel(errLost)
		}
	}
}
