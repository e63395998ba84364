package stream

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// visitors are a service of three lanes to which requests of 10,000 groups come.
type visitors struct {
	*Service
	rate    int // of a second
	tenants int // of each model
	now     int64
	n       int
}

func newVisitors(rate, tenants int) *visitors {
	c := testConfig()
	c.LadderCells = 30_000
	s := &visitors{Service: New(c, nil, Options{Log: slog.New(slog.DiscardHandler)}), rate: rate, tenants: tenants, now: 1_790_000_000}
	for p := range int32(3) {
		s.lanes = append(s.lanes, newLane(p, &s.cfg, s.log, s.metrics))
	}
	return s
}

// second lets one go by.
func (s *visitors) second() {
	for range s.rate {
		models := 10_000 / s.tenants
		e := request(s.now, fmt.Sprint("model-", s.n%models))
		e.SetInt(event.DurationMS, int64(s.n%997)*1e6)
		e.SetText(event.UserID, fmt.Sprint("user-", s.n%70_000))
		cell := new(agg.Cell)
		cell.Add(e, false)
		s.lanes[s.n%3].ladders[0].add(s.now, values{e.Text(event.Model), fmt.Sprint("tenant-", s.n/models%s.tenants)}, cell, s.now)
		s.n++
	}
	s.now++
	for _, l := range s.lanes {
		l.ladders[0].age(s.now)
		l.ladders[0].settle(s.now)
		l.ladders[0].pack(s.now)
	}
}

// ask is the processor time of a question. The machine may have other work, so the clock says less.
func (s *visitors) ask(b *testing.B, query string) time.Duration {
	began := processTime()
	w := httptest.NewRecorder()
	s.getAnalytics(w, httptest.NewRequest("GET", "/analytics?window=300&at="+time.Unix(s.now, 0).UTC().Format(time.RFC3339)+query, nil))
	if w.Code != 200 {
		b.Fatal(w.Code, w.Body)
	}
	return processTime() - began
}

func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Five minutes of 10,000 groups, while more come every second. What is measured is the question: the collector runs between them.
func BenchmarkQuery(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, c := range []struct{ rate, tenants int }{{1000, 100}, {10_000, 100}, {1000, 1}, {10_000, 1}} {
		b.Run(fmt.Sprintf("rate=%d,models=%d", c.rate, 10_000/c.tenants), func(b *testing.B) {
			s := newVisitors(c.rate, c.tenants)
			for range 400 {
				s.second()
			}
			for _, query := range []string{"", "&group_by=model", "&group_by=tenant", "&group_by=model,tenant", "&group_by=model&tenant=tenant-7"} {
				b.Run(query, func(b *testing.B) { s.measure(b, query) })
			}
		})
	}
}

