package store

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

const anHour = 472222 * 3600

func row(model string, requests int64) agg.Row {
	return agg.Row{Timestamp: time.Unix(anHour, 0).UTC(), Model: model, Requests: requests, ErrorRate: new(0.25), CostUSD: new(0.000000001)}
}

// models is an aggregate by model alone.
func models(cells map[string][]byte, rows ...agg.Row) agg.Aggregate {
	a := agg.Aggregate{Rows: map[string][]agg.Row{agg.ByModel: rows}, Cells: map[agg.Group][]byte{}}
	for m, c := range cells {
		a.Cells[agg.Group{Dimension: agg.ByModel, Value: m}] = c
	}
	return a
}

// The columns of the table, of agg.Columns and of the JSON of a row are the same, in the same order.
func TestRowColumns(t *testing.T) {
	s := open(t)
	var tags []string
	for f := range reflect.TypeFor[agg.Row]().Fields() {
		tags = append(tags, f.Tag.Get("json"))
	}
	if !reflect.DeepEqual(tags, agg.Columns) {
		t.Errorf("JSON has %v\ncolumns are %v", tags, agg.Columns)
	}
	for _, level := range Levels {
		rows, err := s.read.Query("SELECT * FROM " + level + "_aggregations")
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		rows.Close()
		if err != nil || !reflect.DeepEqual(names, agg.Columns) {
			t.Errorf("%s has %v (%v)", level, names, err)
		}
	}
	if n := len(rowValues(new(agg.Row))); n != len(agg.Columns) {
		t.Errorf("%d values for %d columns", n, len(agg.Columns))
	}
}

// Every value of a row comes back as it was, also the odd ones.
func TestRowsComeBack(t *testing.T) {
	s := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := agg.Row{Timestamp: time.Unix(anHour, 0).UTC(), Model: rapid.String().Draw(rt, "model")}
		for _, p := range rowValues(&r)[2:] {
			switch p := p.(type) {
			case *int64:
				*p = rapid.Int64().Draw(rt, "int")
			case **float64:
				if rapid.Bool().Draw(rt, "present") {
					*p = new(rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }).Draw(rt, "float"))
				}
			}
		}
		if _, err := s.SaveHour(t.Context(), anHour, 1, models(nil, r)); err != nil {
			rt.Fatal(err)
		}
		got, _, err := s.Rows(t.Context(), "hourly", agg.ByModel, time.Time{}, time.Time{}, "*", 0, "")
		if err != nil || len(got) != 1 || !equalRows(&got[0], &r) {
			a, _ := json.Marshal(r)
			b, _ := json.Marshal(got)
			rt.Fatalf("%v\n%s\n%s", err, a, b)
		}
		if change, err := s.SaveHour(t.Context(), anHour, 1, models(nil, r)); change.Any() || err != nil {
			rt.Fatalf("the same row changes something: %v %v", change, err)
		}
	})
}

// Folding again leaves every byte as it was; updated_at follows the other columns; an older fold does not win.
func TestSaveHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		save := func(version int64, want bool, cells map[string][]byte, rows ...agg.Row) {
			t.Helper()
			if change, err := s.SaveHour(t.Context(), anHour, version, models(cells, rows...)); err != nil || change.Any() != want {
				t.Fatalf("changed is %v, not %v (%v)", change, want, err)
			}
		}
		read := func() (rows []agg.Row) {
			t.Helper()
			rows, _, err := s.Rows(t.Context(), "hourly", agg.ByModel, time.Time{}, time.Time{}, "*", 0, "")
			if err != nil {
				t.Fatal(err)
			}
			return rows
		}
		first := time.Now().UTC().Truncate(time.Second)
		save(5, true, map[string][]byte{"_all": {1}, "a": {2}}, row("_all", 3), row("a", 1), row("b", 2))
		time.Sleep(time.Minute)
		save(5, false, map[string][]byte{"_all": {1}, "a": {2}}, row("b", 2), row("_all", 3), row("a", 1))
		save(6, false, map[string][]byte{"_all": {1}, "a": {2}}, row("b", 2), row("_all", 3), row("a", 1))
		for _, r := range read() {
			if !r.UpdatedAt.Equal(first) {
				t.Errorf("%s is updated at %s", r.Model, r.UpdatedAt)
			}
		}
		save(7, true, map[string][]byte{"_all": {1}, "c": {9}}, row("_all", 4), row("a", 1), row("c", 3))
		rows := read()
		if len(rows) != 3 || rows[0].Requests != 4 || rows[1].Model != "a" || rows[2].Model != "c" {
			t.Fatalf("%+v", rows)
		}
		if !rows[0].UpdatedAt.Equal(first.Add(time.Minute)) || !rows[1].UpdatedAt.Equal(first) {
			t.Errorf("updated at %s and %s", rows[0].UpdatedAt, rows[1].UpdatedAt)
		}
		save(6, false, nil, row("_all", 1000))
		cells, build, err := s.Cells(t.Context(), "hourly", anHour)
		if err != nil || build != 2 || !reflect.DeepEqual(cells, models(map[string][]byte{"_all": {1}, "c": {9}}).Cells) {
			t.Fatal(cells, build, err)
		}
		if read()[0].Requests != 4 {
			t.Error("an older fold wins")
		}
		save(8, true, nil)
		if len(read()) != 0 {
			t.Error("rows of an empty hour stay")
		}
	})
}

