package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// memory is a store in memory. fail says what becomes of the next writes: nil is stored, errLost is stored and the answer is lost.
type memory struct {
	mu       sync.Mutex
	docs     map[string]event.Document
	revision int64
	owner    string
	fence    int64
	until    time.Time
	fail     []error
	unread   []error // what becomes of the next reads
}

var errAway, errLost = errors.New("away"), errors.New("the answer is lost")

func newMemory() *memory { return &memory{docs: map[string]event.Document{}} }

func (m *memory) SaveNotifications(_ context.Context, fence int64, docs []event.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if fence != 0 && fence != m.fence {
		return event.ErrNotOwner
	}
	var fail error
	if len(m.fail) > 0 {
		fail, m.fail = m.fail[0], m.fail[1:]
	}
	if fail != nil && !errors.Is(fail, errLost) {
		return fail
	}
	m.revision++
	for _, d := range docs {
		if d.Revision > 0 && d.Revision != m.docs[d.Kind+"/"+d.ID].Revision {
			continue
		}
		d.Revision = m.revision
		m.docs[d.Kind+"/"+d.ID] = d
	}
	return fail
}

func (m *memory) Notifications(_ context.Context, after int64) (docs []event.Document, upTo int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.unread) > 0 {
		if err, m.unread = m.unread[0], m.unread[1:]; err != nil {
			return nil, 0, err
		}
	}
	for _, d := range m.docs {
		if d.Revision > after && (d.Body != nil || after > 0) {
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b event.Document) int { return int(a.Revision - b.Revision) })
	return docs, m.revision, nil
}

func (m *memory) PurgeNotifications(context.Context, int64) error { return nil }

func (m *memory) OwnNotifications(_ context.Context, owner string, term time.Duration) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.owner != owner && m.until.After(now) {
		return 0, nil
	}
	if m.owner != owner {
		m.fence++
	}
	m.owner, m.until = owner, now.Add(term)
	return m.fence, nil
}

func (m *memory) LeaveNotifications(_ context.Context, owner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner == owner {
		m.until = time.Time{}
	}
	return nil
}

// told is a log that keeps the lines of console receivers.
type told struct {
	slog.Handler
	mu    *sync.Mutex
	lines *[]string
}

func newTold() told { return told{slog.DiscardHandler, &sync.Mutex{}, &[]string{}} }

func (h told) Enabled(context.Context, slog.Level) bool { return true }
func (h told) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h told) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "notification" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "text" {
			*h.lines = append(*h.lines, a.Value.String())
		}
		return true
	})
	return nil
}

func (h told) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(*h.lines)
}

// instance runs a service in a bubble; stop ends it, in good order.
func instance(t *testing.T, store Store, log slog.Handler, dir string) (s *Service, mux *httpx.Mux, stop func()) {
	t.Helper()
	return instanceAt(t, store, log, dir, nil)
}

