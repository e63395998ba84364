package insight

import (
	"fmt"
	"math"
)

// Scores are judgements of some answers.
type Scores struct {
	Name            string
	N, Sum, Squares float64
}

// Add counts one.
func (s *Scores) Add(score float64) {
	s.N, s.Sum, s.Squares = s.N+1, s.Sum+score, s.Squares+score*score
}

// Merge adds others.
func (s *Scores) Merge(o *Scores) {
	s.N, s.Sum, s.Squares = s.N+o.N, s.Sum+o.Sum, s.Squares+o.Squares
}

func (s *Scores) mean() float64 { return s.Sum / s.N }

// variance is that of one judgement, and never quite nothing.
func (s *Scores) variance() float64 {
	return max(0.01, (s.Squares-s.Sum*s.Sum/s.N)/(s.N-1))
}

// likingLeast is the difference of mean scores (1–5) that matters.
const likingLeast = 0.2

// Liking compares each latency band and each model with all others.
func (r *Report) Liking(bands, models []Scores) {
	r.against("satisfaction_by_latency", "latency", bands, "Answers that took %s are judged %s of 5, others %s (%s and %s judgements).")
	r.against("satisfaction_by_model", "model", models, "Answers of %s are judged %s of 5, those of other models %s (%s and %s judgements).")
}

// welch is the probability that chance alone makes two means so different, by Welch's t; ok is false with too few judgements of either.
func welch(s, rest *Scores) (p float64, ok bool) {
	if s.N < scoresLeast || rest.N < scoresLeast {
		return 1, false
	}
	a, b := s.variance()/s.N, rest.variance()/rest.N
	df := (a + b) * (a + b) / (a*a/(s.N-1) + b*b/(rest.N-1))
	return studentTail((s.mean()-rest.mean())/math.Sqrt(a+b), df), true
}

// against compares each of some with the rest by Welch's t.
func (r *Report) against(kind, dimension string, all []Scores, text string) {
	var sum Scores
	for i := range all {
		sum.N, sum.Sum, sum.Squares = sum.N+all[i].N, sum.Sum+all[i].Sum, sum.Squares+all[i].Squares
	}
	for i := range all {
		s := &all[i]
		rest := Scores{N: sum.N - s.N, Sum: sum.Sum - s.Sum, Squares: sum.Squares - s.Squares}
		p, ok := welch(s, &rest)
		if !ok {
			continue
		}
		if math.Abs(s.mean()-rest.mean()) < likingLeast {
			r.nothing(p)
			continue
		}
		r.test(Finding{Kind: kind, Subject: subject(dimension, s.Name), Metric: "satisfaction", Before: new(round(rest.mean())), After: new(round(s.mean())),
			Text:     fmt.Sprintf(text, s.Name, short(s.mean()), short(rest.mean()), short(s.N), short(rest.N)),
			Evidence: map[string]any{"mean": round(s.mean()), "mean_of_others": round(rest.mean()), "judgements": s.N, "judgements_of_others": rest.N, "difference": round(s.mean() - rest.mean())}}, p)
	}
}

// ShownScores are Scores for people, with the interval in which the mean lies with 95 %.
type ShownScores struct {
	Name string   `json:"name"`
	N    float64  `json:"judgements"`
	Mean *float64 `json:"mean"`
	Lo   *float64 `json:"lo"`
	Hi   *float64 `json:"hi"`
}

// Shown lists scores; what fewer than two have judged has no interval.
func Shown(all []Scores) []ShownScores {
	out := make([]ShownScores, len(all))
	for i := range all {
		s := &all[i]
		out[i] = ShownScores{Name: s.Name, N: s.N, Mean: Mean(s.Sum, s.N)}
		if s.N > 1 {
			off := 1.96 * math.Sqrt(s.variance()/s.N)
			out[i].Lo, out[i].Hi = new(round(max(1, s.mean()-off))), new(round(min(5, s.mean()+off)))
		}
	}
	return out
}
