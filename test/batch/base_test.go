package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// gate does something once between the fold of an hour and its storing.
type gate struct {
	*store.Store
	once   sync.Once
	before func()
}

func (g *gate) SaveHour(ctx context.Context, hour, version int64, a agg.Aggregate) (agg.Change, error) {
	g.once.Do(g.before)
	return g.Store.SaveHour(ctx, hour, version, a)
}

// publish sends events and waits until the lake holds them.
func (r *road) publish(tb testing.TB, from, to int) {
	tb.Helper()
	r.send(tb, requests(10_000, 3)[from:to])
	until, err := r.ends(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.writer.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := r.writer.Wait(tb.Context(), until); err != nil {
		tb.Fatal(err)
	}
}

func fold(tb testing.TB, s *batch.Service) {
	tb.Helper()
	if _, err := s.FoldHour(tb.Context(), hour); err != nil {
		tb.Fatal(err)
	}
}

// expect holds the stored hour to the fold of the first n events, to the byte.
func (r *road) expect(tb testing.TB, what string, n int) {
	tb.Helper()
	var sum agg.Cell
	p := new(event.Parser)
	for _, m := range requests(10_000, 3)[:n] {
		var e event.Event
		if bad := p.Parse(m.Value, &e); bad != nil {
			tb.Fatal(bad)
		}
		sum.Add(&e, true) // years late
	}
	cells, _, err := r.store.Cells(tb.Context(), "hourly", hour)
	if err != nil {
		tb.Fatal(err)
	}
	if got := cells[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]; !bytes.Equal(got, sum.Append(nil)) {
		var c agg.Cell
		if _, err := c.Decode(got); err != nil {
			tb.Fatalf("%s: %v", what, err)
		}
		tb.Fatalf("%s: the hour is not the fold of its %d events; it has %d, %d late", what, n, c.Events, c.Late)
	}
}

// A file that lands between the fold and its storing is not lost: the hour stays dirty, and says so.
func TestFileLandsWhileAnHourIsFolded(t *testing.T) {
	r := newRoad(t)
	r.publish(t, 0, 100)
	g := &gate{Store: r.store, before: func() { r.publish(t, 100, 150) }}
	s := r.batchOn(t, batch.Defaults(), g) // not started: it folds nothing by itself
	fold(t, s)
	r.expect(t, "overtaken", 100)
	if h, err := r.store.HourBuild(t.Context(), hour); err != nil || h.Built >= h.Version {
		t.Errorf("the hour is taken for up to date: %+v, %v", h, err)
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/aggregations/hourly", nil))
	var answer struct {
		Rows []agg.Row `json:"rows"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || len(answer.Rows) != 1 || *answer.Rows[0].Completeness >= 1 {
		t.Errorf("%s, %v", rec.Body, err)
	}
	fold(t, s)
	r.expect(t, "again", 150)
}

// Of two folds of one hour by two processes the one of more data stays, whichever ends last.
func TestTwoFoldsOfOneHour(t *testing.T) {
	r := newRoad(t)
	r.publish(t, 0, 100)
	other := r.batchOn(t, batch.Defaults(), r.store)
	g := &gate{Store: r.store, before: func() {
		r.publish(t, 100, 150)
		fold(t, other)
	}}
	s := r.batchOn(t, batch.Defaults(), g)
	fold(t, s)
	r.expect(t, "the slower one", 150)
	if h, err := r.store.HourBuild(t.Context(), hour); err != nil || h.Built != h.Version {
		t.Errorf("%+v, %v", h, err)
	}
}

// After the raw files of an hour have left, late events add to what is stored, on every level; when the files are back, the hour is
// made of them again.
func TestLateEventAfterTheArchive(t *testing.T) {
	r := newRoad(t)
	r.publish(t, 0, 1000)
	s := r.batchOn(t, batch.Defaults(), r.store)
	start(t, s)
	aggregate(t, s)
	run(t, s, "daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
	_, before := r.stored(t)

	var left []string
	retire := func() {
		t.Helper()
		files, err := r.store.Files(t.Context(), event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
		if err != nil {
			t.Fatal(err)
		}
		gone := event.Retirement{Hour: hour, Plan: "p", Copies: map[string]string{}}
		for _, f := range files {
			gone.Copies[f.Path] = "raw/" + f.Path
			left = append(left, f.Path)
		}
		if err := r.store.RetireHour(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want ...string) {
		t.Helper()
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/accuracy/check", strings.NewReader(`{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T11:00:00Z"}`)))
		for _, w := range want {
			if !strings.Contains(rec.Body.String(), w) {
				t.Errorf("%s is not in %s", w, rec.Body)
			}
		}
	}
	requestsOf := func(level string) int64 {
		t.Helper()
		rows, _, err := r.store.Rows(t.Context(), level, agg.ByModel, time.Time{}, time.Time{}, agg.AllModels, 0, "")
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		return rows[0].Requests
	}

	check(`"checked":4,"equal":4`, `"hours_on_base":[]`)
	retire()
	check(`"checked":0,"equal":0,"ratio":1`, `"hours_without_raw":["2026-03-01T10:00:00Z"]`)
	aggregate(t, s)
	if _, after := r.stored(t); !bytes.Equal(before, after) {
		t.Fatal("without its raw files the hour becomes another")
	}

	r.publish(t, 1000, 1010)
	aggregate(t, s)
	r.expect(t, "late event on the base", 1010)
	check(`"checked":4,"equal":4`, `"hours_on_base":["2026-03-01T10:00:00Z"]`)
	run(t, s, "daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
	if n := requestsOf("daily"); n != 1010 {
		t.Errorf("the day has %d requests", n)
	}
	retire()
	r.publish(t, 1010, 1020)
	aggregate(t, s)
	r.expect(t, "late event on the second base", 1020)

	back := map[string]string{}
	for _, path := range left {
		back[path] = path
	}
	if err := r.store.ReviveHour(t.Context(), hour, back); err != nil {
		t.Fatal(err)
	}
	builds := func() (b int64) {
		_, b, _ = r.store.Cells(t.Context(), "hourly", hour)
		return b
	}
	known := builds()
	aggregate(t, s)
	r.expect(t, "restored", 1020)
	if builds() != known {
		t.Error("restoring made other bytes than the base had")
	}
	check(`"checked":4,"equal":4`, `"hours_on_base":[]`)
}

// Retiring does not let a file through that lands between the look and the deed.
func TestFileLandsWhileAnHourRetires(t *testing.T) {
	r := newRoad(t)
	r.publish(t, 0, 100)
	s := r.batchOn(t, batch.Defaults(), r.store)
	fold(t, s)
	files, err := r.store.Files(t.Context(), event.LakeFilter{State: event.LakeLive})
	if err != nil {
		t.Fatal(err)
	}
	gone := event.Retirement{Hour: hour, Plan: "p", Copies: map[string]string{}}
	for _, f := range files {
		gone.Copies[f.Path] = ""
	}
	r.publish(t, 100, 101)
	if err := r.store.RetireHour(t.Context(), gone); err == nil {
		t.Fatal("an hour with data that is not counted retires")
	}
	fold(t, s)
	r.expect(t, fmt.Sprint("after ", err), 101)
}
