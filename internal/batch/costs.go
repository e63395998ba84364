package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// What requests cost, by what people ask for. Every hour is read from where it is told most cheaply: from its stored cells when they are up
// to date and kept apart by what is asked for, else from its raw events, each identity once, by the rules of the fold (fold.go). Cells count
// the smallest values together (agg.Others) where there are very many; then the raw events tell them apart, as long as they are there and
// not too many to be read. So it shows only in such hours which was read.

// costParts are what costs can be grouped by.
var costParts = []string{"model", "tenant", "user_id", "key", "feature", "prompt_version", "endpoint", "operation", "session_id", "host", "hour", "day", "month"}

// partField is the field that tells a part; key, feature and prompt_version stand in what the catalogue does not know, the times in the time.
var partField = map[string]event.Field{"model": event.Model, "tenant": event.Tenant, "user_id": event.UserID, "endpoint": event.Endpoint, "operation": event.Operation, "session_id": event.SessionID, "host": event.Host}

// extraParts are those that the catalogue does not know.
var extraParts = []string{"key", "feature", "prompt_version"}

// Bounds of one question.
const (
	maxCostHours = 24 * 400
	maxCostRows  = 30_000_000 // raw events that are read
	keptLines    = 200_000    // of the tables that are kept for who asks again
)

// reading counts the raw events that one question reads. Its methods may be called from any goroutine.
type reading struct{ rows atomic.Int64 }

// take counts more, unless they are too many.
func (r *reading) take(n int64) bool {
	for {
		taken := r.rows.Load()
		if taken+n > maxCostRows {
			return false
		}
		if r.rows.CompareAndSwap(taken, taken+n) {
			return true
		}
	}
}

// fits tells whether so many more would be taken.
func (r *reading) fits(n int64) bool { return r.rows.Load()+n <= maxCostRows }

// costQuery asks what requests within [from, to) cost, by parts.
type costQuery struct {
	from, to time.Time
	by       []string
	only     []string // values of the last part that are asked for; nil = all
	narrow   []string // parts of which only some values are asked for
	rows     *reading // what several questions read together; nil = this one alone
	own      bool     // also what they took of own GPUs, in the hours that were over at ended
	ended    time.Time
}

// add counts requests under a key when they are asked for.
func (q *costQuery) add(t *cost.Table, key []string, u *agg.Usage) {
	if q.asks(key) {
		t.Add(key, u)
	}
}

func (q *costQuery) asks(key []string) bool {
	return q.only == nil || slices.Contains(q.only, key[len(key)-1])
}

// costTable answers a question. Nobody changes the table: who asks for the next page of the same costs gets the same one.
func (s *Service) costTable(ctx context.Context, q *costQuery) (*cost.Table, error) {
	first := q.from.Truncate(time.Hour).Unix()
	if hours := (q.to.Unix() - first + 3599) / 3600; hours > maxCostHours {
		return nil, tooMuch("from", "%d hours; at most %d are read at a time", hours, maxCostHours)
	}
	setup := s.setup.Load()
	hours, state, err := s.hourStates(ctx, q.from, q.to)
	if err != nil {
		return nil, err
	}
	if q.ended = earlierOf(s.now().UTC().Truncate(time.Hour), q.to); !q.own || len(setup.cfg.Costs.SelfHosted) == 0 {
		q.own, q.ended = false, time.Time{}
	}
	key := fmt.Sprintf("%d %d %d %q %q %q %d %s", setup.number, q.from.UnixMicro(), q.to.UnixMicro(), q.by, q.only, q.narrow, q.ended.Unix(), state)
	if t, ok := s.tables.look(key); ok {
		return t, nil
	}
	table := cost.NewTable(q.by)
	if q.rows == nil {
		q.rows = new(reading)
	}
	pools := newOwnPools(setup.cfg.Costs.SelfHosted)
	err = inOrder(ctx, len(hours), setup.cfg.Processing.Workers, func(ctx context.Context, i int) (h costHour, err error) {
		if q.owns(hours[i].Hour) && pools.any(hours[i].Hour) {
			return s.costWithOwn(ctx, q, pools, hours[i])
		}
		h.table, err = s.costOfHour(ctx, q, hours[i], nil)
		return h, err
	}, func(h costHour) error { table.Merge(h.table); pools.add(h.own); return nil })
	if err != nil {
		return nil, err
	}
	if q.own {
		pools.finish(q, hours, table)
	}
	weight := 1000 + table.Len() // so no more than two hundred, which are searched one by one
	if q.only != nil {
		weight = 200 + table.Len() // the days of budgets
	}
	s.tables.keep(key, weight, table)
	return table, nil
}

