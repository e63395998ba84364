package retention

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// raw is the class of the files of the lake. They leave by whole hours.
type raw struct{ *Service }

// gather returns the old hours. Those that are not kept by something else are held to their aggregates.
func (c raw) gather(ctx context.Context, cutoff time.Time, keep func(*Group) bool) (old []Group, all event.Holdings, err error) {
	if all, err = c.deps.Raw.RawHoldings(ctx); err != nil {
		return nil, all, err
	}
	files, err := c.deps.Raw.OldRaw(ctx, cutoff.Unix())
	if err != nil {
		return nil, all, err
	}
	for i := range files {
		f := &files[i]
		if n := len(old); n == 0 || old[n-1].Start.Unix() != f.Hour {
			start := time.Unix(f.Hour, 0).UTC()
			old = append(old, Group{Class: event.ClassRaw, Start: start, End: start.Add(time.Hour)})
		}
		g := &old[len(old)-1]
		g.Objects = append(g.Objects, Object{Path: f.Path, Rows: f.Rows, Bytes: f.Bytes})
		if at := time.UnixMicro(f.PublishedAt); at.After(g.Written) {
			g.Written = at
		}
	}
	for i := range old[:min(len(old), maxGroups)] {
		if g := &old[i]; !keep(g) {
			if g.Unproved, err = c.deps.Prover.ProveHour(ctx, g.Start.Unix(), false); err != nil {
				return nil, all, err
			}
		}
	}
	return old, all, nil
}

// leave lets the files of an hour go that a plan names. They are already gone when the plan is carried out for the second time.
func (c raw) leave(ctx context.Context, p *Plan, items []*Item) error {
	hour := items[0].Period.Unix()
	files, _, err := c.deps.Raw.LiveFiles(ctx, hour)
	if err != nil {
		return err
	}
	if len(files) == 0 && c.leftBy(ctx, p.ID, event.ClassRaw, hour) {
		return nil
	}
	if !sameFiles(files, items) {
		return refuse(moved, "the hour has other files by now: it was compacted, or new events came")
	}
	switch why, err := c.deps.Prover.ProveHour(ctx, hour, true); {
	case err != nil:
		return err
	case why != "":
		return refuse(noProof, why)
	}
	r := event.Retirement{Hour: hour, Plan: p.ID, Copies: map[string]string{}}
	var entries []event.ArchiveEntry
	for i := range files {
		f := &files[i]
		r.Copies[f.Path] = ""
		if items[0].Action == Archive {
			e := event.ArchiveEntry{Path: event.ClassRaw + "/" + c.deps.Files.FirstName(f.Path), Class: event.ClassRaw, Period: items[0].Period.Format(time.RFC3339),
				Bytes: f.Bytes, SHA256: f.SHA256, Rows: f.Rows, PlanID: p.ID}
			r.Copies[f.Path], entries = e.Path, append(entries, e)
		}
	}
	if err := c.copy(ctx, entries, func(i int) opener {
		return func(ctx context.Context) (io.ReadCloser, error) { return c.deps.Files.OpenRaw(ctx, files[i].Path) }
	}); err != nil {
		return err
	}
	return c.marked(c.deps.Raw.RetireHour(ctx, r))
}

func sameFiles(files []event.LakeFile, items []*Item) bool {
	named := make(map[string]bool, len(items))
	for _, it := range items {
		named[it.Path] = true
	}
	for i := range files {
		if !named[files[i].Path] {
			return false
		}
	}
	return len(files) == len(items)
}

// comeBack brings all files of an hour back that have left: those in their grace where they lie, the others from their copies.
func (c raw) comeBack(ctx context.Context, left []event.Retired) error {
	hour := left[0].Start
	files, err := c.deps.Raw.Files(ctx, event.LakeFilter{FromHour: hour, ToHour: hour + 1})
	if err != nil {
		return err
	}
	copies := make(map[string]string, len(left))
	for i := range left {
		copies[left[i].Path] = left[i].Copy
	}
	moved, began := map[string]string{}, time.Now()
	for i := range files {
		f := &files[i]
		if f.State != event.LakeMarked && f.State != event.LakeArchived {
			continue
		}
		if f.State == event.LakeMarked && c.deps.Files.CheckRaw(ctx, *f) == "" {
			moved[f.Path] = f.Path
			continue
		}
		name := copies[f.Path]
		if name == "" {
			return fmt.Errorf("%s has no copy", f.Path)
		}
		moved[f.Path], err = c.deps.Files.BringBack(ctx, *f, func(ctx context.Context) (io.ReadCloser, error) { return c.deps.Archive.Open(ctx, name) })
		if err != nil {
			return err
		}
	}
	if len(moved) == 0 {
		return nil // somebody else was first
	}
	if err := c.reach("brought back"); err != nil {
		return err
	}
	if err := c.deps.Files.InTime(began); err != nil {
		return err
	}
	return c.deps.Raw.ReviveHour(ctx, hour, moved)
}

// bury ends the grace of what was marked long enough ago.
func (c raw) bury(ctx context.Context) error {
	release, may, err := c.deps.Files.MayRemove()
	if err != nil || !may {
		return err
	}
	defer func() { _ = release() }()
	now, err := c.deps.Plans.Clock(ctx)
	if err != nil {
		return err
	}
	for {
		paths, err := c.deps.Raw.BuryFiles(ctx, now.Add(-c.settings().Grace), buryBatch)
		if err != nil || len(paths) == 0 {
			return err
		}
		if err := c.reach("buried"); err != nil {
			return err
		}
		for _, path := range paths {
			if err := c.deps.Files.RemoveRaw(ctx, path); err != nil {
				return err
			}
		}
		c.log.Info("raw files removed after their grace", "files", len(paths))
	}
}

const buryBatch = 500
