package capacity

import "math"

// Line is how the use of a resource grows with load: use = Idle + Slope·load.
type Line struct {
	Idle, Slope float64
	Fit         float64 // share of the variance of use that the load explains (R²)
	Hours       int
}

// Least of what a line needs before it is believed.
const (
	lineHours = 24
	lineFit   = 0.5
)

// FitLine fits use to load by least squares. ok says that the load explains the use and that more load means more use.
func FitLine(load, use []float64) (l Line, ok bool) {
	n := float64(len(load))
	if len(load) < lineHours {
		return Line{Hours: len(load)}, false
	}
	var x, y float64
	for i := range load {
		x, y = x+load[i]/n, y+use[i]/n
	}
	var xx, xy, yy float64
	for i := range load {
		dx, dy := load[i]-x, use[i]-y
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return Line{Hours: len(load)}, false
	}
	l = Line{Slope: xy / xx, Fit: xy * xy / (xx * yy), Hours: len(load)}
	l.Idle = y - l.Slope*x
	return l, l.Slope > 0 && l.Fit >= lineFit && !math.IsInf(l.Slope, 0)
}
