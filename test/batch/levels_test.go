package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

var _ batch.Periods = (*store.Store)(nil)

// busyDay is the aggregate of a day of 3 million requests: every sketch and every count of users is as large as it gets.
func busyDay(day time.Time, models int) agg.Aggregate {
	a := agg.Aggregate{Rows: map[string][]agg.Row{}, Cells: map[agg.Group][]byte{}}
	cell := func(n, seed int) []byte {
		var c agg.Cell
		var e event.Event
		for i := range n {
			e.Reset()
			e.Kind = event.LLMRequest
			x := i*7919 + seed
			e.SetText(event.UserID, fmt.Sprint("user-", x%20_000))
			e.SetText(event.SessionID, fmt.Sprint("session-", x))
			e.SetBool(event.Success, true)
			e.SetInt(event.DurationMS, int64(x%9_000_000+1)*1000)
			e.SetInt(event.TTFT, int64(x%700_000+1)*1000)
			e.SetInt(event.TPOT, int64(x%70_000+1)*1000)
			e.SetInt(event.PromptTokens, int64(x%2000))
			c.Add(&e, false)
		}
		return c.Append(nil)
	}
	add := func(dimension, value string, c []byte) {
		a.Cells[agg.Group{Dimension: dimension, Value: value}] = c
		a.Rows[dimension] = append(a.Rows[dimension], agg.Row{Timestamp: day, Model: value})
	}
	add(agg.ByModel, agg.AllModels, cell(40_000, 0))
	for i := range models {
		add(agg.ByModel, fmt.Sprint("model-", i), cell(20_000, i))
	}
	for i := range 20 {
		add(agg.ByTenant, fmt.Sprint("tenant-", i), cell(5_000, i))
	}
	for i := range 5 {
		add(agg.ByEndpoint, fmt.Sprint("/v1/", i), cell(10_000, i))
	}
	for i := range 200 {
		add(agg.ByUser, fmt.Sprint("user-", i), cell(2, i))
	}
	return a
}

// quiet is a lake to which nothing comes.
type quiet struct{}

func (quiet) Flush(context.Context) error                              { return nil }
func (quiet) Wait(context.Context, map[string]map[int32]int64) error   { return nil }
func (quiet) ends(context.Context) (map[string]map[int32]int64, error) { return nil, nil }
func (quiet) OpenFile(_ context.Context, f event.LakeFile) (event.LakeReader, error) {
	return nil, fmt.Errorf("nobody should read %s", f.Path)
}

