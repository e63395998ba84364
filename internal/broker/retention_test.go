package broker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// opened is a broker whose janitor is turned by the test, at times of the test.
type opened struct {
	*Broker
	*janitor
	t      *testing.T
	client *kgo.Client
}

func open(t *testing.T, cfg Config, floor func(string, int32) (int64, bool)) *opened {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	b, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Floor = floor
	if err := b.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		b.guard.stop()
		b.engine.close()
		b.guard.finish()
	})
	return &opened{b, &janitor{b: b, dir: b.logDir(), seen: newArrivals()}, t, c}
}

func (o *opened) create(name string, configs map[string]string) {
	o.t.Helper()
	if err := o.engine.cluster.CreateTopic(name, 1, configs); err != nil {
		o.t.Fatal(err)
	}
}

func (o *opened) produce(name string, n, size int, stamp time.Time) {
	o.t.Helper()
	for i := range n {
		r := &kgo.Record{Topic: name, Value: append(fmt.Appendf(nil, "%d ", i), make([]byte, size)...), Timestamp: stamp}
		if err := o.client.ProduceSync(o.t.Context(), r).FirstErr(); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *opened) wantLog(name string, start, end int64) {
	o.t.Helper()
	p := o.engine.partition(name, 0)
	if p.LogStartOffset != start || p.HighWatermark != end {
		o.t.Errorf("%s is [%d, %d), want [%d, %d)", name, p.LogStartOffset, p.HighWatermark, start, end)
	}
}

// Defect of the engine: one batch with an old stamp makes its retention delete the fresh ones before it.
func TestOldStampDeletesNothing(t *testing.T) {
	o := open(t, Config{}, nil)
	o.create("t", map[string]string{"retention.ms": "604800000"})
	now := time.Now()
	o.produce("t", 10, 10, time.Time{})
	o.produce("t", 1, 10, now.Add(-8*24*time.Hour))
	o.produce("t", 1, 10, time.UnixMilli(0))
	o.turn(now)
	o.turn(now.Add(24 * time.Hour))
	o.wantLog("t", 0, 12)
	o.turn(now.Add(7*24*time.Hour + time.Second))
	o.wantLog("t", 11, 12) // the last one stays
}

func TestRetentionGoesByArrival(t *testing.T) {
	o := open(t, Config{}, nil)
	o.create("hour", map[string]string{"retention.ms": "3600000"})
	o.create("ever", map[string]string{"retention.ms": "-1"})
	now := time.Now()
	for minute := range 120 {
		o.produce("hour", 1, 10, now.Add(100*365*24*time.Hour)) // far ahead: must not keep it longer
		o.produce("ever", 1, 10, time.UnixMilli(0))
		o.turn(now.Add(time.Duration(minute) * time.Minute))
	}
	o.wantLog("hour", 60, 120) // at 1:59 what arrived until 0:59 is an hour old
	o.wantLog("ever", 0, 120)
}

// Retention of seconds cannot wait for a look every minute; it takes effect as soon as it is set, down to the floor.
func TestShortRetentionOfALivingTopic(t *testing.T) {
	floor := int64(25)
	o := open(t, Config{}, func(string, int32) (int64, bool) { return floor, true })
	o.create("t", map[string]string{"retention.ms": "604800000"})
	now := time.Now()
	for i := range 40 {
		o.produce("t", 1, 10, now)
		o.turn(now.Add(time.Duration(i) * cleanEvery))
	}
	o.wantLog("t", 0, 40)
	if _, err := kadm.NewClient(o.client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: new("10000")}}, "t"); err != nil {
		t.Fatal(err)
	}
	o.turn(now.Add(40 * cleanEvery)) // what came until the last look of a minute is known to be old
	o.wantLog("t", 25, 40)
	floor = math.MaxInt64
	o.turn(now.Add(45 * cleanEvery))
	o.wantLog("t", 39, 40)
}

