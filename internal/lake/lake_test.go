package lake

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var testTP = event.TopicPartition{TopicID: "0123456789abcdef0123456789abcdef", Topic: "llm-requests", Partition: 2}

// writeRows writes events in one file of a lake and returns its entry of the manifest.
func writeRows(t testing.TB, l *Lake, k event.Kind, events []*event.Event) event.LakeFile {
	t.Helper()
	r := newRows(k)
	for i, e := range events {
		r.add(e, int64(i), 1_700_000_000_000_000+int64(i))
	}
	var b bytes.Buffer
	if err := newEncoder(k).write(&b, r, r.sorted(), testTP); err != nil {
		t.Fatal(err)
	}
	f := event.LakeFile{Path: fmt.Sprintf("%s/%d.parquet", k.Topic(), time.Now().UnixNano()), TopicID: testTP.TopicID, Topic: testTP.Topic,
		Partition: testTP.Partition, Rows: int64(len(events)), Bytes: int64(b.Len()), State: event.LakeLive}
	sum := sha256.Sum256(b.Bytes())
	f.SHA256 = hex.EncodeToString(sum[:])
	if err := os.MkdirAll(filepath.Dir(localPath(l, f.Path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(localPath(l, f.Path), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

func openTest(t testing.TB) *Lake {
	t.Helper()
	l, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// localPath is where a file of a lake in a folder lies.
func localPath(l *Lake, name string) string { return l.storage.(*folder).path(name) }

// skipDisk spares a lake the disk; for tests that kill no power.
func skipDisk(l *Lake) { l.noSync, l.storage.(*folder).noSync = true, true }

// What is written comes back, field by field, for every kind.
func TestRowsComeBack(t *testing.T) {
	l := openTest(t)
	rapid.Check(t, func(rt *rapid.T) {
		k := event.Kinds[rapid.IntRange(0, len(event.Kinds)-1).Draw(rt, "kind")]
		events := rapid.SliceOfN(anyEvent(k), 1, 40).Draw(rt, "events")
		f := writeRows(t, l, k, events)
		seen := 0
		last := int64(math.MinInt64)
		err := l.Scan(t.Context(), []event.LakeFile{f}, func(r *event.LakeRow) error {
			want := events[r.Offset]
			if !want.Equal(&r.Event) {
				rt.Fatalf("offset %d:\nwrote %s\nread  %s", r.Offset, event.AppendJSON(nil, want), event.AppendJSON(nil, &r.Event))
			}
			if r.IngestedAt != 1_700_000_000_000_000+r.Offset || r.Topic != testTP.Topic || r.Partition != testTP.Partition {
				rt.Fatalf("place of offset %d: %+v", r.Offset, r)
			}
			if r.Event.Time < last {
				rt.Fatalf("time goes back")
			}
			last = r.Event.Time
			seen++
			return nil
		})
		if err != nil || seen != len(events) {
			rt.Fatalf("%d of %d rows, %v", seen, len(events), err)
		}
	})
}

// anyEvent draws settled events of a kind with any set of fields.
func anyEvent(k event.Kind) *rapid.Generator[*event.Event] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "gpt-4", "a", "ü\"\\\n", "0"}), rapid.StringN(0, 30, 100))
	return rapid.Custom(func(rt *rapid.T) *event.Event {
		e := &event.Event{Kind: k, ID: rapid.StringN(1, 20, 60).Draw(rt, "id"), HasTime: true}
		e.Time = rapid.Int64Range(0, 253402300799999999).Draw(rt, "time")
		e.Source, e.SchemaVersion, e.CorrelationID = text.Draw(rt, "source"), text.Draw(rt, "version"), text.Draw(rt, "correlation")
		for f := range event.Catalogue {
			spec := &event.Catalogue[f]
			if !has(spec, k) || rapid.Bool().Draw(rt, "absent") {
				continue
			}
			setAny(rt, e, event.Field(f), spec, text)
		}
		if k == event.SystemMetric {
			for i := range rapid.IntRange(0, 3).Draw(rt, "metrics") {
				v := rapid.Float64().Filter(func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }).Draw(rt, "metric")
				e.Metrics = append(e.Metrics, event.Metric{Name: fmt.Sprintf("m%dé\"", i), Value: v})
			}
		}
		e.Extra = []byte(rapid.SampledFrom([]string{"", `{"x":"y"}`, `{"duration_ms":5,"b":[1,2]}`, `{"z":{"k":null}}`, `{"s": "a,b" ,"t":true}`}).Draw(rt, "extra"))
		e.Metadata = []byte(rapid.SampledFrom([]string{"", `{"a":1}`}).Draw(rt, "metadata"))
		return e
	})
}

func has(s *event.Spec, k event.Kind) bool {
	for _, h := range s.Kinds {
		if h == k {
			return true
		}
	}
	return false
}

func setAny(rt *rapid.T, e *event.Event, f event.Field, spec *event.Spec, text *rapid.Generator[string]) {
	switch spec.Type {
	case event.Text:
		e.SetText(f, text.Draw(rt, spec.Name))
	case event.Duration:
		e.SetInt(f, rapid.Int64Range(0, 31*24*3600*1e9).Draw(rt, spec.Name))
	case event.Integer, event.Money:
		e.SetInt(f, rapid.Int64().Draw(rt, spec.Name))
	case event.Number:
		e.SetFloat(f, rapid.Float64Range(spec.Min, spec.Max).Draw(rt, spec.Name))
	case event.Boolean:
		e.SetBool(f, rapid.Bool().Draw(rt, spec.Name))
	}
}

// Durations keep every nanosecond up to the longest that an event may have.
func TestDurationsAreExact(t *testing.T) {
	longest := int64(event.Catalogue[event.DurationMS].Max * 1e6)
	check := func(ns int64) {
		if got := fromMS(toMS(ns)); got != ns {
			t.Fatalf("%d ns came back as %d", ns, got)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2_000_000 {
		check(rng.Int64N(longest + 1))
	}
	for i := range int64(100_000) {
		check(i)
		check(longest - i)
	}
}

func TestHourOf(t *testing.T) {
	for _, c := range []struct{ us, hour int64 }{{0, 0}, {3_599_999_999, 0}, {3_600_000_000, 3600}, {-1, -3600}, {-3_600_000_000, -3600}} {
		if got := hourOf(c.us); got != c.hour {
			t.Errorf("hour of %d µs is %d, not %d", c.us, got, c.hour)
		}
	}
	if got := hourDir(event.LLMRequest, 1_672_531_200+5*3600); got != "llm-requests/dt=2023-01-01/hour=5" {
		t.Error(got)
	}
}

func TestSorted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRows(event.BusinessEvent)
		times := rapid.SliceOf(rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 5), rapid.Int64Range(1e15, 1e15+1e9))).Draw(rt, "times")
		for i, us := range times {
			r.add(&event.Event{Kind: event.BusinessEvent, ID: "x", Time: us, HasTime: true}, int64(i), 0)
		}
		want := make([]int32, len(times))
		for i := range want {
			want[i] = int32(i)
		}
		slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(times[a], times[b]) })
		if got := r.sorted(); !slices.Equal(got, want) {
			rt.Fatalf("%v by %v, not %v", got, times, want)
		}
	})
}

// An encoder writes one file after another; each has the paths of its columns, by which readers in other languages find them.
func TestEveryFileHasThePathsOfItsColumns(t *testing.T) {
	r, enc := filled(t, traffic(10)), newEncoder(event.LLMRequest)
	for n := range 3 {
		var out bytes.Buffer
		if err := enc.write(&out, r, r.sorted(), testTP); err != nil {
			t.Fatal(err)
		}
		pf, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkPaths(pf); err != nil {
			t.Errorf("file %d: %v", n+1, err)
		}
	}
}
