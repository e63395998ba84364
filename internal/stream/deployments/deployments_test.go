package deployments

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// whole is a book that has everything that was told before.
func whole() *Book {
	b, ready := NewBook(), make(chan struct{})
	close(ready)
	b.whole = ready
	return b
}

func parsed(t *testing.T, text string) *event.Event {
	t.Helper()
	var d event.Decoder
	e := new(event.Event)
	if bad := d.Decode([]byte(text), nil, e); bad != nil {
		t.Fatal(bad)
	}
	return e
}

func request(t *testing.T, model string, at time.Time) *event.Event {
	t.Helper()
	return parsed(t, fmt.Sprintf(`{"event_type":"llm_request","timestamp":%q,"source":"s","data":{"model":%q}}`, at.Format(time.RFC3339), model))
}

// tell writes what a lookout says, so many minutes after start by the broker's clock.
func tell(b *Book, d *Deployment, minutes int) {
	b.Take(&bus.Message{Value: d.Record(), Timestamp: start.Add(time.Duration(minutes) * time.Minute), Offset: int64(minutes)})
}

func titles(b *Book, model string) string {
	list, _ := b.list(time.Time{}, nil, model, 100)
	var out []string
	for _, d := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Title, d.Model, d.Version)))
	}
	return strings.Join(out, ", ")
}

func TestWhatIsNew(t *testing.T) {
	b := whole()
	l := NewLookout(b)
	for i, step := range []struct {
		model, prompt string
		minute        int
		want          Kind
	}{
		{"a", "", 0, Model}, {"a", "", 1, ""}, {"b", "v1", 2, Model}, {"b", "v1", 3, ""}, {"b", "", 4, ""},
		{"b", "v2", 20, Prompt}, {"c", "", 21, Model}, {"", "v9", 22, ""},
	} {
		at := start.Add(time.Duration(step.minute) * time.Minute)
		d := l.New(request(t, step.model, at), step.prompt, at.UnixMicro())
		if d == nil && step.want == "" {
			continue
		}
		if d == nil || d.Kind != step.want || !d.At.Equal(at) || d.Source != "s" {
			t.Fatalf("step %d: %+v, want a %s", i, d, step.want)
		}
		d.ID = fmt.Sprint("id", i)
		tell(b, d, step.minute)
		tell(b, d, step.minute) // a record may come twice
	}
	if got, want := titles(b, ""), "New model c, New prompt version b v2"; got != want { // what came in the first minutes is no deployment
		t.Errorf("%s, want %s", got, want)
	}
	if d := NewLookout(b).New(request(t, "c", start), "", start.UnixMicro()); d != nil {
		t.Errorf("another lane tells %+v again", d)
	}
	if d := NewLookout(NewBook()).New(request(t, "new", start), "", start.UnixMicro()); d != nil {
		t.Errorf("a book that is still read calls %+v new", d)
	}
}

func TestToldByAnEvent(t *testing.T) {
	for kind, want := range map[string]string{"deployment": "Deployment", "ROLLBACK": "Rollback", "order": ""} {
		e := parsed(t, fmt.Sprintf(`{"event_type":"business_event","timestamp":"2026-03-01T10:00:00Z","source":"ci","data":{"business_event_type":%q,"model":"m","version":"2.1","text":"prompts shorter"}}`, kind))
		d := Of(e, func(name string) string { return event.TextMember(e.Extra, name) })
		if want == "" {
			if d != nil {
				t.Errorf("%s is told as %+v", kind, d)
			}
			continue
		}
		if d != nil {
			d.ID = "id"
		}
		if exp := (Deployment{"id", start, Told, want, "prompts shorter", "m", "2.1", "ci"}); d == nil || *d != exp {
			t.Errorf("%s: %+v, want %+v", kind, d, exp)
		}
		again, err := Decode(d.Record())
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("%v %+v, want %+v", err, again, d)
		}
	}
}

func TestBounds(t *testing.T) {
	b := whole()
	for i := range maxDeployments + 3 {
		tell(b, &Deployment{ID: fmt.Sprint(i), At: start.Add(time.Duration(i) * time.Second), Kind: Told, Title: "Deploy"}, i)
	}
	if len(b.order) != maxDeployments || len(b.ids) != maxDeployments || b.order[0].ID != "3" {
		t.Errorf("%d deployments, %d ids, the oldest %s", len(b.order), len(b.ids), b.order[0].ID)
	}
	b.Trim(0, maxDeployments)
	if len(b.order) != 3 || len(b.ids) != 3 {
		t.Errorf("%d deployments and %d ids are left", len(b.order), len(b.ids))
	}
}

