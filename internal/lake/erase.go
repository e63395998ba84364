package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// mostRequests is the number of requests whose followers are looked for: about 500 MB of ids.
const mostRequests = 5_000_000

// EraseOptions say whose events leave.
type EraseOptions struct {
	Field  event.Field // event.UserID or event.Tenant
	Texts  []string    // its values
	DryRun bool        // counts, and changes nothing
	Budget int64       // bytes of memory for rewriting an hour
	// Done, when set, is called after each hour that was rewritten; an error ends the work there.
	Done func(event.ErasedHour) error
}

// Erase takes events out of the lake: those whose field has one of the texts, and those that name nobody there but speak of a request that
// has. Hours are rewritten one after another, as a compaction does it: a reader sees an hour as it was before or without these events. The
// version of an hour stays, so what was counted stays counted. The files that held them are removed at once, also those that an earlier
// compaction has replaced. It works beside running instances, and again after an error.
//
// The newest hour is first. What speaks of a request comes after it, so it leaves before the request or with it: once that is gone, nobody can
// tell any more whose request it was.
func (l *Lake) Erase(ctx context.Context, m Manifest, o EraseOptions) (out []event.ErasedHour, err error) {
	e := eraser{lake: l, options: o, requests: map[string]bool{}}
	files, err := m.Files(ctx, Filter("", event.LakeLive, time.Time{}, time.Time{}))
	if err != nil {
		return nil, err
	}
	hours, err := e.find(ctx, files)
	if err != nil || o.DryRun {
		return hours, err
	}
	for _, h := range slices.Backward(hours) {
		done, err := e.hour(ctx, m, h.Hour.Unix())
		if err != nil {
			return out, err
		}
		if done.Rows == 0 {
			continue
		}
		out = append(out, done)
		if o.Done != nil {
			if err := o.Done(done); err != nil {
				return out, err
			}
		}
	}
	slices.Reverse(out)
	return out, l.removeReplaced(ctx, m)
}

// removeReplaced removes every file that was replaced, without the grace that readers usually have.
// It waits for a backup that is being made: what the manifest named when that began is still to be read.
func (l *Lake) removeReplaced(ctx context.Context, m Manifest) error {
	release, err := atomicfile.Patiently(ctx, l.lock)
	if err != nil {
		return fmt.Errorf("lake: files that were replaced are still there, wait for the backup that reads them: %w", err)
	}
	defer func() { _ = release() }()
	for {
		paths, err := m.Superseded(ctx, time.Now().Add(time.Second), 500)
		if err != nil || len(paths) == 0 {
			return err
		}
		var failed error
		for _, path := range paths {
			failed = errors.Join(failed, l.storage.remove(ctx, path))
		}
		if failed != nil {
			return fmt.Errorf("lake: files that were replaced are still there: %w", failed)
		}
		if err := m.Forget(ctx, paths); err != nil {
			return err
		}
	}
}

// eraser finds events. It belongs to one goroutine.
type eraser struct {
	lake     *Lake
	options  EraseOptions
	requests map[string]bool // ids of requests that leave
	block    event.LakeBlock
}

// find counts by hour what leaves. Requests are known before their followers are looked for.
func (e *eraser) find(ctx context.Context, files []event.LakeFile) ([]event.ErasedHour, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool { return kindOf(&f) == event.SystemMetric })
	for i := range files {
		err := e.rows(ctx, &files[i], func(row int) error {
			id := e.block.Field(event.RequestID).Text(row)
			if id == "" || e.requests[id] {
				return nil
			}
			if len(e.requests) == mostRequests {
				return fmt.Errorf("lake: more than %d requests are to leave; retention by age takes that many", mostRequests)
			}
			e.requests[string([]byte(id))] = true // the block is used again
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	byHour := map[int64]*event.ErasedHour{}
	for i := range files {
		f := &files[i]
		n := int64(0)
		if err := e.rows(ctx, f, func(int) error { n++; return nil }); err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		h := byHour[f.Hour]
		if h == nil {
			h = &event.ErasedHour{Hour: time.Unix(f.Hour, 0).UTC()}
			byHour[f.Hour] = h
		}
		h.Files, h.Rows = h.Files+1, h.Rows+n
	}
	out := make([]event.ErasedHour, 0, len(byHour))
	for _, h := range byHour {
		out = append(out, *h)
	}
	slices.SortFunc(out, func(a, b event.ErasedHour) int { return a.Hour.Compare(b.Hour) })
	return out, nil
}

// rows calls fn with the number of each row of a file that leaves, within the block that is read then.
func (e *eraser) rows(ctx context.Context, f *event.LakeFile, fn func(row int) error) error {
	return e.numbered(ctx, f, func(_, row int) error { return fn(row) })
}

// numbered is rows with the number of the first row of the block in its file.
func (e *eraser) numbered(ctx context.Context, f *event.LakeFile, fn func(first, row int) error) error {
	r, err := e.lake.OpenFile(ctx, *f)
	if err != nil {
		return err
	}
	defer r.Close()
	first := 0
	for n := range r.Blocks() {
		if err := r.Read(ctx, n, event.FieldsOf(e.options.Field, event.RequestID), &e.block); err != nil {
			return err
		}
		for i := range e.block.Rows {
			if e.leaves(i) {
				if err := fn(first, i); err != nil {
					return err
				}
			}
		}
		first += e.block.Rows
	}
	return nil
}

// leaves judges a row of the block.
func (e *eraser) leaves(row int) bool {
	if text := e.block.Field(e.options.Field).Text(row); text != "" {
		return slices.Contains(e.options.Texts, text)
	}
	id := e.block.Field(event.RequestID).Text(row)
	return id != "" && e.requests[id]
}

// eraseTries is how often somebody else may be first with an hour: a compaction, or retention.
const eraseTries = 10

// hour rewrites one hour without the events that leave.
func (e *eraser) hour(ctx context.Context, m Manifest, hour int64) (out event.ErasedHour, err error) {
	for range eraseTries {
		out = event.ErasedHour{Hour: time.Unix(hour, 0).UTC()}
		done, err := e.lake.compactHour(ctx, m, hour, compacting{budget: e.options.Budget, workers: 1, without: func(ctx context.Context, c *compaction) error {
			return e.mark(ctx, c, &out)
		}})
		if err != nil || !done.Lost {
			return out, err
		}
	}
	return out, fmt.Errorf("lake: hour %s is changed by others all the time; try again later", out.Hour.Format(time.RFC3339))
}

// mark adds the rows that leave to those that a compaction drops.
func (e *eraser) mark(ctx context.Context, c *compaction, out *event.ErasedHour) error {
	for i := range c.files {
		if kindOf(&c.files[i]) == event.SystemMetric {
			continue
		}
		before := out.Rows
		err := e.numbered(ctx, &c.files[i], func(first, row int) error {
			if !c.drop[i].has(first + row) { // a copy is not counted
				c.drop[i].set(first+row, int(c.files[i].Rows))
				out.Rows++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if out.Rows > before {
			out.Files++
		}
	}
	return nil
}
