package scrape

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// wire answers requests in memory, by host.
type wire map[string]func(r *http.Request) (int, string)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	f := w[r.URL.Host]
	if f == nil {
		return nil, errors.New("connection refused")
	}
	status, text := f(r)
	if status == 0 { // never answers
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func always(text string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return 200, text }
}

// intake keeps what it takes, and fails as often as told.
type intake struct {
	mu     sync.Mutex
	fail   int
	events []event.Event
	offers int
}

func (i *intake) Take(_ context.Context, events []event.Event) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.offers++
	if i.fail > 0 {
		i.fail--
		return errors.New("no broker")
	}
	i.events = append(i.events, events...)
	return nil
}

func (i *intake) taken() []event.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.events)
}

func (i *intake) of(source string) (out []event.Event) {
	for _, e := range i.taken() {
		if e.Source == "scrape/"+source {
			out = append(out, e)
		}
	}
	return out
}

func at(name string) Target {
	return Target{Name: name, URL: "http://" + name + "/metrics", Interval: 15 * time.Second, Timeout: 10 * time.Second}
}

// run runs a scraper in the bubble for so long.
func run(t *testing.T, s *Scraper, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	time.Sleep(d)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEachTargetAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &intake{}
		n := 0
		w := wire{"fast": always("a 1\n"), "slow": always("b{model=\"x\"} 2\nb{model=\"y\"} 3\n"), "count": func(*http.Request) (int, string) { n += 30; return 200, fmt.Sprintf("c_total %d\n", n) },
			"broken": func(*http.Request) (int, string) { return 500, "a 1\n" }, "html": always("<html>\n"), "dead": func(*http.Request) (int, string) { return 0, "" }}
		fast := at("fast")
		fast.Interval, fast.Labels = time.Second, map[string]string{"host": "mine", "rack": "7"}
		reg := telemetry.NewRegistry()
		s := New(Defaults(), []Target{fast, at("slow"), at("count"), at("broken"), at("html"), at("dead"), at("nobody")}, nil, Options{Intake: in, Transport: w, Registry: reg})
		run(t, s, time.Minute+time.Millisecond)
		for name, want := range map[string]int{"fast": 60, "slow": 8, "count": 3, "broken": 0, "html": 0, "dead": 0, "nobody": 0} {
			if got := len(in.of(name)); got != want {
				t.Errorf("%s: %d events, want %d", name, got, want)
			}
		}
		if e := in.of("fast")[0]; e.Text(event.Host) != "mine" || string(e.Metadata) != `{"rack":"7"}` || e.Time%second != s.targets[0].offset() {
			t.Errorf("%s", event.AppendJSON(nil, &e))
		}
		if e := in.of("count")[0]; e.Metrics[0] != (event.Metric{Name: "c_per_second", Value: 2}) {
			t.Errorf("%s", event.AppendJSON(nil, &e))
		}
		status := s.Statuses()
		for i, want := range []string{"", "", "", reasonStatus, reasonSyntax, reasonTimeout, reasonConnect} {
			if got := status[i]; want == "" != (got.Reason == nil) || want != "" && *got.Reason != want || *got.Up != (want == "") {
				t.Errorf("%s: %+v, want %q", got.Name, got, want)
			}
		}
		if c := s.Check(t.Context()); c.Status != httpx.Degraded || !strings.Contains(c.Detail, "broken: it answers 500") || !strings.Contains(c.Detail, "html: line 1: ") {
			t.Errorf("%+v", c)
		}
		if n, ok := reg.Sum("scrape_up"); !ok || n != 3 {
			t.Errorf("scrape_up sums to %v", n)
		}
		if n, _ := reg.Sum("scrape_events_total"); n != 71 {
			t.Errorf("scrape_events_total sums to %v", n)
		}
	})
}

const second = int64(1_000_000)

