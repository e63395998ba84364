package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// withRoutes starts an API whose routes come by a control log, and two topics for them.
func withRoutes(t *testing.T) *fixture {
	t.Helper()
	return withRoutesAnd(t, Defaults())
}

func withRoutesAnd(t *testing.T, cfg Config) *fixture {
	t.Helper()
	b := bustest.New(t)
	if err := b.EnsureTopics(t.Context(), []event.Topic{{Name: "team-a", Partitions: 1}, {Name: "team-b", Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	control, err := bus.NewControlLog(b, nil, telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	table := route.NewTable()
	control.Handle(route.Prefix, table)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- control.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	<-control.Ready()
	api, err := New(cfg, b, nil, telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	api.Routing = Routing{table, control}
	return serve(t, api, b)
}

// ask sends a request with a body of JSON and returns status and answer.
func (f *fixture) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (f *fixture) put(t *testing.T, name, when, to, mode string) {
	t.Helper()
	body, err := json.Marshal(route.Route{When: when, To: to, Mode: route.Mode(mode)})
	if err != nil {
		t.Fatal(err)
	}
	if status, text := f.ask(t, "PUT", "/routes/"+name, string(body)); status != 200 && status != 201 {
		t.Fatalf("%d %s", status, text)
	}
}

// An event that a route moved is known after a restart as any other, and one that was copied by its place on the topic of its kind.
func TestMovedEventsAreKnownAfterARestart(t *testing.T) {
	f := withRoutes(t)
	f.put(t, "a", `data.model == "a"`, "team-a", "move")
	f.put(t, "b", `data.model == "b"`, "team-a", "copy")
	for i, model := range []string{"a", "b"} {
		if r := f.post("/events", jsonType_, fmt.Appendf(nil, `{"event_id":"%d","event_type":"llm_request","data":{"model":%q}}`, i, model)); r.Accepted != 1 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	api, err := New(Defaults(), f.bus, nil, telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	api.Routing = f.api.Routing
	again := serve(t, api, f.bus)
	for i, topic := range []string{"", "llm-requests"} {
		if r := again.post("/events", jsonType_, fmt.Appendf(nil, `{"event_id":"%d","event_type":"llm_request","data":{"model":"a"}}`, i)); r.Duplicates != 1 || r.Results[0].Topic != topic {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
}

func TestRoutesCopyAndMove(t *testing.T) {
	f := withRoutes(t)
	f.put(t, "copy-a", `data.model == "a"`, "team-a", "copy")
	f.put(t, "copy-a-too", `event_type == "llm_request" && data.model == "a"`, "team-a", "copy")
	f.put(t, "move-b", `data.model == "b"`, "team-b", "move")
	f.put(t, "copy-b-too", `data.model == "b"`, "team-b", "copy") // its name comes first, the move takes the event there all the same
	f.put(t, "slow", `data.duration_ms > 1000`, "team-a", "copy")
	send := func(id, model string, ms int) reply {
		t.Helper()
		return f.post("/events", "application/json", fmt.Appendf(nil, `{"event_id":%q,"event_type":"llm_request","data":{"model":%q,"duration_ms":%d}}`, id, model, ms))
	}
	topics := map[string]string{}
	for _, x := range []struct {
		id, model string
		ms        int
	}{{"1", "a", 10}, {"2", "b", 10}, {"3", "c", 10}, {"4", "b", 5000}, {"5", "a", 5000}} {
		r := send(x.id, x.model, x.ms)
		if r.Status != 202 || r.Accepted != 1 {
			t.Fatalf("%s: %d %s", x.id, r.Status, r.Body)
		}
		topics[x.id] = r.Results[0].Topic
	}
	if topics["1"] != "llm-requests" || topics["2"] != "team-b" {
		t.Errorf("the answers name %v", topics)
	}
	for topic, want := range map[string]string{"llm-requests": "1 3 5", "team-a": "1 4 5", "team-b": "2 4"} {
		if got := ids(t, f, topic); got != want {
			t.Errorf("%s holds %s, want %s", topic, got, want)
		}
	}
	if r := send("4", "b", 5000); r.Duplicates != 1 {
		t.Errorf("sent again: %s", r.Body)
	}
	if got := ids(t, f, "team-b"); got != "2 4" {
		t.Errorf("after it was sent again team-b holds %s", got)
	}
	if status, text := f.ask(t, "DELETE", "/routes/move-b", ""); status != 204 {
		t.Errorf("%d %s", status, text)
	}
	send("6", "b", 1)
	if got := ids(t, f, "llm-requests"); got != "1 3 5 6" {
		t.Errorf("without the move llm-requests holds %s", got)
	}
}

func ids(t *testing.T, f *fixture, topic string) string {
	t.Helper()
	var p event.Parser
	var e event.Event
	var out []string
	for _, m := range f.all(topic) {
		if bad := p.Parse(m.Value, &e); bad != nil {
			t.Fatal(bad)
		}
		out = append(out, strings.Clone(e.ID))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestRoutesAreRefusedWithAReason(t *testing.T) {
	f := withRoutes(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/routes/x", `{"when":"data.model == ","to":"team-a","mode":"copy"}`, 422, `"pointer":"/when"`},
		{"PUT", "/routes/x", `{"when":"true","to":"nowhere","mode":"copy"}`, 422, "create it"},
		{"PUT", "/routes/x", `{"when":"true","to":"team-a","mode":"swap"}`, 422, `"pointer":"/mode"`},
		{"PUT", "/routes/x", `{`, 400, "cannot be read"},
		{"PUT", "/routes/x", `{"when":"true","to":"team-a","mode":"copy","tests":[{"event":{"event_type":"llm_request","data":{}},"matches":false}]}`, 422, "/tests/0/matches"},
		{"GET", "/routes/x", "", 404, "no route"},
		{"DELETE", "/routes/x", "", 404, "no route"},
		{"POST", "/routes/test", `{"when":"data.model == 3","events":[{"event_type":"llm_request","data":{"model":"m"}},{"event_type":"llm_request","data":{}}]}`, 200, `"results":[{"matches":false,"error":null},{"matches":false,"error":"no such key: model"}]`},
		{"POST", "/routes/test", `{"when":"true","events":[{"event_type":"x"}]}`, 422, "/events/0/event_type"},
	} {
		if status, text := f.ask(t, tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s %s %s: %d %s; want %d with %q", tt.method, tt.path, tt.body, status, text, tt.status, tt.says)
		}
	}
	f.put(t, "x", "true", "team-a", "copy")
	if status, text := f.ask(t, "GET", "/routes", ""); status != 200 || !strings.Contains(text, `"routes":[{"name":"x","when":"true","to":"team-a","mode":"copy"}]`) {
		t.Errorf("%d %s", status, text)
	}
}

// noTopic is a cluster in which one topic is not there.
type noTopic struct {
	missing string
	written []string
}

func (n *noTopic) Send(_ context.Context, msgs []*bus.Message) error {
	errs, failed := make([]error, len(msgs)), -1
	for i, m := range msgs {
		if m.Topic == n.missing {
			errs[i], failed = bus.ErrUnknownTopic, i
			continue
		}
		n.written = append(n.written, m.Topic)
	}
	if failed < 0 {
		return nil
	}
	return &bus.SendError{Errs: errs, First: failed}
}

func TestARouteToNowhereLosesCopiesAlone(t *testing.T) {
	out := &noTopic{missing: "team-a"}
	api := newAPI(Defaults(), out, nil, telemetry.NewRegistry())
	table := route.NewTable()
	if err := table.Apply("route/x", []byte(`{"when":"data.model == \"a\"","to":"team-a","mode":"copy"}`), 0); err != nil {
		t.Fatal(err)
	}
	api.Routing = Routing{Routes: table}
	f := serve(t, api, nil)
	body := []byte(`[{"event_id":"1","event_type":"llm_request","data":{"model":"a"}},{"event_id":"2","event_type":"llm_request","data":{"model":"b"}}]`)
	if r := f.post("/events", "application/json", body); r.Status != 202 || r.Accepted != 2 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if len(out.written) != 2 {
		t.Errorf("written: %v", out.written)
	}
	if r := f.post("/events", "application/json", body); r.Duplicates != 2 {
		t.Errorf("sent again: %s", r.Body)
	}
	if err := table.Apply("route/x", []byte(`{"when":"data.model == \"c\"","to":"team-a","mode":"move"}`), 0); err != nil {
		t.Fatal(err)
	}
	lost := []byte(`{"event_id":"3","event_type":"llm_request","data":{"model":"c"}}`)
	if r := f.post("/events", "application/json", lost); r.Status < 500 {
		t.Errorf("an event that can only go to a topic that is not there was answered %d %s", r.Status, r.Body)
	}
}

// What a route moves to a topic that is gone must not be acknowledged and then thrown away; what it copies there is lost and
// must not stop the way in. Both hold as well where the disk keeps what the brokers cannot take: they are not away.
func TestRoutesToATopicThatIsGone(t *testing.T) {
	for _, spill := range []int64{0, 1 << 20} {
		t.Run(fmt.Sprintf("spill %d", spill), func(t *testing.T) {
			cfg := Defaults()
			cfg.SpillBytes, cfg.SpillDir = spill, t.TempDir()
			f := withRoutesAnd(t, cfg)
			f.put(t, "copy", `data.model == "a"`, "team-a", "copy")
			f.put(t, "move", `data.model == "b"`, "team-b", "move")
			for _, topic := range []string{"team-a", "team-b"} {
				if err := f.bus.DeleteTopic(t.Context(), topic); err != nil {
					t.Fatal(err)
				}
			}
			send := func(id, model string) reply {
				return f.post("/events", "application/json", fmt.Appendf(nil, `{"event_id":%q,"event_type":"llm_request","data":{"model":%q}}`, id, model))
			}
			if r := send("1", "a"); r.Status != 202 || r.Results[0].Offset != 0 || r.Results[0].Topic != "llm-requests" {
				t.Errorf("copied to a topic that is gone: %d %s", r.Status, r.Body)
			}
			if r := send("2", "b"); r.Status != 503 {
				t.Errorf("moved to a topic that is gone: %d %s", r.Status, r.Body)
			}
			if n, _ := f.api.Held(); n != 0 {
				t.Errorf("%d messages are kept on disk for topics that are gone", n)
			}
			if status, text := f.ask(t, "DELETE", "/routes/move", ""); status != 204 {
				t.Fatalf("%d %s", status, text)
			}
			if r := send("2", "b"); r.Status != 202 || r.Accepted != 1 {
				t.Errorf("sent again without the route: %d %s", r.Status, r.Body)
			}
			if got := ids(t, f, "llm-requests"); got != "1 2" {
				t.Errorf("llm-requests holds %s", got)
			}
		})
	}
}

func TestATopicThatRoutesNeedStays(t *testing.T) {
	f := withRoutes(t)
	f.put(t, "move", `data.model == "b"`, "team-b", "move")
	if status, text := f.ask(t, "DELETE", "/topics/team-b", ""); status != 409 || !strings.Contains(text, "move") {
		t.Errorf("with a route to it: %d %s", status, text)
	}
	if status, text := f.ask(t, "DELETE", "/routes/move", ""); status != 204 {
		t.Fatalf("%d %s", status, text)
	}
	if status, text := f.ask(t, "DELETE", "/topics/team-b", ""); status != 204 {
		t.Errorf("without: %d %s", status, text)
	}
}
