package stream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Bounds of one answer of GET /analytics/series. A page of many steps and metrics has fewer groups than its limit.
const (
	maxPoints  = 2000
	maxMetrics = 20
	pageSteps  = 200_000   // of all groups: each is a sum of its own
	pagePoints = 2_000_000 // of all lines
)

// line is one metric of one group over time.
type line struct {
	Metric string             `json:"metric"`
	Key    map[string]*string `json:"key"`
	Points []point            `json:"points"`
}

// point is the start of a step and the number of the step, nil without data.
type point struct {
	At    int64
	Value *float64
}

// MarshalJSON writes [time, number].
func (p point) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]any{time.Unix(p.At, 0).UTC(), p.Value})
}

type seriesAnswer struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Step   int64     `json:"step"`
	Series []line    `json:"series"`
	// NextCursor is of the groups behind, which are less busy.
	NextCursor *string `json:"next_cursor"`
}

func (s *Service) getSeries(w http.ResponseWriter, r *http.Request) {
	p := params{Values: r.URL.Query()}
	p.narrowed("metric", "from", "to", "step", "group_by")
	q := question{filter: p.filter(), without: p.without(), groupBy: p.groupBy()}
	metrics := p.metrics("metric", maxMetrics)
	step := p.whole("step", "whole seconds", 1, maxWindow, 60)
	to, given := p.moment("to")
	if !given {
		to = time.Now()
	}
	from, given := p.moment("from")
	if !given {
		from = to.Add(-time.Hour)
	}
	span := Span{from.Unix(), ceilSecond(to)}
	q.offset, q.limit = p.page()
	s.plan(&p, &q)
	switch {
	case len(p.bad) > 0:
	case span.End <= span.Start:
		p.refuse("to", "to is not after from")
	case span.End-span.Start > maxWindow:
		p.refuse("from", "from lies more than %d seconds before to", maxWindow)
	case (span.End-span.Start+step-1)/step > maxPoints:
		p.refuse("step", "step=%d gives more than %d points; take %d or more", step, maxPoints, (span.End-span.Start+maxPoints-1)/maxPoints)
	}
	if len(p.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, p.bad[0].Detail, p.bad...)
		return
	}
	span, step = s.steps(q.set, span, step)
	a := seriesAnswer{Start: time.Unix(span.Start, 0).UTC(), End: time.Unix(span.End, 0).UTC(), Step: step}
	var bad []httpx.FieldError
	if a.Series, a.NextCursor, bad = s.series(span, step, metrics, q); len(bad) == 0 {
		bad = s.hides(&q, span)
	}
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// steps widens a span outwards, and its steps, to what the panes of that time can tell apart.
func (s *Service) steps(set int, span Span, step int64) (Span, int64) {
	coarsest := int64(1)
	for _, l := range s.allLanes() {
		coarsest = max(coarsest, l.coarsest(set, span.Start, span.End))
	}
	if coarsest > 1 {
		step = (step + coarsest - 1) / coarsest * coarsest
		span.Start = floor(span.Start, coarsest)
	}
	span.End = span.Start + (span.End-span.Start+step-1)/step*step
	return span, step
}

// series merges the panes of each step. The groups are a page of those of the whole span, busiest first.
func (s *Service) series(span Span, step int64, metrics []agg.Metric, q question) (lines []line, next *string, bad []httpx.FieldError) {
	st := &s.sets[q.set]
	points := int((span.End - span.Start) / step)
	q.limit = min(q.limit, pageSteps/points, pagePoints/(len(metrics)*points))
	groups := []named{s.whole(&q)}
	if q.groupBy != nil {
		list, which, all := s.busiest(&q, span)
		groups, next = s.boards[q.set].names(list, which), q.next(all)
	}
	x := s.sums(&q, span, groups)
	if n := len(x.parts); n*points > pagePoints {
		return nil, nil, []httpx.FieldError{{Pointer: "?without", Code: "invalid", Detail: fmt.Sprintf("%d values would be added up for each of %d steps, since something is left out; take steps that are %d times as long", n, points, n*points/pagePoints+1)}}
	}
	lines = make([]line, 0, len(groups)*len(metrics))
	for _, g := range groups {
		for _, m := range metrics {
			lines = append(lines, line{m.Name, st.shown(g.values, q.groupBy), make([]point, 0, points)})
		}
	}
	for at := span.Start; at < span.End; at += step {
		for i, c := range s.cellsOf(q.set, x, Span{at, at + step})[:len(groups)] {
			for k, m := range metrics {
				x := point{At: at}
				if v, ok := m.Of(c, float64(step)); ok {
					x.Value = &v
				}
				l := &lines[i*len(metrics)+k]
				l.Points = append(l.Points, x)
			}
		}
	}
	return lines, next, nil
}

func (l *lane) coarsest(set int, from, to int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ladders[set].coarsest(from, to)
}

// coarsest is the span in seconds of the largest pane that holds something within [from, to).
func (l *ladder) coarsest(from, to int64) int64 {
	for level, queue := range l.queues {
		for _, n := range queue {
			if len(n.own) > 0 && n.start < to && n.end() > from {
				return spans[level]
			}
		}
	}
	return 1
}
