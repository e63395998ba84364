package store

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Rows and cells of a user leave every level; those of others, of tenants of the same name and the totals stay.
func TestForgetValues(t *testing.T) {
	s := open(t)
	of := func(values ...string) []agg.Row {
		var out []agg.Row
		for _, v := range values {
			out = append(out, row(v, 1))
		}
		return out
	}
	a := agg.Aggregate{
		Rows: map[string][]agg.Row{agg.ByModel: of("_all"), agg.ByUser: of("jane", "hmac:jane", "joe"), agg.ByTenant: of("jane")},
		Cells: map[agg.Group][]byte{{Dimension: agg.ByModel, Value: "_all"}: {1}, {Dimension: agg.ByUser, Value: "jane"}: {2},
			{Dimension: agg.ByUser, Value: "joe"}: {3}, {Dimension: agg.ByTenant, Value: "jane"}: {4}},
	}
	if _, err := s.SaveHour(t.Context(), anHour, 1, a); err != nil {
		t.Fatal(err)
	}
	names := []string{"jane", "hmac:jane"}
	if n, err := s.CountValues(t.Context(), agg.ByUser, names); n != 3 || err != nil {
		t.Errorf("%d rows and cells are there, want 2 rows and a cell (%v)", n, err)
	}
	if n, err := s.ForgetValues(t.Context(), agg.ByUser, names); n != 3 || err != nil {
		t.Errorf("%d left, %v", n, err)
	}
	if n, err := s.CountValues(t.Context(), agg.ByUser, names); n != 0 || err != nil {
		t.Errorf("%d are there afterwards, %v", n, err)
	}
	for dimension, want := range map[string]string{agg.ByModel: "_all", agg.ByUser: "joe", agg.ByTenant: "jane"} {
		rows, _, err := s.Rows(t.Context(), "hourly", dimension, time.Time{}, time.Time{}, "*", 0, "")
		if err != nil || len(rows) != 1 || rows[0].Model != want {
			t.Errorf("%s: %v %v", dimension, rows, err)
		}
	}
	cells, _, err := s.Cells(t.Context(), "hourly", anHour)
	if err != nil || len(cells) != 3 {
		t.Errorf("%v %v", cells, err)
	}
	if _, err := s.ForgetValues(t.Context(), agg.ByModel, []string{"_all"}); err == nil {
		t.Error("totals were forgotten")
	}
}