// costOfHour adds up one hour. cells are its stored ones where they were read already.
func (s *Service) costOfHour(ctx context.Context, q *costQuery, h event.HourState, cells map[agg.Group][]byte) (*cost.Table, error) {
	one := cost.NewTable(q.by)
	done, err := s.costOfCells(ctx, q, h, cells, one)
	if err == nil && !done {
		err = s.costOfEvents(ctx, q, h.Hour, one)
	}
	return one, err
}

func tooMuch(field, format string, args ...any) *agg.Refusal {
	return &agg.Refusal{Kind: agg.RefusedInvalid, Detail: "the question reads too much at a time", Fields: []agg.FieldFault{{Field: field, Code: "too_much", Detail: fmt.Sprintf(format, args...)}}}
}

// dimension is the dimension of cells that keeps apart what is asked for; ok is false when none does.
func (q *costQuery) dimension() (name string, ok bool) {
	name = agg.ByModel
	stored := 0
	for _, part := range q.by {
		switch part {
		case agg.ByModel, agg.ByTenant, agg.ByEndpoint, agg.ByUser:
			name, stored = part, stored+1
		case "hour", "day", "month":
		default:
			return "", false
		}
	}
	return name, stored <= 1
}

// whole tells whether an hour lies within what is asked for.
func (q *costQuery) whole(hour int64) bool { return hour >= q.from.Unix() && hour+3600 <= q.to.Unix() }

// costOfCells adds an hour from its cells; done is false when they do not say it.
func (s *Service) costOfCells(ctx context.Context, q *costQuery, h event.HourState, cells map[agg.Group][]byte, table *cost.Table) (done bool, err error) {
	dimension, ok := q.dimension()
	if !ok || h.Version != h.Built || !q.whole(h.Hour) {
		return false, nil
	}
	if len(cells) == 0 {
		build := int64(0)
		if cells, build, err = s.deps.Periods.Cells(ctx, "hourly", h.Hour); err != nil || build == 0 {
			return false, err
		}
	}
	if _, cut := cells[agg.Group{Dimension: dimension, Value: agg.Others}]; cut && slices.Contains(q.by, dimension) {
		known := q.only != nil && !slices.ContainsFunc(q.only, func(v string) bool { return cells[agg.Group{Dimension: dimension, Value: v}] == nil })
		files, _, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
		if n := rowsOf(requestFiles(files)); err != nil || !known && n > 0 && q.rows.fits(n) {
			return false, err
		}
	}
	return true, addCells(q, h.Hour, dimension, cells, table)
}

// addCells adds the cells of one dimension. What they do not hold of the total are the requests that name no value.
func addCells(q *costQuery, hour int64, dimension string, cells map[agg.Group][]byte, table *cost.Table) error {
	rest, named := agg.Usage{}, []agg.Usage{}
	key := q.timesOf(hour)
	for g, text := range cells {
		total := g == agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}
		if g.Dimension != dimension && !total {
			continue
		}
		var c agg.Cell
		if _, err := c.Decode(text); err != nil {
			return fmt.Errorf("the stored cell of %s %q of hour %s is damaged: %w; aggregate its period again", g.Dimension, g.Value, hourName(hour), err)
		}
		u := usageOf(&c)
		if total {
			rest = u
			continue
		}
		named = append(named, u)
		if u.Requests > 0 {
			q.add(table, q.named(key, dimension, g.Value), &u)
		}
	}
	for i := range named {
		rest.Take(&named[i])
	}
	if rest.Requests > 0 {
		q.add(table, q.named(key, dimension, ""), &rest)
	}
	return nil
}

// addBase adds what is known of the events of an hour that have left: cells of one dimension.
func (q *costQuery) addBase(hour int64, base map[agg.Group][]byte, table *cost.Table) error {
	nearest := q.nearest()
	if slices.ContainsFunc(q.narrow, func(part string) bool { return part != nearest }) {
		var total agg.Cell
		if _, err := total.Decode(base[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]); err != nil {
			return fmt.Errorf("the stored total of hour %s is damaged: %w; aggregate its period again", hourName(hour), err)
		}
		table.Untold += total.Requests
	}
	return addCells(q, hour, nearest, base, table)
}

func usageOf(c *agg.Cell) agg.Usage {
	return agg.Usage{Requests: c.Requests, Errors: c.Errors, Unknown: c.Unknown, Tokens: c.Tokens, Cost: c.Cost, Priced: c.Priced} // late is of all events
}

