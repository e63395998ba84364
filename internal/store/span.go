package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// PlacedCell is a stored cell with the start of its period, seconds since the epoch.
type PlacedCell struct {
	Start int64
	Value string
	Cell  []byte
}

// CellsWithin returns the stored cells of some values of a dimension for the periods of a level that start in [from, to), oldest first.
func (s *Store) CellsWithin(ctx context.Context, level, dimension string, values []string, from, to int64) ([]PlacedCell, error) {
	if _, err := tableOf(level, dimension); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, nil
	}
	args := []any{from, to, dimension}
	for _, v := range values {
		args = append(args, v)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT start, value, cell FROM "+level+"_states WHERE start >= ? AND start < ? AND dimension = ? AND value IN (?"+
		strings.Repeat(", ?", len(values)-1)+") ORDER BY start", args...)
	if err != nil {
		return nil, fmt.Errorf("store: %s cells: %w", level, err)
	}
	defer rows.Close()
	var out []PlacedCell
	for rows.Next() {
		var c PlacedCell
		if err := rows.Scan(&c.Start, &c.Value, &c.Cell); err != nil {
			return nil, fmt.Errorf("store: %s cells: %w", level, err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Busiest names the values of a dimension with the most requests in the periods of a level that start in [from, to), at most so many.
func (s *Store) Busiest(ctx context.Context, level, dimension string, from, to time.Time, most int) ([]string, error) {
	table, err := tableOf(level, dimension)
	if err != nil {
		return nil, err
	}
	condition, args := table.where()
	args = append(args, s.dialect.stamp(ceilSecond(from)), s.dialect.stamp(ceilSecond(to)), agg.AllModels)
	rows, err := s.read.QueryContext(ctx, "SELECT "+table.label()+" FROM "+table.name()+" WHERE "+condition+" AND timestamp >= ? AND timestamp < ? AND "+table.label()+" <> ? GROUP BY "+
		table.label()+" ORDER BY SUM(requests) DESC, "+table.label()+fmt.Sprintf(" LIMIT %d", most), args...)
	if err != nil {
		return nil, fmt.Errorf("store: busiest of %s: %w", table.name(), err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("store: busiest of %s: %w", table.name(), err)
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// HourEvents tells how many events each hour with data that starts in [from, to) has at least: those that its aggregate was made from,
// or one where there is none, or none any more.
func (s *Store) HourEvents(ctx context.Context, from, to int64) (map[int64]uint64, error) {
	states, err := s.HourStates(ctx, from, to)
	if err != nil {
		return nil, err
	}
	out := map[int64]uint64{}
	for _, h := range states {
		out[h.Hour] = 1
	}
	rows, err := s.read.QueryContext(ctx, "SELECT timestamp, events FROM hourly_aggregations WHERE timestamp >= ? AND timestamp < ? AND model = ?",
		s.dialect.stamp(time.Unix(from, 0)), s.dialect.stamp(time.Unix(to, 0)), agg.AllModels)
	if err != nil {
		return nil, fmt.Errorf("store: events of hours: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var start stamp
		var n int64
		if err := rows.Scan(&start, &n); err != nil {
			return nil, fmt.Errorf("store: events of hours: %w", err)
		}
		out[time.Time(start).Unix()] = uint64(max(0, n))
	}
	return out, rows.Err()
}

// Clean returns the hours with data that start in [from, to) and whose aggregate was made from everything that is there, and the days
// of which that holds and that were merged from all of their hours as they are now. Hours that have left their day, or what came to
// them later, are not among them.
func (s *Store) Clean(ctx context.Context, from, to int64) (hours, days map[int64]bool, err error) {
	states, err := s.HourStates(ctx, from, to)
	if err != nil {
		return nil, nil, err
	}
	unmerged, err := s.Unmerged(ctx, "daily", from, to)
	if err != nil {
		return nil, nil, err
	}
	hours, days = map[int64]bool{}, map[int64]bool{}
	const day = 24 * hourSeconds
	spoilt := map[int64]bool{}
	for _, hour := range unmerged {
		spoilt[hour-hour%day] = true
	}
	for _, h := range states {
		if h.Built > 0 && h.Version == h.Built {
			hours[h.Hour] = true
		} else {
			spoilt[h.Hour-h.Hour%day] = true
		}
		days[h.Hour-h.Hour%day] = true
	}
	left, err := s.RetiredBetween(ctx, event.ClassAggregated, from-from%day, to)
	if err != nil {
		return nil, nil, err
	}
	for i := range left {
		for hour := left[i].Start; hour < left[i].End; hour += hourSeconds {
			delete(hours, hour)
		}
	}
	for start := range days {
		if spoilt[start] {
			delete(days, start)
		}
	}
	return hours, days, nil
}