// BenchmarkMonth merges a month from 31 days of twelve models, by POST /runs, on SQLite.
func BenchmarkMonth(b *testing.B) {
	st, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "hxp.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	tp := event.TopicPartition{TopicID: "aa", Topic: "llm-requests"}
	if _, err := st.InitPosition(b.Context(), tp, 0); err != nil {
		b.Fatal(err)
	}
	month := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for d := range 31 {
		day := month.AddDate(0, 0, d)
		sum, children := busyDay(day, 12), map[int64]int64{}
		for h := range 24 {
			at := day.Add(time.Duration(h) * time.Hour).Unix()
			n := int64(d*24 + h)
			f := event.LakeFile{Path: fmt.Sprint(n), TopicID: tp.TopicID, Topic: tp.Topic, From: n, To: n + 1, Hour: at, Rows: 1, State: event.LakeLive}
			if ok, err := st.Publish(b.Context(), tp, n, n+1, []event.LakeFile{f}); !ok || err != nil {
				b.Fatal(ok, err)
			}
			if _, err := st.SaveHour(b.Context(), at, 1, agg.Aggregate{}); err != nil {
				b.Fatal(err)
			}
			children[at] = 1
		}
		if _, err := st.SavePeriod(b.Context(), "daily", day.Unix(), day.AddDate(0, 0, 1).Unix(), children, sum); err != nil {
			b.Fatal(err)
		}
	}
	cfg := batch.Defaults()
	cfg.Aggregation.Intervals.Hourly = false
	s, err := batch.New(cfg, batch.Deps{Hours: st, Periods: st, Rows: st, Runs: st, Parts: st, Scanner: quiet{}, Lake: quiet{}, Ends: quiet{}.ends, Parquet: lake.WriteTable,
		Reports: st, Deliveries: st, ReportsDir: b.TempDir(),
		NotFound: store.ErrNotFound, BadCursor: store.ErrBadCursor, Lateness: 5 * time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	start(b, s)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		rec := httptest.NewRecorder()
		body := `{"dag_id":"hxp_monthly_aggregation","data_interval_start":"2026-03-01T00:00:00Z","data_interval_end":"2026-04-01T00:00:00Z"}`
		s.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/runs", strings.NewReader(body)))
		if rec.Code != 202 {
			b.Fatal(rec.Code, rec.Body)
		}
		location := rec.Header().Get("Location")
		for range tick.C {
			rec := httptest.NewRecorder()
			s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", location, nil))
			var run runJSON
			if err := json.Unmarshal(rec.Body.Bytes(), &run); err != nil {
				b.Fatal(err)
			}
			if run.State == agg.RunSuccess {
				break
			}
			if run.State.Final() {
				b.Fatal(run.Error)
			}
		}
	}
	rows, _, err := st.Rows(b.Context(), "monthly", agg.ByModel, time.Time{}, time.Time{}, "*", 0, "")
	if err != nil || len(rows) != 13 || rows[0].Requests != 31*40_000 {
		b.Fatal(len(rows), err)
	}
}

// Tenants, endpoints and users have rows of their own on every level, with exact totals; beyond a limit the rest is together.
func TestOtherDimensionsReachTheMonth(t *testing.T) {
	r := newRoad(t)
	msgs := make([]*bus.Message, 3000)
	var want agg.Cell
	for i := range msgs {
		var e event.Event
		e.ID, e.Source, e.Kind, e.HasTime = fmt.Sprint("d", i), "test", event.LLMRequest, true
		e.Time = hour*1e6 + int64(i%3)*3600e6 + int64(i)
		e.SetText(event.Model, "m")
		e.SetText(event.Tenant, []string{"acme", "globex"}[i%2])
		e.SetText(event.Endpoint, "/v1/chat")
		e.SetText(event.UserID, fmt.Sprintf("user-%04d", i%1000))
		e.SetInt(event.PromptTokens, int64(i))
		e.SetBool(event.Success, true)
		e.SetInt(event.DurationMS, int64(i+1)*1_000_000)
		e.Settle()
		want.Add(&e, true)
		msgs[i] = &bus.Message{Topic: e.Kind.Topic(), Key: []byte(e.Key()), Value: event.AppendJSON(nil, &e)}
	}
	r.send(t, msgs)
	s := r.batch(t, batch.Defaults())
	start(t, s)
	run(t, s, "monthly", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
	for _, level := range []string{"daily", "monthly"} {
		for dimension, values := range map[string]int{agg.ByModel: 2, agg.ByTenant: 2, agg.ByEndpoint: 1, agg.ByUser: 201} {
			rows, _, err := r.store.Rows(t.Context(), level, dimension, time.Time{}, time.Time{}, "*", 0, "")
			if err != nil || len(rows) != values {
				t.Fatalf("%s by %s: %d rows, want %d (%v)", level, dimension, len(rows), values, err)
			}
			var requests, tokens int64
			for _, row := range rows {
				if row.Model != agg.AllModels {
					requests, tokens = requests+row.Requests, tokens+row.PromptTokens
				}
				if dimension == agg.ByTenant && (row.LatencyP95MS == nil || row.UniqueUsers < 490 || row.UniqueUsers > 510) {
					t.Errorf("tenant %+v", row)
				}
				if dimension == agg.ByUser && row.Model != agg.Others && (row.UniqueUsers != 1 || row.LatencyP95MS != nil) {
					t.Errorf("user %+v", row)
				}
			}
			if requests != int64(want.Requests) || tokens != want.Tokens.Prompt {
				t.Errorf("%s by %s adds up to %d requests and %d tokens, want %d and %d", level, dimension, requests, tokens, want.Requests, want.Tokens.Prompt)
			}
		}
	}
}
