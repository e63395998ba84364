package prom

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom/promtest"
)

func receiver() *Receiver { return NewReceiver(NewNames(nil), 1000, plenty) }

// decode takes a body that must be one.
func decode(t testing.TB, r *Receiver, body []byte, v2 bool) (*Write, []event.Event) {
	t.Helper()
	w, err := r.Decode(body, v2, began)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.Events()
}

func series(millis int64, value float64, labels ...string) promtest.Series {
	return promtest.Series{Labels: labels, Values: []float64{value}, Millis: []int64{millis}}
}

// both runs a test with both versions of remote write.
func both(t *testing.T, f func(t *testing.T, encode func([]promtest.Series) []byte, v2 bool)) {
	t.Run("1", func(t *testing.T) {
		f(t, func(s []promtest.Series) []byte {
			types := map[string]uint64{}
			for _, x := range s {
				name := x.Labels[slices.Index(x.Labels, "__name__")+1]
				if base, part := cut(name); x.Type >= 3 && part != Value {
					name = base
				}
				types[name] = x.Type
			}
			return promtest.Version1(s, types)
		}, false)
	})
	t.Run("2", func(t *testing.T) { f(t, promtest.Version2, true) })
}

func TestRemoteWrite(t *testing.T) {
	both(t, func(t *testing.T, encode func([]promtest.Series) []byte, v2 bool) {
		r := receiver()
		at := began/1000 + 123
		body := func(at int64, n float64) []byte {
			list := []promtest.Series{
				series(at, 3, "__name__", "vllm:num_requests_running", "instance", "10.0.0.7:8000", "job", "vllm", "model_name", "m"),
				series(at, 100*n, "__name__", "vllm:prompt_tokens_total", "instance", "10.0.0.7:8000", "job", "vllm", "model_name", "m"),
				series(at, 8*n, "__name__", "vllm:time_to_first_token_seconds_bucket", "instance", "10.0.0.7:8000", "job", "vllm", "le", "0.5", "model_name", "m"),
				series(at, 8*n, "__name__", "vllm:time_to_first_token_seconds_bucket", "instance", "10.0.0.7:8000", "job", "vllm", "le", "+Inf", "model_name", "m"),
				series(at, 2*n, "__name__", "vllm:time_to_first_token_seconds_sum", "instance", "10.0.0.7:8000", "job", "vllm", "model_name", "m"),
				series(at, 8*n, "__name__", "vllm:time_to_first_token_seconds_count", "instance", "10.0.0.7:8000", "job", "vllm", "model_name", "m"),
				series(at, 77, "__name__", "DCGM_FI_DEV_GPU_UTIL", "Hostname", "gpu-1", "UUID", "GPU-1", "gpu", "0", "instance", "10.0.0.9:9400", "job", "dcgm"),
				series(at, 1, "__name__", "up", "instance", "10.0.0.9:9400", "job", "dcgm"),
				series(at, math.Float64frombits(0x7ff0000000000002), "__name__", "gone", "instance", "10.0.0.9:9400", "job", "dcgm"),
				{Labels: []string{"__name__", "native_seconds", "instance", "10.0.0.9:9400", "job", "dcgm"}, Histograms: []promtest.Histogram{{Count: uint64(5 * n), Sum: n, Millis: at}}},
			}
			for i, typ := range []uint64{2, 1, 3, 3, 3, 3, 2, 2, 2, 3} {
				list[i].Type = typ
			}
			return encode(list)
		}
		_, events := decode(t, r, body(at, 1), v2)
		holds(t, events, "m", "", map[string]any{"host": "10.0.0.7", "model": "m", "requests_running": 3.})
		w, events := decode(t, r, body(at+10_000, 2), v2)
		holds(t, events, "m", "", map[string]any{"host": "10.0.0.7", "model": "m", "requests_running": 3., "prompt_tokens_per_second": 10.,
			"engine_ttft_ms_avg": 250., "engine_ttft_ms_p50": 250., "engine_ttft_ms_p95": 475., "engine_ttft_ms_p99": 495.})
		holds(t, events, "", "0", map[string]any{"host": "gpu-1", "gpu": "0", "gpu_uuid": "GPU-1", "gpu_usage": 77.})
		holds(t, events, "", "", map[string]any{"host": "10.0.0.9", "up": 1., "native_seconds_count": 5., "native_seconds_sum": 1.})
		if e := events[0]; e.Source != "prometheus/vllm" || e.Time != (at+10_000)*1000 {
			t.Errorf("%s", event.AppendJSON(nil, &e))
		}
		if w.Total != (Weight{9, 1}) || w.Refused != (Weight{}) || w.Stats.Stale != 1 || w.Weights()[0] != (Weight{6, 0}) || w.Weights()[2] != (Weight{1, 1}) {
			t.Errorf("%+v %+v %+v %v", w.Total, w.Refused, w.Stats, w.Weights())
		}
	})
}