// timesOf is a key with its parts of time.
func (q *costQuery) timesOf(hour int64) []string {
	key := make([]string, len(q.by))
	at := timeOf(hour)
	for i, part := range q.by {
		switch part {
		case "hour":
			key[i] = at.Format("2006-01-02T15:00:00Z")
		case "day":
			key[i] = at.Format(time.DateOnly)
		case "month":
			key[i] = at.Format("2006-01")
		}
	}
	return key
}

// named is a key with the value of a dimension in its place.
func (q *costQuery) named(key []string, dimension, value string) []string {
	key = slices.Clone(key)
	if i := slices.Index(q.by, dimension); i >= 0 {
		key[i] = value
	}
	return key
}

// costOfEvents adds an hour from its raw events, and from its base when some have left.
func (s *Service) costOfEvents(ctx context.Context, q *costQuery, hour int64, table *cost.Table) error {
	files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return err
	}
	if len(base) > 0 && !timeOf(hour).Before(q.from) { // all that is known of them is the hour, so they count at its start
		if err := q.addBase(hour, base, table); err != nil {
			return err
		}
	}
	return s.costOfFiles(ctx, q, hour, files, table)
}

// costOfFiles adds the requests of an hour that stand in files.
func (s *Service) costOfFiles(ctx context.Context, q *costQuery, hour int64, files []event.LakeFile, table *cost.Table) error {
	if files = requestFiles(files); len(files) == 0 {
		return nil
	}
	if !q.rows.take(rowsOf(files)) {
		return tooMuch("group_by", "it takes more than %d raw events; ask for a shorter time, or group by one of model, tenant, endpoint and user_id (and hour, day, month), which stored hours tell", maxCostRows)
	}
	found, err := s.folder.spending(ctx, hour, files, q)
	if err != nil {
		return err
	}
	for _, t := range found {
		table.Merge(t.table)
	}
	return nil
}

// requestFiles are the files that hold requests.
func requestFiles(files []event.LakeFile) []event.LakeFile {
	return slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
		k, _ := event.KindOfTopic(f.Topic)
		return k != event.LLMRequest
	})
}

// nearest is the dimension that tells most of what is asked for.
func (q *costQuery) nearest() string {
	for _, part := range slices.Concat(q.narrow, q.by) {
		if slices.Contains(agg.Dimensions, part) {
			return part
		}
	}
	return agg.ByModel
}

// spender is what one reader adds up. It has one owner.
type spender struct {
	w        *work
	q        *costQuery
	table    *cost.Table
	times    []string // parts of the key that the hour tells
	key      []string
	keep     []int32
	requests agg.Requests
	usage    []agg.Usage
	extras   map[string]extras
	ev       event.Event // scratch
}

// spending adds up the requests of an hour.
func (f *folder) spending(ctx context.Context, hour int64, files []event.LakeFile, q *costQuery) ([]*spender, error) {
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	requests, _ := w.byKind()
	return forEach(ctx, w, w.units(requests, true), q.columns, func() *spender {
		return &spender{w: w, q: q, table: cost.NewTable(q.by), times: q.timesOf(hour), key: q.timesOf(hour), extras: map[string]extras{}}
	}, (*spender).add)
}

// columns are what the question needs to read.
func (q *costQuery) columns(event.Kind) event.LakeColumns {
	c := event.ColumnsOf(event.LakeOffset) | agg.RequestColumns&^event.FieldsOf(event.DurationMS, event.TTFT, event.TPOT, event.UserID, event.SessionID)
	for _, part := range q.by {
		if f, ok := partField[part]; ok {
			c |= event.FieldsOf(f)
		} else if slices.Contains(extraParts, part) {
			c |= event.ColumnsOf(event.LakeMetadata, event.LakeExtra)
		}
	}
	return c
}

func (p *spender) add(s *source, b *event.LakeBlock) (err error) {
	if p.keep, err = p.w.choose(s, b, p.keep[:0]); err != nil {
		return err
	}
	p.requests.Prepare(b, p.w.lateness)
	p.usage = append(p.usage[:0], agg.Usage{})
	times := b.Column(event.LakeTime)
	from, to := p.q.from.UnixMicro(), p.q.to.UnixMicro()
	zero := []int32{0}
	for _, row := range p.keep {
		if t := times.Int(int(row)); t < from || t >= to {
			continue
		}
		for i, part := range p.q.by {
			if p.times[i] == "" {
				if p.key[i], err = p.value(b, int(row), part); err != nil {
					return err
				}
			}
		}
		p.usage[0] = agg.Usage{}
		p.requests.AddUsage(p.usage, zero, []int32{row})
		p.q.add(p.table, p.key, &p.usage[0])
	}
	return nil
}

