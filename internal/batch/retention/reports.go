package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
		g := Group{Class: event.ClassReports, Start: r.Start, End: r.End, Objects: []Object{{Path: r.File, ID: r.ID, SHA256: r.SHA256, Rows: 1, Bytes: r.Bytes}}, Written: madeAt(r)}
		if info, err := os.Stat(c.place(r.File)); err != nil || info.Size() != r.Bytes {
			g.Busy, g.Unproved = c.absent(r)
		}
		old = append(old, g)
	}
	return old, all, nil
}

// absent says why a report stays whose file is not here: another machine has it, which lets it go, or nobody.
func (c reports) absent(r *agg.Report) (busy, unproved string) {
	forget := "DELETE /reports/" + r.ID + " forgets it"
	switch r.Machine {
	case c.deps.Machine:
		return "", "its file is gone or not the one that was made; " + forget
	case "":
		return "", "its file is not on this machine (" + c.deps.Machine + "), and which one made it is not known; " + forget
	}
	return "its file is not on this machine (" + c.deps.Machine + "); " + r.Machine + " made it, and a cleanup there lets it go; if that machine is gone for good, " + forget, ""
}

// here tells whether the file of a report is on this machine as it was made.
func (c reports) here(file, hash string) bool {
	body, err := os.ReadFile(c.place(file))
	sum := sha256.Sum256(body)
	return err == nil && hex.EncodeToString(sum[:]) == hash
}

// place is where a report lies.
func (c reports) place(file string) string {
	return filepath.Join(c.deps.ReportsDir, filepath.FromSlash(file))
}

// leave lets a report go.
func (c reports) leave(ctx context.Context, p *Plan, items []*Item) error {
	it := items[0]
	left, err := c.leftBy(ctx, p.ID, it.Path)
	if err != nil {
		return err
	}
	if left != nil { // killed before the file was removed
		return c.clear(ctx, left, it)
	}
	r, err := c.planned(ctx, p, it)
	if err != nil {
		return err
	}
	if left, err = c.copied(ctx, p, it, r); err != nil {
		return err
	}
	if err := c.marked(c.deps.Reports.RetireReport(ctx, r.ID, *left)); err != nil {
		return err
	}
	return c.clear(ctx, left, it)
}

// leftBy is how a report left by a plan, nil when it has not.
func (c reports) leftBy(ctx context.Context, plan, file string) (*event.Retired, error) {
	left, err := c.deps.Retired.RetiredBy(ctx, plan)
	for i := range left {
		if left[i].Class == event.ClassReports && left[i].Path == file {
			return &left[i], err
		}
	}
	return nil, err
}

// planned is the report of an item, as long as it is the one that the plan saw.
func (c reports) planned(ctx context.Context, p *Plan, it *Item) (agg.Report, error) {
	r, err := c.deps.Reports.Report(ctx, it.ID)
	switch {
	case errors.Is(err, c.deps.NotFound):
		return r, refuse(moved, "the report was deleted after the plan was made")
	case err != nil:
		return r, err
	case r.SHA256 != it.SHA256, !r.Status.Final(), !madeAt(&r).Before(p.Cutoffs[event.ClassReports]):
		return r, refuse(moved, "the report was made again after the plan was made")
	case !c.here(r.File, r.SHA256):
		return r, refuse(elsewhere, "its file is not on "+c.deps.Machine+", which carries the plan out, or not the one that was made; a cleanup on the machine that has it lets it go")
	}
	return r, nil
}

// madeAt is when a report got its bytes.
func madeAt(r *agg.Report) time.Time {
	if r.CompletedAt != nil {
		return *r.CompletedAt
	}
	return r.CreatedAt
}

// copied says how a report leaves, and makes its copy when there is to be one.
func (c reports) copied(ctx context.Context, p *Plan, it *Item, r agg.Report) (*event.Retired, error) {
	doc, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	left := &event.Retired{Class: event.ClassReports, Plan: p.ID, Path: r.File, Start: r.Start.Unix(), End: r.End.Unix(), Rows: it.Rows, Bytes: r.Bytes, SHA256: r.SHA256, Document: string(doc)}
	if it.Action != Archive {
		return left, nil
	}
	ext := path.Ext(r.File)
	left.Copy = fmt.Sprintf("%s/%s-%s%s", event.ClassReports, strings.TrimSuffix(r.File, ext), r.SHA256[:16], ext)
	e := event.ArchiveEntry{Path: left.Copy, Class: left.Class, Period: it.Period.Format(time.RFC3339), Bytes: r.Bytes, SHA256: r.SHA256, Rows: it.Rows, PlanID: p.ID}
	return left, c.copy(ctx, []event.ArchiveEntry{e}, func(int) opener {
		return func(context.Context) (io.ReadCloser, error) { return os.Open(c.place(r.File)) }
	})
}

// clear takes the file of a report away that is not listed any more. A report has the same file each time it is made, so the file of
// one that was made again stays.
func (c reports) clear(ctx context.Context, left *event.Retired, it *Item) error {
	err := c.deps.Reports.ClearReport(ctx, *left, func() error {
		if err := os.Remove(c.place(left.Path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	if errors.Is(err, c.deps.Changed) {
		it.Reason += "; it was made again or came back meanwhile, and that one stays"
		return nil
	}
	return err
}

// sweep takes away the files of reports that left while another machine carried the plan on.
func (c reports) sweep(ctx context.Context, now time.Time) error {
	left, err := c.deps.Retired.RetiredBetween(ctx, event.ClassReports, 0, now.Unix())
	if err != nil {
		return err
	}
	for i := range left {
		if l := &left[i]; c.here(l.Path, l.SHA256) {
			if err := c.clear(ctx, l, &Item{}); err != nil {
				return err
			}
		}
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
	r.Machine = c.deps.Machine // wherever it was
	body, err := c.fetch(ctx, l)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Copy, err)
	}
	return c.deps.Reports.ReviveReport(ctx, r, *l, func() error {
		if err := os.MkdirAll(filepath.Dir(c.place(r.File)), 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(c.place(r.File), body); err != nil {
			return err
		}
		return c.reach("brought back")
	})
}
