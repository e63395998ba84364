package scrape

import (
	"context"
	"hash/fnv"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
)

// target reads one system. Its loop owns everything but report.
type target struct {
	Target
	scraper *Scraper
	labels  []prom.Label
	host    string // of the events where no label names one
	state   *prom.State
	failed  int // readings in a row

	mu     sync.Mutex
	report report
}

// report is what is known of a target.
type report struct {
	last, success time.Time
	duration      time.Duration
	stats         prom.Stats
	events        int // of the last reading
	total         uint64
	failures      map[string]uint64
	dropped       map[string]uint64
	resets        uint64
	reason, err   string // of the last reading; "" when it was good
}

func newTarget(s *Scraper, t Target) *target {
	n := &target{Target: t, scraper: s, state: prom.NewState(2 * s.cfg.MaxSeries)}
	n.report.failures, n.report.dropped = map[string]uint64{}, map[string]uint64{}
	for name, value := range t.Labels {
		n.labels = append(n.labels, prom.Label{Name: name, Value: value})
	}
	sortLabels(n.labels)
	u, err := url.Parse(t.URL)
	if err == nil {
		n.host = u.Hostname()
	}
	if n.host == "localhost" || n.host == "::1" || strings.HasPrefix(n.host, "127.") {
		n.host = s.hostname
	}
	return n
}

// maxPause is the longest time between two readings of a target that does not answer, unless its interval is longer.
const maxPause = 5 * time.Minute

// run reads until ctx ends.
func (t *target) run(ctx context.Context) {
	for {
		now := time.Now()
		at := t.next(now)
		timer := time.NewTimer(at.Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		t.read(ctx, at)
	}
}

// next is the place on the grid where the next reading is due: the first after now, or a later one when readings failed.
func (t *target) next(now time.Time) time.Time {
	wait := time.Duration(0)
	if t.failed > 1 {
		wait = min(t.Interval<<min(t.failed-2, 10), max(maxPause-t.Interval, 0))
	}
	every := t.Interval.Microseconds()
	micros := now.Add(wait).UnixMicro() - t.offset()
	return time.UnixMicro((micros/every+1)*every + t.offset())
}

// offset spreads the targets over the interval, the same way in every process.
func (t *target) offset() int64 {
	h := fnv.New64a()
	h.Write([]byte(t.Name + "\x00" + t.URL))
	return int64(h.Sum64()>>1) % t.Interval.Microseconds()
}

// read makes one reading and writes what it says.
func (t *target) read(ctx context.Context, at time.Time) {
	began := time.Now()
	events, stats, err := t.collect(ctx, at, began)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		err = t.write(ctx, events, at.Add(t.Interval))
		if ctx.Err() != nil {
			return
		}
	}
	t.note(began, took, events, stats, err)
}

// collect reads and makes events. The counters of the reading are remembered whatever becomes of the events: an increase
// that could not be written is lost, and never told twice.
func (t *target) collect(ctx context.Context, at, began time.Time) ([]event.Event, prom.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, min(t.Timeout, t.Interval))
	defer cancel()
	s := t.scraper
	body, contentType, err := fetch(ctx, s.client, &t.Target, s.agent, s.cfg.MaxBodyBytes)
	if err != nil {
		return nil, prom.Stats{}, err
	}
	defer body.Close()
	b := prom.NewBatch(s.names.Load(), t.state, prom.Limits{Events: maxEvents, Metrics: s.cfg.MaxMetrics})
	o := &prom.Origin{Source: "scrape/" + t.Name, Host: t.host, Labels: t.labels, Read: began.UnixMicro(), Time: at.UnixMicro()}
	err = prom.Parse(body, prom.TextOptions{OpenMetrics: prom.IsOpenMetrics(contentType), MaxSeries: s.cfg.MaxSeries}, func(sample *prom.Sample) error {
		b.Add(sample, o)
		return nil
	})
	if err != nil {
		b.Undo() // half a reading says nothing
		return nil, b.Stats, err
	}
	events := b.Events()
	return events, b.Stats, nil
}

// maxEvents bounds the hosts, models and GPUs that one reading tells apart.
const maxEvents = 1000

// write hands the events over and tries again until the next reading is due. Their ids stay, so that nothing counts twice.
func (t *target) write(ctx context.Context, events []event.Event, until time.Time) error {
	if len(events) == 0 {
		return nil
	}
	limit, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for {
		err := t.scraper.take.Take(limit, events)
		if err == nil {
			return nil
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-limit.Done():
			timer.Stop()
			return &failure{reasonWrite, err}
		case <-timer.C:
		}
	}
}

// note keeps what is to be known of a reading, and logs when a target fails or answers again.
func (t *target) note(began time.Time, took time.Duration, events []event.Event, stats prom.Stats, err error) {
	t.mu.Lock()
	r := &t.report
	before := r.reason
	r.last, r.duration, r.stats, r.events, r.reason, r.err = began, took, stats, len(events), "", ""
	r.resets += uint64(stats.Resets)
	for cause, n := range map[string]int{causeStale: stats.Stale, causeNames: stats.Unnamed, causeEvents: stats.Crowded, causeMetrics: stats.Over, causeRange: stats.Refused} {
		if n > 0 {
			r.dropped[cause] += uint64(n)
		}
	}
	if err == nil {
		t.failed = 0
		r.success, r.total = began, r.total+uint64(len(events))
	} else {
		r.reason, r.err = reasonOf(err), plain(err)
		r.failures[r.reason]++
		r.events = 0
		if r.reason != reasonWrite { // the target is well
			t.failed++
		}
	}
	after, why := r.reason, r.err
	t.mu.Unlock()
	switch log := t.scraper.log.With("target", t.Name); {
	case after != "" && after != before:
		log.Warn("scrape failed", "reason", after, "error", why)
	case after == "" && before != "":
		log.Info("scrape works again")
	}
}

// Causes why a number of a reading is in no event; a closed set, for metrics.
const (
	causeStale   = "no_number" // NaN, infinite or old
	causeNames   = "by_name"   // left out by the rules
	causeEvents  = "max_events"
	causeMetrics = "max_metrics"
	causeRange   = "out_of_range"
)

var causes = []string{causeStale, causeNames, causeEvents, causeMetrics, causeRange}
