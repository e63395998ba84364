package lake

import (
	"context"
	"log/slog"
	"runtime"

	"bytes"
	"fmt"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// traffic returns the JSON of distinct requests as a busy server sends them.
func traffic(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, n)
	for i := range out {
		e := &event.Event{Kind: event.LLMRequest, ID: fmt.Sprintf("%016x-%08d", rng.Uint64(), i), Source: "gateway-1", HasTime: true, Time: 1_700_000_000_000_000 + int64(i)*50 + rng.Int64N(100000)}
		e.SetText(event.Model, fmt.Sprintf("model-%d", rng.IntN(8)))
		e.SetText(event.RequestID, fmt.Sprintf("req-%016x", rng.Uint64()))
		e.SetText(event.UserID, fmt.Sprintf("user-%d", rng.IntN(5000)))
		e.SetText(event.SessionID, fmt.Sprintf("session-%d", rng.IntN(20000)))
		e.SetText(event.Tenant, fmt.Sprintf("tenant-%d", rng.IntN(20)))
		e.SetInt(event.DurationMS, rng.Int64N(5e9)/1000*1000)
		e.SetInt(event.TTFT, rng.Int64N(1e9)/1000*1000)
		e.SetInt(event.PromptTokens, rng.Int64N(4000))
		e.SetInt(event.CompletionTokens, rng.Int64N(1000))
		e.SetInt(event.StatusCode, 200)
		e.SetBool(event.Streaming, true)
		e.Settle()
		out[i] = event.AppendJSON(nil, e)
	}
	return out
}

func filled(b testing.TB, payloads [][]byte) *rows {
	b.Helper()
	var p event.Parser
	var e event.Event
	r := newRows(event.LLMRequest)
	for i, data := range payloads {
		if v := p.Parse(data, &e); v != nil {
			b.Fatal(v)
		}
		r.add(&e, int64(i), e.Time)
	}
	return r
}

const benchRows = 50_000

// perRow measures from now on; the returned func reports the CPU time of a row (the figure to compare: it does not depend on
// what else the machine does) and the rows that went by in a second.
func perRow(b *testing.B) func() {
	start := cpuTime()
	return func() { reportRows(b, cpuTime()-start) }
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportRows(b *testing.B, cpu time.Duration) {
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/benchRows, "cpu-ns/row")
	ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / benchRows
	b.ReportMetric(1e9/ns, "rows/s")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkAdd(b *testing.B) {
	var p event.Parser
	events := make([]event.Event, benchRows)
	for i, data := range traffic(benchRows) {
		p.Parse(data, &events[i])
	}
	r := newRows(event.LLMRequest)
	report := perRow(b)
	for b.Loop() {
		r.reset()
		for i := range events {
			r.add(&events[i], int64(i), events[i].Time)
		}
	}
	report()
}

func BenchmarkEncode(b *testing.B) {
	r, enc := filled(b, traffic(benchRows)), newEncoder(event.LLMRequest)
	var out bytes.Buffer
	report := perRow(b)
	for b.Loop() {
		out.Reset()
		if err := enc.write(&out, r, r.sorted(), testTP); err != nil {
			b.Fatal(err)
		}
	}
	report()
	b.ReportMetric(float64(out.Len())/benchRows, "B/row")
}

func BenchmarkSort(b *testing.B) {
	r := filled(b, traffic(benchRows))
	report := perRow(b)
	for b.Loop() {
		r.sorted()
	}
	report()
}

// BenchmarkEncodeSmall is the cost of a file of a few rows.
func BenchmarkEncodeSmall(b *testing.B) {
	r, enc := filled(b, traffic(10)), newEncoder(event.LLMRequest)
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := enc.write(&out, r, r.sorted(), testTP); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.Len()), "B/file")
}