func TestTopicMadeAnewIsNotCleanedByItsPast(t *testing.T) {
	o := open(t, Config{}, nil)
	o.create("t", map[string]string{"retention.ms": "3600000"})
	o.produce("t", 3, 10, time.Time{})
	o.turn(time.Now().Add(-2 * time.Hour))
	if err := o.engine.cluster.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	o.create("t", map[string]string{"retention.ms": "3600000"})
	o.client.PurgeTopicsFromClient("t")
	o.produce("t", 5, 10, time.Time{})
	o.turn(time.Now())
	o.wantLog("t", 0, 5)
	if err := o.engine.cluster.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	o.turn(time.Now())
	if len(o.seen.Topics) != 0 {
		t.Errorf("arrivals of a deleted topic are kept: %v", o.seen.Topics)
	}
}

func TestLostTailForgetsItsArrivals(t *testing.T) {
	l := &logArrivals{Samples: []sample{{1000, 50}, {2000, 100}}}
	l.note(time.UnixMilli(3000), 0, 60)
	if got := l.before(time.UnixMilli(2500)); got != 50 {
		t.Errorf("%d had arrived, want 50", got)
	}
	if got := l.before(time.UnixMilli(3000)); got != 60 {
		t.Errorf("%d had arrived, want 60", got)
	}
}

func TestFloorHoldsRecordsBack(t *testing.T) {
	floors := map[string]int64{"read": 7, "done": math.MaxInt64}
	o := open(t, Config{}, func(topic string, _ int32) (int64, bool) { f, ok := floors[topic]; return f, ok })
	for _, name := range []string{"read", "done", "unknown"} {
		o.create(name, map[string]string{"retention.ms": "1"})
		o.produce(name, 10, 10, time.Time{})
	}
	o.turn(time.Now())
	o.turn(time.Now().Add(time.Hour))
	o.wantLog("read", 7, 10)
	o.wantLog("done", 9, 10)
	o.wantLog("unknown", 0, 10)
}