// TestSentAgain: a request that comes again makes events with the same ids; not written the first time, with the same
// numbers as well.
func TestSentAgain(t *testing.T) {
	both(t, func(t *testing.T, encode func([]promtest.Series) []byte, v2 bool) {
		r := receiver()
		body := func(at int64, v float64, more ...string) []byte {
			return encode([]promtest.Series{{Labels: append([]string{"__name__", "c_total"}, more...), Values: []float64{v}, Millis: []int64{at}, Type: 1},
				{Labels: append([]string{"__name__", "g"}, more...), Values: []float64{v}, Millis: []int64{at}, Type: 2}})
		}
		at := began / 1000
		decode(t, r, body(at, 10), v2)
		w, first := decode(t, r, body(at+1000, 20), v2)
		w.Undo()
		_, again := decode(t, r, body(at+1000, 20), v2)
		_, third := decode(t, r, body(at+1000, 20), v2)
		if len(first) != 1 || !first[0].Equal(&again[0]) || data(t, &first[0])["c_per_second"] != 10. || third[0].ID != first[0].ID || data(t, &third[0])["c_per_second"] != nil {
			t.Errorf("%v\n%v\n%v", first, again, third)
		}
		if _, other := decode(t, r, body(at+1000, 20, "x", "y"), v2); other[0].ID == first[0].ID {
			t.Error("other series of the same time have the same id")
		}
	})
}

func TestWrongSeries(t *testing.T) {
	many := []string{"__name__", "x"}
	for i := range maxLabels + 1 {
		many = append(many, fmt.Sprint("l", i), "v")
	}
	both(t, func(t *testing.T, encode func([]promtest.Series) []byte, v2 bool) {
		for _, c := range []struct {
			s     promtest.Series
			fault string
		}{
			{series(1, 1, "__name__", "", "a", "b"), "__name__"},
			{series(1, 1, "__name__", "x", "a", "b", "a", "c"), "stands twice"},
			{series(1, 1, "__name__", "x", "", "c"), "no name"},
			{series(1, 1, "__name__", "x", "a", "\xff"), "not UTF-8"},
			{series(-1, 1, "__name__", "x"), "outside of 1970 to 9999"},
			{promtest.Series{Labels: []string{"__name__", "x"}, Histograms: []promtest.Histogram{{Count: 1, Sum: 1, Millis: -5}}}, "outside of 1970 to 9999"},
			{series(1, 1, many...), "more than 64 labels"},
		} {
			w, events := decode(t, receiver(), encode([]promtest.Series{c.s, series(1, 1, "__name__", "good")}), v2)
			if !strings.Contains(w.Fault, c.fault) || w.Refused.Samples+w.Refused.Histograms != 1 || len(events) != 1 {
				t.Errorf("%v: %q, %+v, %d events", c.s.Labels, w.Fault, w.Refused, len(events))
			}
		}
	})
	for _, c := range []struct{ body, fault string }{
		{"\x22\x01x\x22\x00", "the first symbol is not the empty text"},
		{"\x2a\x02\x0a\x05", "not the protobuf message"},
		{"\xff", "not the protobuf message"},
	} {
		if _, err := receiver().Decode([]byte(c.body), true, began); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q: %v", c.body, err)
		}
	}
	w, _ := decode(t, receiver(), []byte("\x22\x00\x2a\x0f\x0a\x02\x00\x09\x12\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"), true)
	if w.Fault != "a label refers to symbol 9 of 1" {
		t.Errorf("%q", w.Fault)
	}
	if w, _ := decode(t, receiver(), []byte("\x22\x00\x2a\x0e\x0a\x01\x00\x12\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"), true); w.Fault != "an odd number of label references" {
		t.Errorf("%q", w.Fault)
	}
}

// FuzzRemoteWrite: whatever comes, decoding ends, is bounded, and what is made of it is valid.
func FuzzRemoteWrite(f *testing.F) {
	list := []promtest.Series{series(began/1000, 1, "__name__", "x_total", "job", "j", "instance", "h:1"), series(began/1000, 2, "__name__", "vllm:kv_cache_usage_perc", "model_name", "m"),
		{Labels: []string{"__name__", "n"}, Histograms: []promtest.Histogram{{Count: 5, Sum: 1, Millis: began / 1000}}, Type: 3}}
	f.Add(promtest.Version1(list, map[string]uint64{"x_total": 1}), false)
	f.Add(promtest.Version2(list), true)
	f.Add(binary.AppendUvarint([]byte{0x22}, 1<<40), true)
	f.Fuzz(func(t *testing.T, body []byte, v2 bool) {
		r := NewReceiver(NewNames(nil), 64, Limits{Events: 20, Metrics: 20})
		for range 2 {
			w, err := r.Decode(body, v2, began)
			if err != nil {
				continue
			}
			events := w.Events()
			if len(events) > 20 || r.state.Len() > 64 || len(w.Weights()) != len(events) || w.Refused.Samples > w.Total.Samples || w.Refused.Histograms > w.Total.Histograms {
				t.Errorf("%d events, %+v of %+v", len(events), w.Refused, w.Total)
			}
			for i := range events {
				data(t, &events[i])
			}
			w.Undo()
		}
	})
}
