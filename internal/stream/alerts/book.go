package alerts

import (
	"cmp"
	"container/list"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Budget is what a book may take in memory, about, in bytes.
const Budget = 64 << 20

const (
	maxLapsed = 10_000      // ids that are remembered so that a record that comes twice does not open them again
	complain  = time.Minute // between two lines about records that are none
)

// page is an alert with where its last record stands.
type page struct {
	*Alert
	partition int32
	offset    int64
	size      int
	resolved  *list.Element // in Book.resolved; nil while it is open
}

func (p *page) older(o *page) int {
	return cmp.Or(p.StartsAt.Compare(o.StartsAt), cmp.Compare(p.ID, o.ID))
}

// Book is the alerts folded from their topic. It is a bus.Book. Its methods may be called from any goroutine.
type Book struct {
	log    *slog.Logger
	budget int

	mu       sync.RWMutex
	pages    map[string]*page
	order    []*page    // by their start, the oldest first
	resolved *list.List // of *page, those that resolved first in front
	lapsed   map[string]bool
	forgot   []string // ids in lapsed, the oldest first
	starts   map[int32]int64
	read     map[int32]bool // partitions of which a record came
	bytes    int
	told     time.Time // when a record that is none was logged
	since    time.Time // alerts that began earlier may be missing

	invalid, forgotten telemetry.Counter
}

// NewBook makes an empty book.
func NewBook(budget int, log *slog.Logger, reg *telemetry.Registry) *Book {
	b := &Book{
		log: log, budget: budget,
		invalid:   reg.Counter("alerts_invalid_total", "Records of hxp-alerts that are no decisions and were passed over."),
		forgotten: reg.Counter("alerts_forgotten_total", "Alerts that were forgotten because the book had no more room."),
	}
	b.Reset()
	reg.GaugeFunc("alerts_book_bytes", "Memory that the book of alerts takes, about.", func() float64 { return float64(b.size()) })
	reg.Register(gauge{b, telemetry.NewDesc("alerts_firing", "Alerts that fire now.", "severity")})
	return b
}

// Reset is part of bus.Book.
func (b *Book) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages, b.order, b.resolved, b.bytes = map[string]*page{}, nil, list.New(), 0
	b.lapsed, b.forgot, b.starts, b.since = map[string]bool{}, nil, map[int32]int64{}, time.Time{}
	b.read = map[int32]bool{}
}

// Take is part of bus.Book.
func (b *Book) Take(m *bus.Message) {
	a, err := Decode(m.Value)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read[m.Partition] && m.Offset > 0 { // what stood before was written earlier, of what began earlier still
		b.lost(m.Timestamp)
	}
	b.read[m.Partition] = true
	if err == nil {
		b.fold(&page{Alert: a, partition: m.Partition, offset: m.Offset, size: a.bytes()})
		return
	}
	b.invalid.Inc()
	if now := time.Now(); now.Sub(b.told) >= complain {
		b.told = now
		b.log.Warn("record of the alerts is none, passed over", "partition", m.Partition, "offset", m.Offset, "error", err)
	}
}

// fold takes a decision in. An episode only goes forward.
func (b *Book) fold(p *page) {
	before := b.pages[p.ID]
	if b.lapsed[p.ID] || before != nil && before.State.rank() >= p.State.rank() {
		return
	}
	if before != nil {
		b.drop(before)
	}
	if p.State == lapsed {
		b.lapse(p.ID)
		return
	}
	if p.State == Resolved {
		p.resolved = b.resolved.PushBack(p)
	}
	at, _ := slices.BinarySearchFunc(b.order, p, (*page).older)
	b.order = slices.Insert(b.order, at, p)
	b.pages[p.ID] = p
	for b.bytes += p.size; b.bytes > b.budget && len(b.order) > 1; {
		b.forgetOne()
	}
}

func (b *Book) lapse(id string) {
	b.lapsed[id] = true
	if b.forgot = append(b.forgot, id); len(b.forgot) > maxLapsed {
		delete(b.lapsed, b.forgot[0])
		b.forgot = b.forgot[1:]
	}
}