// Whoever names another model with each request is told of at a pace, and neither ends the lookout nor pushes out what was told.
func TestInventedNames(t *testing.T) {
	b := whole()
	l, other := NewLookout(b), NewLookout(b)
	id := 0
	see := func(l *Lookout, model string, minute int) bool {
		at := start.Add(time.Duration(minute) * time.Minute)
		id++
		d := l.New(request(t, model, at), "", at.UnixMicro())
		if d != nil {
			d.ID = fmt.Sprint("id", id)
			tell(b, d, minute)
		}
		return d != nil
	}
	for i := range 3 * mostNews { // in the beginning there is much
		if !see(l, fmt.Sprint("old", i), 1) {
			t.Fatalf("model %d of the beginning is not learnt", i)
		}
	}
	tell(b, &Deployment{ID: "told", At: start, Kind: Told, Title: "Deploy"}, 15)
	const hours = maxVersions/mostNews + 10
	n := 0
	for hour := range hours {
		for range 2 * mostNews {
			n++
			see(l, fmt.Sprint("invented", n), 60+60*hour)
			see(other, fmt.Sprint("also", n), 60+60*hour)
		}
	}
	if seen := len(b.order) - b.told; seen != maxDeployments || b.told != 1 || len(b.ids) != len(b.order) || titles(b, "") == "" {
		t.Errorf("%d were seen and %d told", seen, b.told)
	}
	if len(b.versions) > maxVersions || len(b.versions) < maxVersions*8/10 || len(l.seen) > maxVersions {
		t.Errorf("%d versions are known, and %d to a lane", len(b.versions), len(l.seen))
	}
	if see(l, "late", 60*hours+59) {
		t.Error("more than the pace allows is told")
	}
	for _, at := range []int{60 * (hours + 1), 60*(hours+1) + 1} {
		if got, want := see(l, "late", at), at == 60*(hours+1); got != want {
			t.Errorf("in the next hour it is told: %v", got)
		}
	}
	if list, _ := b.list(start, nil, "", 2*maxDeployments); list[0].Model != "late" || list[len(list)-1].ID != "told" {
		t.Errorf("the list goes from %+v to %+v", list[0], list[len(list)-1])
	}
}

// What a topic has beyond the pace is known and no flag: nobody tells of it again.
func TestBookBeyondThePace(t *testing.T) {
	b := whole()
	tell(b, &Deployment{ID: "first", At: start, Kind: Told, Title: "Deploy"}, 0)
	for i := range 2 * mostNews {
		tell(b, &Deployment{ID: fmt.Sprint(i), At: start, Kind: Model, Model: fmt.Sprint(i)}, 20)
	}
	if got := len(b.order); got != 1+mostNews {
		t.Errorf("%d are listed", got)
	}
	at := start.Add(5 * time.Hour)
	if d := NewLookout(b).New(request(t, fmt.Sprint(2*mostNews-1), at), "", at.UnixMicro()); d != nil {
		t.Errorf("%+v is told again", d)
	}
}

// A lane that is ahead of the book keeps the pace by itself.
func TestPaceOfALane(t *testing.T) {
	b := whole()
	tell(b, &Deployment{ID: "first", At: start, Kind: Told, Title: "Deploy"}, 0)
	l, n := NewLookout(b), 0
	at := start.Add(20 * time.Minute)
	for i := range 5 * mostNews {
		if l.New(request(t, fmt.Sprint(i), at), "", at.UnixMicro()) != nil {
			n++
		}
	}
	if n != mostNews || len(l.seen) != mostNews {
		t.Errorf("%d were told, and %d are kept", n, len(l.seen))
	}
}

func TestAPI(t *testing.T) {
	b := whole()
	for i, model := range []string{"", "a", "b", "a"} {
		tell(b, &Deployment{ID: fmt.Sprint("d", i), At: start.Add(time.Duration(i) * time.Minute), Kind: Told, Title: "Deploy", Model: model}, i)
	}
	b.Take(&bus.Message{Value: []byte(`{"id":""}`)})
	m := httpx.NewMux(nil, nil)
	b.Mount(m)
	get := func(query string) (ids string, next *string, status int) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "/deployments?"+query, nil))
		var a answer
		_ = json.Unmarshal(w.Body.Bytes(), &a)
		for _, d := range a.Deployments {
			ids += d.ID + " "
		}
		return strings.TrimSpace(ids), a.Next, w.Code
	}
	for query, want := range map[string]string{
		"": "d3 d2 d1 d0", "model=a": "d3 d1 d0", "since=2026-03-01T10:01:00Z&until=2026-03-01T10:03:00Z": "d2 d1", "until=2026-03-01T10:00:00Z": "",
	} {
		if ids, _, status := get(query); ids != want || status != 200 {
			t.Errorf("%s: %d %q, want %q", query, status, ids, want)
		}
	}
	var all []string
	for query, next := "limit=3", new(string); next != nil; {
		var ids string
		ids, next, _ = get(query)
		all = append(all, ids)
		if next != nil {
			query = "limit=3&cursor=" + *next
		}
	}
	if got := strings.Join(all, " | "); got != "d3 d2 d1 | d0" {
		t.Error(got)
	}
	for _, bad := range []string{"since=now", "until=then", "limit=0", "cursor=YQ"} {
		if _, _, status := get(bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&Deployment{ID: "id", At: start, Kind: Told, Title: "Deploy"}).Record())
	f.Add([]byte(`{"id":"x","kind":"model","at":"9999-12-31T23:59:59-12:00"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		d, err := Decode(value)
		if err != nil {
			return
		}
		again, err := Decode(d.Record())
		if err == nil && !reflect.DeepEqual(again, d) {
			t.Errorf("%+v is read as %+v", d, again)
		}
		b := whole()
		b.Take(&bus.Message{Value: value, Timestamp: start})
	})
}
