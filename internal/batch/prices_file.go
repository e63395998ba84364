package batch

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// SetPrices takes the prices of the file of the settings. Run puts them into the book as PUT /prices would, once the brokers take them; what
// is there already changes nothing. Called again, the latest prices count.
func (s *Service) SetPrices(doc *cost.Document) {
	select {
	case <-s.filed: // nobody has put these yet, and nobody needs to
	default:
	}
	s.filed <- doc
}

// putFileEvery is the time between two tries to put the prices of the file.
const putFileEvery = 5 * time.Second

// putFiles puts the prices of the file into the book until ctx ends.
func (s *Service) putFiles(ctx context.Context) {
	var waiting *cost.Document
	for {
		var again <-chan time.Time
		if waiting != nil {
			again = time.After(putFileEvery)
		}
		select {
		case <-ctx.Done():
			return
		case waiting = <-s.filed:
			for _, w := range waiting.Warnings {
				s.log.Warn("price file has a price that nothing is rated by", "warning", w)
			}
		case <-again:
		}
		if s.putFile(ctx, waiting) {
			waiting = nil
		}
	}
}

// putFile is false when it shall be tried again.
func (s *Service) putFile(ctx context.Context, doc *cost.Document) bool {
	fresh := s.deps.Prices.New(doc.Prices)
	if room := s.deps.Prices.Room(); len(fresh) > room {
		s.log.Error("price file is not put: the price book has no room for its versions", "versions", len(fresh), "room", room)
		return true
	}
	if err := s.putInBook(ctx, fresh); err != nil {
		if ctx.Err() == nil {
			s.log.Warn("price file could not be put and is tried again", "prices", len(fresh), "err", err)
		}
		return false
	}
	s.log.Info("price file is in the book", "prices", len(doc.Prices), "changed", len(fresh))
	return true
}
