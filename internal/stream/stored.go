package stream

import (
	"context"
	"errors"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// Stored is what is known of the hours at rest that begin within [from, to).
type Stored interface {
	// Request finds the events of a request. Whole is false when it did not look at all hours. The event is used again for the next call.
	Request(ctx context.Context, id string, from, to time.Time, fn func(*event.Event) error) (whole bool, err error)
	// Joined adds up how many requests they have, and of how many their rows have everything.
	Joined(ctx context.Context, from, to time.Time) (agg.Joined, error)
}

// The bounds of a search of the hours at rest.
const (
	storedReach = 24 * time.Hour // that is looked through without since
	storedMost  = 31 * 24 * time.Hour
	storedLimit = 5 * time.Second
	joinedLimit = time.Second
)

// storedSpan are the hours that a query of now is about: the last day, or those since a time.
func (q *correlationQuery) storedSpan(now time.Time) (from, to time.Time) {
	from = now.Add(-storedReach)
	if q.filter.Since != 0 {
		from = time.UnixMicro(max(q.filter.Since, now.Add(-storedMost).UnixMicro()))
	}
	return from.UTC().Truncate(time.Hour), now.UTC().Truncate(time.Hour).Add(time.Hour)
}

// joinedAtRest is the share of the requests of stored hours that are complete there; nil when no hour tells.
func (s *Service) joinedAtRest(ctx context.Context, stored Stored, q *correlationQuery, now time.Time) *float64 {
	if stored == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, joinedLimit)
	defer cancel()
	from, to := q.storedSpan(now)
	sum, err := stored.Joined(ctx, from, to)
	if err != nil {
		s.log.Warn("the stored hours do not tell what they join", "error", err)
	}
	if err != nil || sum.Requests == 0 {
		return nil
	}
	return new(float64(sum.Complete) / float64(sum.Requests))
}

// searched says what was looked through at rest for a request that memory does not know.
type searched struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Whole bool      `json:"whole"` // false = not all of it: it took too long, is too much, or too many searches were under way
}

var errManyParts = errors.New("a request has too many parts")

// atRest looks for a request in the hours at rest, when it is the client's turn.
func (s *Service) atRest(ctx context.Context, client string, stored Stored, q *correlationQuery, now time.Time) (*join.View, *searched) {
	look := new(searched)
	look.From, look.To = q.storedSpan(now)
	done, ok := s.searches.begin(ctx, client)
	if !ok {
		return nil, look
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, storedLimit)
	defer cancel()
	var found join.Stored
	var err error
	look.Whole, err = stored.Request(ctx, q.id, look.From, look.To, func(e *event.Event) error {
		if !found.Add(e) {
			return errManyParts
		}
		return nil
	})
	if err != nil && !errors.Is(err, errManyParts) {
		s.log.Warn("the hours at rest cannot be searched for a request", "error", err)
	}
	view, err := found.View(q.bound)
	if err != nil {
		s.log.Error("joined record cannot be shown", "error", err)
	}
	return view, look
}
