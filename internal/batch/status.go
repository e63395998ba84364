package batch

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type interval struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

type statusDetail struct {
	LastSuccess   *time.Time `json:"last_success"`
	LastInterval  *interval  `json:"last_interval"` // the last period that was made
	NextRun       *time.Time `json:"next_run"`      // null when disabled
	LastError     *string    `json:"last_error"`
	Dirty         int        `json:"dirty"`        // ended periods whose aggregate is missing or behind
	Completeness  *float64   `json:"completeness"` // of those, 1 when there are none
	AccuracyRatio *float64   `json:"accuracy_ratio"`
}

func (s *Service) getStatus(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	if q.only(); q.refused(w, r) {
		return
	}
	behind, err := s.allBehind(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	detail := map[string]statusDetail{}
	answer := map[string]any{"detail": detail}
	for _, p := range periods {
		answer[p], detail[p] = s.state(p), s.detail(levels[p], behind[p].ended(levels[p], s.now()))
	}
	httpx.JSON(w, http.StatusOK, answer)
}

// allBehind finds what is behind on every level; hours are looked at once.
func (s *Service) allBehind(ctx context.Context) (map[string]coverage, error) {
	all := map[string]coverage{}
	for _, p := range periods { // from below
		var err error
		if l := levels[p]; l.below == "" {
			all[p], err = s.hoursBehind(ctx, time.Time{}, time.Time{})
		} else {
			all[p], err = s.lift(ctx, l, maps.Clone(all[l.below]), time.Time{}, time.Time{})
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// detail tells how a level stands of which ended periods are behind. The accuracy is that of the hours, which all other levels are
// made of.
func (s *Service) detail(l *level, behind coverage) (d statusDetail) {
	d.Dirty = len(behind)
	var covered float64
	for _, c := range behind {
		covered += c
	}
	d.Completeness = new(share(covered, float64(len(behind))))
	if s.cfg().Aggregation.enabled(l.name) {
		d.NextRun = new(s.dagOf(l.name).next(s.now()))
	}
	last := s.book.lastWork(l.name)
	if !last.success.IsZero() {
		d.LastSuccess, d.LastInterval = new(last.success.UTC()), &interval{last.start.UTC(), last.end.UTC()}
	}
	if last.err != "" {
		d.LastError = &last.err
	}
	if ratio, known := s.book.accuracy(s.now()); known {
		d.AccuracyRatio = &ratio
	}
	return d
}
