package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLogger(t *testing.T) {
	for _, c := range []struct{ format, level, want string }{
		{"text", "INFO", `level=ERROR msg="hour failed" hour=3 took=1.5s`},
		{"json", "warning", `"level":"ERROR","msg":"hour failed","hour":3,"took":"1.5s"`},
	} {
		var out strings.Builder
		log, err := NewLogger(c.format, c.level, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("not shown")
		log.Error("hour failed", "hour", 3, "took", 1500*time.Millisecond)
		log.Warn("refused\nlevel=ERROR msg=forged", "name", "a\r\nlevel=ERROR msg=forged")
		if s := out.String(); !strings.Contains(s, c.want) || strings.Contains(s, "not shown") || !strings.Contains(s, "Z") {
			t.Errorf("%s: %s", c.format, s)
		}
		if s := out.String(); strings.Count(s, "\n") != 2 || strings.Contains(s, "\r") {
			t.Errorf("%s: what somebody sent made a line of its own: %q", c.format, s)
		}
	}
	for _, bad := range [][2]string{{"xml", "info"}, {"text", "loud"}} {
		if _, err := NewLogger(bad[0], bad[1], nil); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestServiceShowsItsOwnMetrics(t *testing.T) {
	root := NewRegistry()
	one, two := root.Service(), root.Service()
	root.Counter("all_total", "Of the whole process.").Inc()
	one.Counter("one_total", "One.").Inc()
	two.GaugeVec("two", "Two.", "kind").WithLabelValues("a").Set(2)
	two.Histogram("three_seconds", "Three.", nil).Observe(.1)
	if one.Counter("one_total", "One.") != one.Counter("one_total", "One.") {
		t.Error("the same metric twice is two")
	}
	page := func(r *Registry) string {
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	for name, c := range map[string]struct {
		page string
		one  bool
		two  bool
	}{"root": {page(root), true, true}, "one": {page(one), true, false}, "two": {page(two), false, true}} {
		if strings.Contains(c.page, "one_total 1") != c.one || strings.Contains(c.page, `two{kind="a"} 2`) != c.two || !strings.Contains(c.page, "go_goroutines") || !strings.Contains(c.page, "all_total 1") {
			t.Errorf("%s: %.500s", name, c.page)
		}
	}
	if v, ok := root.Sum("two"); !ok || v != 2 {
		t.Errorf("sum %v %v", v, ok)
	}
}

func TestNilRegistryWorks(t *testing.T) {
	var r *Registry
	r.Counter("a_total", "A.").Inc()
	r.Service().GaugeFunc("b", "B.", func() float64 { return 1 })
	r.HistogramVec("c", "C.", nil, "x").WithLabelValues("y").Observe(1)
	if _, ok := r.Sum("a_total"); ok {
		t.Error("someone counts")
	}
}
