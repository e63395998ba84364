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

// maxAlerts bounds the alerts that wait for a broker that is away.
const maxAlerts = 1000

// alert is one alert event, in the shape of GET /alerts.
type alert struct {
	ID        string            `json:"id"`
	Rule      string            `json:"rule"`
	State     string            `json:"state"`
	Severity  string            `json:"severity"`
	Key       string            `json:"key"`
	Labels    map[string]string `json:"labels"`
	StartsAt  time.Time         `json:"starts_at"`
	Window    interval          `json:"window"`
	Value     float64           `json:"value"`     // seconds since the run came due
	Threshold float64           `json:"threshold"` // that it may take
	// A run has no parts that stand out and no requests of its own.
	Top        []string `json:"top"`
	RequestIDs []string `json:"request_ids"`
}

// missed is the alert of a run that missed its deadline. Its id follows from the run alone, so telling it again changes nothing.
func missed(r *agg.Run) alert {
	at := *r.DeadlineMissedAt
	return alert{
		ID: "dag-deadline-" + r.ID, Rule: "DagDeadlineMissed", State: "firing", Severity: "critical", Key: r.DagID,
		Labels:   map[string]string{"dag_id": r.DagID, "run_id": r.RunID, "run_state": string(r.State)},
		StartsAt: at.UTC(), Window: interval{r.Start.UTC(), r.End.UTC()},
		Value: at.Sub(r.RunAfter).Seconds(), Threshold: r.DeadlineAt.Sub(r.RunAfter).Seconds(), Top: []string{}, RequestIDs: []string{},
	}
}

// tellDeadlines raises the alerts of runs that missed their deadline, and those that could not be raised before. The database tells of a
// run once, to one instance; while that one finds no broker it keeps the alert in memory.
func (s *Service) tellDeadlines(ctx context.Context, late []agg.Run) {
	for i := range late {
		r := &late[i]
		s.counts.late.WithLabelValues(r.DagID).Inc()
		s.log.Error("aggregation run missed its deadline", "run", r.ID, "dag", r.DagID, "state", string(r.State), "start", r.Start, "end", r.End, "deadline", r.DeadlineAt)
		if r.DeadlineMissedAt == nil || r.DeadlineAt == nil || s.deps.Alerts == nil {
			continue
		}
		if len(s.untold) == maxAlerts {
			s.log.Warn("too many alerts wait for a broker; the oldest is dropped", "alert", s.untold[0].ID)
			s.untold = s.untold[1:]
		}
		s.untold = append(s.untold, missed(r))
	}
	for len(s.untold) > 0 {
		a := s.untold[0]
		value, err := json.Marshal(a)
		if err == nil {
			err = s.raise(ctx, a.ID, value)
		}
		if err != nil {
			s.log.Warn("alert could not be written; it is tried again", "alert", a.ID, "err", err)
			return
		}
		s.untold = s.untold[1:]
	}
}

// raiseLimit keeps a broker that is away from holding up the scheduler.
const raiseLimit = time.Second

func (s *Service) raise(ctx context.Context, id string, value []byte) error {
	ctx, stop := context.WithTimeout(ctx, raiseLimit)
	defer stop()
	return s.deps.Alerts.Raise(ctx, []byte(id), value)
}