// instanceAt is instance with a clock of the test.
func instanceAt(t *testing.T, store Store, log slog.Handler, dir string, c *clock.Steady) (s *Service, mux *httpx.Mux, stop func()) {
	t.Helper()
	s, err := New(Config{SecretNames: []string{"HXP_NOTIFY_*"}}, Options{Store: store, DataDir: dir, Version: "test", Log: slog.New(log), Registry: telemetry.NewRegistry(), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	mux = httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	s.Mount(mux)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return s, mux, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ask answers a request of a client.
func ask(t *testing.T, mux *httpx.Mux, method, path string, body any, want int) string {
	t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader([]byte(text)))
	if ok {
		r.Header.Set("Content-Type", "application/yaml")
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != want {
		t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

const quick = "route: {receiver: log, group_by: [alertname], group_wait: 1s, group_interval: 10s}\nreceivers: [{name: log, console_configs: [{}]}]\n"

func posted(names ...string) []incoming {
	var out []incoming
	for _, name := range names {
		out = append(out, incoming{Labels: map[string]string{"alertname": name}})
	}
	return out
}

// Two instances on one store know the same, and one of them speaks. When it ends the other one goes on at once, and what was said is
// not said again.
func TestInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newMemory(), newTold()
		_, one, stopOne := instance(t, store, log, t.TempDir())
		defer stopOne()
		_, two, stopTwo := instance(t, store, log, t.TempDir())
		defer stopTwo()
		ask(t, two, "PUT", "/notifications/config", quick, 200)
		ask(t, two, "POST", "/api/v2/alerts", posted("A"), 200)
		time.Sleep(3 * time.Second)
		if got := log.all(); len(got) != 1 || !strings.Contains(got[0], "A") {
			t.Fatalf("%q", got)
		}
		if a, b := ask(t, one, "GET", "/notifications", nil, 200), ask(t, two, "GET", "/notifications", nil, 200); a != b || !strings.Contains(a, `"status":"sent"`) {
			t.Errorf("one knows %s\ntwo knows %s", a, b)
		}
		stopOne()
		ask(t, two, "POST", "/api/v2/alerts", posted("A", "B"), 200)
		time.Sleep(5 * time.Second)
		if got := log.all(); len(got) != 2 || !strings.Contains(got[1], "B") {
			t.Errorf("%q", got)
		}
	})
}

// An owner that does not answer any more is replaced when its lease is over, and cannot store what it decides then.
func TestTheLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newMemory(), newTold()
		if _, err := store.OwnNotifications(t.Context(), "somebody who hangs", term); err != nil {
			t.Fatal(err)
		}
		_, mux, stop := instance(t, store, log, t.TempDir())
		defer stop()
		ask(t, mux, "PUT", "/notifications/config", quick, 200)
		ask(t, mux, "POST", "/api/v2/alerts", posted("A"), 200)
		time.Sleep(term / 2)
		if got := log.all(); len(got) > 0 {
			t.Fatalf("two speak: %q", got)
		}
		time.Sleep(term)
		if got := log.all(); len(got) != 1 {
			t.Errorf("%q", got)
		}
		if err := store.SaveNotifications(t.Context(), 1, nil); !errors.Is(err, event.ErrNotOwner) {
			t.Errorf("the old owner writes: %v", err)
		}
	})
}

// Whatever fails in the store, and whether or not it was stored, each group is told of once.
func TestTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newMemory(), newTold()
		_, mux, stop := instance(t, store, log, t.TempDir())
		defer stop()
		ask(t, mux, "PUT", "/notifications/config", quick, 200)
		want := 0
		for i, fails := range [][]error{{errAway}, {errLost}, {errAway, errAway}, {nil, errAway}, {nil, errLost}, {errLost, errLost, errAway}} {
			ask(t, mux, "POST", "/api/v2/alerts", posted(fmt.Sprint("K", i)), 200)
			want++
			store.mu.Lock()
			store.fail = fails
			store.mu.Unlock()
			time.Sleep(8 * time.Second)
		}
		ids := map[string]int{}
		var list messageList
		if err := json.Unmarshal([]byte(ask(t, mux, "GET", "/notifications", nil, 200)), &list); err != nil {
			t.Fatal(err)
		}
		for _, n := range list.Notifications {
			ids[n.GroupLabels["alertname"]]++
			if n.Status != core.Sent {
				t.Errorf("%+v", n)
			}
		}
		if len(ids) != want || len(list.Notifications) != want {
			t.Errorf("%v", ids)
		}
		// The note of a try that was not stored is stored later; the try is not made again.
		if got := log.all(); len(got) != want {
			t.Errorf("%d lines: %q", len(got), got)
		}
		store.mu.Lock()
		store.fail = []error{errAway}
		store.mu.Unlock()
		ask(t, mux, "POST", "/api/v2/alerts", posted("X"), 503)
	})
}

