package stream

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// echo is a journal that acknowledges at once.
type echo struct{ records []*bus.Message }

func (j *echo) SendAsync(_ context.Context, m *bus.Message, done func(*bus.Message, error)) {
	m.Offset, m.Timestamp = int64(len(j.records)), time.Now()
	j.records = append(j.records, m)
	done(m, nil)
}

// replayed are requests of weeks ago, 463 of each second, as one of three partitions of the peers' job has them.
type replayed struct {
	bytes []byte
	ends  []int
	times []time.Time
}

func requestsOfOld(n int) *replayed {
	o, r := &replayed{}, rand.New(rand.NewPCG(1, 2))
	began := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for i := range n {
		at := began.Add(time.Duration(i)*time.Second/463 - time.Duration(r.Float64()*r.Float64()*2e9))
		model := min(int(r.ExpFloat64()*3), 11)
		ttft := 100 * float64(1+model) * math.Exp(0.4*r.NormFloat64())
		prompt, completion := int(math.Exp(6.2+r.NormFloat64())), 1+int(math.Exp(5+0.9*r.NormFloat64()))
		id := fmt.Sprintf("%016x-%016x", r.Uint64(), r.Uint64())
		o.bytes = fmt.Appendf(o.bytes, `{"event_id":"%s","event_type":"llm_request","timestamp":"%s","source":"gateway-%d","correlation_id":"%s","data":{"model":"model-%d","request_id":"req-%s","user_id":"user-%d","duration_ms":%.2f,"ttft_ms":%.2f,"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"success":%t,"status_code":%d}}`,
			id, at.Format("2006-01-02T15:04:05.000Z"), i%4, id[21:], model, id[:13], r.IntN(5000), ttft*3*math.Exp(0.7*r.NormFloat64()), ttft, prompt, completion, prompt+completion, r.IntN(50) > 0, 200)
		o.ends, o.times = append(o.ends, len(o.bytes)), append(o.times, at)
	}
	return o
}

// batch is what a fetch brings, in new memory. There is always more to come.
func (o *replayed) batch(from, to int) bus.PartitionBatch {
	start := 0
	if from > 0 {
		start = o.ends[from-1]
	}
	base := start
	values, records, b := append([]byte(nil), o.bytes[start:o.ends[to-1]]...), make([]bus.Message, to-from), bus.PartitionBatch{Next: int64(to), HighWatermark: int64(len(o.ends)) + 1}
	for i := range records {
		end := o.ends[from+i]
		records[i] = bus.Message{Topic: "llm-requests", Offset: int64(from + i), Timestamp: o.times[from+i], Value: values[start-base : end-base]}
		b.Messages, start = append(b.Messages, &records[i]), end
	}
	return b
}

// lane is one that is to work them off.
func (o *replayed) lane(dimensions ...string) *lane {
	cfg, journal := testConfig(), &echo{}
	cfg.Dimensions = dimensions
	cfg.LadderCells, cfg.FilterBytes, cfg.SnapshotEvery = 30_000, 24<<20, time.Hour
	cfg.SnapshotBytes = 1 << 40
	s := New(cfg, nil, Options{Log: slog.New(slog.DiscardHandler)})
	l := newLane(0, &s.cfg, s.log, s.metrics)
	l.units, l.side = journal, journal
	l.seek, l.unread = func(source, int64) {}, func(source) {}
	l.join(false, bus.Range{})
	l.start(map[source]bus.Range{requests0: {End: int64(len(o.ends)) + 1}}, time.Now())
	return l
}

// unit lets a lane count some of them as one unit, which is of a backlog unless it is live: then there is no more to come for now.
func (o *replayed) unit(tb testing.TB, l *lane, from, end int, live bool) {
	const fetch = 2300
	for from < end {
		b := o.batch(from, min(from+fetch, end))
		if live {
			l.folders[requests0].high, b.HighWatermark = 0, b.Next
		}
		if err := l.take(inputBatch{source: requests0, batch: b}); err != nil {
			tb.Fatal(err)
		}
		from = int(b.Next)
	}
	l.flush(tb.Context(), true)
	for _, f := range l.acks.take() {
		f()
	}
	records := l.units.(*echo).records
	told := int64(len(records))
	if err := l.follow(bus.PartitionBatch{Messages: records[l.journal.next:], Next: told, HighWatermark: told}); err != nil {
		tb.Fatal(err)
	}
	if c := l.journal.chains[requests0]; c == nil || c.To != int64(end) {
		tb.Fatalf("what is below %d does not count: %+v", end, c)
	}
}

// workOff lets a lane count all of them, so many records a unit.
func (o *replayed) workOff(tb testing.TB, l *lane, unit int) {
	for from := 0; from < len(o.ends); from += unit {
		o.unit(tb, l, from, min(from+unit, len(o.ends)), false)
	}
}

// Of a backlog the cells stay as they are written and no sums are made, and the windows hold what one fold of all of it does.
func TestABacklogStaysAsItIsWritten(t *testing.T) {
	o := requestsOfOld(16_000)
	l := o.lane()
	o.workOff(t, l, 4000)
	want := map[agg.Key]*agg.Cell{}
	for _, m := range o.batch(0, len(o.ends)).Messages {
		var d event.Decoder
		var e event.Event
		if bad := d.Decode(m.Value, nil, &e); bad != nil {
			t.Fatal(bad)
		}
		k := agg.Key{Model: e.Text(event.Model)}
		if want[k] == nil {
			want[k] = new(agg.Cell)
		}
		want[k].Add(&e, false)
	}
	got := map[agg.Key]*agg.Cell{}
	l.window(0, math.MaxInt32, got)
	if len(got) != len(want) || len(got) < 5 {
		t.Fatalf("%d models, want %d", len(got), len(want))
	}
	for k, c := range want {
		if got[k] == nil || !got[k].Equal(c) {
			t.Errorf("model %s: %+v, want %+v", k.Model, got[k], c)
		}
	}
	open, packed := 0, 0
	for _, n := range l.ladders[0].queues[finest] {
		for i := range n.own {
			if n.own[i].cell == nil {
				packed++
			} else {
				open++ // two units have something of it
			}
		}
		for _, sums := range n.margins {
			if sums != nil {
				t.Error("there are sums that nobody has asked for")
			}
		}
	}
	if packed == 0 || open > packed || len(l.spare) == 0 {
		t.Errorf("%d cells stay as they are written, %d do not, %d are spare", packed, open, len(l.spare))
	}
}

// What the lane does with each event of a backlog, the journal included and the brokers not.
func BenchmarkBacklog(b *testing.B) {
	o := requestsOfOld(600_000)
	var took time.Duration
	for range b.N {
		l, began := o.lane(), processTime()
		o.workOff(b, l, 14_000)
		took += processTime() - began
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/float64(len(o.ends)), "cpu-ns/event")
}