// The start of a log, once moved, does not come back by a kill.
func TestDeletedStaysDeletedAfterAKill(t *testing.T) {
	o := open(t, Config{Dir: t.TempDir()}, nil)
	o.create("t", map[string]string{"retention.ms": "1"})
	o.produce("t", 10, 10, time.Time{})
	o.turn(time.Now())
	o.turn(time.Now().Add(time.Minute))
	o.wantLog("t", 9, 10)
	o.produce("t", 5, 10, time.Time{})
	asKilled := t.TempDir()
	if err := os.CopyFS(asKilled, os.DirFS(o.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{Addr: "127.0.0.1:0", Dir: asKilled}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.prepare(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Dir: asKilled}, nil)
	again.wantLog("t", 9, 15)
}

func TestRetentionBytes(t *testing.T) {
	o := open(t, Config{Dir: t.TempDir(), MaxBytes: 16 << 20}, nil) // segments of 256 KiB
	o.create("t", map[string]string{"retention.bytes": "1000000"})
	o.produce("t", 40, 100_000, time.Time{})
	o.turn(time.Now())
	p := o.engine.partition("t", 0)
	if p.LogStartOffset == 0 || p.NumBytes < 1_000_000 || p.NumBytes > 1_500_000 {
		t.Errorf("[%d, %d) with %d bytes is left", p.LogStartOffset, p.HighWatermark, p.NumBytes)
	}
}

func TestCapDeletesTheOldestThatNobodyNeeds(t *testing.T) {
	floor := int64(0)
	o := open(t, Config{Dir: t.TempDir(), MaxBytes: 4 << 20}, func(topic string, _ int32) (int64, bool) {
		return map[string]int64{"t": floor, "hxp-own": 0}[topic], true
	})
	o.create("t", map[string]string{"retention.ms": "-1"})
	o.create("hxp-own", map[string]string{"retention.ms": "-1"})
	o.produce("t", 42, 100_000, time.Time{})
	if full, why := o.Overfull(); !full {
		t.Fatal("not full at the cap")
	} else {
		t.Log(why)
	}
	o.turn(time.Now())
	if full, why := o.Overfull(); !full || o.engine.partition("t", 0).LogStartOffset != 0 {
		t.Fatalf("what is still needed was given up (%v %s)", full, why)
	}
	// Strangers are told to wait, our own topics have a reserve.
	for name, want := range map[string]int16{"t": 56, "hxp-own": 0} {
		if code := o.tryProduce(name); code != want {
			t.Errorf("write to %s: error %d, want %d", name, code, want)
		}
	}
	floor = 30
	o.turn(time.Now())
	if full, why := o.Overfull(); full {
		t.Errorf("still full: %s", why)
	}
	if p := o.engine.partition("t", 0); p.LogStartOffset == 0 || p.LogStartOffset > 30 {
		t.Errorf("[%d, %d) is left", p.LogStartOffset, p.HighWatermark)
	}
	if code := o.tryProduce("t"); code != 0 {
		t.Errorf("write after the floor moved: error %d", code)
	}
}

func TestBatchCap(t *testing.T) {
	o := open(t, Config{Dir: t.TempDir(), MaxBatches: 1000}, func(string, int32) (int64, bool) { return 0, true })
	o.create("t", nil)
	o.produce("t", 1001, 1, time.Time{})
	o.turn(time.Now())
	if full, why := o.Overfull(); !full {
		t.Error("not full")
	} else {
		t.Log(why)
	}
}

// tryProduce writes one record without a client that tries again, in the newest version, which names topics by id.
func (o *opened) tryProduce(name string) int16 {
	o.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = emptyBatch()
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID, rt.Partitions = name, o.engine.topic(name).TopicID, append(rt.Partitions, part)
	req.Topics = append(req.Topics, rt)
	resp, err := o.client.Broker(0).Request(context.Background(), req)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

func TestArrivalsNeverMakeRecordsOlder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &logArrivals{}
		type event struct {
			at  int64
			end int64
		}
		var truth []event
		now, end, latest := int64(1_000_000), int64(0), int64(0)
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			now += int64(rapid.IntRange(-2000, 60_000).Draw(t, "ms")) // clocks are set back
			end += int64(rapid.IntRange(0, 5).Draw(t, "records"))
			latest = max(latest, now)
			l.note(time.UnixMilli(now), 0, end)
			truth = append(truth, event{latest, end})
		}
		if len(l.Samples) > maxSamples {
			t.Fatalf("%d samples", len(l.Samples))
		}
		then := rapid.Int64Range(0, latest+1000).Draw(t, "then")
		most := int64(0) // what had arrived by then, with the clock that only goes on
		for _, e := range truth {
			if e.at <= then {
				most = e.end
			}
		}
		if got := l.before(time.UnixMilli(then)); got > most {
			t.Fatalf("before(%d) = %d, but only %d had arrived", then, got, most)
		}
		if got := l.before(time.UnixMilli(latest)); got != end {
			t.Fatalf("by now %d had arrived, got %d", end, got)
		}
	})
}

// What comes after the clock was set back is no older than what the clock said when nothing had come.
func TestArrivalsAfterAClockSetBack(t *testing.T) {
	for name, first := range map[string]int64{"into an empty log": 0, "behind others": 5} {
		l := &logArrivals{}
		l.note(time.UnixMilli(1000), 0, first)
		l.note(time.UnixMilli(3000), 0, first)
		l.note(time.UnixMilli(2000), 0, 7)
		if got := l.before(time.UnixMilli(2999)); got != first {
			t.Errorf("%s: by 2999 %d had arrived, got %d", name, first, got)
		}
	}
}