// What is stored was taken, although it could not be read again; what comes next is merged with it all the same.
func TestWhatIsStoredIsTaken(t *testing.T) {
	store := newMemory()
	s := idle(t, store, nil)
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	s.Mount(mux)
	store.unread = []error{errAway}
	ask(t, mux, "POST", "/api/v2/alerts", posted("A"), 200)
	store.unread = []error{errAway}
	ask(t, mux, "POST", "/api/v2/alerts", posted("B"), 503)
	ask(t, mux, "POST", "/webhooks/alertmanager", map[string]any{"version": "4", "alerts": []any{map[string]any{"labels": map[string]string{"alertname": "A"}, "status": "resolved"}}}, 200)
	s.look(func(e *core.Engine) {
		if a := e.Alert(label.Set{"alertname": "A"}.Fingerprint()); e.Count() != 1 || a == nil || !a.Resolved(time.Now()) {
			t.Errorf("%d alerts, %+v", e.Count(), a)
		}
	})
	store.unread = []error{errAway}
	if err := s.save(t.Context(), 0); err != nil {
		t.Error(err)
	}
	store.fence, store.unread = 7, []error{errAway}
	if err := s.save(t.Context(), 7); !errors.Is(err, errAway) {
		t.Errorf("an owner does not hear of it: %v", err)
	}
}

// A restart goes on where the last run ended, by the documents alone.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log, dir := newMemory(), newTold(), t.TempDir()
		_, mux, stop := instance(t, store, log, dir)
		ask(t, mux, "PUT", "/notifications/config", quick, 200)
		shown := ask(t, mux, "GET", "/notifications/config", nil, 200)
		ask(t, mux, "POST", "/notifications/silences", map[string]any{"matchers": []any{map[string]any{"name": "alertname", "value": "Hush", "isRegex": false}}, "startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "t", "comment": "c"}, 201)
		ask(t, mux, "POST", "/api/v2/alerts", posted("A", "Hush"), 200)
		time.Sleep(2 * time.Second)
		stop()
		_, mux, stop = instance(t, store, log, dir)
		defer stop()
		if again := ask(t, mux, "GET", "/notifications/config", nil, 200); again != shown {
			t.Errorf("%s, then %s", shown, again)
		}
		ask(t, mux, "POST", "/api/v2/alerts", posted("A", "Hush"), 200)
		time.Sleep(20 * time.Second)
		if got := log.all(); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
}

// Neither answer shows what may be a secret, and after a restart the receiver is told at the whole address.
func TestAddressesAreNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, dir := newMemory(), t.TempDir()
		_, mux, stop := instance(t, store, slog.DiscardHandler, dir)
		put := ask(t, mux, "PUT", "/notifications/config", "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'https://w.example/hook?token=hush'}]}]\n", 200)
		stop()
		s, mux, stop := instance(t, store, slog.DiscardHandler, dir)
		defer stop()
		for _, shown := range []string{put, ask(t, mux, "GET", "/notifications/config", nil, 200), ask(t, mux, "GET", "/api/v2/status", nil, 200)} {
			if strings.Contains(shown, "hush") || !strings.Contains(shown, "https://w.example/***") {
				t.Error(shown)
			}
		}
		ask(t, mux, "PUT", "/notifications/config", ask(t, mux, "GET", "/notifications/config", nil, 200), 200)
		s.look(func(e *core.Engine) {
			if got := e.Plan().Target("a").Ways[0].Webhook.URL; got != "https://w.example/hook?token=hush" {
				t.Errorf("told at %s", got)
			}
		})
	})
}

