package capacity

import (
	"cmp"
	"slices"
	"time"
)

// Point is a window of time: the load that arrived in it and what became of that.
type Point struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Load  float64   `json:"load"`  // requests a second
	Value float64   `json:"value"` // 95th percentile of the requests that arrived in the window
	Good  bool      `json:"good"`  // the value meets its objective
}

// Knee is the load at which the objective breaks: Lo is the largest load that was carried, Hi the smallest that broke it. Where the two
// overlap, since load alone does not decide, they are the ends of the overlap. What parts the two best may lie outside of that, beside it: then
// they reach to it.
type Knee struct {
	Load float64 `json:"load"`
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
}

// Carried is the largest load of a good window that is not beyond the knee.
func (k Knee) Carried(points []Point) (most float64) {
	for _, p := range points {
		if p.Good && p.Load <= k.Load {
			most = max(most, p.Load)
		}
	}
	return most
}

// FindKnee tells from windows, oldest first, where the objective breaks; nil where it never broke or was never met.
//
// A window is good or bad by the requests that arrived in it, but a queue that an earlier window left makes a quiet one bad. So only the
// first window of each bad stretch says at which load it broke: that of itself or, if larger, of the one before, which may have
// filled the queue. And a good window says that its load can be carried only if none is bad after it.
func FindKnee(points []Point) *Knee {
	var carried, broke []float64
	for i, p := range points {
		follows := i > 0 && p.Start.Equal(points[i-1].End)
		switch {
		case p.Good && (i+1 == len(points) || points[i+1].Good || !points[i+1].Start.Equal(p.End)):
			carried = append(carried, p.Load)
		case p.Good:
		case follows && points[i-1].Good:
			broke = append(broke, max(p.Load, points[i-1].Load))
		case !follows:
			broke = append(broke, p.Load)
		}
	}
	if len(carried) == 0 || len(broke) == 0 {
		return nil
	}
	lo, hi := slices.Max(carried), slices.Min(broke)
	if lo < hi {
		return &Knee{(lo + hi) / 2, lo, hi}
	}
	load := threshold(carried, broke)
	return &Knee{load, min(hi, load), max(lo, load)}
}

// threshold returns the load that parts the carried loads from those that broke with the least share of both on its wrong side.
func threshold(carried, broke []float64) float64 {
	loads := append(slices.Clone(carried), broke...)
	slices.SortFunc(loads, cmp.Compare)
	best, at := 3.0, 0.0
	for i := range len(loads) - 1 {
		middle := (loads[i] + loads[i+1]) / 2
		wrong := 0.0
		for _, v := range carried {
			if v > middle {
				wrong += 1 / float64(len(carried))
			}
		}
		for _, v := range broke {
			if v <= middle {
				wrong += 1 / float64(len(broke))
			}
		}
		if wrong < best {
			best, at = wrong, middle
		}
	}
	return at
}
