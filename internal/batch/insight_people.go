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
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Who asked, how often and for how long: from the raw events, since stored hours keep few users apart.

type heavyUser struct {
	User     string   `json:"user_id"`
	Requests uint64   `json:"requests"`
	Share    float64  `json:"share_of_requests"`
	CostUSD  *agg.USD `json:"cost_usd"`
	Days     int      `json:"active_days"`
}

// mostHeavy is how many users are named.
const mostHeavy = 10

// people adds activity, cohorts, sessions, heavy users and satisfaction. What cannot be told is a limit of the answer and no refusal: the
// findings of stored hours stand without it.
func (s *Service) people(ctx context.Context, o *outlook, r *insight.Report, l *insightLook, sections map[string]any, rows *reading) error {
	to := o.from.AddDate(0, 0, o.days)
	table, err := s.costTable(ctx, &costQuery{from: o.from, to: to, by: []string{"user_id", "session_id", "day"}, rows: rows})
	if no, ok := errors.AsType[*agg.Refusal](err); ok {
		l.limit("activity, cohorts, sessions, heavy users", "%s", no.Fields[0].Detail)
	} else if err != nil {
		return err
	} else {
		s.activities(table, o, l, sections)
	}
	c, err := s.judgedDays(ctx, o, l, rows)
	if err != nil || c == nil {
		return err
	}
	c.liking(r, sections)
	return nil
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

// activities are who asked how much.
func (s *Service) activities(table *cost.Table, o *outlook, l *insightLook, sections map[string]any) {
	groups := table.Groups()
	if slices.ContainsFunc(groups, func(g cost.Group) bool { return g.Key[0] == agg.Others }) {
		l.limit("activity, cohorts, sessions, heavy users", "there are more than %d sessions; the rest is counted together", cost.MaxGroups)
	}
	users := usersOf(groups, o.from)
	sections["activity"] = activityOf(groups, users, o.days)
	sections["cohorts"] = cohortsOf(users, o.from, o.days)
	sections["sessions"] = sessionsOf(groups)
	sections["heavy_users"] = heavyOf(users, table.Total.Requests)
}

// userDays is what one user did.
type userDays struct {
	name  string
	days  map[int]bool
	usage agg.Usage
}

func usersOf(groups []cost.Group, from time.Time) []*userDays {
	by := map[string]*userDays{}
	for i := range groups {
		g := &groups[i]
		if g.Key[0] == "" || g.Key[0] == agg.Others {
			continue
		}
		u := by[g.Key[0]]
		if u == nil {
			u = &userDays{name: g.Key[0], days: map[int]bool{}}
			by[u.name] = u
		}
		u.usage.Merge(&g.Usage)
		if at, err := time.Parse(time.DateOnly, g.Key[2]); err == nil {
			u.days[int(at.Sub(from)/(24*time.Hour))] = true
		}
	}
	out := make([]*userDays, 0, len(by))
	for _, u := range by {
		out = append(out, u)
	}
	sorting.By(out, func(a, b *userDays) int {
		return cmp.Or(cmp.Compare(b.usage.Requests, a.usage.Requests), strings.Compare(a.name, b.name))
	})
	return out
}

func activityOf(groups []cost.Group, users []*userDays, days int) insight.Users {
	a := insight.Users{Users: len(users)}
	for i := range groups {
		if groups[i].Key[0] == "" {
			a.Unnamed += groups[i].Requests
		}
	}
	daily := make([]float64, days)
	for _, u := range users {
		for d := range u.days {
			daily[d]++
		}
	}
	for i, n := range daily {
		if a.MostUsers = max(a.MostUsers, int(n)); n == 0 {
			daily[i] = insight.Absent
		}
	}
	a.DailyUsers = insight.Middle(daily)
	return a
}

func cohortsOf(users []*userDays, from time.Time, days int) []insight.Cohort {
	weeks := (days + 6) / 7
	came := make([][]int, weeks) // by week of the first request: how many came in it and the weeks after
	for _, u := range users {
		first := weeks
		in := make([]bool, weeks)
		for d := range u.days {
			in[d/7], first = true, min(first, d/7)
		}
		if first == weeks {
			continue
		}
		if came[first] == nil {
			came[first] = make([]int, weeks-first)
		}
		for w := first; w < weeks; w++ {
			if in[w] {
				came[first][w-first]++
			}
		}
	}
	out := []insight.Cohort{}
	for w, n := range came {
		if n == nil {
			continue
		}
		c := insight.Cohort{Week: from.AddDate(0, 0, 7*w).Format(time.DateOnly), Users: n[0]}
		for _, x := range n {
			c.Retained = append(c.Retained, float64(x)/float64(n[0]))
		}
		out = append(out, c)
	}
	return out
}

func sessionsOf(groups []cost.Group) insight.Sessions {
	by := map[string]float64{}
	for i := range groups {
		if id := groups[i].Key[1]; id != "" && id != agg.Others {
			by[id] += float64(groups[i].Requests)
		}
	}
	counts, ones := make([]float64, 0, len(by)), 0.0
	for _, n := range by {
		if counts = append(counts, n); n == 1 {
			ones++
		}
	}
	return insight.Sessions{Sessions: len(by), PerSession: insight.Middle(counts), OneRequest: insight.Mean(ones, float64(len(by)))}
}

func heavyOf(users []*userDays, requests uint64) []heavyUser {
	out := []heavyUser{}
	for _, u := range users[:min(len(users), mostHeavy)] {
		out = append(out, heavyUser{u.name, u.usage.Requests, float64(u.usage.Requests) / float64(requests), lineOf(&cost.Sum{Usage: u.usage}, false).CostUSD, len(u.days)})
	}
	return out
}

// latencyBands are the upper ends of the bands of whole requests, in nanoseconds.
var latencyBands = []struct {
	name string
	to   int64
}{{"below 0.5 s", 5e8}, {"0.5 to 1 s", 1e9}, {"1 to 2 s", 2e9}, {"2 to 5 s", 5e9}, {"5 to 10 s", 1e10}, {"10 s and more", 1 << 62}}

// satisfaction is what users think of answers, by how long they took and by model. A judgement counts with its request when both lie in
// one hour, as almost all do.
type satisfaction struct {
	ByLatency []insight.ShownScores  `json:"by_latency"`
	ByModel   []insight.ShownScores  `json:"by_model"`
	ByVersion []insight.ShownVersion `json:"by_version"` // of models whose requests name versions (model_version, version or prompt_version)
	Judged    int                    `json:"judged"`
	Matched   int                    `json:"with_their_request"`
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

// judgedModel is what users said of the answers of one model.
type judgedModel struct {
	insight.Scores
	judged, accepted, priced int
	cost                     int64 // nano-USD of the priced ones among the judged
}

// judgement is what a user said of one answer.
type judgement struct {
	score    float64
	scored   bool
	accepted bool // a thumb up, or a score of 4 or 5 and no thumb down
}

// mostModels bounds the models that are kept apart; the rest is not judged.
const mostModels = 1000

// judgements adds those of one hour.
func (f *folder) judgements(ctx context.Context, hour int64, files []event.LakeFile, c *contented) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
		k, _ := event.KindOfTopic(f.Topic)
		return k != event.LLMRequest && k != event.UserFeedback
	})
	if len(files) == 0 {
		return nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return err
	}
	defer w.close()
	requests, others := w.byKind()
	said := map[string]judgement{}
	keep := []int32{}
	var scratch event.Event
	w.folder = &folder{scan: f.scan, readers: 1} // what it writes has one owner
	nobody := func() struct{} { return struct{}{} }
	_, err = forEach(ctx, w, w.units(others, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime) | event.FieldsOf(event.RequestID, event.SatisfactionScore, event.Thumbs)
	}, nobody, func(_ struct{}, s *source, b *event.LakeBlock) (err error) {
		keep, err = w.choose(s, b, keep[:0])
		id, score, thumbs := b.Field(event.RequestID), b.Field(event.SatisfactionScore), b.Field(event.Thumbs)
		for _, row := range keep {
			text, j := id.Text(int(row)), judgement{scored: score.Has(int(row))}
			thumb := thumbs.Text(int(row))
			if text == "" || !j.scored && thumb == "" {
				continue
			}
			if j.scored {
				j.score = score.Floats[row]
			}
			j.accepted = thumb == "up" || thumb == "" && j.score >= 4
			said[strings.Clone(text)] = j
			c.judged++
		}
		return err
	})
	if err != nil || len(said) == 0 {
		return err
	}
	_, err = forEach(ctx, w, w.units(requests, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeExtra, event.LakeMetadata) | event.FieldsOf(event.RequestID, event.DurationMS, event.Model, event.Cost)
	}, nobody, func(_ struct{}, s *source, b *event.LakeBlock) (err error) {
		keep, err = w.choose(s, b, keep[:0])
		id, took, model, price := b.Field(event.RequestID), b.Field(event.DurationMS), b.Field(event.Model), b.Field(event.Cost)
		for _, row := range keep {
			j, ok := said[id.Text(int(row))]
			if !ok {
				continue
			}
			c.matched++
			if j.scored && took.Has(int(row)) {
				c.bands[bandOf(took.Ints[row])].Add(j.score)
			}
			if name := model.Text(int(row)); j.scored && name != "" {
				version, err := versionOf(b, int(row), &scratch)
				if err != nil {
					return err
				}
				if v := c.version(name, version); v != nil {
					v.Add(j.score)
				}
			}
			if m := c.of(model.Text(int(row))); m != nil {
				m.add(j, price, int(row))
			}
		}
		return err
	})
	return err
}

// versionNames are the members that tell the version of a request's model, the best first.
var versionNames = []string{"model_version", "version", "prompt_version"}

// mostVersion bounds the name of a version.
const mostVersion = 100

// versionOf is the version that a request names, "" when it names none; e is memory to work in.
func versionOf(b *event.LakeBlock, row int, e *event.Event) (string, error) {
	if extra := b.Column(event.LakeExtra); extra.Has(row) {
		e.Reset()
		e.Kind = b.Kind
		if err := b.SplitExtra(extra.Text(row), e); err != nil {
			return "", err
		}
		if v := versionIn(e.Extra); v != "" {
			return v, nil
		}
	}
	return versionIn([]byte(b.Column(event.LakeMetadata).Text(row))), nil
}

func versionIn(object []byte) string {
	for _, name := range versionNames {
		if text := event.TextMember(object, name); text != "" {
			return strings.ToValidUTF8(text[:min(len(text), mostVersion)], "")
		}
	}
	return ""
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

// bandOf is the band of a duration in nanoseconds.
func bandOf(took int64) int {
	for i := range latencyBands {
		if took < latencyBands[i].to {
			return i
		}
	}
	return len(latencyBands) - 1
}

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
