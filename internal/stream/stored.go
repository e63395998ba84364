package stream

import (
	"context"
	"errors"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// Stored finds the events of a request in the hours at rest that begin within [from, to). Whole is false when it did not look at all
// of them. The event is used again for the next call.
type Stored interface {
	Request(ctx context.Context, id string, from, to time.Time, fn func(*event.Event) error) (whole bool, err error)
}

// The bounds of a search of the hours at rest.
const (
	storedReach = 24 * time.Hour // that is looked through without since
	storedMost  = 31 * 24 * time.Hour
	storedLimit = 5 * time.Second
)

// searched says what was looked through at rest for a request that memory does not know.
type searched struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Whole bool      `json:"whole"` // false = not all of it: it took too long, is too much, or too many searches were under way
}

var errManyParts = errors.New("a request has too many parts")

// atRest looks for a request in the hours at rest, when it is the client's turn.
func (s *Service) atRest(ctx context.Context, client string, stored Stored, q *correlationQuery, now time.Time) (*join.View, *searched) {
	from := now.Add(-storedReach)
	if q.filter.Since != 0 {
		from = time.UnixMicro(max(q.filter.Since, now.Add(-storedMost).UnixMicro()))
	}
	look := &searched{From: from.UTC().Truncate(time.Hour), To: now.UTC().Truncate(time.Hour).Add(time.Hour)}
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
	view, err := found.View()
	if err != nil {
		s.log.Error("joined record cannot be shown", "error", err)
	}
	return view, look
}
