package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// The fold of an hour is a function of the set of rows that its live files hold. These rules make it so:
//
//   - One identity counts once. Of several copies, which may differ in content, the one at the smallest place counts: by topic
//     (feedback and business events last), topic id, partition and offset. Within a partition that is the first that was
//     written, as in the live windows. Time plays no part in it: clocks may go back, offsets do not.
//   - An event counts under the model it names. Feedback and business events that name none count under the model of their
//     request: that of the row at the smallest place in the hour that has their request_id and a model. Otherwise, and for
//     everything else without a model, the event counts in the total only.
//   - Late is what was taken in more than the lateness after its own time. Both stand in the row; no clock is read.
//   - A request is complete when the hour has feedback and a business event with its request_id.
//   - An event also counts under the tenant, endpoint and user that it names itself. Users have counts, tokens and money of
//     their requests and no sketches.
//   - An hour with more names of a dimension than its limit (merge.go) keeps those with the most events (ties: by name) and
//     counts the others under agg.Others, so that an endless supply of names costs bounded memory and the totals stay exact.
//
// The way there is in steps, each of which reads only the columns that it needs and shares the blocks of all files among the
// readers: find the copies that do not count (copies.go), find out which requests are spoken of (joins.go), fold the requests by
// columns, then the few events of other kinds row by row (tally.go).

// folder folds hours. It holds nothing but memory for reuse and may be used by several goroutines.
type folder struct {
	scan     Scanner
	lateness time.Duration
	budget   int                      // bytes that the identities of one fold may take
	readers  int                      // blocks read at the same time
	limits   map[string]int           // values of each dimension that keep a cell of their own
	users    int                      // users that a reader follows at a time
	reused   func(hour, copies int64) // told of copies that lay at one offset; nil = nobody
	blocks   sync.Pool                // *event.LakeBlock
}

// folded is the result of a fold: the cells of each dimension and of all together.
type folded struct {
	cells  cells // agg.AllModels among the models has everything
	rows   int64 // rows read, copies included
	events int64 // rows folded
	passes int   // over the identities; none when the files were compacted together
	joined agg.Joined
}

func (f *folded) duplicates() int64 { return f.rows - f.events }

