// Package batch tests the batch room on the real lake, store and bus, in one process.
package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/store/storetest"
)

// What the batch asks for is what the other rooms give, without anything between.
var (
	_ batch.Hours   = (*store.Store)(nil)
	_ batch.Rows    = (*store.Store)(nil)
	_ batch.Runs    = (*store.Store)(nil)
	_ batch.Scanner = (*lake.Lake)(nil)
	_ batch.Lake    = (*lake.Writer)(nil)
)

const hour = 1_772_359_200 // 2026-03-01T10:00:00Z

// road is everything from the topics to the tables, without the stream.
type road struct {
	bus    *bus.Bus
	store  *store.Store
	folder *lake.Lake
	writer *lake.Writer

	reports string // folder
}

func newRoad(tb testing.TB) *road {
	tb.Helper()
	b := bustest.New(tb)
	s, err := store.Open(tb.Context(), storetest.SQLite().New(tb), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	l, err := lake.Open(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	r := &road{b, s, l, lake.NewWriter(lake.Config{PublishInterval: 200 * time.Millisecond}, l, b, s, slog.New(slog.DiscardHandler), nil), tb.TempDir()}
	start(tb, r.writer)
	return r
}

// start runs a service until stop is called or the test ends.
func start(tb testing.TB, s interface {
	Run(context.Context) error
	Ready() <-chan struct{}
}) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		tb.Fatalf("the service ended at once: %v", err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("the service ended with %v", err)
		}
	}
	tb.Cleanup(stop)
	return stop
}

func (r *road) ends(ctx context.Context) (map[string]map[int32]int64, error) {
	var topics []string
	for _, k := range event.Kinds {
		topics = append(topics, k.Topic())
	}
	ranges, err := r.bus.Offsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	ends := map[string]map[int32]int64{}
	for topic, parts := range ranges {
		ends[topic] = map[int32]int64{}
		for p, rg := range parts {
			ends[topic][p] = rg.End
		}
	}
	return ends, nil
}

func (r *road) batch(tb testing.TB, cfg batch.Config) *batch.Service {
	return r.batchOn(tb, cfg, r.store)
}

