package batch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// maxLogLines bounds what is told of one run at once.
const maxLogLines = 10_000

// TaskLogs returns the log of a task, oldest line first: try 0 is the last one. For task "" it is the log of the whole run, all
// tasks and tries, with the steps of the run itself.
func (s *Service) TaskLogs(ctx context.Context, id, task string, try int) ([]agg.LogLine, error) {
	run, err := s.RunByID(ctx, id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(run.Tasks, func(t agg.Task) bool { return t.TaskID == task })
	switch {
	case task == "":
		try = 0
	case i < 0:
		return nil, noTask(id, task)
	case try == 0:
		try = run.Tasks[i].Try
	}
	lines, err := s.deps.Runs.TaskLogs(ctx, run.ID, task, try, maxLogLines)
	if err != nil {
		return nil, err
	}
	lines = append(lines, s.unstored(run.ID, task, try)...)
	if task == "" {
		lines = append(lines, steps(&run)...)
		sorting.StableBy(lines, func(a, b agg.LogLine) int { return a.At.Compare(b.At) })
	}
	return lines, nil
}

// unstored are the lines of a task that this process executes and has not stored yet; for task "" those of all tasks of the run.
func (s *Service) unstored(run, task string, try int) (lines []agg.LogLine) {
	for _, e := range s.of(run) {
		if task != "" && (e.lease.Task != task || e.lease.Try != try) {
			continue
		}
		e.mu.Lock()
		for _, l := range e.lines {
			l.TaskID, l.Try = e.lease.Task, e.lease.Try
			lines = append(lines, l)
		}
		e.mu.Unlock()
	}
	return lines
}

// steps tells the life of a run from its times.
func steps(r *agg.Run) []agg.LogLine {
	lines := []agg.LogLine{{At: r.CreatedAt, Level: "info", Event: fmt.Sprintf("%s run of %s accepted for %s to %s", r.Trigger, r.DagID, r.Start.Format(time.RFC3339), r.End.Format(time.RFC3339))}}
	add := func(at *time.Time, level, text string) {
		if at != nil {
			lines = append(lines, agg.LogLine{At: *at, Level: level, Event: text})
		}
	}
	add(r.StartedAt, "info", "run starts")
	add(r.DeadlineMissedAt, "error", "run missed its deadline")
	level := "info"
	if r.State == agg.RunFailed {
		level = "error"
	}
	add(r.EndedAt, level, "run is "+string(r.State)+errorText(r.Error))
	return lines
}
