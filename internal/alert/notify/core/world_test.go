package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// begin is a Monday at noon.
var begin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is an engine with a store, a clock, and receivers that write down what they are told.
type world struct {
	t      *testing.T
	e      *Engine
	now    time.Time
	kept   map[string]Doc // the store
	told   []string
	refuse map[string][]error // by way: what becomes of the next tries
}

func newWorld(t *testing.T, config string) *world {
	t.Helper()
	p, faults := plan.Parse([]byte(config))
	if faults != nil {
		t.Fatal(faults)
	}
	return &world{t: t, e: New(p), now: begin, kept: map[string]Doc{}, refuse: map[string][]error{}}
}

func (w *world) store(docs ...Doc) {
	for _, d := range docs {
		if w.kept[d.Kind+"/"+d.ID] = d; d.Body == nil {
			delete(w.kept, d.Kind+"/"+d.ID)
		}
		if err := w.e.Apply(d); err != nil {
			w.t.Fatal(err)
		}
	}
}

// restart forgets everything that is not stored.
func (w *world) restart() {
	p := w.e.Plan()
	w.e = New(p)
	for _, key := range sortedKeys(w.kept) {
		if err := w.e.Apply(w.kept[key]); err != nil {
			w.t.Fatal(err)
		}
	}
	w.e.Regroup()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// labelsOf reads "Name a=b c=d".
func labelsOf(text string) label.Set {
	words := strings.Fields(text)
	l := label.Set{"alertname": words[0]}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		l[name] = value
	}
	return l
}

// fire and resolve say that alerts begin and end now.
func (w *world) fire(texts ...string)    { w.post(time.Time{}, texts) }
func (w *world) resolve(texts ...string) { w.post(w.now, texts) }

func (w *world) post(end time.Time, texts []string) {
	for _, text := range texts {
		a := Alert{Labels: labelsOf(text), StartsAt: w.now, EndsAt: end, UpdatedAt: w.now, Since: w.now, Source: FromAPI}
		fp := a.Labels.Fingerprint()
		if old := w.e.Alert(fp); old != nil {
			a = old.Merge(a, w.now)
		}
		w.store(Put(KindAlert, string(fp), a))
	}
}

func (w *world) ack(text string) {
	w.store(Put(KindAck, string(labelsOf(text).Fingerprint()), Ack{By: "x", At: w.now}))
}

func (w *world) silence(id string, d time.Duration, matcher string) {
	ms, err := label.Parse(matcher)
	if err != nil {
		w.t.Fatal(err)
	}
	s := Silence{ID: id, StartsAt: w.now, EndsAt: w.now.Add(d), CreatedBy: "x", Comment: "y"}
	for _, m := range ms {
		s.Matchers = append(s.Matchers, SilenceMatcher{m.Name, m.Value, m.Regex, new(!m.Not)})
	}
	w.store(Put(KindSilence, id, s))
}

// until lets time pass to a moment after the beginning.
func (w *world) until(d time.Duration) {
	end := begin.Add(d)
	for range 10_000 {
		next := w.e.Next(func(*Message) bool { return true })
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		if next.After(w.now) {
			w.now = next
		}
		w.turn()
	}
	w.t.Fatal("time does not pass")
}

// turn decides and sends once.
func (w *world) turn() {
	if d := w.e.Decide(w.now, "http://hxp"); !d.Empty() {
		w.store(d.Docs...)
		d.Stored()
	}
	for _, m := range w.e.Ready(w.now, func(*Message) bool { return true }) {
		w.store(w.e.Ended(m, w.try(&m), w.now)...)
	}
}

func (w *world) try(m *Message) error {
	if w.e.Off(m.Way) != nil {
		return &deliver.Failure{Err: errors.New("off"), Final: true}
	}
	if list := w.refuse[m.Way]; len(list) > 0 {
		w.refuse[m.Way] = list[1:]
		if list[0] != nil {
			w.told = append(w.told, fmt.Sprintf("%s %s: refused", w.now.Sub(begin), m.Receiver))
			return list[0]
		}
	}
	var parts []string
	for _, a := range m.Data.Alerts {
		name := a.Labels["alertname"] + a.Labels["i"]
		if a.Status == "resolved" {
			name = "-" + name
		}
		parts = append(parts, name)
	}
	slices.Sort(parts)
	w.told = append(w.told, fmt.Sprintf("%s %s: %s", w.now.Sub(begin), m.Receiver, strings.Join(parts, " ")))
	return nil
}

// said compares what was told since the last time; what was told at one moment has no order.
func (w *world) said(want ...string) {
	w.t.Helper()
	moment := func(line string) string { at, _, _ := strings.Cut(line, " "); return at }
	for _, list := range [][]string{w.told, want} {
		for i := 0; i < len(list); {
			n := i + 1
			for n < len(list) && moment(list[n]) == moment(list[i]) {
				n++
			}
			slices.Sort(list[i:n])
			i = n
		}
	}
	if got, want := strings.Join(w.told, "\n"), strings.Join(want, "\n"); got != want {
		w.t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	w.told = nil
}

// receivers makes a document with a route and receivers that hear of ends.
func receivers(route string, more ...string) string {
	return `{"route":` + route + `,"receivers":[{"name":"ops","console_configs":[{}]},{"name":"boss","console_configs":[{}]},{"name":"mute","console_configs":[{"send_resolved":false}]},{"name":"none"}]` + strings.Join(more, "") + `}`
}

func shownJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