// batchOn is a batch that keeps its hours in hours.
func (r *road) batchOn(tb testing.TB, cfg batch.Config, hours batch.Hours) *batch.Service {
	tb.Helper()
	s, err := batch.New(cfg, batch.Deps{Hours: hours, Periods: r.store, Rows: r.store, Runs: r.store, Parts: r.store, Scanner: r.folder, Lake: r.writer, Ends: r.ends, Parquet: lake.WriteTable,
		Reports: r.store, Deliveries: r.store, ReportsDir: r.reports,
		NotFound: store.ErrNotFound, BadCursor: store.ErrBadCursor, Lateness: 5 * time.Minute})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// requests are n events of the hour, of a few models, the same for every call.
func requests(n, models int) []*bus.Message {
	msgs := make([]*bus.Message, n)
	for i := range msgs {
		var e event.Event
		e.ID, e.Source, e.Kind, e.HasTime = fmt.Sprintf("load-%d", i), "test", event.LLMRequest, true
		e.Time = hour*1e6 + int64(i)*3_599_999_999/int64(n)
		e.SetText(event.Model, fmt.Sprintf("model-%d", i*7%models))
		e.SetText(event.RequestID, fmt.Sprintf("req-%d", i))
		e.SetText(event.UserID, fmt.Sprintf("user-%d", i%5000))
		e.SetInt(event.DurationMS, int64(i%9000+1)*1_000_000)
		e.SetInt(event.TTFT, int64(i%700+1)*1_000_000)
		e.SetInt(event.PromptTokens, int64(i%2000))
		e.SetInt(event.CompletionTokens, int64(i%500))
		e.SetBool(event.Success, i%20 != 0)
		e.Settle()
		msgs[i] = &bus.Message{Topic: e.Kind.Topic(), Key: []byte(e.Key()), Value: event.AppendJSON(nil, &e)}
	}
	return msgs
}

func (r *road) send(tb testing.TB, msgs []*bus.Message) {
	tb.Helper()
	p, err := r.bus.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
	if err != nil {
		tb.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(tb.Context(), msgs); err != nil {
		tb.Fatal(err)
	}
}

type runJSON struct {
	ID    string       `json:"id"`
	State agg.RunState `json:"state"`
	Error string       `json:"error"`
}

// aggregate runs the hour and waits for the end.
func aggregate(tb testing.TB, s *batch.Service) {
	tb.Helper()
	run(tb, s, "hourly", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z")
}

// run runs the aggregation of a level for an interval and waits for the end.
func run(tb testing.TB, s *batch.Service, level, from, to string) {
	tb.Helper()
	h := s.Handler()
	rec := httptest.NewRecorder()
	body := fmt.Sprintf(`{"dag_id":"hxp_%[1]s_aggregation","task_id":"%[1]s_aggregation","data_interval_start":%q,"data_interval_end":%q}`, level, from, to)
	h.ServeHTTP(rec, httptest.NewRequest("POST", "/runs", strings.NewReader(body)))
	if rec.Code != 202 {
		tb.Fatalf("POST /runs: %d %s", rec.Code, rec.Body)
	}
	location := rec.Header().Get("Location")
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", location, nil))
		var run runJSON
		if err := json.Unmarshal(rec.Body.Bytes(), &run); err != nil {
			tb.Fatal(err)
		}
		if run.State == agg.RunSuccess {
			return
		}
		if run.State.Final() || tb.Context().Err() != nil {
			tb.Fatalf("run %s is %s: %s", run.ID, run.State, run.Error)
		}
	}
}

// stored is everything that the tables say of the hour.
func (r *road) stored(tb testing.TB) ([]agg.Row, []byte) {
	tb.Helper()
	rows, _, err := r.store.Rows(tb.Context(), "hourly", agg.ByModel, time.Unix(hour, 0), time.Unix(hour+3600, 0), "*", 0, "")
	if err != nil {
		tb.Fatal(err)
	}
	cells, _, err := r.store.Cells(tb.Context(), "hourly", hour)
	if err != nil {
		tb.Fatal(err)
	}
	all, err := json.Marshal(rows)
	if err != nil {
		tb.Fatal(err)
	}
	b := bytes.NewBuffer(all)
	for _, row := range rows {
		fmt.Fprintf(b, "\n%x", cells[agg.Group{Dimension: agg.ByModel, Value: row.Model}])
	}
	return rows, b.Bytes()
}

// What was acknowledged before a run is in its hour; doing it again, on a fresh service and with every event sent twice, changes no
// byte of rows or blobs, updated_at included.
func TestHourFromTopicsToTables(t *testing.T) {
	r := newRoad(t)
	msgs := requests(20_000, 12)
	r.send(t, msgs)
	s := r.batch(t, batch.Defaults())
	stop := start(t, s)
	aggregate(t, s)
	rows, before := r.stored(t)
	if len(rows) != 13 || rows[0].Model != agg.AllModels || rows[0].Requests != 20_000 || rows[0].Errors != 1000 {
		t.Fatalf("%d rows, the first is %+v", len(rows), rows[0])
	}
	aggregate(t, s)
	if _, again := r.stored(t); !bytes.Equal(before, again) {
		t.Error("the same run again changed the tables")
	}
	stop()

	for _, m := range msgs {
		m.Context, m.Offset, m.Timestamp = nil, 0, time.Time{}
	}
	r.send(t, msgs)
	s = r.batch(t, batch.Defaults())
	start(t, s)
	aggregate(t, s)
	if _, again := r.stored(t); !bytes.Equal(before, again) {
		t.Error("a second copy of every event changed the tables")
	}
	if h, err := r.store.HourBuild(t.Context(), hour); err != nil || h.Version != h.Built {
		t.Errorf("the hour is left dirty: %+v, %v", h, err)
	}
}

// The whole range as Parquet has the rows and columns of the answer in JSON.
func TestRowsAsParquet(t *testing.T) {
	r := newRoad(t)
	r.send(t, requests(2000, 3))
	s := r.batch(t, batch.Defaults())
	start(t, s)
	aggregate(t, s)
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/aggregations/hourly?model=*&format=parquet", nil))
	if rec.Code != 200 {
		t.Fatal(rec.Code, rec.Body)
	}
	got, err := parquet.Read[agg.Row](bytes.NewReader(rec.Body.Bytes()), int64(rec.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := r.stored(t)
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if len(want) != 4 || !bytes.Equal(a, b) {
		t.Errorf("Parquet has\n%s\nthe table\n%s", a, b)
	}
	f, err := parquet.OpenFile(bytes.NewReader(rec.Body.Bytes()), int64(rec.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range f.Root().Columns() {
		if c.Name() != agg.Columns[i] {
			t.Errorf("column %d is %s, not %s", i, c.Name(), agg.Columns[i])
		}
	}
	if ts := f.Root().Column("timestamp").Type().LogicalType(); ts == nil || ts.String() != "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)" {
		t.Errorf("timestamp is %v", ts)
	}
}

// BenchmarkFold folds one hour of a million events and twelve models from Parquet files. One op is the whole run of the hour.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{1_000_000} {
		b.Run(fmt.Sprintf("%d events", n), func(b *testing.B) {
			r := newRoad(b)
			for rest := requests(n, 12); len(rest) > 0; {
				m := min(len(rest), 50_000)
				r.send(b, rest[:m])
				rest = rest[m:]
			}
			cfg := batch.Defaults()
			s := r.batch(b, cfg)
			start(b, s)
			aggregate(b, s)
			files, _, _, err := r.store.HourSnapshot(b.Context(), hour)
			if err != nil {
				b.Fatal(err)
			}
			before := cpuSeconds(b)
			for b.Loop() {
				aggregate(b, s)
			}
			b.ReportMetric(float64(len(files)), "files") // Loop forgets what was reported before it
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric((cpuSeconds(b)-before)/float64(b.N)/float64(n)*1e9, "cpu-ns/event") // tells the cost on a busy machine, too
		})
	}
}

// cpuSeconds is what this process has used of the processors.
func cpuSeconds(tb testing.TB) float64 {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
