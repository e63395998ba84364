package batch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Alerts takes alert events to whoever routes them. It returns when the event is kept, and may get one twice: the id tells.
type Alerts interface {
	Raise(ctx context.Context, key, value []byte) error
}

// alert is one alert event, in the shape of GET /alerts.
type alert struct {
	ID        string            `json:"id"`
	Rule      string            `json:"rule"`
	State     string            `json:"state"`
	Severity  string            `json:"severity"`
	Key       string            `json:"key"`
	Labels    map[string]string `json:"labels"`
	Texts     map[string]string `json:"annotations,omitempty"`
	Once      bool              `json:"once,omitempty"` // people are told once that it is so, and of no end
	At        *time.Time        `json:"at,omitempty"`
	StartsAt  time.Time         `json:"starts_at"`
	EndsAt    *time.Time        `json:"ends_at,omitempty"`
	Window    interval          `json:"window"`
	Value     float64           `json:"value"`     // of a run: seconds since it came due; of a budget: USD
	Threshold float64           `json:"threshold"` // that it may be
	// What batch looks at has no parts that stand out and no requests of its own.
	Top        []string `json:"top"`
	RequestIDs []string `json:"request_ids"`
}

// missed is the alert of a run that missed its deadline. Its id follows from the run alone, so telling it again changes nothing.
func missed(r *agg.Run) alert {
	at := *r.DeadlineAt // of a run that ended between the alert and the note of it
	if r.DeadlineMissedAt != nil {
		at = *r.DeadlineMissedAt
	}
	return alert{
		ID: "dag-deadline-" + r.ID, Rule: "DagDeadlineMissed", State: "firing", Severity: "critical", Key: r.DagID,
		Labels:   map[string]string{"dag_id": r.DagID, "run_id": r.RunID, "run_state": string(r.State)},
		StartsAt: at.UTC(), Window: interval{r.Start.UTC(), r.End.UTC()},
		Value: at.Sub(r.RunAfter).Seconds(), Threshold: r.DeadlineAt.Sub(r.RunAfter).Seconds(), Top: []string{}, RequestIDs: []string{},
	}
}

// over is the alert of a run that missed its deadline and has ended.
func over(r *agg.Run) alert {
	a, end := missed(r), r.EndedAt.UTC()
	a.State, a.At, a.EndsAt = "resolved", &end, &end
	return a
}

const (
	endsEvery = time.Minute    // between two looks at what has ended
	endsReach = 24 * time.Hour // what ended before was told of, by whoever saw it end
)

// tellEnds ends the alerts of runs that missed their deadline once they are over, however that came about. Nothing is noted: after a start, and on each
// instance, an end of the last day is told once more, which changes nothing.
func (s *Service) tellEnds(ctx context.Context, now time.Time) {
	if now.Sub(s.looked) < endsEvery || s.deps.Alerts == nil {
		return
	}
	s.looked = now
	runs, err := s.deps.Runs.MissedAndEnded(ctx, now.Add(-endsReach))
	if err != nil {
		s.log.Warn("runs that missed their deadline cannot be read", "error", err)
		return
	}
	settled := map[string]bool{}
	for i := range runs {
		told := runs[i].ID + " " + runs[i].EndedAt.UTC().Format(time.RFC3339Nano) // a run may be cleared, and end once more
		if settled[told] = s.settled[told] || s.raise(ctx, over(&runs[i])); !settled[told] {
			break // the brokers are away
		}
	}
	s.settled = settled
}

// tellDeadlines raises the alerts of runs that missed their deadline and then says in the database that they were told, so that an
// alert is not lost with the process: the next sweep, of any instance, finds the run again. The id of an alert makes one of those
// that are raised twice. While the brokers are away each instance logs and counts a run once.
func (s *Service) tellDeadlines(ctx context.Context, late []agg.Run) {
	away := false
	untold := map[string]bool{}
	for i := range late {
		r := &late[i]
		if away = away || !s.raise(ctx, missed(r)); away {
			if !s.untold[r.ID] {
				s.noteLate(r)
			}
			untold[r.ID] = true
			continue
		}
		first, err := s.deps.Runs.MarkLate(ctx, r.ID, *r.DeadlineMissedAt)
		if err != nil {
			s.log.Warn("run cannot be marked as told", "run", r.ID, "error", err)
		} else if first && !s.untold[r.ID] {
			s.noteLate(r)
		}
	}
	s.untold = untold
}

func (s *Service) noteLate(r *agg.Run) {
	s.counts.late.WithLabelValues(r.DagID).Inc()
	s.log.Error("aggregation run missed its deadline", "run", r.ID, "dag", r.DagID, "state", string(r.State), "start", r.Start, "end", r.End, "deadline", r.DeadlineAt)
}

// raiseLimit keeps a broker that is away from holding up the scheduler.
const raiseLimit = time.Second

// raise is false when an alert is not kept.
func (s *Service) raise(ctx context.Context, a alert) bool {
	if s.deps.Alerts == nil {
		return true
	}
	value, err := json.Marshal(a)
	if err == nil {
		within, stop := context.WithTimeout(ctx, raiseLimit)
		defer stop()
		err = s.deps.Alerts.Raise(within, []byte(a.ID), value)
	}
	if err != nil {
		s.log.Warn("alert could not be written; it is tried again", "alert", a.ID, "error", err)
	}
	return err == nil
}
