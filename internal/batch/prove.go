package batch

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ProveHour tells what speaks against letting the raw files of an hour go, "" when nothing does: its aggregate must be built from
// the present version, each stored row must be what its cell says, and the cells must count every raw row but the copies. deep
// counts the raw rows anew and holds the stored aggregate to that, byte by byte; otherwise this is done only where copies make the
// number of rows say nothing. It stores nothing.
func (s *Service) ProveHour(ctx context.Context, hour int64, deep bool) (why string, err error) {
	done, err := s.busy.take(ctx, "hourly", hour)
	if err != nil {
		return "", err
	}
	defer done()
	files, base, version, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return "", err
	}
	state, err := s.deps.Hours.HourBuild(ctx, hour)
	switch {
	case err != nil:
		return "", err
	case state.Built == 0:
		return "the hour has no aggregate", nil
	case state.Built != version:
		return fmt.Sprintf("its aggregate counts version %d of %d: new events came, and it is aggregated again", state.Built, version), nil
	}
	stored, why, err := s.provenCells(ctx, levels["hourly"].of(hour))
	if why != "" || err != nil {
		return why, err
	}
	counted, err := eventsOf(stored)
	if err != nil {
		return "", err
	}
	before, err := eventsOf(base)
	if err != nil {
		return "", fmt.Errorf("base of hour %s: %w", hourName(hour), err)
	}
	rows := int64(0)
	for i := range files {
		rows += files[i].Rows
	}
	if s.deps.Erased != nil {
		erased, err := s.deps.Erased(ctx, hour)
		if err != nil {
			return "", err
		}
		if rows+erased == counted-before && erased > 0 {
			return "", nil // counted anew it would be less
		}
	}
	if rows < counted-before {
		return fmt.Sprintf("its aggregate counts %d events, the raw files have %d rows", counted-before, rows), nil
	}
	if !deep && rows == counted-before {
		return "", nil
	}
	return s.proveDeep(ctx, hour, version, stored)
}

// provenCells returns the cells of a period when the stored rows are what they say.
func (s *Service) provenCells(ctx context.Context, p period) (stored map[agg.Group][]byte, why string, err error) {
	stored, _, err = s.deps.Periods.Cells(ctx, p.name, p.start)
	if err != nil {
		return nil, "", err
	}
	sum := cells{}
	if err := sum.merge(stored); err != nil {
		return nil, err.Error(), nil // a damaged cell is an answer
	}
	want := sum.aggregate(p, s.columns)
	for _, dimension := range agg.Dimensions {
		rows, _, err := s.deps.Rows.Rows(ctx, p.name, dimension, timeOf(p.start), timeOf(p.end), "*", 0, "")
		if err != nil {
			return nil, "", err
		}
		if dimension == agg.ByModel && len(rows) == 0 {
			return nil, "the " + p.noun + " has no aggregate rows", nil
		}
		if _, differences := s.compare(rows, want.Rows[dimension]); len(differences) > 0 {
			return nil, fmt.Sprintf("the stored rows are not what their cells say: %s", describe(p, dimension, differences)), nil
		}
	}
	return stored, "", nil
}

// describe names the first difference.
func describe(p period, dimension string, differences []difference) string {
	d := &differences[0]
	text := fmt.Sprintf("the row of %s %s is %s", dimension, d.Model, d.Problem)
	if len(d.Columns) > 0 {
		name := slices.Sorted(maps.Keys(d.Columns))[0]
		text = fmt.Sprintf("%s of %s %s is %v instead of %v", name, dimension, d.Model, plain(d.Columns[name].Stored), plain(d.Columns[name].Recounted))
	}
	if more := len(differences) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text + "; a run of hxp_" + p.name + "_aggregation mends it"
}

func plain(v any) any {
	if p, ok := v.(*float64); ok {
		if p == nil {
			return "null"
		}
		return *p
	}
	return v
}

// eventsOf is the number of events that cells count in all.
func eventsOf(encoded map[agg.Group][]byte) (int64, error) {
	total := agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}
	src, ok := encoded[total]
	if !ok {
		return 0, nil
	}
	sum := cells{}
	err := sum.merge(map[agg.Group][]byte{total: src})
	if err != nil {
		return 0, err
	}
	return int64(sum[total].Events), nil
}

// proveDeep counts an hour anew. The caller has claimed it.
func (s *Service) proveDeep(ctx context.Context, hour, version int64, stored map[agg.Group][]byte) (why string, err error) {
	if !take(ctx, s.slots) {
		return "", context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	now, err := s.recount(ctx, hour, 0)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", err
	case err != nil: // a raw file cannot be read: what it holds cannot be compared
		return strings.TrimSpace(err.Error()), nil
	case now.version != version:
		return "new events came while its raw events were counted", nil
	}
	if maps.EqualFunc(now.aggregate.Cells, stored, bytes.Equal) {
		return "", nil
	}
	counted, err := eventsOf(stored)
	if err != nil {
		return "", err
	}
	recount, err := eventsOf(now.aggregate.Cells)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("counted anew, the hour is not what is stored (%d events, stored are %d); a run of hxp_hourly_aggregation mends it", recount, counted), nil
}

// ProveDay tells what speaks against letting the hourly rows and cells of a day go, "" when nothing does: no hour may have raw files
// left or be behind, the stored rows of the hours and of the day must be what their cells say, and the cells of the day what its
// hours merge to, byte by byte. It stores nothing.
func (s *Service) ProveDay(ctx context.Context, day int64) (why string, err error) {
	p := levels["daily"].of(day)
	hours, err := s.deps.Hours.HourStates(ctx, p.start, p.end)
	if err != nil {
		return "", err
	}
	behind, err := s.isBehind(ctx, p, hours)
	if err != nil {
		return "", err
	}
	if behind {
		return "the day does not count its hours as they are now; a run of hxp_daily_aggregation makes it", nil
	}
	var children []int64
	for _, h := range hours {
		files, _, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
		if err != nil {
			return "", err
		}
		if len(files) > 0 {
			return fmt.Sprintf("raw files of hour %s have not left", hourName(h.Hour)), nil
		}
		cells, _, err := s.deps.Periods.Cells(ctx, "hourly", h.Hour)
		if err != nil {
			return "", err
		}
		if len(cells) > 0 { // otherwise it left before
			if _, why, err := s.provenCells(ctx, levels["hourly"].of(h.Hour)); why != "" || err != nil {
				return why, err
			}
		}
		children = append(children, h.Hour)
	}
	stored, why, err := s.provenCells(ctx, p)
	if why != "" || err != nil {
		return why, err
	}
	sum, _, err := s.merged(ctx, p, children)
	if err != nil {
		return err.Error(), nil // a damaged cell is an answer
	}
	if !maps.EqualFunc(sum.aggregate(p, s.columns).Cells, stored, bytes.Equal) {
		return "the stored day is not the merge of its hours; a run of hxp_daily_aggregation mends it", nil
	}
	return "", nil
}
