package cost

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Prefix is the prefix of the keys of commands of the price book in the control log.
const Prefix = "price/"

// Notice is the time between the moment a price is put and the moment from which it counts for records that arrive: every reader of
// the topics has learnt of it by then, so that no two of them rate a record by different books. Whoever puts a price waits that long.
const Notice = 500 * time.Millisecond

// MaxVersions is how many versions of prices a book holds, those that were replaced included.
const MaxVersions = 50_000

// Book is all that was ever put: a state of the control log. Its methods may be called from any goroutine.
type Book struct {
	mu      sync.Mutex // guards what follows
	next    *pages     // in the making
	waiting []waiting  // in the order of the log
	whole   bool       // next is what counts

	now atomic.Pointer[pages] // what counts
}

// waiting are prices that do not count yet.
type waiting struct {
	offset int64
	prices []*Price
}

// pages are the versions of each model, sorted as find wants them. They are shared and never changed.
type pages struct {
	models map[string][]*Price
	count  int
}

// NewBook makes an empty book.
func NewBook() *Book {
	b := &Book{}
	b.Reset()
	b.Settled()
	return b
}

// Reset is part of bus.ControlState. What counts stays until the log was read again.
func (b *Book) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next, b.waiting, b.whole = &pages{models: map[string][]*Price{}}, nil, false
}

// Settled says that the log was read.
func (b *Book) Settled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = true
	b.now.Store(b.next)
}

// Apply takes a command. A version that says what counts already changes nothing, so a command may come twice.
func (b *Book) Apply(_ string, value []byte, offset int64) error {
	c, prices, err := readCommand(value)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.Known == 0 {
		b.wait(offset, prices)
		return nil
	}
	for _, at := range c.Waiting {
		i := slices.IndexFunc(b.waiting, func(w waiting) bool { return w.offset == at })
		if i < 0 {
			return fmt.Errorf("no prices wait at offset %d", at)
		}
		for _, p := range b.waiting[i].prices {
			known := *p
			known.Known = c.Known
			prices = append(prices, &known)
		}
	}
	if err := b.add(prices); err != nil {
		return err
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(w waiting) bool { return slices.Contains(c.Waiting, w.offset) })
	return nil
}

// wait keeps prices until they count. Those that nobody ever counted, since whoever offered them died, leave when there are too many.
func (b *Book) wait(offset int64, prices []*Price) {
	b.waiting = append(b.waiting, waiting{offset, prices})
	sum := 0
	for i, w := range slices.Backward(b.waiting) {
		if sum += len(w.prices); sum > MaxVersions {
			b.waiting = slices.Delete(b.waiting, 0, i+1)
			return
		}
	}
}

// add takes versions into the book.
func (b *Book) add(prices []*Price) error {
	old := b.next
	next := &pages{models: maps.Clone(old.models), count: old.count}
	for _, p := range prices {
		if have := old.current(p.Model, p.Effective); have != nil && have.same(p) {
			continue
		}
		if next.count++; next.count > MaxVersions {
			return fmt.Errorf("the price book holds %d versions already", MaxVersions)
		}
		versions := append([]*Price{p}, next.models[p.Model]...)
		sorting.StableBy(versions, func(a, b *Price) int { // the latest first, of one moment that which was put last
			return cmp.Or(cmp.Compare(b.Effective, a.Effective), cmp.Compare(b.Known, a.Known))
		})
		next.models[p.Model] = versions
	}
	if b.next = next; b.whole {
		b.now.Store(next)
	}
	return nil
}

// current is the version of a model and moment that was put last, nil when there is none.
func (g *pages) current(model string, effective int64) *Price {
	for _, p := range g.models[model] {
		if p.Effective == effective {
			return p
		}
	}
	return nil
}

// Find returns the price that rates a request of a model and time (microseconds) whose record arrived at a moment (microseconds), nil
// when nobody knew one then.
func (b *Book) Find(model string, at, arrived int64) *Price {
	for _, p := range b.now.Load().models[model] {
		if p.Effective <= at && p.Known*1000 <= arrived {
			return p
		}
	}
	return nil
}

// Rate gives a request that brings no cost the one that the book says, if it says any; see event.Prices.
func (b *Book) Rate(e *event.Event, arrived int64) {
	if e.Kind != event.LLMRequest || e.Has(event.Cost) || !e.Has(event.Model) {
		return
	}
	if p := b.Find(e.Text(event.Model), e.Time, arrived); p != nil {
		if nano, ok := p.Cost(e); ok {
			e.SetInt(event.Cost, nano)
		}
	}
}

// Versions lists prices by model and effective_from: those that count for what arrives from now on, or every version ever put.
func (b *Book) Versions(model string, all bool) []*Price {
	g := b.now.Load()
	var out []*Price
	for _, name := range slices.Sorted(maps.Keys(g.models)) {
		if model != "" && name != model {
			continue
		}
		versions := g.models[name]
		for i := len(versions) - 1; i >= 0; i-- {
			if all || i == 0 || versions[i-1].Effective != versions[i].Effective {
				out = append(out, versions[i])
			}
		}
	}
	return out
}

// Room tells how many more versions the book can hold.
func (b *Book) Room() int { return MaxVersions - b.now.Load().count }

// New returns those of some prices that would change the book.
func (b *Book) New(prices []*Price) []*Price {
	g := b.now.Load()
	return slices.DeleteFunc(slices.Clone(prices), func(p *Price) bool {
		have := g.current(p.Model, p.Effective)
		return have != nil && have.same(p)
	})
}

// Current is the price of a model and effective_from (microseconds) that was put last, nil when there is none.
func (b *Book) Current(model string, effective int64) *Price {
	return b.now.Load().current(model, effective)
}
