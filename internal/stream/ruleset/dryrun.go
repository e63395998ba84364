package ruleset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// The limits of a dry run.
const (
	longestRun  = 24 * time.Hour
	longestWarm = 6 * time.Hour    // of what is read before, so that windows are full at the beginning
	runLimit    = time.Minute      // of the clock on the wall
	runBytes    = 4 << 30          // of records
	runPending  = 4_000_000        // partials that wait for a partition that is behind
	runKnown    = 1_000_000        // identities that are remembered
	runBook     = 16 << 20         // bytes of alerts
	runAlerts   = 1000             // that are told
	runPoll     = 10 * time.Second // for which nothing may come
)

// Past is the events of before, for dry runs.
type Past struct {
	Bus      *bus.Bus
	Schemas  Schemas       // nil = records that were written with a schema are passed over
	Prices   event.Prices  // nil = requests that bring no cost have none
	Limits   event.Limits  // of an event
	Lateness time.Duration // events later than this behind the watermark cause no alert
	Disorder time.Duration
	Future   time.Duration
}

// Schemas reads records that were written with a schema.
type Schemas interface {
	event.Schemas
	Prepare(ctx context.Context, batch []*bus.Message) error
}

// Skipped counts the records that no rule saw.
type Skipped struct {
	Invalid    int64 `json:"invalid"`
	Duplicates int64 `json:"duplicates"`
	Late       int64 `json:"late"`
	Future     int64 `json:"future"`
}

// DryRun is what rules would have said of a span of time.
type DryRun struct {
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	ReadFrom time.Time       `json:"read_from"` // earlier, so that windows were full at the beginning
	Until    time.Time       `json:"until"`     // up to where the rules were judged
	Complete bool            `json:"complete"`
	Reason   string          `json:"reason,omitempty"` // why it is not
	Rules    int             `json:"rules"`
	Records  int64           `json:"records"`
	Bytes    int64           `json:"bytes"`
	Skipped  Skipped         `json:"skipped"`
	Fired    map[string]int  `json:"fired"` // by rule
	Alerts   []*alerts.Alert `json:"alerts"`
}

// Progress is how far a dry run is.
type Progress struct {
	At      time.Time `json:"at"`
	Share   float64   `json:"share"` // of the time that is read
	Records int64     `json:"records"`
}

// part is a partition that is read.
type part struct {
	source    string // id of the topic
	end       int64
	arrival   int64 // of the last record, in microseconds
	watermark int64
	done      bool
}

type place struct {
	topic     string
	partition int32
}

// run is a dry run under way.
type run struct {
	*Past
	DryRun
	engine  *rule.Engine
	folder  *rule.Folder
	decoder event.Decoder
	ev      event.Event
	parts   map[place]*part
	left    int
	known   map[[2]uint64]struct{}
	book    *alerts.Book
}

// DryRun judges the events that arrived between two moments by rules, as the running engine would have. It ends early when a limit
// is reached, and says so. told is called now and then, from this goroutine.
func (p *Past) DryRun(ctx context.Context, rules []rule.Rule, from, to time.Time, told func(Progress)) (*DryRun, error) {
	program, err := rule.Compile(rules)
	if err != nil {
		return nil, err
	}
	r := &run{
		Past: p, engine: rule.NewEngine(program, rule.Options{}), folder: program.Folder(), parts: map[place]*part{}, known: map[[2]uint64]struct{}{},
		decoder: event.Decoder{Limits: p.Limits}, book: alerts.NewBook(runBook, slog.New(slog.DiscardHandler), nil),
		DryRun: DryRun{From: from.UTC(), To: to.UTC(), ReadFrom: from.Add(-warming(rules)).UTC(), Rules: len(rules), Fired: map[string]int{}, Alerts: []*alerts.Alert{}},
	}
	if p.Schemas != nil {
		r.decoder.Schemas = p.Schemas
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("it took longer than %s", runLimit))
	defer cancel()
	if err := r.read(ctx, told); err != nil {
		return nil, err
	}
	r.tell()
	return &r.DryRun, nil
}

// warming is how much is read before the beginning.
func warming(rules []rule.Rule) (longest time.Duration) {
	for i := range rules {
		x := &rules[i]
		need := time.Duration(x.Window + x.Baseline + x.For + x.Within + x.KeepFiringFor)
		if x.Type == rule.BurnRate {
			need = longestWarm
		}
		longest = max(longest, need)
	}
	return min(longest, longestWarm)
}

// begin finds where each partition is to be read.
func (r *run) begin(ctx context.Context) (map[string]map[int32]int64, error) {
	var topics []string
	for _, k := range event.Kinds {
		topics = append(topics, k.Topic())
	}
	shapes, err := r.Bus.Shapes(ctx, topics...)
	if err != nil {
		return nil, err
	}
	first, err := r.Bus.OffsetsAt(ctx, r.ReadFrom, topics...)
	if err != nil {
		return nil, err
	}
	last, err := r.Bus.OffsetsAt(ctx, r.To, topics...)
	if err != nil {
		return nil, err
	}
	from := map[string]map[int32]int64{}
	for topic, parts := range first {
		for p, offset := range parts {
			if end, ok := last[topic][p]; ok && offset < end {
				r.parts[place{topic, p}] = &part{source: shapes[topic].ID, end: end, watermark: noWatermark}
				if from[topic] == nil {
					from[topic] = map[int32]int64{}
				}
				from[topic][p] = offset
			}
		}
	}
	r.left = len(r.parts)
	return from, nil
}

const noWatermark = -1 << 62

