package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// frame is where a chart is drawn, its title and axes included.
type frame struct{ x, y, w, h float64 }

// series is one quantity over the columns of a chart; nil is a gap.
type series struct {
	name   string
	color  color
	values []*float64
}

// band is an interval around a line.
type band struct {
	name   string
	color  color
	lo, hi []float64
}

// chart is a picture of series over time: lines, or bars that stand on each other.
type chart struct {
	title  string
	level  string // of the columns
	times  []time.Time
	series []series
	band   *band // behind the lines
	bars   bool
	style  *style
	write  func(v float64) string // of the labels at the axis
	unit   float64                // how much of what the labels count one of the values is; 0 = 1
	most   float64                // natural end of the axis; 0 = none
	step   float64                // of the axis that goes to most
	full   bool                   // it always goes there
}

// pick makes a series from rows.
func pick(rows []agg.Row, times []time.Time, name string, c color, get func(*agg.Row) *float64) series {
	at := make(map[int64]*agg.Row, len(rows))
	for i := range rows {
		at[rows[i].Timestamp.Unix()] = &rows[i]
	}
	s := series{name, c, make([]*float64, len(times))}
	for i, t := range times {
		if r := at[t.Unix()]; r != nil {
			s.values[i] = get(r)
		}
	}
	return s
}

func (c *chart) empty() bool {
	for _, s := range c.series {
		for _, v := range s.values {
			if v != nil {
				return false
			}
		}
	}
	return true
}

// highest value, of a column where bars stand on each other.
func (c *chart) highest() float64 {
	top := 0.0
	if c.band != nil {
		top = slices.Max(c.band.hi)
	}
	for i := range c.times {
		sum := 0.0
		for _, s := range c.series {
			v := s.values[i]
			switch {
			case v == nil:
			case c.bars:
				sum += *v
			default:
				top = max(top, *v)
			}
		}
		top = max(top, sum)
	}
	return top
}

// Sizes within a chart, in millimetres and points.
const (
	titleSize, labelSize = 8.5, 6.8
	titleH               = 7.0
	axisH                = 5.5
	axisW                = 12.0
)

func (c *chart) draw(on canvas, f frame) {
	on.text(f.x, f.y+3.4, c.title, titleSize, true, c.style.ink, left)
	c.legend(on, f)
	plot := frame{f.x + axisW, f.y + titleH, f.w - axisW, f.h - titleH - axisH}
	if c.empty() {
		on.rect(plot.x, plot.y, plot.w, plot.h, c.style.shade)
		on.text(plot.x+plot.w/2, plot.y+plot.h/2+1, "no data in this period", labelSize+0.6, false, c.style.muted, center)
		return
	}
	unit := cmp.Or(c.unit, 1)
	top, step := scale(c.highest()*unit, 4)
	top, step = top/unit, step/unit
	if c.most > 0 && (c.full || top > c.most) {
		top, step = c.most, c.step
	}
	for v := 0.0; v <= top+step/1000; v += step {
		y := plot.y + plot.h*(1-v/top)
		on.line([]point{{plot.x, y}, {plot.x + plot.w, y}}, c.style.hair, 0.15)
		on.text(plot.x-1.6, y+0.9, c.write(v), labelSize, false, c.style.muted, right)
	}
	if c.bars {
		c.drawBars(on, plot, top)
	} else {
		c.drawBand(on, plot, top)
		c.drawLines(on, plot, top)
	}
	on.line([]point{{plot.x, plot.y + plot.h}, {plot.x + plot.w, plot.y + plot.h}}, c.style.muted, 0.25)
	c.drawTimes(on, plot)
}

// legend names the series at the right of the title, when there is more than one.
func (c *chart) legend(on canvas, f frame) {
	all := c.series
	if c.band != nil {
		all = append(slices.Clone(all), series{name: c.band.name, color: c.band.color})
	}
	if len(all) < 2 {
		return
	}
	x := f.x + f.w
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		x -= on.width(s.name, labelSize, false)
		on.text(x, f.y+3.2, s.name, labelSize, false, c.style.muted, left)
		on.rect(x-3.2, f.y+1.3, 2.2, 2.2, s.color)
		x -= 6.6
	}
}

