package batch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What users think of answers, by how long they took, by model and by version.

// satisfaction is what users think of answers, by how long they took and by model. A judgement counts with its request when both lie in
// one hour, as almost all do.
type satisfaction struct {
	ByLatency []insight.ShownScores  `json:"by_latency"`
	ByModel   []insight.ShownScores  `json:"by_model"`
	ByVersion []insight.ShownVersion `json:"by_version"` // of models whose requests name versions (model_version, version or prompt_version)
	Judged    int                    `json:"judged"`
	Matched   int                    `json:"with_their_request"`
}

// judgedDays is what users said of the answers of the days that are looked at, read once for all kinds. nil where that is too much to read, which is a limit then.
func (s *Service) judgedDays(ctx context.Context, o *outlook, l *insightLook, rows *reading) (*contented, error) {
	if o.judged != nil {
		return o.judged, nil
	}
	c, err := s.judged(ctx, o.from, o.from.AddDate(0, 0, o.days), rows)
	if no, ok := errors.AsType[*agg.Refusal](err); ok {
		l.limit("satisfaction by latency, model and version", "%s", no.Fields[0].Detail)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if c.left > 0 {
		l.limit("activity, cohorts, sessions, heavy users, satisfaction", "raw events of %d of %d hours have left; these are of the rest", c.left, o.hours)
	}
	o.judged = c
	return c, nil
}

// versions adds what users think of the versions of models, its tests once.
func (s *Service) versions(ctx context.Context, o *outlook, r *insight.Report, l *insightLook, sections map[string]any, rows *reading) error {
	first := o.judged == nil
	c, err := s.judgedDays(ctx, o, l, rows)
	if err != nil || c == nil {
		return err
	}
	if first {
		r.Versions(c.byVersion())
	}
	sections["satisfaction_by_version"] = insight.ShownVersions(c.byVersion())
	return nil
}

// liking adds them.
func (c *contented) liking(r *insight.Report, sections map[string]any) {
	models := []insight.Scores{}
	for _, m := range c.models {
		if m.N > 0 {
			models = append(models, m.Scores)
		}
	}
	sorting.By(models, func(a, b insight.Scores) int { return strings.Compare(a.Name, b.Name) })
	r.Liking(c.bands, models)
	r.Versions(c.byVersion())
	sections["satisfaction"] = satisfaction{insight.Shown(c.bands), insight.Shown(models), insight.ShownVersions(c.byVersion()), c.judged, c.matched}
}

// judged reads what users said of the answers to requests within [from, to). rows counts the raw events that the whole question reads.
func (s *Service) judged(ctx context.Context, from, to time.Time, rows *reading) (*contented, error) {
	hours, err := s.deps.Hours.HourStates(ctx, from.Unix(), to.Unix())
	if err != nil {
		return nil, err
	}
	c := newContented()
	err = inOrder(ctx, len(hours), s.cfg().Processing.Workers, func(ctx context.Context, i int) (*contented, error) {
		one := newContented()
		files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hours[i].Hour)
		if err != nil {
			return nil, err
		}
		if len(base) > 0 {
			one.left = 1
		}
		if !rows.take(rowsOf(files)) {
			return nil, tooMuch("from", "it takes more than %d raw events; ask for a shorter time", maxCostRows)
		}
		return one, s.folder.judgements(ctx, hours[i].Hour, files, one)
	}, func(one *contented) error { c.merge(one); return nil })
	return c, err
}

// latencyBands are the upper ends of the bands of whole requests, in nanoseconds.
var latencyBands = []struct {
	name string
	to   int64
}{{"below 0.5 s", 5e8}, {"0.5 to 1 s", 1e9}, {"1 to 2 s", 2e9}, {"2 to 5 s", 5e9}, {"5 to 10 s", 1e10}, {"10 s and more", 1 << 62}}

// bandOf is the band of a duration in nanoseconds.
func bandOf(took int64) int {
	for i := range latencyBands {
		if took < latencyBands[i].to {
			return i
		}
	}
	return len(latencyBands) - 1
}

// contented is what users said of answers.
type contented struct {
	bands           []insight.Scores
	models          map[string]*judgedModel
	versions        map[[2]string]*insight.Scores // by model and version
	judged, matched int
	left            int // hours of which raw events have left
}

func newContented() *contented {
	c := &contented{bands: make([]insight.Scores, len(latencyBands)), models: map[string]*judgedModel{}, versions: map[[2]string]*insight.Scores{}}
	for i := range latencyBands {
		c.bands[i].Name = latencyBands[i].name
	}
	return c
}

// merge adds what was said in another hour.
func (c *contented) merge(o *contented) {
	c.judged, c.matched, c.left = c.judged+o.judged, c.matched+o.matched, c.left+o.left
	for i := range c.bands {
		c.bands[i].Merge(&o.bands[i])
	}
	for _, key := range slices.SortedFunc(maps.Keys(o.versions), func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) }) {
		if v := c.version(key[0], key[1]); v != nil {
			v.Merge(o.versions[key])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.models)) { // in order: which are kept apart must not hang on chance
		if m := c.of(name); m != nil {
			x := o.models[name]
			m.Merge(&x.Scores)
			m.judged, m.accepted, m.priced, m.cost = m.judged+x.judged, m.accepted+x.accepted, m.priced+x.priced, m.cost+x.cost
		}
	}
}

// mostModels bounds the models that are kept apart; the rest is not judged.
const mostModels = 1000

// of is what is known of a model, nil when it is not kept apart.
func (c *contented) of(model string) *judgedModel {
	if model == "" {
		return nil
	}
	m := c.models[model]
	if m == nil && len(c.models) < mostModels {
		m = &judgedModel{Scores: insight.Scores{Name: strings.Clone(model)}}
		c.models[m.Name] = m
	}
	return m
}

// judgedModel is what users said of the answers of one model.
type judgedModel struct {
	insight.Scores
	judged, accepted, priced int
	cost                     int64 // nano-USD of the priced ones among the judged
}

func (m *judgedModel) add(j judgement, price *event.LakeVector, row int) {
	m.judged++
	if j.scored {
		m.Add(j.score)
	}
	if j.accepted {
		m.accepted++
	}
	if price.Has(row) {
		m.priced++
		m.cost += price.Ints[row]
	}
}

// version is what is known of a version of a model, nil when it is not kept apart.
func (c *contented) version(model, version string) *insight.Scores {
	key := [2]string{model, version}
	v := c.versions[key]
	if v == nil && len(c.versions) < mostModels {
		v = &insight.Scores{}
		c.versions[[2]string{strings.Clone(model), strings.Clone(version)}] = v
	}
	return v
}

// byVersion are all of them.
func (c *contented) byVersion() (out []insight.Version) {
	for key, v := range c.versions {
		out = append(out, insight.Version{Model: key[0], Version: key[1], Scores: *v})
	}
	return out
}