// read judges everything up to the end, or up to a limit.
func (r *run) read(ctx context.Context, told func(Progress)) error {
	from, err := r.begin(ctx)
	if err != nil {
		return err
	}
	if r.left > 0 {
		reader, err := r.Bus.NewReader(from, bus.ReaderOptions{MaxBytes: 16 << 20, MaxPartitionBytes: 2 << 20})
		if err != nil {
			return err
		}
		defer reader.Close()
		if err := r.poll(ctx, reader, told); err != nil {
			return err
		}
	}
	if r.Complete = r.Reason == ""; r.Complete {
		r.judge(r.To.UnixMicro())
	}
	r.Until = time.UnixMicro(r.engine.Now()).UTC()
	return nil
}

func (r *run) poll(ctx context.Context, reader *bus.Reader, told func(Progress)) error {
	for r.left > 0 {
		poll, cancel := context.WithTimeoutCause(ctx, runPoll, fmt.Errorf("the brokers gave nothing for %s", runPoll))
		fetch, err := reader.Poll(poll)
		why := context.Cause(poll)
		cancel()
		switch {
		case err != nil && errors.Is(context.Cause(ctx), context.Canceled):
			return context.Cause(ctx) // nobody waits any longer
		case err != nil && why != nil:
			r.Reason = why.Error()
			return nil
		case err != nil:
			return err
		}
		partials := r.folder.Begin()
		for _, b := range fetch {
			if b.Err != nil {
				return fmt.Errorf("%s/%d cannot be read: %w", b.Topic, b.Partition, b.Err)
			}
			if r.Past.Schemas != nil {
				if err := r.Past.Schemas.Prepare(ctx, b.Messages); err != nil {
					return err
				}
			}
			r.take(partials, &b)
		}
		r.decide(r.engine.Merge(partials))
		partials.Release()
		now := r.clock()
		r.judge(now)
		switch {
		case r.Bytes > runBytes:
			r.Reason = fmt.Sprintf("%d bytes of records were read, which is the most; choose a shorter time", r.Bytes)
			return nil
		case r.engine.Pending() > runPending:
			r.Reason = "the partitions are too far apart in time; choose a shorter time"
			return nil
		}
		if told != nil {
			told(Progress{time.UnixMicro(now).UTC(), float64(now-r.ReadFrom.UnixMicro()) / float64(max(1, r.To.UnixMicro()-r.ReadFrom.UnixMicro())), r.Records})
		}
	}
	return nil
}

// take folds a batch of a partition.
func (r *run) take(into *rule.Partials, b *bus.PartitionBatch) {
	p := r.parts[place{b.Topic, b.Partition}]
	if p.done {
		return
	}
	for _, m := range b.Messages {
		if m.Offset >= p.end {
			break
		}
		r.Records++
		r.Bytes += int64(len(m.Value))
		r.fold(into, p, m)
	}
	if b.Next >= p.end {
		p.done = true
		r.left--
	}
}

// fold shows an event to the rules, unless the running engine would not have.
func (r *run) fold(into *rule.Partials, p *part, m *bus.Message) {
	broker := m.Timestamp.UnixMicro()
	p.arrival = max(p.arrival, broker)
	if bad := r.decoder.Decode(m.Value, bus.EventHeaders(m), &r.ev); bad != nil {
		r.Skipped.Invalid++
		return
	}
	e := &r.ev
	named := e.ID != ""
	e.Complete(p.source, m.Partition, m.Offset, broker)
	if r.Prices != nil {
		r.Prices.Rate(e, broker)
	}
	late := p.watermark != noWatermark && e.Time < p.watermark-r.Lateness.Microseconds()
	switch id := e.Identity(); {
	case e.Time > broker+r.Future.Microseconds():
		r.Skipped.Future++
		return
	case named && r.twice(id):
		r.Skipped.Duplicates++
		return
	case late:
		r.Skipped.Late++
	default:
		r.folder.Event(into, e, p.arrival, rule.Position{Kind: e.Kind, Partition: m.Partition, Offset: m.Offset})
	}
	p.watermark = max(p.watermark, e.Time-r.Disorder.Microseconds())
}

// twice tells whether an identity was seen; the oldest are not forgotten one by one, but all when there are too many.
func (r *run) twice(id [2]uint64) bool {
	if _, ok := r.known[id]; ok {
		return true
	}
	if len(r.known) >= runKnown {
		clear(r.known)
	}
	r.known[id] = struct{}{}
	return false
}

// clock is up to when everything was read.
func (r *run) clock() int64 {
	now := r.To.UnixMicro()
	for _, p := range r.parts {
		if !p.done {
			now = min(now, p.arrival)
		}
	}
	return now
}

func (r *run) judge(now int64) { r.decide(r.engine.Advance(now)) }

func (r *run) decide(decisions []rule.Decision) {
	for i := range decisions {
		value, err := json.Marshal(&decisions[i])
		if err != nil {
			panic("ruleset: " + err.Error()) // a decision is written as JSON everywhere
		}
		r.book.Take(&bus.Message{Value: value})
	}
}

// tell lists what fired, in the time that was asked for.
func (r *run) tell() {
	list, _ := r.book.List(alerts.Wanted{States: []alerts.State{alerts.Firing, alerts.Resolved}}, math.MaxInt)
	for _, a := range list {
		if a.EndsAt != nil && a.EndsAt.Before(r.From) {
			continue
		}
		r.Fired[a.Rule]++
		if len(r.Alerts) < runAlerts {
			r.Alerts = append(r.Alerts, a)
		}
	}
}