// What a question about one model leaves to the collector, with twelve partitions that are read. Who waits for an event asks it thousands of times
// a second.
func BenchmarkAskOfOneModel(b *testing.B) {
	s := newVisitors(100, 100)
	for range 100 {
		s.second()
	}
	for i, l := range s.lanes {
		for _, topic := range []string{"llm-requests", "user-feedback", "system-metrics", "business-events"} {
			l.progress[source{Topic: topic, TopicID: topic + "-id", Partition: int32(i)}] = progress{Next: 100, Counted: 100, High: 100, Watermark: s.now * 1e6}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		s.ask(b, "&model=model-7")
	}
}

// measure asks a question as seconds go by.
func (s *visitors) measure(b *testing.B, query string) {
	first, took := s.ask(b, query), time.Duration(0)
	for i := range b.N {
		b.StopTimer()
		s.second()
		if i%20 == 19 {
			runtime.GC()
			s.ask(b, query)
		}
		b.StartTimer()
		took += s.ask(b, query)
	}
	b.ReportMetric(float64(first.Microseconds()), "first-cpu-µs")
	b.ReportMetric(float64(took.Microseconds())/float64(b.N), "cpu-µs")
}

// What a further set costs an event, beside model and tenant.
func BenchmarkPane(b *testing.B) {
	for _, dims := range [][]string{nil, {"endpoint"}, {"endpoint", "host"}, {"user_id"}, {"model+endpoint"}, {"user_id:100"}} {
		b.Run(strings.Join(dims, ","), func(b *testing.B) {
			c := testConfig()
			c.DimensionValues, c.Dimensions = 1000, dims
			f := &folder{src: requests0, cfg: &c, names: newNames(&c), watermark: noWatermark}
			f.begin(0)
			var events []*event.Event
			for i := range 4096 {
				e := request(1000, fmt.Sprint("model-", i%8))
				e.SetText(event.Tenant, fmt.Sprint("tenant-", i%5))
				e.SetText(event.Endpoint, fmt.Sprint("/v1/", i%6))
				e.SetText(event.Host, fmt.Sprint("host-", i%20))
				e.SetText(event.UserID, fmt.Sprint("user-", i%900))
				e.SetInt(event.DurationMS, int64(i%997)*1e6)
				events = append(events, e)
			}
			for _, e := range events {
				f.pane(e, false)
			}
			b.ResetTimer()
			began := processTime()
			for i := range b.N {
				f.pane(events[i&4095], false)
			}
			b.ReportMetric(float64(processTime()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// The groups of an answer add up to its whole, whatever is counted while it is made.
func TestGroupsAddUpWhileMoreIsCounted(t *testing.T) {
	s := newVisitors(0, 1)
	keys := []values{{"a", "x"}, {"b", "x"}, {"c", "y"}, {"d", "y"}}
	count := func(i int) {
		cell := new(agg.Cell)
		cell.Add(request(s.now, "any"), false)
		l := s.lanes[i%len(s.lanes)]
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ladders[0].add(s.now-int64(i%20), keys[i%len(keys)], cell, s.now)
	}
	for i := range 1000 { // every lane knows every group
		count(i)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				count(i)
			}
		}
	}()
	span := Span{s.now - 60, s.now + 1}
	for range 300 {
		for _, q := range []question{{groupBy: []string{"model"}, limit: 10}, {groupBy: []string{"model"}, filter: filterOf{"tenant": "x"}, limit: 10}, {groupBy: []string{"model"}, filter: filterOf{"model": "a"}, limit: 10}} {
			whole, groups, _ := s.page(&q, span)
			var sum uint64
			for _, g := range groups {
				sum += g.cell.Requests
			}
			if sum != whole.Requests || sum == 0 {
				t.Fatalf("%+v: the groups have %d requests, the whole has %d", q, sum, whole.Requests)
			}
		}
	}
	close(done)
	<-ended
}

// What is said of each model alone is what is said of them beside the whole, and what names none adds up with them.
func TestModelsAloneAreThoseOfTheWindow(t *testing.T) {
	s := newVisitors(100, 1000) // ten models
	for range 25 {
		s.second()
	}
	nameless := new(agg.Cell)
	nameless.Add(request(s.now-1, ""), false)
	s.lanes[0].ladders[0].add(s.now-1, values{"", "tenant-1"}, nameless, s.now)
	from, to := time.Unix(s.now-12, 0), time.Unix(s.now, 0)
	overall, window, _, _ := s.Window(from, to)
	models, sum := s.Models(from, to), new(agg.Cell)
	for _, c := range models {
		sum.Merge(c)
	}
	if len(window) != 10 || len(models) != 11 || !sum.Equal(overall) || overall.Requests != 12*100+1 || !models[""].Equal(nameless) {
		t.Errorf("%d models of %d, %d requests of %d", len(models), len(window), sum.Requests, overall.Requests)
	}
	for model, c := range window {
		if !models[model].Equal(c) {
			t.Errorf("%s: %+v, want %+v", model, models[model], c)
		}
	}
}