// TestBackOff: a target that does not answer is asked at growing distances, up to five minutes, and in time again when it does.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		var well atomic.Bool
		w := wire{"x": func(*http.Request) (int, string) {
			asked = append(asked, time.Now())
			if !well.Load() {
				return 503, ""
			}
			return 200, "a 1\n"
		}}
		in := &intake{}
		s := New(Defaults(), []Target{at("x")}, nil, Options{Intake: in, Transport: w})
		time.AfterFunc(30*time.Minute, func() { well.Store(true) })
		run(t, s, 40*time.Minute)
		var apart []time.Duration
		for i := 1; i < len(asked); i++ {
			apart = append(apart, asked[i].Sub(asked[i-1]))
		}
		for i, want := range []time.Duration{15 * time.Second, 30 * time.Second, 45 * time.Second, 75 * time.Second, 135 * time.Second, 255 * time.Second, 300 * time.Second, 300 * time.Second} {
			if apart[i] != want {
				t.Errorf("pause %d is %s, want %s (%v)", i, apart[i], want, apart[:9])
			}
		}
		if last := apart[len(apart)-1]; last != 15*time.Second || len(in.taken()) < 20 {
			t.Errorf("the last pause is %s, %d events", last, len(in.taken()))
		}
	})
}

// TestWriteAgain: while the brokers are away the same events are offered again; when the next reading is due they are let go.
func TestWriteAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &intake{fail: 5}
		s := New(Defaults(), []Target{at("x")}, nil, Options{Intake: in, Transport: wire{"x": always("a 1\n")}})
		run(t, s, 16*time.Second)
		if in.offers < 2 || in.offers > 6 {
			t.Errorf("offered %d times", in.offers)
		}
		in.fail = 1000
		run(t, s, time.Minute)
		st := s.Statuses()[0]
		if st.Reason == nil || *st.Reason != reasonWrite || !*st.Up || st.Failures[reasonWrite] < 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestTwoInstances: the same targets read by two processes give the same ids.
func TestTwoInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := &intake{}, &intake{}
		w := wire{"x": always("a 1\nb{model=\"m\"} 2\n")}
		a := New(Defaults(), []Target{at("x")}, nil, Options{Intake: one, Transport: w})
		b := New(Defaults(), []Target{at("x")}, nil, Options{Intake: other, Transport: w})
		done := make(chan struct{})
		go func() { defer close(done); run(t, a, time.Minute) }()
		time.Sleep(3700 * time.Millisecond) // it began later
		run(t, b, time.Minute-3700*time.Millisecond)
		<-done
		ids := func(events []event.Event) (out []string) {
			for _, e := range events {
				out = append(out, e.ID)
			}
			return out
		}
		x, y := ids(one.taken()), ids(other.taken())
		if len(x) < 6 || len(y) < 6 || !slices.Equal(x[len(x)-6:], y[len(y)-6:]) {
			t.Errorf("%v\n%v", x, y)
		}
	})
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &intake{}
		n := 0
		w := wire{"stays": func(*http.Request) (int, string) { n += 15; return 200, fmt.Sprintf("c_total %d\n", n) }, "goes": always("a 1\n"), "comes": always("a 1\n")}
		reg := telemetry.NewRegistry()
		s := New(Defaults(), []Target{at("stays"), at("goes")}, nil, Options{Intake: in, Transport: w, Registry: reg})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		gone := len(in.of("goes"))
		s.Reload(ctx, []Target{at("comes"), at("stays")}, []prom.Name{{Match: "c_total", Keep: true, Name: "increase", As: "increase", Scale: 1}})
		time.Sleep(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(in.of("goes")) != gone || gone != 4 || len(in.of("comes")) != 4 {
			t.Errorf("%d and %d of the one that went, %d of the one that came", gone, len(in.of("goes")), len(in.of("comes")))
		}
		stays := in.of("stays")
		if len(stays) != 7 || stays[2].Metrics[0] != (event.Metric{Name: "c_per_second", Value: 1}) || stays[3].Metrics[0] != (event.Metric{Name: "increase", Value: 15}) {
			t.Errorf("%d events, it forgot what it had read", len(stays))
		}
		if names := s.Statuses(); names[0].Name != "comes" || len(names) != 2 {
			t.Errorf("%+v", names)
		}
		s.Reload(ctx, nil, nil) // nobody listens any more, and it returns
	})
}