// Who may put the configuration reads neither variables nor files by it, also where it was put before that was refused.
func TestSecretsOfOthersAreRefused(t *testing.T) {
	t.Setenv("HXP_NOTIFY_KEY", "ours")
	t.Setenv("SQL_DATABASE_PASSWORD", "theirs")
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		conf := func(where string) string {
			return "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'https://127.0.0.1/', http_config: {authorization: {credentials: '" + where + "'}}}]}]\n"
		}
		s, mux, stop := instance(t, store, slog.DiscardHandler, t.TempDir())
		defer stop()
		ask(t, mux, "PUT", "/notifications/config", conf("env:HXP_NOTIFY_KEY"), 200)
		for _, where := range []string{"env:SQL_DATABASE_PASSWORD", "env:PATH", "file:/etc/hostname"} {
			if answer := ask(t, mux, "PUT", "/notifications/config", conf(where), 422); !strings.Contains(answer, "/receivers/0/webhook_configs/0/http_config/authorization/credentials") {
				t.Error(answer)
			}
		}
		old, faults := plan.Parse([]byte(conf("env:SQL_DATABASE_PASSWORD")))
		if faults != nil {
			t.Fatal(faults)
		}
		if err := s.save(t.Context(), 0, core.Put(core.KindConfig, "current", json.RawMessage(old.Document()))); err != nil {
			t.Fatal(err)
		}
		if answer := ask(t, mux, "POST", "/notifications/test", map[string]any{"receiver": "a"}, 422); !strings.Contains(answer, "is not set apart") || strings.Contains(answer, "theirs") {
			t.Error(answer)
		}
	})
}

// Tests go past the limits of receivers, so they have one of their own; to look at the texts is free.
func TestTestsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, mux, stop := instance(t, newMemory(), slog.DiscardHandler, t.TempDir())
		defer stop()
		order := map[string]any{"receiver": "console"}
		for range testsPerMinute {
			ask(t, mux, "POST", "/notifications/test", order, 200)
		}
		ask(t, mux, "POST", "/notifications/test", order, 429)
		ask(t, mux, "POST", "/notifications/test", map[string]any{"receiver": "console", "preview": true}, 200)
		time.Sleep(time.Minute)
		ask(t, mux, "POST", "/notifications/test", order, 200)
	})
}