func (c *chart) drawBars(on canvas, p frame, top float64) {
	slot := p.w / float64(len(c.times))
	w := min(slot*0.78, 14)
	for i := range c.times {
		y := p.y + p.h
		for _, s := range c.series {
			if v := s.values[i]; v != nil && *v > 0 {
				h := p.h * min(*v/top, 1)
				y -= h
				on.rect(p.x+slot*(float64(i)+0.5)-w/2, y, w, h, s.color)
			}
		}
	}
}

// drawBand fills the interval of each column.
func (c *chart) drawBand(on canvas, p frame, top float64) {
	if c.band == nil {
		return
	}
	slot := p.w / float64(len(c.times))
	for i := range c.times {
		lo, hi := p.h*min(max(c.band.lo[i], 0)/top, 1), p.h*min(c.band.hi[i]/top, 1)
		on.rect(p.x+slot*float64(i), p.y+p.h-hi, slot*1.03, hi-lo, c.band.color) // a hair wider, so that no seam shows
	}
}

func (c *chart) drawLines(on canvas, p frame, top float64) {
	slot := p.w / float64(len(c.times))
	for k := len(c.series) - 1; k >= 0; k-- { // the first lies on top
		s := c.series[k]
		var run []point
		end := func() {
			switch {
			case len(run) == 1:
				on.rect(run[0].x-0.6, run[0].y-0.6, 1.2, 1.2, s.color)
			case len(run) > 1:
				on.line(run, s.color, 0.45)
			}
			run = nil
		}
		for i, v := range s.values {
			if v == nil {
				end()
				continue
			}
			run = append(run, point{p.x + slot*(float64(i)+0.5), p.y + p.h*(1-min(*v/top, 1))})
		}
		end()
	}
}

// drawTimes writes as many labels as have room.
func (c *chart) drawTimes(on canvas, p frame) {
	slot := p.w / float64(len(c.times))
	widest := 0.0
	names := make([]string, len(c.times))
	for i, t := range c.times {
		names[i] = c.style.tick(c.level, t)
		widest = max(widest, on.width(names[i], labelSize, false))
	}
	every := max(1, int(math.Ceil((widest+3)/slot)))
	first := 0
	if c.level == "hourly" && len(c.times) > 6 {
		first, every = c.wholeHours(every)
	}
	for i := range c.times {
		x := p.x + slot*(float64(i)+0.5)
		if i < first || (i-first)%every != 0 || x-widest/2 < p.x-axisW || x+widest/2 > p.x+p.w+4 {
			continue
		}
		on.line([]point{{x, p.y + p.h}, {x, p.y + p.h + 0.9}}, c.style.muted, 0.2)
		on.text(x, p.y+p.h+4, names[i], labelSize, false, c.style.muted, center)
	}
}

// wholeHours moves labels to 00, 06, 12, 18 and the like rather than anywhere, and of several days to their beginnings.
func (c *chart) wholeHours(least int) (first, every int) {
	steps := []int{1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168}
	if len(c.times) > 72 {
		steps = steps[7:]
	}
	every = steps[len(steps)-1]
	for _, n := range steps {
		if n >= least {
			every = n
			break
		}
	}
	for first < len(c.times)-1 && c.times[first].UTC().Hour()%min(every, 24) != 0 {
		first++
	}
	return first, every
}

// scale chooses the end of an axis from 0 to at least v, and its steps: 1, 2 or 5 times a power of ten, about n of them.
func scale(v float64, n int) (top, step float64) {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1, 0.25
	}
	rough := v / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step = 10 * power
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= rough*0.999 {
			step = m * power
			break
		}
	}
	return math.Ceil(v/step*0.9999) * step, step
}

// spark draws one series without axes.
func spark(on canvas, f frame, values []*float64, st *style) {
	top, n := 0.0, 0
	for _, v := range values {
		if v != nil {
			top, n = max(top, *v), n+1
		}
	}
	if n < 2 || top <= 0 {
		return
	}
	ch := chart{style: st, times: make([]time.Time, len(values)), series: []series{{"", st.accent, values}}}
	on.line([]point{{f.x, f.y + f.h}, {f.x + f.w, f.y + f.h}}, st.hair, 0.15)
	ch.drawLines(on, f, top*1.05)
}