func benchmarkScan(b *testing.B, rowCount int, sel event.LakeColumns) {
	l := openTest(b)
	r := filled(b, traffic(rowCount))
	var out bytes.Buffer
	if err := newEncoder(event.LLMRequest).write(&out, r, r.sorted(), testTP); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(localPath(l, "x.parquet"), out.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	files := []event.LakeFile{{Path: "x.parquet", Topic: "llm-requests", Rows: int64(rowCount)}}
	b.ReportAllocs()
	var tokens int64
	report := perRow(b)
	for b.Loop() {
		err := l.ScanSelected(b.Context(), files, sel, func(r *event.LakeRow) error {
			tokens += r.Event.Int(event.TotalTokens)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if rowCount == benchRows {
		report()
	}
}

func BenchmarkScan(b *testing.B) {
	benchmarkScan(b, benchRows, event.AllLakeColumns)
}

func BenchmarkScanSelected(b *testing.B) {
	benchmarkScan(b, benchRows, event.FieldsOf(event.Model, event.UserID, event.DurationMS, event.TotalTokens)|event.ColumnsOf(event.LakeID, event.LakeTime))
}

func BenchmarkScanSmall(b *testing.B) { benchmarkScan(b, 10, event.AllLakeColumns) }

// BenchmarkWriter is the whole way from a topic that holds many events to a lake that has them.
func BenchmarkWriter(b *testing.B) {
	const events = 400_000
	broker, l := bustest.New(b), openTest(b)
	p, err := broker.NewProducer(bus.ProducerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var msgs []*bus.Message
	for i, data := range traffic(events) {
		msgs = append(msgs, &bus.Message{Topic: "llm-requests", Partition: int32(i % 3), Key: data[13:40], Value: data})
	}
	if err := p.Send(b.Context(), msgs); err != nil {
		b.Fatal(err)
	}
	p.Close()
	ends, err := broker.Offsets(b.Context(), "llm-requests")
	if err != nil {
		b.Fatal(err)
	}
	until := map[string]map[int32]int64{"llm-requests": {}}
	for n, r := range ends["llm-requests"] {
		until["llm-requests"][n] = r.End
	}
	runtime.GC()
	cpu := time.Duration(0)
	for b.Loop() {
		m := newMemory()
		w := NewWriter(Config{}, l, broker, m, slog.New(slog.DiscardHandler), nil)
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		before := cpuTime()
		go func() { done <- w.Run(ctx) }()
		if err := w.Wait(ctx, until); err != nil {
			b.Fatal(err)
		}
		cpu += cpuTime() - before
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(m.files)), "files")
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/events, "cpu-ns/event")
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkManyHours publishes a range that touches a thousand hours, as the replay of an old trace does.
func BenchmarkManyHours(b *testing.B) {
	const hours = 1000
	l := openTest(b)
	p := newPublisher(l, newMemory(), slog.New(slog.DiscardHandler), newMetrics(nil))
	r := newRows(event.LLMRequest)
	for i := range hours * 10 {
		e := at(int64(i)*17 + 1)
		e.Kind, e.Time = event.LLMRequest, int64(i%hours)*hourMicros
		r.add(e, int64(i), e.Time)
	}
	for b.Loop() {
		if _, err := p.publish(b.Context(), []*claim{{tp: testTP, from: 0, to: hours * 10, rows: []*rows{r}}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/hours, "ms/hour")
}

// BenchmarkCompact compacts an hour as a busy server leaves it: a file each two seconds for each of three partitions, one event in
// a hundred a second time.
func BenchmarkCompact(b *testing.B) {
	const events, ranges = 600_000, 600
	l, m := openTest(b), newMemory()
	p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
	payloads, hour := traffic(events), int64(1_699_999_200)
	var parser event.Parser
	var e event.Event
	for i := range int64(ranges) {
		tp := event.TopicPartition{TopicID: testTP.TopicID, Topic: testTP.Topic, Partition: int32(i % 3)}
		each := int64(events / ranges)
		from := i / 3 * each
		m.next[tp] = from
		r := newRows(event.LLMRequest)
		for j := range each {
			n := i*each + j
			if j%100 == 99 {
				n -= 50
			}
			if v := parser.Parse(payloads[n], &e); v != nil {
				b.Fatal(v)
			}
			e.Time = hour*1e6 + (i*each+j)*3_599_000_000/events
			r.add(&e, from+j, e.Time)
		}
		if _, err := p.publish(b.Context(), []*claim{{tp: tp, from: from, to: from + each, rows: []*rows{r}}}); err != nil {
			b.Fatal(err)
		}
	}
	payloads = nil
	runtime.GC()
	files := len(m.files)
	cpu := cpuTime()
	var done Compacted
	for b.Loop() {
		m.files = m.files[:files]
		for i := range m.files {
			m.files[i].State = event.LakeLive
		}
		var err error
		if done, err = l.compactHour(b.Context(), m, hour, compacting{budget: 512 << 20, workers: 2}); err != nil || done.Lost {
			b.Fatal(done, err)
		}
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N)/events, "cpu-ns/row")
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(done.RowsBefore-done.RowsAfter), "copies")
	b.ReportMetric(float64(done.FilesAfter), "files")
	b.ReportMetric(float64(done.BytesBefore)/float64(done.RowsBefore), "B/row-before")
	b.ReportMetric(float64(done.BytesAfter)/float64(done.RowsAfter), "B/row-after")
	b.ReportMetric(0, "ns/op")
}
