package agg

import "math"

// Rest returns what a cell holds beside some of its parts, whose sum named is; ok is false where nobody can know. Counters and sums can be taken
// away. The ends and sketches of durations, the ends of gauges and who the users are cannot: so a rest has no requests,
// and either all samples or none. Nor can a sum that stopped at the largest number.
func (c *Cell) Rest(named *Cell) (rest *Cell, ok bool) {
	if b := &c.Business; c.Requests != named.Requests || max(b.Gain, b.Loss, b.Cost) == math.MaxInt64 || named.System.Samples > 0 && named.System.Samples != c.System.Samples {
		return nil, false
	}
	rest = &Cell{Events: c.Events - named.Events, Late: c.Late - named.Late, Feedback: c.Feedback.rest(&named.Feedback), Business: c.Business.rest(&named.Business)}
	if named.System.Samples == 0 {
		rest.System = c.System.clone()
	}
	return rest, true
}

func (f *Feedback) rest(named *Feedback) Feedback {
	rest := Feedback{Count: f.Count - named.Count, Scores: f.Scores - named.Scores, Score: f.Score.Clone(), Accuracies: f.Accuracies - named.Accuracies, Accuracy: f.Accuracy.Clone(),
		ThumbsUp: f.ThumbsUp - named.ThumbsUp, ThumbsDown: f.ThumbsDown - named.ThumbsDown}
	rest.Score.take(&named.Score)
	rest.Accuracy.take(&named.Accuracy)
	return rest
}

func (b *Business) rest(named *Business) Business {
	return Business{Events: b.Events - named.Events, Valued: b.Valued - named.Valued, Gain: b.Gain - named.Gain, Loss: b.Loss - named.Loss, Priced: b.Priced - named.Priced, Cost: b.Cost - named.Cost}
}

// take takes the sum of o away, which stays as it is.
func (s *ExactSum) take(o *ExactSum) {
	minus := o.Clone()
	minus.one = -minus.one
	if minus.acc != nil {
		for i, v := range minus.acc.limb {
			minus.acc.limb[i] = -v
		}
	}
	s.Merge(&minus)
}
