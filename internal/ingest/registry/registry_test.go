package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// memory is a control log without brokers. Each state follows it at once, unless it is held back.
type memory struct {
	mu      sync.Mutex
	records [][2]string
	states  []*State
	held    bool // states apply only when somebody catches up
	applied int
	away    error
	between func() // called before a command is written
}

func (m *memory) Append(_ context.Context, key string, value []byte) (int64, error) {
	if f := m.between; f != nil {
		m.between = nil
		f()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return 0, m.away
	}
	m.records = append(m.records, [2]string{key, string(value)})
	if !m.held {
		m.apply()
	}
	return int64(len(m.records) - 1), nil
}

func (m *memory) apply() {
	for ; m.applied < len(m.records); m.applied++ {
		for _, s := range m.states {
			_ = s.Apply(m.records[m.applied][0], []byte(m.records[m.applied][1]), int64(m.applied)) // poison is passed over
		}
	}
}

func (m *memory) WaitFor(context.Context, int64) error { return m.CatchUp(context.Background()) }
func (m *memory) Settled(context.Context) error        { return nil }
func (m *memory) CatchUp(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away == nil {
		m.apply()
	}
	return m.away
}

type rig struct {
	t   *testing.T
	log *memory
	mux *httpx.Mux
}

func newRig(t *testing.T) *rig {
	s := NewState()
	r := &rig{t, &memory{states: []*State{s}}, httpx.NewMux(nil, nil)}
	New(s, r.log, time.Second, nil).Mount(r.mux)
	return r
}

