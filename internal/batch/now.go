package batch

import "context"

// Folding is what one fold of an hour read and made.
type Folding struct{ Files, Rows, Events, Models int64 }

// FoldHour folds one hour (its first second since the epoch) now, whether it needs it or not, and returns when the result is
// stored. It waits for a fold of the same hour that is under way, and for a slot.
func (s *Service) FoldHour(ctx context.Context, hour int64) (Folding, error) {
	r, err := s.foldHour(ctx, hour, false)
	return Folding{r.Files, r.Rows, r.Events, r.Models}, err
}
