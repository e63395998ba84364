package retention

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// aggregated is the class of the hourly rows and cells. They leave by whole days; days, weeks and months stay, because nothing
// coarser could stand for the days that weeks and months are merged from.
type aggregated struct{ *Service }

// gather returns the old days. Those that are not kept by something else are held to their hours.
func (c aggregated) gather(ctx context.Context, cutoff time.Time, keep func(*Group) bool) (old []Group, all event.Holdings, err error) {
	if all, err = c.deps.Days.DayHoldings(ctx); err != nil {
		return nil, all, err
	}
	days, err := c.deps.Days.OldDays(ctx, cutoff.Unix())
	if err != nil || len(days) == 0 {
		return nil, all, err
	}
	making, err := c.deps.Reports.UnfinishedReports(ctx)
	if err != nil {
		return nil, all, err
	}
	for i := range days {
		d := &days[i]
		start, end := time.Unix(d.Start, 0).UTC(), time.Unix(d.End, 0).UTC()
		old = append(old, Group{Class: event.ClassAggregated, Start: start, End: end, Objects: []Object{{Path: dayPath(start), Rows: d.Rows, Bytes: d.Bytes}}})
	}
	for i := range old[:min(len(old), maxGroups)] {
		g := &old[i]
		for j := range making {
			if r := &making[j]; g.Start.Before(r.End) && r.Start.Before(g.End) {
				g.Busy = "the report " + r.ID + " is being made of it"
			}
		}
		if !keep(g) {
			if g.Busy, err = c.rawLeft(ctx, g); err != nil {
				return nil, all, err
			}
		}
		if !keep(g) {
			if g.Unproved, err = c.deps.Prover.ProveDay(ctx, g.Start.Unix()); err != nil {
				return nil, all, err
			}
		}
	}
	return old, all, nil
}

// rawLeft says that raw files of a day are still there: they leave first, because they would count twice.
func (c aggregated) rawLeft(ctx context.Context, g *Group) (busy string, err error) {
	files, err := c.deps.Raw.Files(ctx, event.LakeFilter{FromHour: g.Start.Unix(), ToHour: g.End.Unix()})
	for i := range files {
		if files[i].State == event.LakeLive || files[i].State == event.LakeMarked {
			return "raw files of the day have not left, or are in their grace", err
		}
	}
	return "", err
}

// dayPath names the hourly aggregates of a day.
func dayPath(day time.Time) string { return "hourly/" + day.Format(time.DateOnly) }

// leave lets the hourly rows and cells of a day go.
func (c aggregated) leave(ctx context.Context, p *Plan, items []*Item) error {
	it := items[0]
	day := it.Period.Unix()
	hours, err := c.deps.Days.StoredHours(ctx, day)
	if err != nil {
		return err
	}
	builds, left := map[int64]int64{}, true
	for i := range hours {
		builds[hours[i].Hour] = hours[i].Build
		left = left && len(hours[i].Cells) == 0
	}
	if left && c.leftBy(ctx, p.ID, event.ClassAggregated, day) {
		return nil
	}
	switch why, err := c.deps.Prover.ProveDay(ctx, day); {
	case err != nil:
		return err
	case why != "":
		return refuse(noProof, why)
	}
	r := event.Retired{Class: event.ClassAggregated, Plan: p.ID, Path: it.Path, Start: day, End: it.Period.Add(24 * time.Hour).Unix(), Rows: it.Rows, Bytes: it.Bytes}
	if it.Action == Archive {
		body, rows, err := encodeDay(hours)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		r.SHA256, r.Bytes, r.Rows = hex.EncodeToString(sum[:]), int64(len(body)), rows
		r.Copy = fmt.Sprintf("%s/hourly/dt=%s/%s.jsonl.gz", event.ClassAggregated, it.Period.Format(time.DateOnly), r.SHA256[:16])
		e := event.ArchiveEntry{Path: r.Copy, Class: r.Class, Period: it.Period.Format(time.RFC3339), Bytes: r.Bytes, SHA256: r.SHA256, Rows: rows, PlanID: p.ID}
		err = c.copy(ctx, []event.ArchiveEntry{e}, func(int) opener {
			return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		})
		if err != nil {
			return err
		}
	}
	return c.marked(c.deps.Days.RetireDay(ctx, r, builds))
}

