package lake

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// compacting says how hours are compacted.
type compacting struct {
	budget  int64 // bytes of memory in all
	workers int   // partitions that are rewritten at a time
	// point is called between the steps; an error ends the work there, as if the process had been killed. For tests.
	point func(step string) error
	// without, when set, marks further rows that do not stay.
	without func(ctx context.Context, c *compaction) error
}

// identityBytes and rowBytes are the parts of the budget for identities, and after them for the rows of each worker. The rest is for room
// in slices, for what the collector has not taken yet and for the writers. Measured: 457 MB of 512 MiB for 3.6 million rows.
func (c *compacting) identityBytes() int64 { return c.budget / 4 }
func (c *compacting) rowBytes() int64      { return c.budget / 8 / int64(c.workers) }

// compaction rewrites the live files of one hour: each identity once, sorted by model and time, few files. A fold of the hour
// gives the same bytes before and after.
//
// A file of a compaction holds rows of one kind and one partition, like any other, because the place of a row (topic id, partition,
// offset) decides between copies that come later, and because parts of an hour can be folded side by side. Files are joined in
// the order of their offsets until their rows fill the memory that is allowed; so it is bounded, and nothing is read twice.
type compaction struct {
	lake     *Lake
	into     *Lake // where the new files go
	manifest Manifest
	compacting

	hour    int64
	files   []event.LakeFile // live, by place
	base    []int64          // by file: number of its first row in the hour
	drop    []bitset         // by file: rows that are copies
	stayed  int64            // copies that had to stay
	strict  bool             // no copy stays
	written atomic.Int64     // files, for their names
	mu      sync.Mutex       // out, while workers rewrite
	out     event.Compaction
	asked   bool // the manifest was asked to take it: whether it did is not known after an error
}

// Compacted is what the compaction of an hour did.
type Compacted struct {
	Hour        time.Time     `json:"hour"`
	FilesBefore int           `json:"files_before"`
	FilesAfter  int           `json:"files_after"`
	RowsBefore  int64         `json:"rows_before"`
	RowsAfter   int64         `json:"rows_after"`
	BytesBefore int64         `json:"bytes_before"`
	BytesAfter  int64         `json:"bytes_after"`
	Took        time.Duration `json:"-"`
	// Lost means that another compaction, or retention, was first: nothing was changed.
	Lost bool `json:"lost,omitempty"`
}

// keepBytes is the size from which a compacted file without copies is left as it is when newer files come to its hour.
const keepBytes = 16 << 20

// compactHour compacts one hour (seconds since the epoch).
func (l *Lake) compactHour(ctx context.Context, m Manifest, hour int64, how compacting) (done Compacted, err error) {
	began := time.Now()
	files, version, err := m.LiveFiles(ctx, hour)
	if err != nil {
		return done, err
	}
	generation := 1 + rand.Int64N(1<<52) // a whole number in any reader of JSON
	c := &compaction{lake: l, into: l, manifest: m, compacting: how, hour: hour, files: files,
		out: event.Compaction{Hour: hour, Version: version, Generation: generation}}
	ok, err := c.run(ctx)
	if !ok && !(c.asked && err != nil) {
		c.discard(ctx)
	}
	done = c.result()
	done.Lost, done.Took = !ok, time.Since(began)
	if err != nil {
		return done, fmt.Errorf("compact hour %s: %w", done.Hour.Format(time.RFC3339), err)
	}
	return done, nil
}

func (c *compaction) run(ctx context.Context) (ok bool, err error) {
	if err := c.survey(ctx); err != nil {
		return false, err
	}
	if c.without != nil {
		if err := c.without(ctx, c); err != nil {
			return false, err
		}
	}
	if err := c.reach("survey"); err != nil {
		return false, err
	}
	began := time.Now()
	if err := c.rewrite(ctx, event.NoKind); err != nil {
		return false, err
	}
	if c.stayed > 0 {
		c.out.Generation = 0 // no promise that each identity is there once
	}
	for i := range c.out.New {
		c.out.New[i].Generation = c.out.Generation
	}
	if err := c.into.InTime(began); err != nil {
		return false, err
	}
	c.asked = true
	if ok, err = c.manifest.Compact(ctx, c.out); err != nil {
		return false, err
	}
	return ok, c.reach("commit")
}

func (c *compaction) reach(step string) error {
	if c.point == nil {
		return nil
	}
	return c.point(step)
}

// discard removes what a compaction wrote that is not part of the lake.
func (c *compaction) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for i := range c.out.New {
		os.Remove(c.into.stagedPath(c.out.New[i].Path)) // best effort, here and below: the sweep finds it otherwise
		c.into.storage.remove(ctx, c.out.New[i].Path)
	}
}

// result sums up.
func (c *compaction) result() Compacted {
	r := Compacted{Hour: time.Unix(c.hour, 0).UTC(), FilesBefore: len(c.files), FilesAfter: len(c.out.New) + len(c.out.Kept)}
	kept := make(map[string]bool, len(c.out.Kept))
	for _, path := range c.out.Kept {
		kept[path] = true
	}
	for i := range c.files {
		r.RowsBefore += c.files[i].Rows
		r.BytesBefore += c.files[i].Bytes
		if kept[c.files[i].Path] {
			r.RowsAfter += c.files[i].Rows
			r.BytesAfter += c.files[i].Bytes
		}
	}
	for i := range c.out.New {
		r.RowsAfter += c.out.New[i].Rows
		r.BytesAfter += c.out.New[i].Bytes
	}
	return r
}

// kindOf returns the kind of the events of a file: its path begins with their topic.
func kindOf(f *event.LakeFile) event.Kind {
	topic, _, _ := strings.Cut(f.Path, "/")
	k, _ := event.KindOfTopic(topic)
	return k
}
