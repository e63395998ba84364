package join

import "github.com/hxp-enterprise/hxp/internal/event"

// Item is what a search looks at.
type Item struct {
	Key                [2]uint64
	First              int64 // arrival of the first part, microseconds
	Status             string
	Feedback, Business bool
}

// Filter chooses requests; zero values choose all.
type Filter struct {
	Model, Status string
	Since         int64 // opened, closed or changed then or later, microseconds
	// Request chooses by the request itself; what has none yet is not chosen. The event is used again for the next call.
	Request func(*event.Event) bool
}

// Bounds are the numbers of the oldest request held and of the next one.
func (t *Table) Bounds() (oldest, next uint64) { return t.head, t.next }

// Scan calls fn with the requests numbered from from to below to that the filter chooses.
func (t *Table) Scan(from, to uint64, f Filter, fn func(Item)) {
	for n := max(from, t.head); n < min(to, t.next); n++ {
		t.choose(t.at(n), &f, fn)
	}
}

// ScanOne is Scan of the request of a key alone.
func (t *Table) ScanOne(key [2]uint64, f Filter, fn func(Item)) {
	if _, e := t.find(key); e != nil {
		t.choose(e, &f, fn)
	}
}

func (t *Table) choose(e *entry, f *Filter, fn func(Item)) {
	item := Item{e.key, e.first, status(e.state&closed != 0, e.has), e.has&hasFeedback != 0, e.has&hasBusiness != 0}
	if (f.Status == "" || f.Status == item.Status) && max(e.first, e.changed) >= f.Since && (f.Model == "" || t.model(e) == f.Model) && (f.Request == nil || t.request(e, f.Request)) {
		fn(item)
	}
}

// request asks about the request of an entry.
func (t *Table) request(e *entry, ask func(*event.Event) bool) bool {
	for _, at := range t.places(e) {
		part, _, _ := t.parts.get(at)
		if _, err := t.ev.ReadCompact(part); err == nil && t.ev.Kind == event.LLMRequest {
			return ask(&t.ev)
		}
	}
	return false
}

// model is that of the request, or of its first part that names one while there is no request.
func (t *Table) model(e *entry) (name string) {
	for _, at := range t.places(e) {
		part, _, _ := t.parts.get(at)
		if _, err := t.ev.ReadCompact(part); err != nil || !t.ev.Has(event.Model) {
			continue
		}
		if t.ev.Kind == event.LLMRequest {
			return t.ev.Text(event.Model)
		}
		if name == "" {
			name = t.ev.Text(event.Model)
		}
	}
	return name
}

// Get returns a copy of the record of a request, nil when it is not held.
func (t *Table) Get(key [2]uint64) []byte {
	_, e := t.find(key)
	if e == nil {
		return nil
	}
	return t.appendRecord(nil, e)
}
