package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// reports is the class of the documents. Each leaves alone.
type reports struct{ *Service }

// gather returns the old reports.
func (c reports) gather(ctx context.Context, cutoff time.Time, _ func(*Group) bool) (old []Group, all event.Holdings, err error) {
	made, all, err := c.deps.Reports.OldReports(ctx, cutoff)
	if err != nil {
		return nil, all, err
	}
	for i := range made {
		r := &made[i]
		g := Group{Class: event.ClassReports, Start: r.Start, End: r.End, Objects: []Object{{Path: r.File, Rows: 1, Bytes: r.Bytes}}, Written: r.CreatedAt}
		if r.CompletedAt != nil {
			g.Written = *r.CompletedAt
		}
		if info, err := os.Stat(c.place(r.File)); err != nil || info.Size() != r.Bytes {
			g.Unproved = "its file is gone or not the one that was made; DELETE /reports/" + r.ID + " forgets it"
		}
		old = append(old, g)
	}
	return old, all, nil
}

// place is where a report lies.
func (c reports) place(file string) string {
	return filepath.Join(c.deps.ReportsDir, filepath.FromSlash(file))
}

// leave lets a report go.
func (c reports) leave(ctx context.Context, p *Plan, items []*Item) error {
	it := items[0]
	made, _, err := c.deps.Reports.OldReports(ctx, p.Cutoffs[event.ClassReports])
	if err != nil {
		return err
	}
	var r *agg.Report
	for i := range made {
		if made[i].File == it.Path {
			r = &made[i]
		}
	}
	if r == nil {
		if c.leftBy(ctx, p.ID, event.ClassReports, it.Period.Unix()) { // killed before the file was removed
			return c.remove(it.Path)
		}
		return refuse(moved, "the report was made again or deleted")
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	left := event.Retired{Class: event.ClassReports, Plan: p.ID, Path: r.File, Start: r.Start.Unix(), End: r.End.Unix(), Rows: it.Rows, Bytes: r.Bytes, SHA256: r.SHA256, Document: string(doc)}
	if it.Action == Archive {
		ext := path.Ext(r.File)
		left.Copy = fmt.Sprintf("%s/%s-%s%s", event.ClassReports, strings.TrimSuffix(r.File, ext), r.SHA256[:16], ext)
		e := event.ArchiveEntry{Path: left.Copy, Class: left.Class, Period: it.Period.Format(time.RFC3339), Bytes: r.Bytes, SHA256: r.SHA256, Rows: it.Rows, PlanID: p.ID}
		err := c.copy(ctx, []event.ArchiveEntry{e}, func(int) opener {
			return func(context.Context) (io.ReadCloser, error) { return os.Open(c.place(r.File)) }
		})
		if err != nil {
			return err
		}
	}
	if err := c.marked(c.deps.Reports.RetireReport(ctx, r.ID, left)); err != nil {
		return err
	}
	return c.remove(it.Path)
}

// remove takes the file of a report away that is not listed any more.
func (c reports) remove(file string) error {
	if err := os.Remove(c.place(file)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// comeBack lists a report again; one that was made again meanwhile stays as it is.
func (c reports) comeBack(ctx context.Context, left []event.Retired) error {
	l := &left[0]
	if l.Copy == "" {
		return fmt.Errorf("%w: %s", c.deps.NoCopy, l.Path)
	}
	var r agg.Report
	if err := json.Unmarshal([]byte(l.Document), &r); err != nil {
		return err
	}
	body, err := c.fetch(ctx, l)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Copy, err)
	}
	_, err = c.deps.Reports.Report(ctx, r.ID)
	if errors.Is(err, c.deps.NotFound) {
		if err := os.MkdirAll(filepath.Dir(c.place(r.File)), 0o755); err != nil {
			return err
		}
		err = atomicfile.Write(c.place(r.File), body)
	}
	if err != nil {
		return err
	}
	if err := c.reach("brought back"); err != nil {
		return err
	}
	return c.deps.Reports.ReviveReport(ctx, r, *l)
}