// forgetOne drops what resolved longest ago, or else the oldest.
func (b *Book) forgetOne() {
	oldest := b.order[0]
	if first := b.resolved.Front(); first != nil {
		oldest = first.Value.(*page)
	}
	b.lost(oldest.StartsAt)
	b.drop(oldest)
	b.forgotten.Inc()
}

// lost notes that alerts which began up to a time are gone.
func (b *Book) lost(t time.Time) {
	if t = t.Add(time.Microsecond); t.After(b.since) {
		b.since = t
	}
}

// WholeSince is the time from which on every alert that began is here, as far as any was decided; zero = nothing is missing.
func (b *Book) WholeSince() time.Time {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.since
}

func (b *Book) drop(p *page) {
	if at, found := slices.BinarySearchFunc(b.order, p, (*page).older); found {
		b.order = slices.Delete(b.order, at, at+1)
	}
	if p.resolved != nil {
		b.resolved.Remove(p.resolved)
	}
	delete(b.pages, p.ID)
	b.bytes -= p.size
}

// Trim is part of bus.Book.
func (b *Book) Trim(partition int32, start int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.starts[partition] == start {
		return
	}
	b.starts[partition] = start
	if start > 0 && !b.read[partition] {
		b.lost(time.Now())
	}
	for _, p := range slices.Clone(b.order) {
		if p.partition == partition && p.offset < start {
			b.lost(p.StartsAt)
			b.drop(p)
		}
	}
}

func (b *Book) size() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bytes
}

// Firing counts the alerts that fire, by severity.
func (b *Book) Firing() map[string]int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := map[string]int{}
	for _, s := range severities {
		out[s] = 0
	}
	for _, p := range b.order {
		if p.State == Firing {
			out[p.Severity]++
		}
	}
	return out
}

// gauge shows how many alerts fire. It is a telemetry.Collector.
type gauge struct {
	book *Book
	desc *telemetry.Desc
}

func (g gauge) Describe(out chan<- *telemetry.Desc) { out <- g.desc }

func (g gauge) Collect(out chan<- telemetry.Metric) {
	for severity, n := range g.book.Firing() {
		out <- telemetry.Const(g.desc, telemetry.GaugeValue, float64(n), severity)
	}
}

// Wanted says which alerts are asked for; the zero value of a field is any.
type Wanted struct {
	States     []State
	Severities []string
	Rule       string
	Match      func(*Alert) bool // nil = all
	Since      time.Time         // that began at this time or later
	On         time.Time         // that were on at this time or later
	Before     *Mark             // only older ones
}

// Mark is a place in the list of alerts.
type Mark struct {
	StartsAt time.Time
	ID       string
}

func (w *Wanted) take(a *Alert) bool {
	return (w.States == nil || slices.Contains(w.States, a.State)) && (w.Severities == nil || slices.Contains(w.Severities, a.Severity)) && (w.Rule == "" || w.Rule == a.Rule) && (a.EndsAt == nil || !a.EndsAt.Before(w.On)) && (w.Match == nil || w.Match(a))
}

// List returns the newest alerts that are wanted, at most limit, and whether there are more. They are shared: do not change them.
func (b *Book) List(w Wanted, limit int) (out []*Alert, more bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	end := len(b.order)
	if w.Before != nil {
		end, _ = slices.BinarySearchFunc(b.order, &page{Alert: &Alert{StartsAt: w.Before.StartsAt, ID: w.Before.ID}}, (*page).older)
	}
	for i := end - 1; i >= 0; i-- {
		a := b.order[i].Alert
		switch {
		case a.StartsAt.Before(w.Since):
			return out, false
		case !w.take(a):
		case len(out) == limit:
			return out, true
		default:
			out = append(out, a)
		}
	}
	return out, false
}

// Find returns the alert of an id, nil when there is none.
func (b *Book) Find(id string) *Alert {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if p := b.pages[id]; p != nil {
		return p.Alert
	}
	return nil
}