// What an hour joins is kept when only that is new, and stays when a later fold cannot tell it.
func TestJoinedHours(t *testing.T) {
	s := open(t)
	want := func(requests, complete int64) {
		t.Helper()
		if sum, err := s.JoinedHours(t.Context(), anHour, anHour+2*3600); err != nil || sum != (agg.Joined{Requests: requests, Complete: complete}) {
			t.Fatal(sum, err)
		}
	}
	save := func(hour, version int64, joined *agg.Joined) {
		t.Helper()
		a := agg.Aggregate{Joined: joined}
		if _, err := s.SaveHour(t.Context(), hour, version, a); err != nil {
			t.Fatal(err)
		}
	}
	want(0, 0)
	save(anHour, 5, nil) // as before there was such a count
	want(0, 0)
	save(anHour, 5, &agg.Joined{Requests: 10, Complete: 4})
	want(10, 4)
	save(anHour+3600, 1, &agg.Joined{Requests: 7, Complete: 7})
	save(anHour+2*3600, 1, &agg.Joined{Requests: 100, Complete: 1})
	want(17, 11)
	save(anHour, 6, nil) // its raw files have left
	want(17, 11)
	save(anHour, 4, &agg.Joined{Requests: 1, Complete: 1}) // overtaken
	want(17, 11)
}

func TestSaveHourRefuses(t *testing.T) {
	s := open(t)
	nan, strange := row("_all", 1), row("_all", 1)
	nan.CPUUsage = new(math.NaN())
	strange.Timestamp = strange.Timestamp.Add(time.Hour)
	for _, rows := range [][]agg.Row{{nan}, {strange}, {row("a", 1), row("a", 2)}} {
		if _, err := s.SaveHour(t.Context(), anHour, 1, models(nil, rows...)); err == nil {
			t.Errorf("%+v is stored", rows)
		}
	}
}

// What people type in sqlite3 and psql reads well.
func TestPeopleCanRead(t *testing.T) {
	s := open(t)
	if _, err := s.SaveHour(t.Context(), anHour, 1, models(nil, row("_all", 3))); err != nil {
		t.Fatal(err)
	}
	wantStamp, wantUpdated, wantCost := "2023-11-14T22:00:00Z", "Z", "1.0e-09"
	if s.dialect.name == "postgres" {
		wantStamp, wantUpdated, wantCost = "2023-11-14 22:00:00+00", "+00", "1e-09"
	}
	var stamp, updated, cost string
	err := s.read.QueryRow("SELECT CAST(timestamp AS TEXT), CAST(updated_at AS TEXT), CAST(cost_usd AS TEXT) FROM hourly_aggregations ORDER BY timestamp DESC LIMIT 5").
		Scan(&stamp, &updated, &cost)
	if err != nil || stamp != wantStamp || !strings.HasSuffix(updated, wantUpdated) || cost != wantCost {
		t.Fatal(stamp, updated, cost, err)
	}
}

func TestRowPages(t *testing.T) {
	s := open(t)
	for h := range int64(5) {
		var rows []agg.Row
		for _, m := range []string{"_all", "a", "z z"} {
			r := row(m, h)
			r.Timestamp = time.Unix(anHour+h*3600, 0)
			rows = append(rows, r)
		}
		if _, err := s.SaveHour(t.Context(), anHour+h*3600, 1, models(nil, rows...)); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int, from, to time.Time, model string) {
		t.Helper()
		rows, next, err := s.Rows(t.Context(), "hourly", agg.ByModel, from, to, model, 0, "")
		if err != nil || next != "" || len(rows) != want {
			t.Errorf("%d rows, not %d (%v)", len(rows), want, err)
		}
	}
	start := time.Unix(anHour, 0)
	count(15, time.Time{}, time.Time{}, "*")
	count(5, time.Time{}, time.Time{}, "_all")
	count(5, time.Time{}, time.Time{}, "z z")
	count(0, time.Time{}, time.Time{}, "y")
	count(2, start, start.Add(2*time.Hour), "a")
	count(2, start.Add(time.Nanosecond), start.Add(2*time.Hour+time.Nanosecond), "a")
	for limit := 1; limit <= 16; limit++ {
		seen, cursor := 0, ""
		for {
			rows, next, err := s.Rows(t.Context(), "hourly", agg.ByModel, time.Time{}, time.Time{}, "*", limit, cursor)
			if err != nil || len(rows) > limit {
				t.Fatal(len(rows), err)
			}
			seen += len(rows)
			if cursor = next; next == "" {
				break
			}
		}
		if seen != 15 {
			t.Errorf("pages of %d show %d rows", limit, seen)
		}
	}
	if _, _, err := s.Rows(t.Context(), "hourly", agg.ByModel, start, start, "*", 1, "nonsense"); err != ErrBadCursor {
		t.Error(err)
	}
	if _, _, err := s.Rows(t.Context(), "yearly", agg.ByModel, start, start, "*", 1, ""); err == nil {
		t.Error("a level that does not exist is read")
	}
	if rows, _, err := s.Rows(t.Context(), "monthly", agg.ByModel, time.Time{}, time.Time{}, "*", 0, ""); err != nil || len(rows) != 0 {
		t.Error(rows, err)
	}
}
