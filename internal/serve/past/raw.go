package past

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// readable tells whether the raw events of some hours are there and few enough.
func (s *Service) readable(ctx context.Context, hours map[int64]bool) bool {
	sum := int64(0)
	for start := range hours {
		n, ok, err := s.Raw.Rows(ctx, start, start+hour)
		if err != nil {
			s.Log.Warn("raw events cannot be asked for", "err", err)
		}
		if err != nil || !ok || n == 0 {
			return false
		}
		sum += n
	}
	return sum <= mostRaw
}

// busiestRaw counts the requests of each value in hours that are read raw.
func (s *Service) busiestRaw(ctx context.Context, q *question, hours []int64) ([]string, error) {
	requests := map[string]int{}
	for _, start := range hours {
		err := s.Raw.Events(ctx, start, start+hour, func(e *event.Event) {
			if q.lets(e) && e.Kind == event.LLMRequest {
				requests[strings.Clone(e.Text(fields[q.by]))]++
			}
		})
		if err != nil {
			return nil, fmt.Errorf("raw events: %w", err)
		}
	}
	names := slices.SortedFunc(maps.Keys(requests), func(a, b string) int {
		return cmp.Or(cmp.Compare(requests[b], requests[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), q.most)], nil
}

// fields are the dimensions that an event names plainly.
var fields = map[string]event.Field{
	"model": event.Model, "tenant": event.Tenant, "user_id": event.UserID, "session_id": event.SessionID, "operation": event.Operation, "endpoint": event.Endpoint,
	"host": event.Host, "error_type": event.ErrorType, "finish_reason": event.FinishReason, "usage_source": event.UsageSource, "thumbs": event.Thumbs, "business_event_type": event.BusinessEventType,
}

// lets tells whether a raw event takes part.
func (q *question) lets(e *event.Event) bool {
	for dimension, wanted := range q.filter {
		if e.Text(fields[dimension]) != wanted {
			return false
		}
	}
	for dimension := range q.without {
		if q.without.Has(dimension, e.Text(fields[dimension])) {
			return false
		}
	}
	at := e.Time / 1e6
	return q.from <= at && at < q.to
}

// addRaw counts the events of the hours that are read raw.
func (s *Service) addRaw(ctx context.Context, a *answer, hours map[int64]bool) error {
	for start := range hours {
		err := s.Raw.Events(ctx, start, start+hour, func(e *event.Event) {
			if !a.lets(e) {
				return
			}
			k := (e.Time/1e6 - a.from) / a.step
			a.cells[0][k].Add(e, false)
			if a.by == "" {
				return
			}
			if i := slices.Index(a.values, e.Text(fields[a.by])); i >= 0 {
				a.cells[i+1][k].Add(e, false)
			}
		})
		if err != nil {
			return fmt.Errorf("raw events: %w", err)
		}
	}
	return nil
}

// places says, by dimension and value, which rows of the cells a stored cell belongs to. The total of everything is kept beside the models.
func (a *answer) places(dimension string) map[string]map[string][]int {
	out := map[string]map[string][]int{}
	add := func(dim, value string, i int) {
		if out[dim] == nil {
			out[dim] = map[string][]int{}
		}
		out[dim][value] = append(out[dim][value], i)
	}
	if v, filtered := a.filter[dimension]; filtered {
		add(dimension, v, 0)
	} else {
		add(agg.ByModel, agg.AllModels, 0)
	}
	for i, v := range a.values {
		add(dimension, v, i+1)
	}
	return out
}

// rank puts the values with the most requests first and leaves out those that are too many.
func (a *answer) rank() {
	type line struct {
		value    string
		cells    []*agg.Cell
		requests uint64
	}
	var lines []line
	for i, v := range a.values {
		l := line{value: v, cells: a.cells[i+1]}
		for _, c := range l.cells {
			l.requests += c.Requests
		}
		lines = append(lines, l)
	}
	sorting.By(lines, func(x, y line) int {
		return cmp.Or(cmp.Compare(y.requests, x.requests), cmp.Compare(x.value, y.value))
	})
	lines = lines[:min(len(lines), a.most)]
	a.values, a.cells = a.values[:0], a.cells[:1]
	for _, l := range lines {
		a.values, a.cells = append(a.values, l.value), append(a.cells, l.cells)
	}
}

func keys(m map[string][]int) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