// ask sends a request and returns status and answer.
func (r *rig) ask(method, path, body string) (int, string) {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", MediaType)
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	if ct := w.Header().Get("Content-Type"); ct != MediaType {
		r.t.Errorf("%s %s: content type %s", method, path, ct)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (r *rig) want(method, path, body string, status int, answer string) {
	r.t.Helper()
	got, text := r.ask(method, path, body)
	if got != status || !strings.Contains(text, answer) {
		r.t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, got, text, status, answer)
	}
}

func put(t Type, schema string) string {
	b, _ := json.Marshal(schemaBody{Schema: schema, SchemaType: t})
	return string(b)
}

const (
	v1     = `{"type":"record","name":"R","fields":[{"name":"f","type":"string"}]}`
	v2     = `{"type":"record","name":"R","fields":[{"name":"f","type":"string"},{"name":"g","type":"int","default":0}]}`
	breaks = `{"type":"record","name":"R","fields":[{"name":"f","type":"string"},{"name":"g","type":"int"}]}`
)

func TestProtocol(t *testing.T) {
	r := newRig(t)
	r.want("GET", "/subjects", "", 200, `[]`)
	r.want("GET", "/config", "", 200, `{"compatibilityLevel":"BACKWARD"}`)
	r.want("GET", "/schemas/types", "", 200, `["JSON","AVRO"]`)
	_, first := r.ask("POST", "/subjects/s/versions", put("", v1))
	r.want("POST", "/subjects/s/versions", put(Avro, " "+strings.ReplaceAll(v1, `"string"`, `{"type": "string"}`)), 200, first)
	r.want("POST", "/subjects/other/versions", put(Avro, v1), 200, first)
	id := strings.TrimSuffix(strings.TrimPrefix(first, `{"id":`), "}")
	r.want("GET", "/schemas/ids/"+id, "", 200, `{"schema":"{\"type\":\"record\"`)
	r.want("GET", "/schemas/ids/"+id+"/versions", "", 200, `[{"subject":"other","version":1},{"subject":"s","version":1}]`)
	r.want("GET", "/schemas/ids/"+id+"/subjects", "", 200, `["other","s"]`)
	r.want("GET", "/schemas/ids/"+id+"/schema", "", 200, v1)
	r.want("POST", "/subjects/s/versions", put(Avro, breaks), 409, `"error_code":409`)
	r.want("POST", "/compatibility/subjects/s/versions/latest?verbose=true", put(Avro, breaks), 200, `{"is_compatible":false,"messages":["the new schema cannot read what the old one wrote: /g:`)
	r.want("POST", "/compatibility/subjects/s/versions", put(Avro, v2), 200, `{"is_compatible":true}`)
	r.want("POST", "/subjects/s/versions", put(Avro, v2), 200, `{"id":`)
	r.want("GET", "/subjects/s/versions", "", 200, `[1,2]`)
	r.want("GET", "/subjects/s/versions/2", "", 200, `"subject":"s","id":`)
	r.want("GET", "/subjects/s/versions/latest/schema", "", 200, v2)
	r.want("GET", "/subjects/s/versions/1/referencedby", "", 200, `[]`)
	r.want("POST", "/subjects/s", put(Avro, v1), 200, `"version":1`)
	r.want("POST", "/subjects/s", put(Avro, `"int"`), 404, `40403`)
	r.want("POST", "/subjects/nobody", put(Avro, v1), 404, `40401`)
	r.want("PUT", "/config/s", `{"compatibility":"NONE"}`, 200, `{"compatibility":"NONE"}`)
	r.want("GET", "/config/s", "", 200, `{"compatibilityLevel":"NONE"}`)
	r.want("GET", "/config/other", "", 404, `40408`)
	r.want("GET", "/config/other?defaultToGlobal=true", "", 200, `BACKWARD`)
	r.want("POST", "/subjects/s/versions", put(JSON, `{}`), 200, `{"id":`)
	r.want("DELETE", "/config/s", "", 200, `NONE`)
	r.want("GET", "/contexts", "", 200, `["."]`)
	r.want("PUT", "/mode/s", `{"mode":"READONLY"}`, 200, `READONLY`)
	r.want("GET", "/mode/s", "", 200, `READONLY`)
	r.want("POST", "/subjects/s/versions", put(Avro, `"int"`), 422, `42205`)
	r.want("DELETE", "/mode/s", "", 200, `READONLY`)
	r.want("GET", "/mode/s", "", 404, `40409`)
	r.want("GET", "/mode", "", 200, `READWRITE`)
}

func TestDeletion(t *testing.T) {
	r := newRig(t)
	r.want("PUT", "/config", `{"compatibility":"NONE"}`, 200, "NONE")
	for _, s := range []string{`"int"`, `"long"`, `"string"`} {
		r.want("POST", "/subjects/s/versions", put(Avro, s), 200, "id")
	}
	r.want("DELETE", "/subjects/s/versions/2?permanent=true", "", 404, "40407")
	r.want("DELETE", "/subjects/s/versions/2", "", 200, "2")
	r.want("DELETE", "/subjects/s/versions/2", "", 404, "40406")
	r.want("GET", "/subjects/s/versions", "", 200, "[1,3]")
	r.want("GET", "/subjects/s/versions?deleted=true", "", 200, "[1,2,3]")
	r.want("GET", "/subjects/s/versions/2", "", 404, "40402")
	r.want("GET", "/subjects/s/versions/2?deleted=true", "", 200, `\"long\"`)
	r.want("DELETE", "/subjects/s/versions/2?permanent=true", "", 200, "2")
	r.want("GET", "/subjects/s/versions?deleted=true", "", 200, "[1,3]")
	r.want("DELETE", "/subjects/s?permanent=true", "", 404, "40405")
	r.want("DELETE", "/subjects/s", "", 200, "[1,3]")
	r.want("DELETE", "/subjects/s", "", 404, "40404")
	r.want("GET", "/subjects", "", 200, "[]")
	r.want("GET", "/subjects?deleted=true", "", 200, `["s"]`)
	r.want("GET", "/subjects/s/versions", "", 404, "40401")
	r.want("POST", "/subjects/s/versions", put(Avro, `"int"`), 200, "id") // again, as a new version
	r.want("GET", "/subjects/s/versions", "", 200, "[4]")
	r.want("DELETE", "/subjects/s/versions/latest", "", 200, "4")
	r.want("DELETE", "/subjects/s?permanent=true", "", 200, "[1,3,4]")
	r.want("GET", "/subjects?deleted=true", "", 200, "[]")
	r.want("DELETE", "/subjects/s", "", 404, "40401")
}

func TestWrongRequests(t *testing.T) {
	r := newRig(t)
	r.want("POST", "/subjects/s/versions", put(Avro, `"int"`), 200, "id")
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"POST", "/subjects/s/versions", `{"schema":`, 400, "not JSON"}, {"POST", "/subjects/s/versions", `{"schema":7}`, 422, "wrong type"}, {"POST", "/subjects/s/versions", `null`, 422, "null"},
		{"POST", "/subjects/s/versions", put(JSON, `{"type":`), 422, "42201"}, {"POST", "/subjects/s/versions", put(Avro, `"nothing"`), 422, "42201"}, {"POST", "/subjects/s/versions", `{}`, 422, "42201"},
		{"POST", "/subjects/s/versions", put("PROTOBUF", `syntax = "proto3";`), 422, "PROTOBUF are not supported"}, {"POST", "/subjects/s/versions", `{"schema":"\"int\"","references":[{"name":"a"}]}`, 422, "References"},
		{"POST", "/subjects/s/versions", put(JSON, `"`+strings.Repeat("x", MaxSchema)+`"`), 422, "at most"}, {"POST", "/subjects/s/versions", strings.Repeat(" ", maxBody+1), 413, "413"},
		{"POST", "/subjects/a%00b/versions", put(Avro, `"int"`), 422, "42208"}, {"GET", "/subjects/" + strings.Repeat("x", 300) + "/versions", "", 422, "42208"},
		{"GET", "/subjects/s/versions/0", "", 422, "42202"}, {"GET", "/subjects/s/versions/99999999999", "", 422, "42202"}, {"GET", "/subjects/s/versions/7", "", 404, "40402"}, {"GET", "/subjects/nobody/versions/1", "", 404, "40401"},
		{"GET", "/schemas/ids/7", "", 404, "40403"}, {"GET", "/schemas/ids/x", "", 400, "number"}, {"GET", "/subjects?deleted=perhaps", "", 400, "true or false"},
		{"PUT", "/config", `{"compatibility":"SIDEWAYS"}`, 422, "42203"}, {"PUT", "/mode", `{"mode":"IMPORT"}`, 422, "42204"}, {"DELETE", "/config/nobody", "", 404, "40401"},
	} {
		r.want(c.method, c.path, c.body, c.status, c.answer)
	}
	req := httptest.NewRequest("POST", "/subjects/s/versions", strings.NewReader("{}"))
	req.Header.Set("Content-Type", "text/html")
	w := httptest.NewRecorder()
	if r.mux.ServeHTTP(w, req); w.Code != 415 {
		t.Errorf("text/html: %d", w.Code)
	}
	r.log.away = errors.New("no broker")
	r.want("POST", "/subjects/s/versions", put(Avro, `"string"`), 409, "409")
	r.want("POST", "/subjects/new/versions", put(Avro, `"string"`), 503, "50003")
}

