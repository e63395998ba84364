package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/hxp-enterprise/hxp/internal/ingest/tap"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

const metricsPage = "../../docs/metrics.md"

// metric is one line of the page.
type metric struct {
	name, kind, labels, help string
	shown                    bool // it has a series before anything has happened
}

// TestMetricsPage holds docs/metrics.md to what the services register. `make docs` writes it. Rules and dashboards are held to that page.
func TestMetricsPage(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := slog.New(slog.DiscardHandler)
	sys, units, err := alone(ctx, Names, t.TempDir(), log, "HXP_INGEST_SPILL_BYTES=1048576", "HXP_HOST_METRICS=on")
	if err != nil {
		t.Fatal(err)
	}
	services, shown := map[string][]metric{}, map[string]bool{}
	if err := run.Supervise(ctx, log, units, func() {
		defer stop()
		for _, url := range sys.allURLs() {
			if res, err := http.Get(url + "/health/live"); err == nil { // one of them is no HTTP
				res.Body.Close()
			}
		}
		for service, reg := range sys.regs {
			auth.NewGate(reg) // as where a file of tokens is named
			services[service] = registered(t, reg)
			for _, m := range services[service] {
				shown[m.name] = shown[m.name] || m.shown
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	// Their labels are those that objectives group by, so they are told of when there is an objective.
	services[EventProcessingAPI] = append(services[EventProcessingAPI],
		metric{name: rule.TotalMetric, kind: "counter", labels: "slo, and those that the objective groups by", help: "Events that an objective is about, counted exactly."},
		metric{name: rule.GoodMetric, kind: "counter", labels: "slo, and those that the objective groups by", help: "Those of slo_events_total that are good."},
		metric{name: rule.HiddenMetric, kind: "gauge", labels: "slo", help: "Groups of an objective that have no series here, because it has too many; GET /slo tells of them."})
	services["hxp tap"] = ofTap(t, log)

	growthIsSeen(t, shown)
	wellNamed(t, services)
	text := page(services)
	if *update {
		if err := os.WriteFile(metricsPage, text, 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	if have, err := os.ReadFile(metricsPage); err != nil || !bytes.Equal(have, text) {
		if testing.Short() {
			t.Logf("%s is to be written anew: run `make docs`", metricsPage)
			return
		}
		t.Errorf("%s is not what is registered; run `make docs` (%v)", metricsPage, err)
	}
}

// ofTap lists the metrics of hxp tap, which is a process of its own.
func ofTap(t *testing.T, log *slog.Logger) []metric {
	t.Helper()
	reg, away := telemetry.NewRegistry(), func(context.Context) (tap.Writer, error) { return nil, errors.New("no brokers here") }
	server, err := tap.New(tap.Config{Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:9"}, Listen: "127.0.0.1:0", Spill: t.TempDir()}, away, reg, log)
	if err != nil {
		t.Fatal(err)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if err := server.Run(over); err != nil { // gives back what it holds
		t.Error(err)
	}
	return slices.DeleteFunc(registered(t, reg), func(m metric) bool { return !strings.HasPrefix(m.name, "tap_") })
}

// growthIsSeen: a counter whose growth a rule waits for is there from the start, since what appears with its first count has not grown for Prometheus; or
// the rule asks for what has appeared too.
func growthIsSeen(t *testing.T, shown map[string]bool) {
	t.Helper()
	rules, err := os.ReadFile("../../deploy/prometheus/hxp.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	counters := regexp.MustCompile(`increase\((\w+)`).FindAllStringSubmatch(string(rules), -1)
	for _, c := range counters {
		if !shown[c[1]] && !strings.Contains(string(rules), c[1]+" unless "+c[1]+" offset") {
			t.Errorf("a rule waits for %s to grow, which is not there before it has", c[1])
		}
	}
	if len(counters) < 8 {
		t.Errorf("only %d counters were looked for", len(counters))
	}
}

// wellNamed holds names, kinds, labels and help texts to the rules of Prometheus.
func wellNamed(t *testing.T, services map[string][]metric) {
	t.Helper()
	for service, list := range services {
		var families []*dto.MetricFamily
		for _, m := range list {
			kind := dto.MetricType(dto.MetricType_value[strings.ToUpper(m.kind)])
			sample := &dto.Metric{}
			for label := range strings.FieldsFuncSeq(m.labels, func(r rune) bool { return r == ',' || r == ' ' }) {
				sample.Label = append(sample.Label, &dto.LabelPair{Name: &label})
			}
			families = append(families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &kind, Metric: []*dto.Metric{sample}})
		}
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if p.Metric == "scrape_counter_resets_total" {
				continue // it counts resets of counters
			}
			t.Errorf("%s: %s: %s", service, p.Metric, p.Text)
		}
	}
}

var described = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), unit: ".*", constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

// registered lists the metrics of a service. Of those without samples the kind follows from the name, as all names here do.
func registered(t *testing.T, reg *telemetry.Registry) (list []metric) {
	t.Helper()
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	kinds := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(w.Body.String(), -1) {
		kinds[m[1]] = m[2]
	}
	descs := make(chan *telemetry.Desc)
	go func() {
		defer close(descs)
		reg.Describe(descs)
	}()
	for d := range descs {
		parts := described.FindStringSubmatch(d.String())
		if parts == nil {
			t.Errorf("%s cannot be read", d)
			continue
		}
		name, _ := strconv.Unquote(parts[1])
		help, _ := strconv.Unquote(parts[2])
		kind := kinds[name]
		switch {
		case kind != "":
		case strings.HasSuffix(name, "_total"):
			kind = "counter"
		default:
			kind = "gauge"
		}
		list = append(list, metric{name, kind, strings.ReplaceAll(parts[3], ",", ", "), help, kinds[name] != ""})
	}
	return list
}

func page(services map[string][]metric) []byte {
	var b bytes.Buffer
	b.WriteString(`# Metrics

<!-- Made by ` + "`make docs`" + ` from what the services register; change it there. -->

Each service answers ` + "`GET /metrics`" + ` on its own port, in the text formats of Prometheus; beside the metrics below it tells of its process (` + "`process_…`" + `) and of the
Go runtime (` + "`go_…`" + `). A histogram has ` + "`_bucket`, `_sum` and `_count`" + `. Labels have bounded sets of values; users and sessions are never labels. Dashboards and rules
that use them: ` + "`deploy/grafana`, `deploy/prometheus`" + `.
`)
	for _, service := range slices.Sorted(maps.Keys(services)) {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n", service)
		list := services[service]
		slices.SortFunc(list, func(x, y metric) int { return strings.Compare(x.name, y.name) })
		for _, m := range list {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, strings.ReplaceAll(m.help, "|", "\\|"))
		}
	}
	return b.Bytes()
}
