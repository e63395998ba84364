package broker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

// value is a distinct event of 380 bytes that compresses like one.
func value(i int) []byte {
	v := fmt.Appendf(make([]byte, 0, 380), `{"event_type":"llm_request","request_id":"req-%012d","timestamp":"2026-11-24T%02d:%02d:%02d.%06dZ","model":"gpt-4o-%d","latency_ms":%d.%03d,"prompt_tokens":%d,"completion_tokens":%d,"user_id":"user-%d","tenant":"team-%d","status_code":200,"trace":"`,
		i, i/3600%24, i/60%60, i%60, i*7919%1000000, i%4, i*104729%3000, i%1000, i*31%1700, i*17%900, i*7919%500, i%6)
	for x := uint64(i)*2654435761 + 1; len(v) < 378; x = x*6364136223846793005 + 1 {
		v = append(v, "0123456789abcdef"[x>>60])
	}
	return append(v, '"', '}')
}

// Engine with and without the guard, 3 partitions, acks=all, lz4.
func BenchmarkProduce(b *testing.B) {
	for _, tc := range []struct {
		name  string
		start func(b *testing.B) string
	}{
		{"engine", func(b *testing.B) string {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.TempDir()))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			return c.ListenAddrs()[0]
		}},
		{"guarded", func(b *testing.B) string {
			r := run(b, broker.Config{Dir: b.TempDir(), MaxBytes: 8 << 30}, nil)
			b.Cleanup(func() { r.stop(b) })
			return r.Addr()
		}},
	} {
		for _, codec := range []struct {
			name string
			kgo.CompressionCodec
		}{{"lz4", kgo.Lz4Compression()}, {"snappy", kgo.SnappyCompression()}, {"none", kgo.NoCompression()}} {
			b.Run(tc.name+"/"+codec.name, func(b *testing.B) {
				c, err := kgo.NewClient(kgo.SeedBrokers(tc.start(b)), kgo.ProducerBatchCompression(codec.CompressionCodec), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				create(b, c, 3, nil, topic)
				values := make([][]byte, 100_000)
				for i := range values {
					values[i] = value(i)
				}
				var wg sync.WaitGroup
				b.ResetTimer()
				wg.Add(b.N)
				for i := range b.N {
					c.Produce(context.Background(), &kgo.Record{Topic: topic, Value: values[i%len(values)]}, func(_ *kgo.Record, err error) {
						if err != nil {
							b.Error(err)
						}
						wg.Done()
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// Opening a folder with much retained, after an orderly end and after a kill. HXP_TEST_RETAINED_MIB sets how much; then the time
// is held to what is promised: 3 s for 1 GiB.
func TestRestartWithRetained(t *testing.T) {
	mib, limit := 24, time.Minute
	if v := os.Getenv("HXP_TEST_RETAINED_MIB"); v != "" {
		limit = 3 * time.Second
		if _, err := fmt.Sscan(v, &mib); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	cfg := broker.Config{Dir: dir, MaxBytes: int64(2*mib+64) << 20}
	b := run(t, cfg, nil)
	c := client(t, b.Addr(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(100_000), kgo.MaxBufferedRecords(20_000))
	create(t, c, 3, nil, topic)
	n := mib << 20 / 390
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		c.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: value(i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	ends := [3]int64{}
	for p := range int32(3) {
		_, ends[p] = bounds(t, c, topic, p)
	}
	c.Close()
	b.stop(t)
	for _, killed := range []bool{false, true} {
		if killed {
			if err := os.Remove(filepath.Join(dir, "clean")); err != nil {
				t.Fatal(err)
			}
			for p := range 3 {
				if err := os.Remove(filepath.Join(dir, "log", "partitions", fmt.Sprintf("%s-%d", topic, p), "snapshot.json")); err != nil {
					t.Fatal(err)
				}
			}
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		b = run(t, cfg, nil)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		t.Logf("%d MiB, killed=%v: ready after %v, heap grew by %d MiB, %d MiB from the system", mib, killed, took, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20, (after.Sys-after.HeapReleased)>>20)
		if took > limit {
			t.Errorf("ready after %v, want %v at most", took, limit)
		}
		c := client(t, b.Addr())
		for p := range int32(3) {
			if s, e := bounds(t, c, topic, p); s != 0 || e != ends[p] {
				t.Errorf("killed=%v: partition %d is [%d, %d), want [0, %d)", killed, p, s, e, ends[p])
			}
		}
		c.Close()
		b.stop(t)
	}
}
