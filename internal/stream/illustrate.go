package stream

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// illustrations are what was shown of the anomalies that are open, by the id of the anomaly. Models that are watched are few, so these are.
type illustrations map[string]illustration

// illustration is what an anomaly looks like in single requests.
type illustration struct {
	requests []string
	top      []rule.Share
}

// before is how much earlier than the anomaly an event may be stamped: with the beginning of its request.
const before = 60 * 1e6 // microseconds

// illustrate adds to an anomaly requests as examples, and beside its tenants what else stands out among them, from what the rules keep
// of its model. Its end shows what its beginning did.
func (j *judge) illustrate(d *rule.Decision) {
	shown, known := j.shown[d.ID]
	if !known {
		from := min(int64(d.StartsAt), int64(d.Window.Start)) - before
		ids, top := j.engine.Explain(d.Key["model"], from, int64(d.Window.End), d.Class == "error_rate")
		shown = illustration{append([]string{}, ids...), merged(d.Top, top)}
	}
	d.RequestIDs, d.Top = shown.requests, shown.top
	if d.State == rule.Firing {
		j.shown[d.ID] = shown
	} else {
		delete(j.shown, d.ID)
	}
}

// merged are shares that were counted, and of other fields those of a sample.
func merged(counted, sampled []rule.Share) []rule.Share {
	out := slices.Clone(counted)
	for _, s := range sampled {
		if !slices.ContainsFunc(counted, func(c rule.Share) bool { return c.Field == s.Field }) {
			out = append(out, s)
		}
	}
	sorting.StableBy(out, func(a, b rule.Share) int { return cmp.Compare(b.Share, a.Share) })
	return out
}