func TestArrivalsFile(t *testing.T) {
	dir := t.TempDir()
	a, err := readArrivals(dir)
	if err != nil || len(a.Topics) != 0 {
		t.Fatal(a, err)
	}
	l := a.log("t", [16]byte{1}, 3)
	l.note(time.UnixMilli(1000), 0, 10)
	l.Start = 4
	if err := a.write(dir); err != nil {
		t.Fatal(err)
	}
	again, err := readArrivals(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.log("t", [16]byte{1}, 3); got.Start != 4 || len(got.Samples) != 1 || got.Samples[0] != (sample{1000, 10}) {
		t.Errorf("got %+v", got)
	}
	if got := again.log("t", [16]byte{2}, 3); len(got.Samples) != 0 {
		t.Errorf("a topic made anew has the old arrivals: %+v", got)
	}
	for _, text := range []string{"", "{", `{"version":9}`, `{"version":1,"topics":{"t":null}}`, `{"version":1,"topics":{"t":{"partitions":{"0":null}}}}`} {
		if err := os.WriteFile(filepath.Join(dir, arrivalsFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		a, _ := readArrivals(dir)
		a.log("t", [16]byte{}, 0).note(time.Now(), 0, 1)
	}
}

var _ net.Conn = (*conn)(nil)

// round is what the janitor does by itself every few seconds.
func (o *opened) round(now time.Time) {
	o.keepAges(now)
	o.turn(now)
}

// A clock that is set makes no record older or younger, in whichever direction, and however often: what lives for an hour lives for an hour.
func TestClockJumpsDeleteNothing(t *testing.T) {
	for name, jumps := range map[string][]time.Duration{
		"an hour forward": {time.Hour}, "a day forward": {24 * time.Hour}, "decades forward": {40 * 365 * 24 * time.Hour}, "forward and back": {24 * time.Hour, -24 * time.Hour},
		"an hour back": {-time.Hour}, "back and forward": {-time.Hour, time.Hour}, "NTP": {2 * time.Second, -2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, Config{}, nil)
			o.create("hour", map[string]string{"retention.ms": "3600000"})
			o.produce("hour", 10, 10, time.Time{})
			now := time.Now()
			o.round(now)
			for _, by := range jumps {
				now = now.Add(by)
				o.round(now)
				o.produce("hour", 1, 10, time.Time{})
				o.round(now.Add(time.Millisecond)) // less than what it is set by
			}
			o.wantLog("hour", 0, int64(10+len(jumps)))
			o.turn(now.Add(time.Hour + 2*sampleEvery))                                      // that passed
			if p := o.engine.partition("hour", 0); p.LogStartOffset < int64(8+len(jumps)) { // the last ones came within the minute of a look
				t.Errorf("an hour later it begins at %d", p.LogStartOffset)
			}
		})
	}
}

// What a clock that was ahead said before a start keeps nothing for ever.
func TestArrivalsOfAClockThatWasAhead(t *testing.T) {
	a, now := newArrivals(), time.Now()
	l := a.log("t", [16]byte{1}, 0)
	l.note(now.AddDate(10, 0, 0), 0, 10)
	a.notAfter(now)
	l.note(now.Add(time.Minute), 0, 20)
	if got := l.before(now); got != 10 {
		t.Errorf("%d had arrived by the start, want 10", got)
	}
	if got := l.before(now.Add(2 * time.Minute)); got != 20 {
		t.Errorf("%d had arrived after it, want 20", got)
	}
}

// Retention waits for a backup to be cut, unless the log has to make room.
func TestRetentionWaitsForABackup(t *testing.T) {
	dir := t.TempDir()
	o := open(t, Config{Dir: dir}, nil)
	o.create("t", map[string]string{"retention.ms": "3600000"})
	o.produce("t", 10, 10, time.Time{})
	now := time.Now()
	o.turn(now)
	held, err := Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	o.turn(now.Add(2 * time.Hour))
	o.wantLog("t", 0, 10)
	if _, err := held.Cut(func(string) int { return 0 }); err != nil {
		t.Fatal(err)
	}
	o.turn(now.Add(2 * time.Hour))
	o.wantLog("t", 9, 10)
}
