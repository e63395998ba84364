package stream

import (
	"maps"
	"slices"
	"time"

	alertbook "github.com/hxp-enterprise/hxp/internal/stream/alerts"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// pattern is an episode of a rule of type sequence: events that followed one another, once or several times without a pause.
type pattern struct {
	Rule       string            `json:"rule"`
	Key        map[string]string `json:"key"`
	StartedAt  time.Time         `json:"started_at"` // second of the first event
	EndedAt    time.Time         `json:"ended_at"`   // behind the second of the last event so far
	Count      int64             `json:"count"`      // times that the sequence was seen
	Events     []string          `json:"events"`     // ids, the first ones
	RequestIDs []string          `json:"request_ids"`
	State      alertbook.State   `json:"state"`
	Alert      string            `json:"alert_id"`
}

// patterns finds in the book the sequences that a question is about, the newest first. What is still going on is shown as the judge
// of this instance sees it.
func (s *Service) patterns(book *alertbook.Book, q *correlationQuery) []pattern {
	out := []pattern{}
	if book == nil || q.after != nil { // they stand on the first page
		return out
	}
	list, _ := book.List(alertbook.Wanted{Match: q.concerns}, q.limit)
	var now map[string]rule.Match
	if s.judge != nil {
		if held := s.judge.matches.Load(); held != nil {
			now = *held
		}
	}
	for _, a := range list {
		p := pattern{a.Rule, a.Key, a.Window.Start, a.Window.End, int64(a.Value), a.Events, a.RequestIDs, a.State, a.ID}
		if m, open := now[a.ID]; open && a.State == alertbook.Firing {
			p.StartedAt, p.EndedAt, p.Count = moment(m.Window.Start), moment(m.Window.End), m.Count
			p.Events, p.RequestIDs = m.Events, append([]string{}, m.RequestIDs...)
		}
		out = append(out, p)
	}
	return out
}

func moment(t rule.Time) time.Time { return time.UnixMicro(int64(t)).UTC() }

// concerns tells whether an alert is a sequence that the question is about.
func (q *correlationQuery) concerns(a *alertbook.Alert) bool {
	switch {
	case q.bound != "" && a.Tenant() != q.bound:
		return false
	case len(a.Events) == 0 || a.State == alertbook.Pending:
		return false
	case q.filter.Model != "" && a.Key["model"] != q.filter.Model:
		return false
	case a.State == alertbook.Resolved && a.UpdatedAt.UnixMicro() < q.filter.Since:
		return false
	}
	return q.id == "" || slices.Contains(a.RequestIDs, q.id) || slices.Contains(slices.Collect(maps.Values(a.Key)), q.id)
}
