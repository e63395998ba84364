package lake

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// rewrite writes the rows that stay, of all kinds or of one, one partition and kind after another.
func (c *compaction) rewrite(ctx context.Context, only event.Kind) error {
	type part struct {
		event.TopicPartition
		kind event.Kind
	}
	parts := make(map[part][]int)
	var order []part
	for i := range c.files {
		p := part{c.files[i].TopicPartition(), kindOf(&c.files[i])}
		if only != event.NoKind && p.kind != only {
			continue
		}
		if parts[p] == nil {
			order = append(order, p)
		}
		parts[p] = append(parts[p], i)
	}
	todo := make(chan []int, len(order)) // never blocks
	for _, p := range order {
		todo <- parts[p]
	}
	close(todo)
	g, ctx := errgroup.WithContext(ctx)
	for range min(c.workers, len(order)) {
		g.Go(func() error {
			r := rewriter{compaction: c, encoders: make(map[event.Kind]*encoder)}
			for files := range todo {
				if err := r.part(ctx, files); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// rewriter joins files of one partition and kind after another. It belongs to one goroutine.
type rewriter struct {
	*compaction
	encoders map[event.Kind]*encoder
	rows     frames
	group    []int // files that rows in memory are of
}

// part rewrites the files of one partition and kind, given in the order of their offsets.
func (r *rewriter) part(ctx context.Context, files []int) error {
	r.rows.table = tableOf(kindOf(&r.files[files[0]]))
	for n, i := range files {
		f := &r.files[i]
		alone := n == len(files)-1 && len(r.group) == 0
		if r.into == r.lake && f.Generation > 0 && r.drop[i] == nil && (f.Bytes >= keepBytes || alone) {
			r.change(func(out *event.Compaction) { out.Kept = append(out.Kept, f.Path) })
			continue
		}
		if int64(r.drop[i].count()) < f.Rows {
			if err := r.read(ctx, i); err != nil {
				return err
			}
		}
		r.change(func(out *event.Compaction) { out.Old = append(out.Old, f.Path) })
	}
	err := r.flush(ctx)
	r.group = r.group[:0]
	return err
}

// read adds the rows of a file to those in memory, and writes these whenever they are as many as the memory allows.
func (r *rewriter) read(ctx context.Context, file int) error {
	f := &r.files[file]
	in, err := r.lake.OpenFile(ctx, *f)
	if err != nil {
		return err
	}
	defer in.Close()
	if in.Kind() != r.rows.table.kind {
		return fmt.Errorf("lake: %s: it holds events of kind %s, its folder those of kind %s", f.Path, in.Kind(), r.rows.table.kind)
	}
	r.group = append(r.group, file)
	row := 0
	for block := range in.Blocks() {
		n, err := r.rows.add(ctx, in, block, row, r.drop[file])
		if err != nil {
			return err
		}
		if row += n; r.rows.bytes < r.rowBytes() {
			continue
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.group = r.group[:0]
		if block < len(in.Blocks())-1 {
			r.group = append(r.group, file) // for the rest of it
		}
	}
	return nil
}

func (r *rewriter) change(fn func(out *event.Compaction)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.out)
}

// flush writes what is in memory as one file, brings it to its place and reads it again.
func (r *rewriter) flush(ctx context.Context) error {
	if len(r.rows.order) > 0 {
		if err := r.write(ctx); err != nil {
			return err
		}
	}
	r.rows.reset()
	return nil
}

func (r *rewriter) write(ctx context.Context) error {
	f := r.files[r.group[0]] // for the partition
	for _, i := range r.group {
		f.From, f.To = min(f.From, r.files[i].From), max(f.To, r.files[i].To)
	}
	kind := r.rows.table.kind
	oldest, newest, err := r.rows.sort(r.hour)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	nonce := fmt.Sprintf("c%013x-%d-", r.out.Generation, r.written.Add(1)) // a name like no other
	f.Path = hourDir(kind, r.hour) + "/" + fileName(f.TopicPartition(), f.From, f.To, kind, r.hour, nonce)
	f.Rows, f.MinTime, f.MaxTime = int64(len(r.rows.order)), oldest, newest
	err = r.stage(kind, &f)
	r.change(func(out *event.Compaction) { out.New = append(out.New, f) }) // for discard, whatever happens
	if err != nil {
		return err
	}
	if err := r.reach("write"); err != nil {
		return err
	}
	if err := r.into.place(ctx, []*event.LakeFile{&f}); err != nil {
		return err
	}
	if err := r.reach("place"); err != nil {
		return err
	}
	return r.rows.compare(ctx, r.into, &f)
}

// stage writes the rows in memory into the staging folder and verifies the file.
func (r *rewriter) stage(kind event.Kind, f *event.LakeFile) error {
	enc := r.encoders[kind]
	if enc == nil {
		enc = newCompactEncoder(kind)
		r.encoders[kind] = enc
	}
	if err := r.into.writeStaged(enc, &r.rows, r.rows.order, f); err != nil {
		return err
	}
	return r.into.verifyStaged(f, !r.into.noSync)
}