// fold folds the hour that begins at the given second. files are its live files.
func (f *folder) fold(ctx context.Context, hour int64, files []event.LakeFile) (*folded, error) {
	if len(files) == 0 {
		return &folded{cells: cells{}}, nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.findJoins(ctx); err != nil {
		return nil, err
	}
	p, err := w.fold(ctx)
	if err == nil && p.counted {
		w.allowed = p.choose(f.limits)
		p, err = w.fold(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p.finish(f.limits), nil
}

// part folds the rows of a share of the hour, as they count in the whole hour. Values that are not allowed count together; without a
// choice (nil), a part that meets too many values only counts the events of each.
func (f *folder) part(ctx context.Context, hour int64, files []event.LakeFile, own portion, allowed choice) (*partial, error) {
	w, err := f.begin(ctx, hour, files, own)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.findJoins(ctx); err != nil {
		return nil, err
	}
	w.allowed = allowed
	return w.fold(ctx)
}

// begin finds out what must be known before rows are counted: which of them are copies. The caller closes the work.
func (f *folder) begin(ctx context.Context, hour int64, files []event.LakeFile, own portion) (*work, error) {
	w := &work{folder: f, hour: hour, own: own, copies: !compacted(files)}
	if err := w.begin(ctx, files); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *work) begin(ctx context.Context, files []event.LakeFile) (err error) {
	if err := w.place(files); err != nil {
		return err
	}
	if err := w.open(ctx, w.needed(), maxOpen); err != nil {
		return err
	}
	if w.copies {
		if w.losers, w.passes, err = w.findCopies(ctx); err != nil {
			return err
		}
	}
	if n := w.reused.Load(); n > 0 && w.folder.reused != nil {
		w.folder.reused(w.hour, n)
	}
	return nil
}

// work is one fold under way.
type work struct {
	*folder
	hour    int64
	own     portion   // rows that are folded; the others are looked at for what they say of those
	sources []*source // by place
	order   order     // of places
	reused  atomic.Int64
	copies  bool  // there may be copies: the files were not compacted together
	rows    int64 // that are folded, copies included
	passes  int
	losers  places // rows that do not count: copies

	joins   joins
	allowed choice // values that keep a cell of their own; nil = all
}

// place orders the files, so that the first has the smallest places, and ranks their chains. Compaction orders rows in the same way.
func (w *work) place(files []event.LakeFile) error {
	files = slices.Clone(files)
	sorting.By(files, event.LakeFile.ComparePlace)
	partitions, chains, rows := -1, order{}, int64(0)
	end := int64(0) // of the offsets of the last chain
	for _, file := range files {
		if file.Hour != w.hour {
			return fmt.Errorf("fold hour %s: the file %s belongs to hour %s; the manifest is damaged, run `hxp lake verify`", hourName(w.hour), file.Path, hourName(file.Hour))
		}
		another := len(w.sources) == 0 || w.sources[len(w.sources)-1].TopicPartition() != file.TopicPartition()
		if another {
			partitions++
		}
		if another || file.From < end {
			chains = append(chains, int32(partitions))
			end = 0
		}
		end = max(end, file.To)
		w.sources = append(w.sources, &source{LakeFile: file, chain: len(chains) - 1, first: rows})
		rows += file.Rows
	}
	if len(chains) > partitions+1 {
		w.order = chains
	}
	w.rows = w.own.of(rows)
	if len(chains) > maxChains {
		return fmt.Errorf("fold hour %s: its files come from %d partitions or overlap, more than %d", hourName(w.hour), len(chains), maxChains)
	}
	return nil
}

// compacted tells whether the files of an hour were compacted together: then they hold each identity once.
func compacted(files []event.LakeFile) bool {
	generation := files[0].Generation
	return generation != 0 && !slices.ContainsFunc(files, func(f event.LakeFile) bool { return f.Generation != generation })
}

// fold folds every row that counts, and merges what the readers found. When they find too many values and there is no choice of
// those that are kept apart, they count the events of each and fold nothing.
func (w *work) fold(ctx context.Context) (*partial, error) {
	all, err := w.tallies(ctx, false)
	counted := errors.Is(err, errTooMany)
	if counted {
		all, err = w.tallies(ctx, true)
	}
	if err != nil {
		return nil, err
	}
	p := gather(all)
	p.rows, p.passes, p.counted = w.rows, w.passes, counted
	return p, nil
}

// tallies folds every row that counts, or only counts them: requests first, so that their models are known to what follows.
func (w *work) tallies(ctx context.Context, countOnly bool) ([]*tally, error) {
	fresh := func() *tally { return newTally(w, countOnly) }
	requests, others := w.byKind()
	all, err := forEach(ctx, w, w.units(requests, true), w.columns, fresh, (*tally).addRequests)
	if err != nil {
		return nil, err
	}
	w.joins.learn(modelsOf(all))
	more, err := forEach(ctx, w, w.units(others, true), w.columns, fresh, (*tally).addOthers)
	return append(all, more...), err
}

// columns are what folding needs of a kind.
func (w *work) columns(k event.Kind) event.LakeColumns {
	own := event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeIngested)
	if k != event.LLMRequest {
		return event.AllLakeColumns &^ (event.ColumnsOf(event.LakeID, event.LakeSource, event.LakeCorrelation, event.LakeSchemaVersion, event.LakeMetadata) |
			event.FieldsOf(event.Comment))
	}
	own |= agg.RequestColumns | event.FieldsOf(cellFields[:]...)
	if w.joins.reads() {
		own |= event.FieldsOf(event.RequestID)
	}
	return own
}

func hourName(hour int64) string { return time.Unix(hour, 0).UTC().Format("2006-01-02T15Z") }
