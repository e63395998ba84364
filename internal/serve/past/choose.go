package past

import "slices"

const (
	hour = int64(3600)
	day  = 24 * hour
)

// The sources of a step.
const (
	FromPanes = "panes"  // live windows
	FromHours = "hourly" // stored hours
	FromDays  = "daily"  // stored days
	FromRaw   = "raw"    // raw events of the lake, where the panes no longer tell such steps apart
	FromBoth  = "mixed"  // stored hours, and panes for the hours that are not stored as they are now
)

// sizes are the steps that are served, in seconds.
var sizes = []int64{1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day}

// sizeOf is the smallest step that is served of which a span has at most so many, and that panes of coarsest seconds can tell apart.
func sizeOf(span, points, coarsest int64) int64 {
	for _, size := range sizes {
		if (span+size-1)/size <= points && size%coarsest == 0 {
			return size
		}
	}
	return (span/points/day + 1) * day
}

// align widens [from, to) to whole steps since the epoch. The end stays within the step that the span ends in.
func align(from, to, step int64) (int64, int64) {
	from -= from % step
	return from, from + (to-from+step-1)/step*step
}

// stored says which hours and days the store has as they are now, which hours are to be read from their raw events, and how many events
// hours have: at least, as the store knows, and in the panes.
type stored struct {
	hours, days, raw map[int64]bool
	least, panes     map[int64]uint64
}

// held is the share of what an hour is known to have that the panes hold.
func (s stored) held(hour int64) float64 {
	if s.least[hour] == 0 {
		return 1
	}
	return min(1, float64(s.panes[hour])/float64(s.least[hour]))
}

// part is a span of one step that comes from one source.
type part struct {
	source   string
	from, to int64
}

// parts says where a step comes from, in order: from the stored day when the step is one and it is stored, else hour by hour from the
// store where it has them, and from panes in between; a step within an hour that is read raw comes from there. Neighbours from panes are one part.
func (s stored) parts(from, step int64) (out []part) {
	if step%hour != 0 || from%hour != 0 {
		if s.raw[from-from%hour] {
			return []part{{FromRaw, from, from + step}}
		}
		return []part{{FromPanes, from, from + step}}
	}
	for at := from; at < from+step; {
		switch {
		case at%day == 0 && at+day <= from+step && s.days[at]:
			out = append(out, part{FromDays, at, at + day})
			at += day
		case s.hours[at]:
			out = append(out, part{FromHours, at, at + hour})
			at += hour
		default:
			if n := len(out); n > 0 && out[n-1].source == FromPanes {
				out[n-1].to = at + hour
			} else {
				out = append(out, part{FromPanes, at, at + hour})
			}
			at += hour
		}
	}
	return out
}

// sourceOf names the source of a step by its parts. Parts of panes without anything in them do not count beside others.
func sourceOf(parts []part, empty func(part) bool) string {
	var names []string
	for _, p := range parts {
		if p.source == FromPanes && len(parts) > 1 && empty(p) {
			continue
		}
		if !slices.Contains(names, p.source) {
			names = append(names, p.source)
		}
	}
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) == 0:
		return FromPanes
	case slices.Contains(names, FromPanes):
		return FromBoth
	}
	return FromHours // some of its days are stored as days
}

// complete is how much of the step [from, to) is known, as the panes see it: their completeness, and no more than the part of the step
// that the watermark has passed.
func complete(from, to int64, watermark, completeness float64) float64 {
	passed := (watermark - float64(from)) / float64(to-from)
	return max(0, min(1, passed)) * completeness
}
