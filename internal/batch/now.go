package batch

import "context"

// Folding is what one fold of an hour read and made.
type Folding struct{ Files, Rows, Events, Models int64 }

// FoldHour folds one hour (its first second since the epoch) now, whether it needs it or not, and returns when the result is
// stored. It waits for a fold of the same hour that is under way, and for a slot.
func (s *Service) FoldHour(ctx context.Context, hour int64) (Folding, error) {
	r, err := s.foldHour(ctx, hour, false, 0)
	return Folding{r.Files, r.Rows, r.Events, r.Models}, err
}

// MeasureParts folds an hour in n parts, one after the other as if each had this machine for itself, merges them, and stores nothing.
// step is called with the number of each part before it begins, and with n before the merge. It returns the bytes that the parts
// were kept in.
func (s *Service) MeasureParts(ctx context.Context, hour int64, n int, step func(part int)) (kept int, err error) {
	files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil || len(base) > 0 || len(files) == 0 {
		return 0, err
	}
	var encoded [][]byte
	for k, own := range divide(files, n) {
		step(k)
		p, err := s.folder.part(ctx, hour, files, own, nil)
		if err != nil {
			return 0, err
		}
		b, err := p.encode()
		if err != nil {
			return 0, err
		}
		encoded, kept = append(encoded, b), kept+len(b)
	}
	step(n)
	f, err := mergeParts(encoded, s.folder.limits)
	if err == nil {
		f.cells.aggregate(levels["hourly"].of(hour), s.columns)
	}
	return kept, err
}
