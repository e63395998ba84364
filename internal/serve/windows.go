package serve

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Windows tells what is counted within a span of event time, [from, to) in whole seconds: everything, and each model by
// name. The cells belong to the caller. watermark is the event time up to which everything has been seen (zero: nothing
// yet), completeness the share of what was written that is counted, 0–1.
//
// Widen grows a span outwards to what the panes of that time tell apart, which Window counts whole: those of old arrivals, and all of a time
// of which there is too much, are longer than a second.
type Windows interface {
	Widen(from, to time.Time) (time.Time, time.Time)
	Window(from, to time.Time) (overall *agg.Cell, models map[string]*agg.Cell, watermark time.Time, completeness float64)
}
