package watch

import (
	"fmt"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

const hour = 3600

// SeasonWeeks is how many weeks before are asked for. seasonKnown is how many must know a model before its season counts.
const (
	SeasonWeeks = 4
	seasonKnown = 3
)

// loose is by which part of it a minute may leave what the same hour had in the weeks before, and still be as usual.
const loose = 0.25

// Hours is what the hour before, the hour, and the hour after had of each model, of one week.
type Hours [3]map[string]*agg.Cell

// season is what the weeks before had at the same hour of the week. Its numbers are those of a step.
type season struct {
	start  int64   // of the hour that it is about, in seconds; 0 = it is not known
	lo, hi float64 // between which this hour and those beside it were, in the middle of the weeks
}

// Season tells the watcher what the same hour of some weeks before was like; start is the beginning of the hour. It counts for this hour.
func (w *Watcher) Season(start int64, weeks []Hours) {
	for model, m := range w.models {
		for i := range m {
			m[i].season = seasonOf(m[i].metric, model, start, weeks)
		}
	}
}

func seasonOf(m *metric, model string, start int64, weeks []Hours) season {
	var lo, hi []float64
	for i := range weeks {
		values, known := m.hours(model, &weeks[i])
		if !known {
			continue
		}
		lo, hi = append(lo, slices.Min(values[:])), append(hi, slices.Max(values[:]))
	}
	if len(lo) < seasonKnown {
		return season{}
	}
	return season{start, middle(lo), middle(hi)}
}

// hours are the metric in the hours of a week; not known where the model was not asked at all, or too little to have a level.
func (m *metric) hours(model string, week *Hours) (values [3]float64, known bool) {
	known = m.kind != count
	for i, cells := range week {
		c := cells[model]
		if c == nil {
			c = new(agg.Cell)
		}
		switch x := m.read(c); {
		case m.kind == count:
			values[i] = x.value / (hour / Step)
			known = known || x.n > 0
		case x.n < 10 || math.IsNaN(x.value):
			return values, false
		case m.kind == share:
			values[i] = x.value / x.n
		default:
			values[i] = x.value
		}
	}
	return values, known
}

// middle is the median.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (s *season) counts(at int64) bool { return s.start != 0 && at >= s.start && at < s.start+hour }

// odd is by which part of it a minute must leave what the same hour had in the weeks before to be worth a word.
const odd = 0.5

// compare asks the detector that knows the weeks before: the minute lies far outside of what they had, further than chance goes.
func (s *series) compare(at int64) {
	value, ok := s.minute()
	if !ok || !s.season.counts(at) {
		return
	}
	lo, hi := s.season.lo*(1-odd), s.season.hi*(1+odd)
	if s.metric.kind == count {
		value /= window
	}
	up, border := value > hi, hi
	if !up && value < lo {
		border = lo
	} else if !up {
		return
	}
	if s.metric.kind == level {
		border = s.scaled(border)
	}
	if doubt := s.tail(window, border); math.Abs(doubt) >= 1 && doubt > 0 == up {
		says := fmt.Sprintf("%.4g in the last minute, where the same hour of the weeks before had %.4g to %.4g", s.told(value), s.told(s.season.lo), s.told(s.season.hi))
		s.say(seasonAt, voice{"season", 1 - math.Exp(-math.Abs(doubt)*improbable), says, up, at - (window-1)*Step}, at)
	}
}

// told is a number of a step as people know it.
func (s *series) told(v float64) float64 {
	if s.metric.kind == count {
		return v * window
	}
	return v
}

// explains tells whether what a detector says of a minute was so in the weeks before, too.
func (s *series) explains(v voice, at int64) bool {
	if !s.season.counts(at) {
		return false
	}
	value, ok := s.minute()
	if s.metric.kind == count {
		value, ok = value/window, true
	}
	if v.up {
		return ok && value <= s.season.hi*(1+loose)
	}
	return ok && value >= s.season.lo*(1-loose)
}
