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
	stored, why, err := s.provenCells(ctx, hour)
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
	if rows < counted-before {
		return fmt.Sprintf("its aggregate counts %d events, the raw files have %d rows", counted-before, rows), nil
	}
	if !deep && rows == counted-before {
		return "", nil
	}
	return s.proveDeep(ctx, hour, version, stored)
}

// provenCells returns the cells of an hour when the stored rows are what they say.
func (s *Service) provenCells(ctx context.Context, hour int64) (stored map[agg.Group][]byte, why string, err error) {
	stored, _, err = s.deps.Periods.Cells(ctx, "hourly", hour)
	if err != nil {
		return nil, "", err
	}
	sum := cells{}
	if err := sum.merge(stored); err != nil {
		return nil, err.Error(), nil // a damaged cell is an answer
	}
	want := sum.aggregate(levels["hourly"].of(hour), s.columns)
	for _, dimension := range agg.Dimensions {
		rows, _, err := s.deps.Rows.Rows(ctx, "hourly", dimension, timeOf(hour), timeOf(hour+3600), "*", 0, "")
		if err != nil {
			return nil, "", err
		}
		if dimension == agg.ByModel && len(rows) == 0 {
			return nil, "the hour has no aggregate rows", nil
		}
		if _, differences := s.compare(rows, want.Rows[dimension]); len(differences) > 0 {
			return nil, fmt.Sprintf("the stored rows are not what their cells say: %s", describe(dimension, differences)), nil
		}
	}
	return stored, "", nil
}

// describe names the first difference.
func describe(dimension string, differences []difference) string {
	d := &differences[0]
	text := fmt.Sprintf("the row of %s %s is %s", dimension, d.Model, d.Problem)
	if len(d.Columns) > 0 {
		name := slices.Sorted(maps.Keys(d.Columns))[0]
		text = fmt.Sprintf("%s of %s %s is %v instead of %v", name, dimension, d.Model, plain(d.Columns[name].Stored), plain(d.Columns[name].Recounted))
	}
	if more := len(differences) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text + "; a run of hxp_hourly_aggregation mends it"
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
	now, err := s.recount(ctx, hour)
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