// single reads a real server once.
func single(t *testing.T, cfg Config, target Target) (*intake, Status) {
	t.Helper()
	in := &intake{}
	target.Interval, target.Timeout = time.Hour, 5*time.Second
	s := New(cfg, []Target{target}, nil, Options{Intake: in, Hostname: "this-machine", Version: "test"})
	defer s.client.CloseIdleConnections()
	s.targets[0].read(t.Context(), time.UnixMicro(1_748_772_000*second))
	return in, s.Statuses()[0]
}

func TestRealServer(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(" s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintf(w, "auth{is=%q,agent=%q} 1\n", r.Header.Get("Authorization"), r.UserAgent())
		case "/open":
			w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
			fmt.Fprintf(w, "a 1 %d.5\n# EOF\n", time.Now().Unix())
		case "/here":
			http.Redirect(w, r, "/metrics", http.StatusFound)
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/large":
			w.Write([]byte(strings.Repeat("# nothing but text\n", 1000)))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zeros())
		case "/many":
			w.Write([]byte(strings.Repeat("a 1\n", 11)))
		}
	}))
	defer server.Close()
	cfg := Config{MaxBodyBytes: 10_000, MaxSeries: 10, MaxMetrics: 64}
	for _, c := range []struct {
		path, token string
		reason, err string
	}{
		{"", token, "", ""}, {"/metrics", "", "", ""}, {"/open", "", "", ""}, {"/here", token, "", ""},
		{"/away", token, reasonRedirect, "redirected to another host, which is not followed; name that address in url"},
		{"/loop", "", reasonRedirect, ""}, {"/large", "", reasonLarge, "larger than max_body_bytes"}, {"/bomb", "", reasonLarge, ""}, {"/many", "", reasonSeries, "too many series: more than 10"},
		{"/metrics", token + "-not-there", reasonToken, ""},
	} {
		in, st := single(t, cfg, Target{Name: "real", URL: server.URL + c.path, TokenFile: c.token})
		switch {
		case c.reason == "" && (st.Reason != nil || len(in.events) != 1 || in.events[0].Text(event.Host) != "this-machine"):
			t.Errorf("%s: %+v, %d events", c.path, st, len(in.events))
		case c.reason != "" && (st.Reason == nil || *st.Reason != c.reason || len(in.events) > 0 || c.err != "" && *st.Error != c.err):
			t.Errorf("%s: %+v %v", c.path, st, *st.Error)
		}
	}
	if in, _ := single(t, cfg, Target{Name: "real", URL: server.URL, TokenFile: token, Labels: map[string]string{"x": "y"}}); in.events[0].Source != "scrape/real" {
		t.Error(in.events[0].Source)
	}
	_, st := single(t, cfg, Target{Name: "away", URL: "http://user:s3cret@127.0.0.1:1/metrics"})
	if *st.Reason != reasonConnect || strings.Contains(*st.Error+st.URL, "s3cret") {
		t.Errorf("%+v %s", st, *st.Error)
	}
}

func TestTargetsAreChecked(t *testing.T) {
	for _, bad := range []Target{{}, {Name: "x"}, {Name: "x", URL: "ftp://h/"}, {Name: "x", URL: "h:9100"}, {URL: "http://h"}, {Name: strings.Repeat("x", 201), URL: "http://h"}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if err := at("x").Validate(); err != nil {
		t.Error(err)
	}
	if CheckTargets([]Target{at("x"), at("y"), at("x")}) == nil || CheckTargets(make([]Target, MaxTargets+1)) == nil || CheckTargets([]Target{at("x"), at("y")}) != nil {
		t.Error("names that are there twice, or too many")
	}
}

// zeros is a small gzip of much.
func zeros() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	line := []byte("# " + strings.Repeat("0", 1000) + "\n")
	for range 10_000 {
		_, _ = z.Write(line) // into memory
	}
	_ = z.Close()
	return b.Bytes()
}
