package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/past"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// forgetful are panes that have lost everything but how far they have come.
type forgetful struct{ watermark time.Time }

func (f forgetful) About(int64, int64, map[string]string, httpx.LeftOut, string) (int64, time.Time, float64) {
	return 1, f.watermark, 1
}
func (forgetful) Events(int64, int64) map[int64]uint64 { return nil }
func (forgetful) Busiest(int64, int64, map[string]string, httpx.LeftOut, string, int) ([]string, []httpx.FieldError) {
	return nil, nil
}
func (forgetful) Steps(from, to, step int64, _ map[string]string, _ httpx.LeftOut, _ string, values []string) ([][]*agg.Cell, []float64, []httpx.FieldError) {
	cells, told := make([][]*agg.Cell, 1+len(values)), []float64(nil)
	for ; from < to; from += step {
		for i := range cells {
			cells[i] = append(cells[i], new(agg.Cell))
		}
		told = append(told, 1)
	}
	return cells, told, nil
}

// resting are events at rest.
type resting []event.Event

func (r resting) Rows(_ context.Context, from, to int64) (n int64, ok bool, err error) {
	err = r.Events(context.Background(), from, to, func(*event.Event) { n++ })
	return n, true, err
}

func (r resting) Events(_ context.Context, from, to int64, fn func(*event.Event)) error {
	for i := range r {
		if at := r[i].Time / 1e6; from <= at && at < to {
			fn(&r[i])
		}
	}
	return nil
}

// TestRangeOfStore: a store as it is answers what the panes have lost, of raw minutes as of hours, and what nobody knows is null.
func TestRangeOfStore(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "hxp.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const first = 1_790_002_800 // a whole hour
	var raw resting
	all, ofA := new(agg.Cell), new(agg.Cell)
	for i, model := range []string{"a", "b", "a"} {
		e := event.Event{Kind: event.LLMRequest, Time: (first + int64(i)*60) * 1e6, HasTime: true}
		e.SetText(event.Model, model)
		e.SetText(event.Tenant, "t")
		e.Settle()
		raw = append(raw, e)
		if all.Add(&e, false); model == "a" {
			ofA.Add(&e, false)
		}
	}
	tp := event.TopicPartition{TopicID: "aa", Topic: "llm-requests"}
	if _, err := db.InitPosition(t.Context(), tp, 0); err != nil {
		t.Fatal(err)
	}
	files := make([]event.LakeFile, 2) // the second hour is not aggregated
	for i := range files {
		hour := first + int64(i)*3600
		files[i] = event.LakeFile{Path: time.Unix(hour, 0).UTC().Format("15") + ".parquet", TopicID: tp.TopicID, Topic: tp.Topic, From: int64(i), To: int64(i) + 1, Hour: hour, Rows: 3, Bytes: 1, SHA256: "00", MinTime: hour * 1e6, MaxTime: hour * 1e6, State: event.LakeLive}
	}
	if ok, err := db.Publish(t.Context(), tp, 0, 2, files); !ok || err != nil {
		t.Fatal(ok, err)
	}
	total := agg.Row{Timestamp: time.Unix(first, 0).UTC(), Model: agg.AllModels, Requests: 3, Events: 3}
	if _, err := db.SaveHour(t.Context(), first, 1, agg.Aggregate{
		Rows:  map[string][]agg.Row{agg.ByModel: {total, {Timestamp: total.Timestamp, Model: "a", Requests: 2, Events: 2}}},
		Cells: map[agg.Group][]byte{{Dimension: agg.ByModel, Value: agg.AllModels}: all.Append(nil), {Dimension: agg.ByModel, Value: "a"}: ofA.Append(nil)},
	}); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(first, 0).Add(20 * 24 * time.Hour)
	s := past.New(forgetful{now}, storedHours{&system{store: db}}, raw, slog.New(slog.DiscardHandler))
	s.Now = func() time.Time { return now }
	for _, c := range []struct {
		query  string
		hours  time.Duration
		source string
		want   []float64 // the first steps; -1 = null
	}{
		{"step=60&metric=requests", 1, past.FromRaw, []float64{1, 1, 1, 0}},
		{"step=60&group_by=model&group_metric=requests", 1, past.FromRaw, []float64{1, 0, 1, 0}},
		{"step=60&metric=requests&model=b&tenant=t", 1, past.FromRaw, []float64{0, 1, 0, 0}},
		{"step=60&group_by=host&group_metric=requests", 1, past.FromRaw, []float64{1, 1, 1, 0}}, // which names none
		{"step=3600&metric=requests&model=a", 2, past.FromHours, []float64{2, -1}},
		{"step=3600&metric=requests&model=a&tenant=t", 2, past.FromPanes, []float64{-1, -1}},
		{"step=5400&metric=requests", 1, past.FromHours, []float64{3}},
	} {
		w := httptest.NewRecorder()
		from := time.Unix(first, 0).UTC()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/range?from="+from.Format(time.RFC3339)+"&to="+from.Add(c.hours*time.Hour).Format(time.RFC3339)+"&"+c.query, nil))
		var a struct {
			Completeness []float64
			Sources      []struct{ Source string }
			Series       []struct{ Values []*float64 }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || len(a.Series) == 0 || len(a.Series[0].Values) < len(c.want) || a.Sources[0].Source != c.source {
			t.Errorf("%s: %d %s (%v)", c.query, w.Code, w.Body, err)
			continue
		}
		for k, want := range c.want {
			got, complete := -1.0, a.Completeness[k]
			if v := a.Series[0].Values[k]; v != nil {
				got = *v
			}
			if got != want || (complete == 0) != (want < 0) {
				t.Errorf("%s: step %d is %v and %v complete, want %v", c.query, k, got, complete, want)
			}
		}
	}
}
