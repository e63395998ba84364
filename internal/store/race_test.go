package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// several opens one database n times, as n processes would.
func several(t *testing.T, n int) []*Store {
	t.Helper()
	url := database(t)
	stores := make([]*Store, n)
	for i := range stores {
		stores[i] = reopen(t, url)
	}
	return stores
}

// together runs fn with each store at the same time.
func together(t *testing.T, stores []*Store, fn func(ctx context.Context, i int, s *Store) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			if err := fn(t.Context(), i, s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Write transactions act as if one ran after the other: none overwrites what it has not read.
func TestUpdateRace(t *testing.T) {
	const each = 40
	stores := several(t, 3)
	if _, err := stores[0].InitPosition(t.Context(), tp, 0); err != nil {
		t.Fatal(err)
	}
	together(t, stores, func(ctx context.Context, _ int, s *Store) error {
		for range each {
			err := s.update(ctx, func(tx *sql.Tx) error {
				var next int64
				if err := tx.QueryRowContext(ctx, "SELECT next FROM lake_positions WHERE topic_id = ?", tp.TopicID).Scan(&next); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, "UPDATE lake_positions SET next = ? WHERE topic_id = ?", next+1, tp.TopicID)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got, err := stores[0].Positions(t.Context())
	if err != nil || !reflect.DeepEqual(got, map[event.TopicPartition]int64{tp: 3 * each}) {
		t.Error(got, err)
	}
}

// The same work, or work under the same key, asked for by several processes at once is one run.
func TestCreateRunRace(t *testing.T) {
	const works = 20
	stores := several(t, 4)
	var mu sync.Mutex
	made, seen := map[int]int{}, map[int]map[string]bool{} // by work: how often it was made, ids that callers got
	together(t, stores, func(ctx context.Context, i int, s *Store) error {
		for work := range works {
			r := run(fmt.Sprintf("%d-%d", work, i), work)
			if work%2 == 1 {
				r.DagID, r.IdempotencyKey = fmt.Sprint("dag", i), fmt.Sprint("key", work)
			}
			got, existed, err := s.CreateRun(ctx, r)
			if err != nil {
				return err
			}
			mu.Lock()
			if !existed {
				made[work]++
			}
			if seen[work] == nil {
				seen[work] = map[string]bool{}
			}
			seen[work][got.ID] = true
			mu.Unlock()
		}
		return nil
	})
	for work := range works {
		if made[work] != 1 || len(seen[work]) != 1 {
			t.Errorf("work %d was made %d times, and callers got %v", work, made[work], slices.Collect(maps.Keys(seen[work])))
		}
	}
}

// foldOf is what a fold of an hour's version gives.
func foldOf(hour, version int64) agg.Aggregate {
	var rows []agg.Row
	cells := map[string][]byte{}
	for m := range 1 + version%3 { // models come and go
		r := row(fmt.Sprintf("model\x00%d", m), version)
		r.Timestamp = time.Unix(hour, 0).UTC()
		rows, cells[r.Model] = append(rows, r), []byte{byte(version)}
	}
	return models(cells, rows...)
}

// Folds of the same hours that end in any order, in months that nobody has touched before: the newest version stays, whole.
func TestSaveHourRace(t *testing.T) {
	const versions = 8
	var hours []int64
	for month := time.January; month <= time.June; month++ {
		hours = append(hours, time.Date(2024, month, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2024, month+1, 1, -1, 0, 0, 0, time.UTC).Unix())
	}
	stores := several(t, 3)
	together(t, stores, func(ctx context.Context, i int, s *Store) error {
		for v := int64(i); v <= versions; v++ {
			for _, hour := range hours {
				if _, err := s.SaveHour(ctx, hour, v, foldOf(hour, v)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	s := stores[0]
	for _, hour := range hours {
		want := foldOf(hour, versions)
		start := time.Unix(hour, 0)
		rows, _, err := s.Rows(t.Context(), "hourly", agg.ByModel, start, start.Add(time.Hour), "*", 0, "")
		if err != nil || len(rows) != len(want.Rows[agg.ByModel]) {
			t.Fatal(rows, err)
		}
		for i := range rows {
			if !equalRows(&rows[i], &want.Rows[agg.ByModel][i]) {
				t.Errorf("%+v is not %+v", rows[i], want.Rows[agg.ByModel][i])
			}
		}
		cells, _, err := s.Cells(t.Context(), "hourly", hour)
		if err != nil || !reflect.DeepEqual(cells, want.Cells) {
			t.Error(cells, err)
		}
		if state, err := s.HourBuild(t.Context(), hour); err != nil || state.Built != versions {
			t.Error(state, err)
		}
	}
}
