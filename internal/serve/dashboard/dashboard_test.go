package dashboard

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
	"github.com/hxp-enterprise/hxp/web"
	"github.com/hxp-enterprise/hxp/web/minify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func board(t *testing.T, name string) http.Handler {
	t.Helper()
	h, err := New(name, live.New(live.Config{SSEMax: 1}, slog.New(slog.DiscardHandler)), Config{
		Environment: "<test>", Version: "1.2.3", Services: map[string]http.Handler{
			"kafka-api": namesItself("kafka-api"), "batch-processing-api": namesItself("batch-processing-api"), "event-processing-api": namesItself("event-processing-api"),
			"data-streaming-api": namesItself("data-streaming-api"), Self: namesItself(Self),
		}, Range: namesItself("range"),
		Links: func() map[string]string {
			return map[string]string{"operations": "http://127.0.0.1:8501", "business": "http://127.0.0.1:8502", "system": "http://127.0.0.1:1", "kafka-api": "http://127.0.0.1:9099"}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// namesItself stands for a service.
func namesItself(service string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, service+" "+r.Method+" "+r.URL.Path)
	})
}

// schedulerPage is the page of the scheduler without the API that it speaks to.
func schedulerPage(t *testing.T) http.Handler {
	t.Helper()
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	err := MountScheduler(mux, Config{Environment: "<test>", Links: func() map[string]string { return map[string]string{"operations": "http://127.0.0.1:8501"} }})
	if err != nil {
		t.Fatal(err)
	}
	return mux
}

func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://localhost:8501"+target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var (
	inline  = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:\s[^>]*)?>[^<]`)
	outside = regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+`)
	loads   = regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`)
	imports = regexp.MustCompile(`from "(\.\.?/[^"]+)"`)
)

// pages are the boards, their further pages and the scheduler's.
func pages() []Board {
	all := append(slices.Clone(Boards), scheduler)
	for _, b := range Boards {
		all = append(all, b.more...)
	}
	return all
}

// TestPages: every board is whole, loads only what is served here, and has nothing that its policy forbids.
func TestPages(t *testing.T) {
	for _, b := range pages() {
		h := schedulerPage(t)
		if b.Name != scheduler.Name {
			h = board(t, b.Name)
		}
		w := get(h, cmp.Or(b.at, "/")+"?from=2026-03-01T10:00:00Z&model=m")
		page := w.Body.String()
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, "<title>"+b.Title) || !strings.Contains(page, `lang="en"`) {
			t.Fatalf("%s: %d %v", b.Name, w.Code, w.Header())
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", b.Name, csp)
		}
		if s := inline.FindString(page); s != "" {
			t.Errorf("%s: inline %q", b.Name, s)
		}
		if s := outside.FindAllString(page, -1); len(s) > 0 {
			for _, url := range s {
				if !strings.HasPrefix(url, "http://localhost:") && url != "" {
					t.Errorf("%s: names %s", b.Name, url)
				}
			}
		}
		if !strings.Contains(page, "&lt;test&gt;") || !strings.Contains(page, `aria-current="page"`) {
			t.Errorf("%s: environment or tab is missing", b.Name)
		}
		todo, seen := []string{}, map[string]bool{}
		for _, m := range loads.FindAllStringSubmatch(page, -1) {
			todo = append(todo, m[1])
		}
		for len(todo) > 0 {
			url := todo[0]
			todo = todo[1:]
			if seen[url] {
				continue
			}
			seen[url] = true
			f := get(h, url)
			if f.Code != 200 || f.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s is answered %d", b.Name, url, f.Code)
			}
			for _, m := range imports.FindAllStringSubmatch(f.Body.String(), -1) {
				if module := path.Join(path.Dir(url), m[1]); !strings.Contains(page, `rel="modulepreload" href="`+module+`"`) && path.Base(url) != "stream-worker.js" {
					t.Errorf("%s: %s is not asked for with the page", b.Name, module)
				}
				todo = append(todo, path.Join(path.Dir(url), m[1]))
			}
		}
		if b.Script == "operations.js" && !seen["/static/vendor/uplot/uPlot.js"] {
			t.Errorf("the chart library was not found on the way: %v", seen)
		}
		if b.Name == "performance" && !seen["/static/performance/heat.js"] {
			t.Errorf("the heat map was not found on the way: %v", seen)
		}
		if b.Name == "business" && (!seen["/static/business/reports.js"] || !seen["/static/business.css"]) {
			t.Errorf("the parts of the business board were not found on the way: %v", seen)
		}
		if b.Name == "scheduler" && (!seen["/static/scheduler/run.js"] || !seen["/static/scheduler.css"]) {
			t.Errorf("the views of the scheduler were not found on the way: %v", seen)
		}
	}
}

