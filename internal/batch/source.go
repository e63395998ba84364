package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// source is one file of an hour that is folded.
type source struct {
	event.LakeFile
	chain  int
	first  int64 // rows of the hour before those of the file, in the order of places
	kind   event.Kind
	blocks []int            // rows of each
	reader event.LakeReader // nil between the steps when many files are open
}

// maxOpen is the number of files that stay open from step to step. An open file takes a descriptor and about 50 KB for its
// footer; opening it again takes about as long as reading 500 rows.
const maxOpen = 256

// open opens files, checks what they say of themselves, and keeps the first ones open.
func (w *work) open(ctx context.Context, sources []*source, keep int) error {
	return w.share(ctx, len(sources), func(ctx context.Context, i int) error {
		s := sources[i]
		r, err := w.scan.OpenFile(ctx, s.LakeFile)
		if err != nil {
			return w.wrong(ctx, s, err)
		}
		s.kind, s.blocks, s.reader = r.Kind(), r.Blocks(), r
		rows := int64(0)
		for _, n := range s.blocks {
			rows += int64(n)
		}
		if rows != s.Rows {
			return w.wrong(ctx, s, fmt.Errorf("it has %d rows, the manifest says %d", rows, s.Rows))
		}
		if i >= keep {
			s.reader = nil
			return r.Close()
		}
		return nil
	})
}

func (w *work) close() {
	for _, s := range w.sources {
		if s.reader != nil {
			_ = s.reader.Close() // it was only read
		}
	}
}

// byKind returns the files with requests and those with events of other kinds.
func (w *work) byKind() (requests, others []*source) {
	for _, s := range w.sources {
		if s.kind == event.LLMRequest {
			requests = append(requests, s)
		} else {
			others = append(others, s)
		}
	}
	return requests, others
}

// share runs fn for 0 to n-1 with as many goroutines as there are readers, each of which takes the next number when it is done
// with one.
func (w *work) share(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(w.readers, n) {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := fn(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// unit is a block of a file.
type unit struct {
	source *source
	block  int
}

// units are the blocks of files that are of the own share, or those that are not. A block is of the share that its middle row is of.
func (w *work) units(sources []*source, own bool) (units []unit) {
	for _, s := range sources {
		at := s.first
		for block, rows := range s.blocks {
			if w.own.has(at+int64(rows)/2) == own {
				units = append(units, unit{s, block})
			}
			at += int64(rows)
		}
	}
	return units
}

// forEach reads some columns of blocks with several readers. Each reader has a state of its own, so that fn needs no locks. Nothing
// is said of the order of blocks.
func forEach[T any](ctx context.Context, w *work, units []unit, columns func(event.Kind) event.LakeColumns, fresh func() T,
	fn func(T, *source, *event.LakeBlock) error) ([]T, error) {
	var states []T
	var mu sync.Mutex // guards states and idle
	var idle []T
	err := w.share(ctx, len(units), func(ctx context.Context, i int) error {
		mu.Lock()
		var state T
		if n := len(idle); n > 0 {
			state, idle = idle[n-1], idle[:n-1]
		} else {
			state = fresh()
			states = append(states, state)
		}
		mu.Unlock()
		u := units[i]
		err := w.read(ctx, u.source, u.block, columns(u.source.kind), func(b *event.LakeBlock) error { return fn(state, u.source, b) })
		mu.Lock()
		idle = append(idle, state)
		mu.Unlock()
		return err
	})
	return states, err
}

// read gives fn one block.
func (w *work) read(ctx context.Context, s *source, block int, columns event.LakeColumns, fn func(*event.LakeBlock) error) error {
	r := s.reader
	if r == nil {
		var err error
		if r, err = w.scan.OpenFile(ctx, s.LakeFile); err != nil {
			return w.wrong(ctx, s, err)
		}
		defer r.Close()
	}
	b, _ := w.blocks.Get().(*event.LakeBlock)
	if b == nil {
		b = new(event.LakeBlock)
	}
	defer w.blocks.Put(b)
	if err := r.Read(ctx, block, columns, b); err != nil {
		return w.wrong(ctx, s, err)
	}
	return w.wrong(ctx, s, fn(b))
}

// wrong says which file an error is about.
func (w *work) wrong(ctx context.Context, s *source, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errTooMany) {
		return err
	}
	return fmt.Errorf("fold hour %s: %s: %w; run `hxp lake verify` to see whether the file is whole", hourName(w.hour), s.Path, err)
}

// checkOffsets holds the rows to what the manifest says of them.
func (s *source) checkOffsets(b *event.LakeBlock) error {
	offsets := b.Column(event.LakeOffset)
	for i := range b.Rows {
		if o := offsets.Int(i); o < s.From || o >= s.To || o > maxOffset {
			return fmt.Errorf("offset %d is not within [%d, %d)", o, s.From, s.To)
		}
	}
	return nil
}

// checkTimes holds the rows to the hour.
func (w *work) checkTimes(b *event.LakeBlock) error {
	from, to := w.hour*1e6, (w.hour+3600)*1e6
	times, offsets := b.Column(event.LakeTime), b.Column(event.LakeOffset)
	for i := range b.Rows {
		if t := times.Int(i); t < from || t >= to {
			return fmt.Errorf("offset %d has the time %s", offsets.Int(i), time.UnixMicro(t).UTC().Format(time.RFC3339Nano))
		}
	}
	return nil
}