// archivedGroup is a line of the copy of a day: the row of a group, which people read, and the cell that it was made from.
type archivedGroup struct {
	Hour      time.Time `json:"hour"`
	Dimension string    `json:"dimension"`
	Value     string    `json:"value"`
	Row       *agg.Row  `json:"row,omitempty"`
	Cell      []byte    `json:"cell"`
}

// encodeDay writes the groups of the hours of a day, in order: the same bytes for the same hours.
func encodeDay(hours []agg.StoredHour) (body []byte, groups int64, err error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	enc := json.NewEncoder(zip)
	for i := range hours {
		h := &hours[i]
		for _, g := range slices.SortedFunc(maps.Keys(h.Cells), func(a, b agg.Group) int {
			return strings.Compare(a.Dimension+"\x00"+a.Value, b.Dimension+"\x00"+b.Value)
		}) {
			line := archivedGroup{Hour: time.Unix(h.Hour, 0).UTC(), Dimension: g.Dimension, Value: g.Value, Cell: h.Cells[g]}
			if at := slices.IndexFunc(h.Rows[g.Dimension], func(r agg.Row) bool { return r.Model == g.Value }); at >= 0 {
				line.Row = &h.Rows[g.Dimension][at]
			}
			if err := enc.Encode(line); err != nil {
				return nil, 0, err
			}
			groups++
		}
	}
	err = zip.Close()
	return out.Bytes(), groups, err
}

// decodeDay reads the cells of a copy, by hour, and adds them to hours: a day may have left in several copies.
func decodeDay(src io.Reader, hours map[int64]map[agg.Group][]byte) error {
	zip, err := gzip.NewReader(bufio.NewReader(src))
	if err != nil {
		return err
	}
	dec := json.NewDecoder(zip)
	for {
		var line archivedGroup
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		h := line.Hour.Unix()
		if hours[h] == nil {
			hours[h] = map[agg.Group][]byte{}
		}
		g := agg.Group{Dimension: line.Dimension, Value: line.Value}
		cell := line.Cell
		if have, ok := hours[h][g]; ok {
			if cell, err = agg.MergeCells(have, cell); err != nil {
				return fmt.Errorf("cell of %s %q: %w", g.Dimension, g.Value, err)
			}
		}
		hours[h][g] = cell
	}
}

// comeBack gives the hours of a day their cells again; rows are made of them by the next aggregation.
func (c aggregated) comeBack(ctx context.Context, left []event.Retired) error {
	hours, copies := map[int64]map[agg.Group][]byte{}, []string{}
	for i := range left {
		l := &left[i]
		if l.Copy == "" {
			return fmt.Errorf("%w: %s", c.deps.NoCopy, l.Path)
		}
		copies = append(copies, l.Copy)
		body, err := c.fetch(ctx, l)
		if err == nil {
			err = decodeDay(bytes.NewReader(body), hours)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.Copy, err)
		}
	}
	if err := c.reach("brought back"); err != nil {
		return err
	}
	return c.deps.Days.ReviveDay(ctx, left[0].Start, copies, hours)
}

// fetch reads a copy and holds it to its hash.
func (s *Service) fetch(ctx context.Context, l *event.Retired) ([]byte, error) {
	src, err := s.deps.Archive.Open(ctx, l.Copy)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	body, err := io.ReadAll(src)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != l.SHA256 {
		return nil, errors.New("the copy in the archive is not the one that was made: the sha256 differs")
	}
	return body, nil
}
