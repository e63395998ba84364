package alerts

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

func newBook(budget int) *Book { return NewBook(budget, slog.New(slog.DiscardHandler), nil) }

const begin = 1_800_000_000_000_000 // microseconds

// decision is what the engine writes of the episode of a number, which began so many seconds after begin.
func decision(n int, state rule.State) []byte {
	d := rule.Decision{ID: fmt.Sprint("e", n), Rule: "busy", Version: "v", State: state, Severity: []string{"info", "warning", "critical"}[n%3], Key: map[string]string{"model": "a"},
		Labels: map[string]string{"alertname": "busy"}, StartsAt: rule.Time(begin + int64(n)*1e6), At: rule.Time(begin + int64(n)*1e6), Window: rule.Window{Start: begin - 60e6, End: begin},
		Value: 7, Threshold: 5, Top: []rule.Share{{Field: "tenant", Value: "t", Share: 1, Of: 3}}, RequestIDs: []string{"r1"}}
	if state == rule.Resolved || state == rule.Lapsed {
		d.EndsAt = d.At + 60e6
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return text
}

// script folds what a text says: "3+" is pending, "3!" fires, "3." resolves, "3-" lapses.
func script(b *Book, text string) {
	for i, word := range strings.Fields(text) {
		var n int
		var sign rune
		if _, err := fmt.Sscanf(word, "%d%c", &n, &sign); err != nil {
			panic(word)
		}
		state := map[rune]rule.State{'+': rule.Pending, '!': rule.Firing, '.': rule.Resolved, '-': rule.Lapsed}[sign]
		b.Take(&bus.Message{Value: decision(n, state), Offset: int64(i)})
	}
}

// shows is the list in the same language, the newest first.
func shows(b *Book) string {
	list, _ := b.List(Wanted{}, 1000)
	var out []string
	for _, a := range list {
		out = append(out, strings.TrimPrefix(a.ID, "e")+map[State]string{Pending: "+", Firing: "!", Resolved: "."}[a.State])
	}
	return strings.Join(out, " ")
}

func TestFold(t *testing.T) {
	for _, tt := range []struct{ records, want string }{
		{"1+ 2+", "2+ 1+"},
		{"1+ 1!", "1!"},
		{"1+ 1! 1.", "1."},
		{"1! 1! 1!", "1!"},
		{"1+ 1-", ""},
		{"1+ 1- 1+", ""}, // told again
		{"1+ 1! 1. 1! 1+", "1."},
		{"1.", "1."}, // retention took the beginning
		{"3! 1! 2! 2.", "3! 2. 1!"},
	} {
		b := newBook(Budget)
		if script(b, tt.records); shows(b) != tt.want {
			t.Errorf("%s: %q, want %q", tt.records, shows(b), tt.want)
		}
	}
}

func TestBudget(t *testing.T) {
	b := newBook(3 * newBook(Budget).sizeOf(decision(1, rule.Firing)))
	script(b, "1! 2! 2. 3!")
	if script(b, "4!"); shows(b) != "4! 3! 1!" {
		t.Errorf("what resolved goes first: %s", shows(b))
	}
	if script(b, "5!"); shows(b) != "5! 4! 3!" {
		t.Errorf("then the oldest: %s", shows(b))
	}
	if b.bytes > b.budget || len(b.pages) != 3 {
		t.Errorf("%d bytes of %d, %d pages", b.bytes, b.budget, len(b.pages))
	}
	script(b, "5. 4. 3.")
	b.Trim(0, 2)
	if shows(b) != "3." || b.resolved.Len() != 1 {
		t.Errorf("after the log lost its beginning: %s", shows(b))
	}
	if b.Reset(); shows(b) != "" || b.bytes != 0 {
		t.Error("reset")
	}
}

// sizeOf is what a record takes.
func (b *Book) sizeOf(record []byte) int {
	a, err := Decode(record)
	if err != nil {
		panic(err)
	}
	return a.bytes()
}

func get(t *testing.T, b *Book, path string, status int, to any) {
	t.Helper()
	m := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	b.Mount(m, func(rule string) (string, bool) { return "requests", rule == "busy" })
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != status {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if to != nil {
		if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
			t.Fatal(err)
		}
	}
}

func TestList(t *testing.T) {
	b := newBook(Budget)
	script(b, "1+ 2! 3! 4! 4. 5!")
	since := time.UnixMicro(begin + 3e6).UTC().Format(time.RFC3339)
	for query, want := range map[string]string{
		"": "5 4 3 2 1", "state=firing": "5 3 2", "state=pending,resolved": "4 1", "severity=critical": "5 2", "rule=busy&limit=2": "5 4", "rule=idle": "",
		"since=" + since: "5 4 3", "since=" + since + "&state=firing": "5 3",
		"until=" + since: "2 1", "until=" + since + "&state=firing": "2", "since=" + since + "&until=" + since: "",
		"on_since=" + time.UnixMicro(begin+65e6).UTC().Format(time.RFC3339): "5 3 2 1", "on_since=" + time.UnixMicro(begin+64e6).UTC().Format(time.RFC3339): "5 4 3 2 1",
	} {
		var a answer
		get(t, b, "/alerts?"+query, 200, &a)
		var ids []string
		for _, x := range a.Alerts {
			ids = append(ids, strings.TrimPrefix(x.ID, "e"))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var anomalous struct {
		Anomalies []struct{ ID, Metric, Rule string }
	}
	if get(t, b, "/anomalies?metric=requests&since="+since, 200, &anomalous); len(anomalous.Anomalies) != 3 || anomalous.Anomalies[0].ID != "e5" || anomalous.Anomalies[0].Metric != "requests" {
		t.Errorf("%+v", anomalous)
	}
	if get(t, b, "/anomalies?metric=errors", 200, &anomalous); len(anomalous.Anomalies) != 0 {
		t.Errorf("%+v", anomalous)
	}
	get(t, b, "/anomalies?since=yesterday", 400, nil)
	var all []string
	later := "&until=" + time.UnixMicro(begin+1e9).UTC().Format(time.RFC3339)
	for path := "/alerts?limit=2" + later; ; {
		var a answer
		get(t, b, path, 200, &a)
		for _, x := range a.Alerts {
			all = append(all, x.ID)
		}
		if a.Next == nil {
			break
		}
		path = "/alerts?limit=2&cursor=" + *a.Next + later
	}
	if got := strings.Join(all, " "); got != "e5 e4 e3 e2 e1" {
		t.Errorf("page by page: %s", got)
	}
	for _, bad := range []string{"state=lapsed", "severity=odd", "since=yesterday", "until=now", "on_since=now", "limit=0", "cursor=YQ"} {
		get(t, b, "/alerts?"+bad, 400, nil)
	}
	var one map[string]any
	get(t, b, "/alerts/e4", 200, &one)
	for _, name := range []string{"id", "rule", "state", "severity", "key", "labels", "annotations", "starts_at", "ends_at", "window", "value", "threshold", "top", "request_ids"} {
		if one[name] == nil {
			t.Errorf("%s is missing in %v", name, one)
		}
	}
	get(t, b, "/alerts/e9", 404, nil)
	if got := fmt.Sprint(b.Firing()); got != "map[critical:2 info:1 warning:0]" {
		t.Error(got)
	}
}

// A run that missed its deadline is told by another room, in the same shape but for the key.
func TestDeadline(t *testing.T) {
	const record = `{"id":"dag-deadline-1","rule":"DagDeadlineMissed","state":"firing","severity":"critical","key":"hxp_hourly","labels":{"dag_id":"hxp_hourly","run_id":"r","run_state":"running"},
		"starts_at":"2026-03-01T10:00:00.5Z","window":{"start":"2026-03-01T09:00:00Z","end":"2026-03-01T10:00:00Z"},"value":3700.5,"threshold":3600,"top":[],"request_ids":[]}`
	a, err := Decode([]byte(record))
	if err != nil || a.Key["dag_id"] != "hxp_hourly" || len(a.Key) != 1 || a.EndsAt != nil || a.UpdatedAt.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(decision(1, rule.Firing))
	for _, text := range []string{
		"", "null", "[]", `"x"`, "{}", strings.Replace(good, `"firing"`, `"odd"`, 1), strings.Replace(good, `"warning"`, `"bad"`, 1), strings.Replace(good, `"id":"e1"`, `"id":""`, 1),
		strings.Replace(good, `"value":7`, `"value":"7"`, 1), strings.Replace(good, `{"model":"a"}`, `7`, 1), strings.Replace(good, `"starts_at":"2027`, `"starts_at":"0001`, 1), good + strings.Repeat(" ", maxRecord),
	} {
		if a, err := Decode([]byte(text)); err == nil {
			t.Errorf("%.200s is taken: %+v", text, a)
		}
	}
	b := newBook(Budget)
	b.Take(&bus.Message{Value: []byte("none")})
	if shows(b) != "" {
		t.Error(shows(b))
	}
}

// What is decoded can be shown, and read again as the same.
func FuzzDecode(f *testing.F) {
	f.Add(decision(1, rule.Firing))
	f.Add(decision(2, rule.Resolved))
	f.Add([]byte(`{"id":"a","rule":"b","state":"pending","severity":"info","key":"k","starts_at":"2026-03-01T10:00:00+02:00","window":{"start":"2026-03-01T10:00:00Z","end":"9999-12-31T23:59:59-01:00"},"labels":null}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		a, err := Decode(value)
		if err != nil {
			return
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if a.bytes() > 1<<20 {
			t.Errorf("%d bytes", a.bytes())
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again.UpdatedAt = a.UpdatedAt
		if twice, _ := json.Marshal(again); string(twice) != string(text) {
			t.Errorf("%s, again %s", text, twice)
		}
	})
}