// TestFill: what is put into a page is text there, and a hole that nobody fills is an error.
func TestFill(t *testing.T) {
	const bad = `"><script>&'`
	const safe = "&#34;&gt;&lt;script&gt;&amp;&#39;"
	l := layout{`<p title="{{environment}}">{{title}} {{version}}</p>{{tabs}}{{content}}`, `{{question}}{{operations}}`}
	page, err := l.render(Board{Title: bad, Question: bad}, nil, []tab{{Name: "operations", Title: bad, URL: bad, Current: true}}, bad, bad, bad)
	want := `<p title="` + safe + `">` + safe + " " + safe + `</p><a href="` + safe + `" aria-current="page">` + safe + "</a>\n      " + safe + safe
	if err != nil || string(page) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, page, want)
	}
	if _, err := (layout{"{{nothing}}", ""}).render(Board{}, nil, nil, "", "", ""); err == nil || !strings.Contains(err.Error(), "{{nothing}}") {
		t.Error(err)
	}
}

// TestOurFilesNameNoHost: no file of ours can load from elsewhere, nor write markup.
func TestOurFilesNameNoHost(t *testing.T) {
	err := fs.WalkDir(web.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(web.FS, name)
		if err != nil {
			return err
		}
		if strings.Contains(name, "/vendor/") {
			return nil
		}
		for _, s := range outside.FindAllString(string(data), -1) {
			if s != "http://www.w3.org" { // the name of a language
				t.Errorf("%s names %s", name, s)
			}
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "setAttribute(\"style"} {
			if strings.Contains(string(data), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	h := board(t, "operations")
	plain := get(h, "/static/base.css")
	tag := plain.Header().Get("ETag")
	if tag == "" || plain.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Fatalf("%v", plain.Header())
	}
	if w := get(h, "/static/base.css", "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("known file: %d", w.Code)
	}
	small := get(h, "/static/base.css", "Accept-Encoding", "gzip, br")
	if small.Header().Get("Content-Encoding") != "gzip" || small.Header().Get("ETag") == tag {
		t.Fatalf("%v", small.Header())
	}
	z, err := gzip.NewReader(small.Body)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(z); err != nil || string(data) != plain.Body.String() {
		t.Errorf("unpacked to something else: %v", err)
	}
	for _, target := range []string{"/no/such/thing", "/static/", "/static/nothing.js", "/static/..%2fpage.html", "/static/../page.html", "/page.html", "/.env"} {
		if w := get(h, target); w.Code == 200 || w.Code == 404 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", target, w.Code, w.Header().Get("Content-Type"))
		}
	}
	if w := get(h, "/healthz"); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
	r := httptest.NewRequest("POST", "http://localhost/", nil)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 405 || !strings.Contains(w.Header().Get("Allow"), "GET") {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// TestAsks: a board passes on what its page asks, to the service that answers it, and nothing else.
func TestAsks(t *testing.T) {
	boards := map[string]http.Handler{"business": board(t, "business"), "system": board(t, "system"), "operations": board(t, "operations"), "performance": board(t, "performance")}
	for _, tc := range []struct {
		board, method, path string
		service             string // "" = it is not passed on
	}{
		{"business", "GET", "/costs", "batch-processing-api"},
		{"business", "HEAD", "/costs", "batch-processing-api"},
		{"business", "GET", "/forecasts", "batch-processing-api"},
		{"business", "GET", "/capacity/analysis", "batch-processing-api"},
		{"business", "GET", "/aggregation/status", "batch-processing-api"},
		{"business", "GET", "/aggregations/hourly", "batch-processing-api"},
		{"business", "GET", "/business-intelligence/user_behavior", "batch-processing-api"},
		{"business", "GET", "/reports/list", "batch-processing-api"},
		{"business", "GET", "/reports/x/content", "batch-processing-api"},
		{"business", "POST", "/reports/generate", "batch-processing-api"},
		{"business", "DELETE", "/reports/x", "batch-processing-api"},
		{"business", "GET", "/costs/accepted", "batch-processing-api"},
		{"business", "GET", "/costs/budgets", "batch-processing-api"},
		{"business", "POST", "/costs/whatif", "batch-processing-api"},
		{"business", "GET", "/correlations", "event-processing-api"},
		{"business", "POST", "/self-test", ""},
		{"business", "POST", "/runs", ""},
		{"business", "POST", "/retention/cleanup", ""},
		{"business", "POST", "/costs", ""},
		{"business", "GET", "/dead-letters", ""},
		{"system", "GET", "/dead-letters/summary", "kafka-api"},
		{"system", "POST", "/dead-letters/redrive", "kafka-api"},
		{"system", "GET", "/consumer-groups/g", "kafka-api"},
		{"system", "POST", "/consumer-groups/g/reset", ""},
		{"system", "POST", "/topics", ""},
		{"system", "POST", "/events", ""},
		{"system", "GET", "/analytics/performance", "event-processing-api"},
		{"system", "GET", "/streams/status", "data-streaming-api"},
		{"system", "GET", "/configuration", Self},
		{"system", "POST", "/self-test", Self},
		{"system", "GET", "/services/kafka-api/events", ""},
		{"system", "GET", "/services/no-such/health", ""},
		{"system", "GET", "/costs", ""},
		{"operations", "GET", "/costs", ""},
		{"operations", "GET", "/range", "range"},
		{"performance", "GET", "/range", "range"},
		{"operations", "POST", "/range", ""},
		{"operations", "GET", "/slo", "event-processing-api"},
		{"operations", "GET", "/responses", "event-processing-api"},
		{"operations", "POST", "/responses/r-1/approve", "event-processing-api"},
		{"operations", "POST", "/responses/r-1/revert", "event-processing-api"},
		{"operations", "PUT", "/responses/kill-switch", ""},
		{"operations", "PUT", "/rules/x", ""},
		{"operations", "GET", "/notifications/config", "data-streaming-api"},
		{"operations", "PUT", "/notifications/config", ""},
		{"operations", "POST", "/notifications/silences", "data-streaming-api"},
		{"operations", "DELETE", "/notifications/silences/s-1", "data-streaming-api"},
		{"operations", "POST", "/api/v2/alerts", ""},
		{"business", "GET", "/notifications", ""},
		{"performance", "POST", "/responses/r-1/approve", ""},
		{"performance", "GET", "/capacity/analysis", "batch-processing-api"},
	} {
		r := httptest.NewRequest(tc.method, "http://localhost:8502"+tc.path, nil)
		w := httptest.NewRecorder()
		boards[tc.board].ServeHTTP(w, r)
		want := tc.service + " " + tc.method + " " + tc.path
		if passed := w.Code == 200; passed != (tc.service != "") || passed && w.Body.String() != want {
			t.Errorf("%s %s of %s: %d %s", tc.method, tc.path, tc.board, w.Code, w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); csp != policy {
			t.Errorf("%s %s of %s: policy %q", tc.method, tc.path, tc.board, csp)
		}
	}
	for _, path := range []string{"/health", "/metrics"} { // those that all services have stand under their names
		if w := get(boards["system"], "/services/kafka-api"+path); w.Body.String() != "kafka-api GET "+path {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	strange := httptest.NewRequest("DELETE", "http://localhost:8502/reports/x", nil)
	strange.Header.Set("Origin", "http://elsewhere.example")
	w := httptest.NewRecorder()
	if boards["business"].ServeHTTP(w, strange); w.Code != http.StatusForbidden {
		t.Errorf("a page from elsewhere deletes a report: %d %s", w.Code, w.Body)
	}
}

// TestConfig: links lead to the host that the browser used, and only to boards that run.
func TestConfig(t *testing.T) {
	var v struct {
		Boards     []tab
		Ingest     string
		Dimensions []string
	}
	if err := json.Unmarshal(get(board(t, "business"), "/config.json").Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Boards) != 3 || v.Boards[0].URL != "http://localhost:8501" || !v.Boards[1].Current || v.Boards[1].URL != "/" || v.Ingest != "http://localhost:9099" || len(v.Dimensions) != 1 || v.Dimensions[0] != "model+tenant" {
		t.Errorf("%+v", v)
	}
	for _, c := range [][3]string{{"http://127.0.0.1:1", "example:2", "http://example:1"}, {"http://0.0.0.0:1", "[::1]:2", "http://[::1]:1"}, {"http://a:1", "b", "http://b:1"}, {"", "b", ""}, {"http://a", "b:5", "http://b"}, {"http://a:1", "", "http://a:1"}} {
		if got := reach(c[0], c[1]); got != c[2] {
			t.Errorf("reach(%q, %q) is %q, not %q", c[0], c[1], got, c[2])
		}
	}
}

// TestTraceURL: the address of a viewer of traces is told to the pages, and one that leads nowhere is refused.
func TestTraceURL(t *testing.T) {
	const good = "https://jaeger.example/trace/{trace_id}?uiFind={span_id}"
	h, err := New("performance", live.New(live.Config{SSEMax: 1}, slog.New(slog.DiscardHandler)), Config{TraceURL: good})
	if err != nil {
		t.Fatal(err)
	}
	if body := get(h, "/config.json").Body.String(); !strings.Contains(body, `"trace_url":"`+good+`"`) {
		t.Error(body)
	}
	for address, want := range map[string]string{
		good: "", "http://127.0.0.1:3000/trace/{request_id}": "",
		"https://jaeger.example/trace/{id}": "{id} is not known", "https://jaeger.example/": "every request to the same place",
		"javascript:alert({trace_id})": "is not an address", "jaeger.example/{trace_id}": "is not an address", "//x/{trace_id}": "is not an address",
		"https://{request_id}.example/": "is not an address", "https://x:{request_id}/": "is not an address", "{trace_id}://x/": "is not an address",
	} {
		if err := CheckTraceURL(address); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestSmall: what a released binary sends for all boards together stays small, and is still what Node.js takes for modules.
func TestSmall(t *testing.T) {
	small := must(minify.Folder("../../../web/static"))
	folder, modules := fstest.MapFS{}, map[string]string{}
	for name, data := range small {
		if folder[name] = (&fstest.MapFile{Data: data}); path.Ext(name) == ".js" {
			modules[name] = string(data)
		}
	}
	sent, total, counted := must(load(folder)), 0, map[string]bool{}
	weigh := func(names ...string) (bytes int) {
		for _, name := range names {
			f := sent.byPath[name]
			if f == nil {
				t.Fatalf("%s is not sent", name)
			}
			bytes += len(cmp.Or(string(f.small), string(f.plain)))
		}
		return bytes
	}
	for _, b := range pages() {
		loads := append([]string{"vendor/uplot/uPlot.min.css", "base.css", "board.css", b.Style, "theme.js", b.Script}, sent.modules(b.Script)...)
		size := weigh(loads...)
		if size > 96<<10 {
			t.Errorf("%s loads %d bytes compressed; 96 KiB is the budget of a page", b.Title, size)
		}
		t.Logf("%s loads %d files, %d bytes compressed", b.Title, len(loads), size)
		if !slices.ContainsFunc(Boards, func(of Board) bool { return of.Script == b.Script }) {
			continue // a page of its own, and no board
		}
		for _, name := range append(append(loads, "stream-worker.js"), sent.modules("stream-worker.js")...) {
			if !counted[name] {
				counted[name] = true
				total += weigh(name)
			}
		}
	}
	if total > 150<<10 {
		t.Errorf("scripts and styles of the boards are %d bytes compressed; 150 KiB is what they may be together", total)
	}
	t.Logf("scripts and styles of the boards are %d bytes compressed", total)
	node, err := exec.LookPath("node")
	if err != nil {
		return
	}
	body, err := json.Marshal(modules)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), node, "--no-warnings", "--experimental-vm-modules", "-e", parse)
	check.Stdin = bytes.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("as it is served: %v\n%s", err, out)
	}
}

// parse reads modules by name and says which of them are none.
const parse = `const vm = require("vm"); let s = ""; process.stdin.on("data", (d) => (s += d)).on("end", () => { for (const [name, text] of Object.entries(JSON.parse(s))) { try { new vm.SourceTextModule(text) } catch (e) { console.log(name, String(e)); process.exitCode = 1 } } })`

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestModules runs the tests of the ES modules where Node.js is there.
func TestModules(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine")
	}
	for _, name := range []string{"modules.mjs", "boards.mjs", "business.mjs", "system.mjs", "page.mjs", "panels.mjs"} {
		if out, err := exec.CommandContext(t.Context(), node, "testdata/"+name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