// value is what a row says of a part of the key.
func (p *spender) value(b *event.LakeBlock, row int, part string) (string, error) {
	if f, ok := partField[part]; ok {
		if v := b.Field(f).Text(row); v != agg.AllModels { // as in the fold, nobody stands in place of the total
			return v, nil
		}
		return "", nil
	}
	more, err := p.unknown(b, row)
	meta := p.extrasOf(b.Column(event.LakeMetadata).Text(row))
	switch part {
	case "key":
		return firstText(more.KeyAlias, more.Key, meta.KeyAlias, meta.Key), err
	case "prompt_version":
		return firstText(more.PromptVersion, meta.PromptVersion), err
	}
	return firstText(more.Feature, meta.Feature), err
}

// unknown are the fields of a row that the catalogue does not know.
func (p *spender) unknown(b *event.LakeBlock, row int) (extras, error) {
	text := b.Column(event.LakeExtra)
	if !text.Has(row) {
		return extras{}, nil
	}
	p.ev.Reset()
	p.ev.Kind = b.Kind
	err := b.SplitExtra(text.Text(row), &p.ev)
	return p.extrasOf(string(p.ev.Extra)), err
}

func firstText(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// extras are fields that the catalogue does not know and chargeback does: the name of the key that a request was made with, the feature that
// it was made for, and the version of the prompt that asked.
type extras struct {
	KeyAlias      string
	Key           string
	Feature       string
	PromptVersion string
}

// mostExtras bounds the texts whose fields are remembered: most requests of a source say the same.
const mostExtras = 10_000

func (p *spender) extrasOf(text string) extras {
	if !strings.Contains(text, "key") && !strings.Contains(text, "feature") && !strings.Contains(text, "prompt_version") {
		return extras{}
	}
	if x, ok := p.extras[text]; ok {
		return x
	}
	var all map[string]any
	_ = json.Unmarshal([]byte(text), &all) // what is no object tells nothing
	x := extras{}
	for name, to := range map[string]*string{"key_alias": &x.KeyAlias, "key": &x.Key, "feature": &x.Feature, "prompt_version": &x.PromptVersion} {
		if s, ok := all[name].(string); ok && !strings.Contains(s, "\x00") && len(s) <= 256 {
			*to = s
		}
	}
	if len(p.extras) >= mostExtras {
		clear(p.extras)
	}
	p.extras[strings.Clone(text)] = x
	return x
}

// costTimes reads from and to of a question; without them it is about the month so far.
func (s *Service) costTimes(q *query) (from, to time.Time) {
	from, to = q.time("from"), q.time("to")
	if to.IsZero() {
		to = s.now().UTC().Truncate(time.Hour).Add(time.Hour)
	}
	if from.IsZero() {
		from = time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, time.UTC)
		if !from.Before(to) {
			from = from.AddDate(0, -1, 0)
		}
	}
	if len(q.errs) == 0 && !from.Before(to) {
		q.bad("to", "out_of_range", "the end does not lie behind the start")
	}
	return from, to
}

// costBy reads what a question is grouped by.
func costBy(q *query) []string {
	var by []string
	for part := range strings.SplitSeq(q.values.Get("group_by"), ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "" && q.values.Get("group_by") == "":
		case !slices.Contains(costParts, part):
			q.bad("group_by", "unknown_value", "%.80q is not one of %s", part, strings.Join(costParts, ", "))
		case slices.Contains(by, part):
			q.bad("group_by", "repeated_parameter", "%s stands there twice", part)
		default:
			by = append(by, part)
		}
	}
	if len(by) > 4 {
		q.bad("group_by", "too_many", "%d parts; at most 4", len(by))
	}
	return by
}

// wholeHours are the hours of a question that are over: nobody knows what the running one and those to come will be.
func (s *Service) wholeHours(q *query, from, to time.Time) (time.Time, time.Time) {
	from, to = from.Truncate(time.Hour), to.Truncate(time.Hour)
	if now := s.now().UTC().Truncate(time.Hour); to.After(now) {
		to = now
	}
	if len(q.errs) == 0 && !from.Before(to) {
		q.bad("to", "out_of_range", "no whole hour that is over lies between from and to")
	}
	return from, to
}

// asking reads for a question while it holds one of the slots for them, since anybody may ask and each takes seconds of a core. The slot
// is free again before the answer is written: readers may be slow.
func asking[T any](ctx context.Context, s *Service, read func() (T, error)) (answer T, err error) {
	if !take(ctx, s.asks) {
		return answer, context.Cause(ctx)
	}
	defer func() { <-s.asks }()
	return read()
}
