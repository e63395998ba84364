package batch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// reportShelf is the store of reports in memory, with the promises of the real one.
type reportShelf struct {
	mu       sync.Mutex
	reports  map[string]agg.Report
	analyses map[string][]byte
	made     map[string]time.Time // of those that were replaced
	posted   map[string]agg.Delivery
	slow     chan struct{} // when not nil, reports run until it closes
	away     int           // so many times what became of a delivery cannot be stored
}

func newShelf() *reportShelf {
	return &reportShelf{reports: map[string]agg.Report{}, analyses: map[string][]byte{}, made: map[string]time.Time{}, posted: map[string]agg.Delivery{}}
}

func (f *reportShelf) QueueReport(_ context.Context, r agg.Report) (agg.Report, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.reports[r.ID]
	switch {
	case ok && !old.Status.Final():
		return old, true, nil
	case ok:
		r = old
	}
	r.Status, r.Error = agg.ReportQueued, ""
	f.reports[r.ID] = r
	return r, false, nil
}

func (f *reportShelf) UpdateReport(ctx context.Context, r agg.Report) error {
	f.mu.Lock()
	_, ok := f.reports[r.ID]
	if ok {
		f.reports[r.ID] = r
	}
	f.mu.Unlock()
	if !ok {
		return store.ErrNotFound
	}
	if f.slow != nil && r.Status == agg.ReportRunning {
		select {
		case <-f.slow:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (f *reportShelf) Report(_ context.Context, id string) (agg.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.reports[id]; ok {
		return r, nil
	}
	return agg.Report{}, store.ErrNotFound
}

func (f *reportShelf) Reports(_ context.Context, kind string, limit int, cursor string) (out []agg.Report, next string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(cursor, "!") {
		return nil, "", store.ErrBadCursor
	}
	for _, r := range f.reports {
		if kind == "" || kind == r.Type {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b agg.Report) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
	if limit > 0 && len(out) > limit {
		return out[:limit], "more", nil
	}
	return out, "", nil
}

func (f *reportShelf) UnfinishedReports(context.Context) (out []agg.Report, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(f.reports)) {
		if r := f.reports[id]; !r.Status.Final() {
			out = append(out, r)
		}
	}
	return out, nil
}

func (f *reportShelf) LastReports(context.Context) (last []agg.Report, counts map[agg.ReportStatus]int, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts = map[agg.ReportStatus]int{}
	newest := map[string]agg.Report{}
	for _, r := range f.reports {
		counts[r.Status]++
		if old, ok := newest[r.Type]; !ok || old.End.Before(r.End) {
			newest[r.Type] = r
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(newest)) {
		last = append(last, newest[kind])
	}
	return last, counts, nil
}

func (f *reportShelf) DeleteReport(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.reports[id]; !ok {
		return store.ErrNotFound
	}
	delete(f.reports, id)
	return nil
}

func (f *reportShelf) SaveAnalysis(_ context.Context, kind string, _ time.Time, document []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.analyses[kind] = document
	return nil
}

func (f *reportShelf) ReplaceAnalysis(_ context.Context, kind string, was, at time.Time, document []byte) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.made[kind].Equal(was) {
		return false, nil
	}
	f.analyses[kind], f.made[kind] = document, at
	return true, nil
}

func (f *reportShelf) Analysis(_ context.Context, kind string) ([]byte, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text, ok := f.analyses[kind]; ok {
		return text, f.made[kind], nil
	}
	return nil, time.Time{}, store.ErrNotFound
}

func (f *reportShelf) QueueDelivery(_ context.Context, d agg.Delivery, again bool) (agg.Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.posted[d.ID]
	switch {
	case !ok:
		d.State = agg.DeliveryWaiting
	case again && (old.State == agg.DeliverySent || old.State == agg.DeliveryFailed):
		old.State, old.Attempts, old.CreatedAt, old.NextAt, old.Machine, old.Error = agg.DeliveryWaiting, 0, d.CreatedAt, d.NextAt, d.Machine, ""
		d = old
	default:
		d = old
	}
	f.posted[d.ID] = d
	return d, nil
}

// due returns the first delivery of a machine that has not ended.
func (f *reportShelf) due(machine string) (first agg.Delivery, ok bool) {
	for _, id := range slices.Sorted(maps.Keys(f.posted)) {
		d := f.posted[id]
		if d.Machine == machine && (d.State == agg.DeliveryWaiting || d.State == agg.DeliverySending) && (!ok || d.NextAt.Before(first.NextAt)) {
			first, ok = d, true
		}
	}
	return first, ok
}

func (f *reportShelf) ClaimDelivery(_ context.Context, machine string, now, until time.Time) (agg.Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.due(machine)
	if !ok || d.NextAt.After(now) {
		return d, store.ErrNotFound
	}
	if d.State == agg.DeliverySending {
		d.Uncertain++
	}
	d.State, d.Attempts, d.NextAt = agg.DeliverySending, d.Attempts+1, until
	f.posted[d.ID] = d
	return d, nil
}

func (f *reportShelf) SaveDelivery(ctx context.Context, d agg.Delivery, until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away > 0 {
		f.away--
		return errors.New("the database is away")
	}
	if old := f.posted[d.ID]; old.State != agg.DeliverySending || !old.NextAt.Equal(until) {
		return store.ErrNotFound
	}
	f.posted[d.ID] = d
	return ctx.Err()
}

func (f *reportShelf) NextDelivery(_ context.Context, machine string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d, ok := f.due(machine); ok {
		return d.NextAt, nil
	}
	return time.Time{}, store.ErrNotFound
}

func (f *reportShelf) Deliveries(_ context.Context, report string, limit int) (list []agg.Delivery, counts map[agg.DeliveryState]int, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts = map[agg.DeliveryState]int{}
	for _, id := range slices.Sorted(maps.Keys(f.posted)) {
		d := f.posted[id]
		if counts[d.State]++; (report == "" || d.Report == report) && len(list) < limit {
			list = append(list, d)
		}
	}
	return list, counts, nil
}

func (f *reportShelf) PurgeDeliveries(context.Context, time.Time) error { return nil }