// What is refused is refused with its place, and changes nothing.
func TestBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		_, mux, stop := instance(t, store, slog.DiscardHandler, t.TempDir())
		defer stop()
		ask(t, mux, "PUT", "/notifications/config", quick, 200)
		before := store.revision
		for _, c := range []struct {
			method, path string
			body         any
			status       int
			want         string
		}{
			{"PUT", "/notifications/config", "route: [", 400, "neither YAML nor JSON"},
			{"PUT", "/notifications/config", "route: {receiver: x}\nreceivers: []", 422, `"/route/receiver"`},
			{"POST", "/api/v2/alerts", map[string]any{}, 400, "no list of alerts"},
			{"POST", "/api/v2/alerts", []any{map[string]any{"labels": map[string]string{}}}, 400, `"/0/labels"`},
			{"POST", "/api/v2/alerts", []any{map[string]any{"labels": map[string]string{"a": "b"}, "startsAt": "yesterday"}}, 400, `"/0/startsAt"`},
			{"POST", "/api/v2/alerts", []any{map[string]any{"labels": map[string]string{"a": "b"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}}, 400, `"/0/endsAt"`},
			{"POST", "/api/v2/alerts", []any{map[string]any{"labels": map[string]string{"a": "b"}, "startsAt": "9999-12-31T23:59:59-12:00", "endsAt": "9999-12-31T23:59:59-12:00"}}, 400, `"/0/startsAt"`},
			{"POST", "/api/v2/alerts", json.RawMessage("null"), 400, "no list of alerts"},
			{"POST", "/webhooks/alertmanager", map[string]any{"version": "3", "alerts": []any{}}, 400, "/version"},
			{"POST", "/webhooks/alertmanager", map[string]any{"version": "4"}, 400, "no webhook"},
			{"POST", "/webhooks/alertmanager", map[string]any{"version": "4", "alerts": []any{map[string]any{"labels": map[string]string{"a": "b"}}}}, 400, `"/0/status"`},
			{"POST", "/notifications/ack", map[string]any{"fingerprint": "ffffffffffffffff"}, 404, "no alert"},
			{"POST", "/notifications/ack", map[string]any{"finger": "f"}, 422, "unknown_field"},
			{"POST", "/notifications/test", map[string]any{"receiver": "nobody"}, 404, "nobody"},
			{"POST", "/notifications/silences", map[string]any{"matchers": []any{}}, 422, "/matchers"},
			{"POST", "/notifications/silences", map[string]any{"id": "x", "matchers": []any{map[string]any{"name": "a", "value": "b"}}, "startsAt": "2000-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "t", "comment": "c"}, 404, "no silence"},
			{"POST", "/notifications/silences", map[string]any{"matchers": []any{map[string]any{"name": "a", "value": ".*", "isRegex": true}}, "startsAt": "2000-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "t", "comment": "c"}, 422, "silence everything"},
			{"DELETE", "/notifications/silences/x", nil, 404, "no silence"},
			{"GET", "/api/v2/silence/x", nil, 404, "no silence"},
			{"GET", "/api/v2/alerts?filter=a", nil, 400, "?filter"},
			{"GET", "/api/v2/alerts?active=maybe", nil, 400, "?active"},
			{"GET", "/notifications?since=yesterday", nil, 400, "?since"},
			{"GET", "/notifications?limit=0", nil, 400, "?limit"},
		} {
			if got := ask(t, mux, c.method, c.path, c.body, c.status); !strings.Contains(got, c.want) {
				t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
			}
		}
		if store.revision > before+1 { // that this instance speaks is no document
			t.Errorf("something was stored: %d, then %d", before, store.revision)
		}
	})
}

// What the rules of hxp decide becomes alerts: the end of an episode counts for the alert that began with it.
func TestDecisionsOfRules(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	read := func(text string) (core.Alert, bool, error) { return alertOf([]byte(text), now, now, "http://hxp") }
	a, ok, err := read(`{"id":"e1","rule":"slow","state":"firing","severity":"critical","class":"page","key":{"model":"m1"},"labels":{"team":"a"},"annotations":{"summary":"s"},"starts_at":"2026-03-02T11:59:00Z","value":2.5,"threshold":1}`)
	if want := `{alertname="slow", class="page", model="m1", severity="critical", team="a"}`; err != nil || !ok || a.Labels.String() != want || a.Annotations["value"] != "2.5" || a.Resolved(now) || a.Timeout {
		t.Errorf("%+v %v %v", a, ok, err)
	}
	if a, ok, err := read(`{"id":"e1","rule":"slow","state":"resolved","severity":"critical","key":"run","starts_at":"2026-03-02T11:59:00Z","at":"2026-03-02T12:00:00Z"}`); err != nil || !ok || !a.Resolved(now) {
		t.Errorf("%+v %v %v", a, ok, err)
	}
	for _, text := range []string{`{"id":"e1","rule":"slow","state":"pending","starts_at":"2026-03-02T11:59:00Z"}`, `{"id":"e1","rule":"slow","state":"lapsed","starts_at":"2026-03-02T11:59:00Z"}`} {
		if _, ok, err := read(text); ok || err != nil {
			t.Errorf("%s: %v %v", text, ok, err)
		}
	}
	for _, text := range []string{`{"id":"e","rule":"r","state":"firing","starts_at":"9999-12-31T23:59:59-12:00"}`, `{"id":"e","rule":"r","state":"resolved","starts_at":"2026-03-02T11:59:00Z","ends_at":"0000-01-01T00:00:00+12:00"}`, "", "{}", "[]", `{"id":"e","rule":"r","state":"firing"}`, `{"id":"e","rule":"` + strings.Repeat("x", 5000) + `","state":"firing","starts_at":"2026-03-02T11:59:00Z"}`} {
		if _, ok, err := read(text); ok || err == nil {
			t.Errorf("%.60s: %v %v", text, ok, err)
		}
	}
}

// An Alertmanager hears of what fires at once and again each minute with an end that lies ahead, of an end at once, and of nothing that
// came from elsewhere.
func TestForward(t *testing.T) {
	var got [][]postable
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []postable
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil || r.URL.Path != "/api/v2/alerts" {
			t.Errorf("%s: %v", r.URL, err)
		}
		got = append(got, list)
	}))
	defer s.Close()
	now := time.Now()
	told := map[label.Fingerprint]*outgoing{}
	p, faults := plan.Parse([]byte(plan.Default))
	if faults != nil {
		t.Fatal(faults)
	}
	e := core.New(p)
	for name, a := range map[string]core.Alert{"A": {Source: core.FromHxp}, "Others": {Source: core.FromAPI}, "Report": {Source: core.FromHxp, Once: true}} {
		a.Labels, a.StartsAt = map[string]string{"alertname": name}, now
		if err := e.Apply(core.Put(core.KindAlert, string(a.Labels.Fingerprint()), a)); err != nil {
			t.Fatal(err)
		}
	}
	gatherOutgoing(e.Own(now), told, now)
	if len(told) != 1 {
		t.Errorf("%d alerts are sent on", len(told))
	}
	for _, o := range told {
		if err := post(t.Context(), http.DefaultClient, s.URL, []*outgoing{o}, now); err != nil {
			t.Fatal(err)
		}
	}
	gatherOutgoing(nil, told, now.Add(time.Second))
	for _, o := range told {
		if err := post(t.Context(), http.DefaultClient, s.URL, []*outgoing{o}, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2 || !got[0][0].EndsAt.Equal(now.Add(forwardAhead).UTC()) || !got[1][0].EndsAt.Equal(now.Add(time.Second).UTC()) {
		t.Errorf("%+v", got)
	}
}

// Alertmanagers that are named while it runs hear of what fires, those that are no more hear nothing, and what may be read as a secret stays.
func TestReconfigure(t *testing.T) {
	posts := make(chan string, 10)
	serve := func(name string) []string {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posts <- name }))
		t.Cleanup(srv.Close)
		return []string{srv.URL}
	}
	one, two := serve("one"), serve("two")
	s, err := New(Config{SecretNames: []string{"HXP_NOTIFY_*"}}, Options{Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	a := core.Alert{Labels: map[string]string{"alertname": "A"}, StartsAt: time.Now(), Source: core.FromHxp}
	s.look(func(e *core.Engine) { err = e.Apply(core.Put(core.KindAlert, string(a.Labels.Fingerprint()), a)) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.forward(ctx); close(ended) }()
	for _, step := range []struct {
		to   []string
		want string
	}{{one, "one"}, {two, "two"}, {one, "one"}} { // the last is told again, as it was away
		s.Reconfigure(Config{Alertmanagers: step.to, SecretNames: []string{"*_PASSWORD"}})
		if got := <-posts; got != step.want {
			t.Errorf("%s hears, not %s", got, step.want)
		}
	}
	stop()
	<-ended
	if got := s.cfg.Load(); !slices.Equal(got.SecretNames, []string{"HXP_NOTIFY_*"}) || len(posts) > 0 {
		t.Errorf("%+v, and %d posts more", got, len(posts))
	}
}

// However a body looks, it is answered, and an alert that is taken has labels and ends after it begins.
func FuzzPostedAlerts(f *testing.F) {
	f.Add([]byte(`[{"labels":{"alertname":"A"},"startsAt":"2026-01-01T00:00:00Z"}]`))
	f.Add([]byte(`[{"labels":{"a":""},"endsAt":"0001-01-01T00:00:00Z"}]`))
	f.Add([]byte(`[{"labels":{"a":"b"},"startsAt":"9999-12-31T23:59:59-12:00","endsAt":"9999-12-31T23:59:59-12:00"}]`))
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		var list []incoming
		if json.Unmarshal(body, &list) != nil {
			return
		}
		for i := range list {
			a, at, err := list[i].read(now, core.FromAPI, time.Minute)
			if err == nil && (len(a.Labels) == 0 || a.EndsAt.Before(a.StartsAt)) {
				t.Errorf("%s: %+v", body, a)
			} else if err != nil && at == "" {
				t.Errorf("%s: %v, but where?", body, err)
			}
			if err == nil {
				core.Put(core.KindAlert, "f", a) // panics at what no document can say
			}
		}
	})
}