func TestLevels(t *testing.T) {
	schema := func(s string) *Schema {
		x, err := newSchema(Avro, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	less := `{"type":"record","name":"R","fields":[]}`
	for _, c := range []struct {
		level  Level
		next   string
		before []string
		fits   bool
	}{
		{Backward, v2, []string{v1}, true}, {Backward, breaks, []string{v1}, false}, {Backward, less, []string{v1}, true}, {Backward, breaks, nil, true},
		{Forward, breaks, []string{v1}, true}, {Forward, less, []string{v1}, false}, {Forward, less, []string{v1, less}, true},
		{Full, v2, []string{v1}, true}, {Full, less, []string{v1}, false}, {Full, breaks, []string{v1}, false},
		{BackwardTransitive, breaks, []string{v1, breaks}, false}, {Backward, breaks, []string{v1, breaks}, true}, {ForwardTransitive, less, []string{v1, less}, false}, {FullTransitive, v2, []string{v1, v2}, true},
		{None, `"int"`, []string{v1}, true},
	} {
		var before []*Schema
		for _, s := range c.before {
			before = append(before, schema(s))
		}
		if why := c.level.check(schema(c.next), before); (len(why) == 0) != c.fits {
			t.Errorf("%s: %s after %q: %q", c.level, c.next, c.before, why)
		}
	}
}

// Two instances answer at the same time; what one decided before the other's command is applied counts.
func TestInstancesAgree(t *testing.T) {
	a, b := NewState(), NewState()
	log := &memory{states: []*State{a, b}}
	one, two := New(a, log, time.Second, nil), New(b, log, time.Second, nil)
	if _, err := one.Register(t.Context(), "s", Avro, v1); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Register(t.Context(), "s", Avro, v2); err != nil {
		t.Fatal(err)
	}
	// Between verdict and command of one, the other sets a rule under which the verdict does not hold.
	if _, err := two.do(t.Context(), "s", command{Op: opSetLevel, Level: None}); err != nil {
		t.Fatal(err)
	}
	log.between = func() {
		if _, err := two.do(t.Context(), "s", command{Op: opSetLevel, Level: FullTransitive}); err != nil {
			t.Error(err)
		}
	}
	_, err := one.Register(t.Context(), "s", Avro, `{"type":"record","name":"R","fields":[]}`)
	if f, ok := errors.AsType[*Fault](err); !ok || f.Code != CodeIncompatible {
		t.Fatalf("a verdict of yesterday counted: %v", err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			reg := []*Registry{one, two}[i%2]
			if _, err := reg.Register(t.Context(), "many", JSON, fmt.Sprintf(`{"title":"%d"}`, i/2)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _ := a.versions("many", true)
	if len(list) != 10 {
		t.Errorf("%d versions of 10 schemas", len(list))
	}
	again := NewState() // as after a restart
	log.states, log.applied = []*State{again}, 0
	log.apply()
	for _, s := range []*State{b, again} {
		for _, name := range a.names() {
			have, _ := a.versions(name, true)
			got, _ := s.versions(name, true)
			same := func(x, y Version) bool {
				return x.Number == y.Number && x.Schema.ID == y.Schema.ID && x.Schema.Text == y.Schema.Text
			}
			if !slices.EqualFunc(have, got, same) {
				t.Errorf("%s: %v and %v", name, have, got)
			}
		}
	}
}

func TestCommandsAreAppliedOnce(t *testing.T) {
	s := NewState()
	text := []byte(`{"op":"register","id":"x","type":"AVRO","schema":"\"int\""}`)
	for offset := range int64(3) {
		if err := s.Apply(Prefix+"s", text, offset); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := s.versions("s", true); len(list) != 1 {
		t.Fatalf("%v", list)
	}
	for _, bad := range []string{``, `{}`, `{"op":"explode","id":"y"}`, `{"op":"register","id":"z","schema":"{"}`} {
		if err := s.Apply(Prefix+"s", []byte(bad), 9); err == nil {
			t.Errorf("%q was applied", bad)
		}
	}
}

func TestRecords(t *testing.T) {
	s := NewState()
	log := &memory{states: []*State{s}}
	reg := New(s, log, time.Second, nil)
	avro, err := reg.Register(t.Context(), "a", Avro, `{"type":"record","name":"E","fields":[{"name":"event_type","type":"string"},{"name":"model","type":"string"},{"name":"prompt_tokens","type":["null","long"]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := reg.Register(t.Context(), "j", JSON, `{"type":"object"}`)
	if err != nil {
		t.Fatal(err)
	}
	records := NewRecords(s, log)
	d := event.Decoder{Schemas: records}
	var e event.Event
	if v := d.Decode(Frame(avro.Schema.ID, []byte("\x16llm_request\x02m\x02\x06")), nil, &e); v != nil || e.Text(event.Model) != "m" || e.Int(event.PromptTokens) != 3 {
		t.Errorf("avro: %v, %s", v, event.AppendJSON(nil, &e))
	}
	if v := d.Decode(Frame(plain.Schema.ID, []byte(`{"event_type":"llm_request","data":{"model":"m"}}`)), nil, &e); v != nil || e.Text(event.Model) != "m" {
		t.Errorf("json: %v", v)
	}
	for _, c := range []struct {
		value         []byte
		code, pointer string
	}{
		{Frame(12345, []byte("x")), event.CodeSchema, ""}, {[]byte{0, 1}, event.CodeFormat, ""},
		{Frame(avro.Schema.ID, []byte("\x16llm_request\x02m\x09")), event.CodeFormat, "/prompt_tokens"},
		{Frame(avro.Schema.ID, []byte("\x16llm_request\x02m\x02\x05")), event.CodeNegative, "/prompt_tokens"},
		{Frame(plain.Schema.ID, []byte(`[]`)), event.CodeType, ""}, {Frame(1, bytes.Repeat([]byte("x"), event.MaxSize)), event.CodeSize, ""},
	} {
		if v := d.Decode(c.value, nil, &e); v == nil || v.Code != c.code || v.Pointer != c.pointer {
			t.Errorf("%.20q: %v, want %s at %q", c.value, v, c.code, c.pointer)
		}
	}
}

// What another instance registered a moment ago is read before a record is judged.
func TestPrepareReadsTheLogToItsEnd(t *testing.T) {
	s := NewState()
	log := &memory{states: []*State{s}, held: true}
	records := NewRecords(s, log)
	if _, err := log.Append(t.Context(), Prefix+"s", []byte(`{"op":"register","id":"x","type":"JSON","schema":"{}"}`)); err != nil {
		t.Fatal(err)
	}
	sum, err := sumOf(JSON, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	id := wish(sum)
	if err := records.Prepare(t.Context(), []*bus.Message{{Value: []byte(`{}`)}}); err != nil || log.applied != 0 {
		t.Fatalf("%v: asked for a record without a schema", err)
	}
	if err := records.Prepare(t.Context(), []*bus.Message{{Value: Frame(id, nil)}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Schema(id); !ok {
		t.Fatal("the schema is not known yet")
	}
	log.away = errors.New("no broker")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := records.Prepare(ctx, []*bus.Message{{Value: Frame(99, nil)}}); err == nil {
		t.Fatal("a verdict without brokers")
	}
}

// Whatever bytes come as a command, the state stays usable.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"op":"register","id":"x","type":"AVRO","schema":"\"int\""}`))
	f.Add([]byte(`{"op":"delete_subject","id":"y","permanent":true}`))
	f.Add([]byte(`{"op":"set_level","id":"z","level":"FULL"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		s := NewState()
		for i, key := range []string{Prefix + "s", Prefix} {
			_ = s.Apply(key, value, int64(i))
		}
		s.versions("s", true)
		s.before("s")
	})
}
