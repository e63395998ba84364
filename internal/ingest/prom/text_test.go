package prom

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// show parses a text and writes one line for each sample.
func show(text string, o TextOptions) string {
	var b strings.Builder
	err := Parse(strings.NewReader(text), o, func(s *Sample) error {
		fmt.Fprintf(&b, "%s %d %s %v %v %d\n", s.Name, s.Type, partNames[s.Part], s.Labels, s.Value, s.Time)
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a 1", "a 0 value [] 1 0\n"},
		{"a 1\r\n\n  \t\n b\t2 \n", "a 0 value [] 1 0\nb 0 value [] 2 0\n"},
		{"# a comment\n#\n# HELP a TYPE of\n# TYPE a gauge\na -1.5e-3 1700000000123\n", "a 2 value [] -0.0015 1700000000123000\n"},
		{`a { x = "1" , y="\\ \" \n \q ü", } +Inf`, "a 0 value [{x 1} {y \\ \" \n \\q ü}] +Inf 0\n"},
		{`{"http.server.duration", "a.b"="c"} 1`, "http.server.duration 0 value [{a.b c}] 1 0\n"},
		{"# TYPE \"a.b\" counter\n{\"a.b\"} 1", "a.b 1 value [] 1 0\n"},
		{"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 3\nh_created 4\nh_total 5\n", "h 3 bucket [{le 1}] 1 0\nh 3 sum [] 2 0\nh 3 count [] 3 0\nh 3 other [] 4 0\nh_total 0 value [] 5 0\n"},
		{"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n", "s 4 other [{quantile 0.5}] 1 0\ns 4 sum [] 2 0\ns 4 count [] 3 0\n"},
		{"# TYPE x_total counter\nx_total 1\ny_total 2\nz_count 3\nz_sum 4\nz_bucket{le=\"+Inf\"} 5\nno_bucket 6\n", "x_total 1 value [] 1 0\ny_total 1 value [] 2 0\nz 4 count [] 3 0\nz 4 sum [] 4 0\nz 3 bucket [{le +Inf}] 5 0\nno_bucket 0 value [] 6 0\n"},
		{"a NaN\na -inf", "a 0 value [] NaN 0\na 0 value [] -Inf 0\n"},
		{"a 1 # {trace_id=\"x\"} 0.5\n", "a 0 value [] 1 0\n"},
		{"a", "error: line 1: \"a\" has no value\n"},
		{"a 1\n1a 1", "a 0 value [] 1 0\nerror: line 2: a series begins with its name, this with \"1a 1\"\n"},
		{"a one", "error: line 1: the value of \"a\" is \"one\", which is no number\n"},
		{"a 0x10", "error: line 1: the value of \"a\" is \"0x10\", which is no number\n"},
		{"a 1_000", "error: line 1: the value of \"a\" is \"1_000\", which is no number\n"},
		{"a 1 soon", "error: line 1: the time of \"a\" is \"soon\", which is none\n"},
		{"a 1 1e300", "error: line 1: the time of \"a\" is \"1e300\", which is none\n"},
		{"a 1 2 3", "error: line 1: after value and time of \"a\" stands \"3\"\n"},
		{`a{x="1"`, "error: line 1: labels end with }, here stands \"\"\n"},
		{`a{x="1} 1`, "error: line 1: a quote is not closed\n"},
		{`a{x="1\`, "error: line 1: a quote is not closed\n"},
		{`a{x=1} 1`, "error: line 1: the value of label \"x\" is not in quotes\n"},
		{`a{="1"} 1`, "error: line 1: a label without a name\n"},
		{`a{x} 1`, "error: line 1: a label is NAME=\"VALUE\"; here stands \"x} 1\"\n"},
		{`a{"b"} 1`, "error: line 1: a label is NAME=\"VALUE\"; here stands \"b} 1\"\n"},
		{`a{x="1",x="2"} 1`, "error: line 1: label \"x\" stands twice\n"},
		{`a{x="1" y="2"} 1`, "error: line 1: labels end with }, here stands \"y=\\\"2\\\"} 1\"\n"},
		{"a{x=\"\xff\"} 1", "error: line 1: not UTF-8\n"},
		{"# TYPE a guage\n", "error: line 1: TYPE \"guage\" of \"a\" is none that Prometheus has\n"},
		{"# TYPE\n", "error: line 1: TYPE without a name\n"},
		{"# EOF\na 1\n", "a 0 value [] 1 0\n"},
		{"<!DOCTYPE html>\n", "error: line 1: a series begins with its name, this with \"<!DOCTYPE html>\"\n"},
	} {
		if got := show(c.text, TextOptions{MaxSeries: 100}); got != c.want {
			t.Errorf("%q\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestOpenMetrics(t *testing.T) {
	text := "# TYPE foo counter\n# UNIT foo seconds\nfoo_total{a=\"b\"} 17.0 1520879607.789 # {id=\"x\"} 1.0 1.5\nfoo_created{a=\"b\"} 1520872607.123\n# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE st stateset\nst{st=\"a\"} 1\n# EOF\nafter 1\n"
	want := "foo_total 1 value [{a b}] 17 1520879607789000\nfoo_created 1 other [{a b}] 1.520872607123e+09 0\ni_info 0 value [{v 1}] 1 0\nst 5 value [{st a}] 1 0\n"
	if got := show(text, TextOptions{MaxSeries: 100, OpenMetrics: true}); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for media, want := range map[string]bool{"application/openmetrics-text; version=1.0.0; charset=utf-8": true, "Application/OpenMetrics-Text": true, "text/plain; version=0.0.4": false, "": false} {
		if IsOpenMetrics(media) != want {
			t.Errorf("%q", media)
		}
	}
}

func TestTextLimits(t *testing.T) {
	o := TextOptions{MaxSeries: 3}
	count := func(s *Sample) error { return nil }
	if err := Parse(strings.NewReader("a 1\na 1\na 1\na 1\n"), o, count); !errors.Is(err, ErrSeries) || !strings.Contains(err.Error(), "more than 3") {
		t.Error(err)
	}
	if err := Parse(strings.NewReader("a 1\n"+strings.Repeat("x", maxLine)), o, count); err == nil || !strings.Contains(err.Error(), "line 2: longer than") {
		t.Error(err)
	}
	var labels strings.Builder
	for i := range maxLabels + 1 {
		fmt.Fprintf(&labels, "l%d=\"\",", i)
	}
	if err := Parse(strings.NewReader("a{"+labels.String()+"} 1"), o, count); err == nil || !strings.Contains(err.Error(), "more than 64 labels") {
		t.Error(err)
	}
	if err := Parse(iotest.ErrReader(io.ErrUnexpectedEOF), o, count); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := Parse(strings.NewReader("a 1\n"), o, func(*Sample) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// FuzzText: whatever an exporter writes, reading ends, faults name a line that is there, and what is made of the samples is
// valid for every reader of the topic.
func FuzzText(f *testing.F) {
	for _, name := range []string{"vllm.txt", "vllm-0.6.txt", "dcgm.txt", "node.txt", "litellm.txt"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), false)
	}
	f.Add("# TYPE \"a\" counter\n{\"a\",b=\"\\n\"} 1 2 # {}\n# EOF\n", true)
	f.Add("a{le=\"NaN\"} 1\nh_bucket{le=\"x\"} 1\nh_bucket{le=\"-Inf\"} 1\n", true)
	f.Fuzz(func(t *testing.T, text string, open bool) {
		state := NewState(64)
		for i := range int64(2) {
			b := NewBatch(NewNames(nil), state, Limits{Events: 20, Metrics: 20})
			o := &Origin{Source: "s", Read: began + i*second, Time: began + i*second}
			err := Parse(strings.NewReader(text), TextOptions{MaxSeries: 200, OpenMetrics: open}, func(s *Sample) error { b.Add(s, o); return nil })
			if bad, ok := errors.AsType[*SyntaxError](err); ok && (bad.Line < 1 || bad.Line > strings.Count(text, "\n")+1) {
				t.Errorf("line %d", bad.Line)
			}
			events := b.Events()
			if len(events) > 20 || state.Len() > 64 {
				t.Errorf("%d events, %d series", len(events), state.Len())
			}
			for i := range events {
				if len(events[i].Metrics) > 20 {
					t.Errorf("%d metrics", len(events[i].Metrics))
				}
				data(t, &events[i])
			}
		}
	})
}

// FuzzQuantiles: an estimate lies between the bounds, and a higher quantile is not smaller.
func FuzzQuantiles(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 10.0, 20.0, 30.0)
	f.Add(-1.0, 0.0, 3.0, 10.0, 5.0, 0.0)
	f.Fuzz(func(t *testing.T, a, b, c, x, y, z float64) {
		for _, v := range []float64{a, b, c, x, y, z} {
			if math.IsNaN(v) || math.Abs(v) > 1e12 {
				return
			}
		}
		h := &histogram{}
		h.add(a, math.Abs(x))
		h.add(b, math.Abs(y))
		h.add(math.Inf(1), math.Abs(z))
		q := h.quantiles(.5, .95, .99)
		if q == nil {
			return
		}
		low, high := min(a, b, 0), max(a, b)
		for i, v := range q {
			if v < low || v > max(high, low) || i > 0 && v < q[i-1]-1e-6*math.Abs(v) {
				t.Errorf("%v of %v", q, h.buckets)
			}
		}
	})
}
