package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
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
//   - An hour with more than maxModels model names keeps those with the most events (ties: by name) and counts the others
//     under otherModels, so that an endless supply of names costs bounded memory and the totals stay exact.
//
// The way there is in steps, each of which reads only the columns that it needs and shares the blocks of all files among the
// readers: find the copies that do not count (copies.go), find out whose model is asked for (joins.go), fold the requests by
// columns, then the few events of other kinds row by row (tally.go).

const (
	maxModels   = 5000
	otherModels = "__other__"
)

// folder folds hours. It holds nothing but memory for reuse and may be used by several goroutines.
type folder struct {
	scan     Scanner
	lateness time.Duration
	budget   int       // bytes that the identities of one fold may take
	readers  int       // blocks read at the same time
	models   int       // maxModels, less in tests
	blocks   sync.Pool // *event.LakeBlock
}

// folded is the result of a fold: the cell of each model and of all together.
type folded struct {
	cells  map[string]*agg.Cell // by model; agg.AllModels has everything
	rows   int64                // rows read, copies included
	events int64                // rows folded
	passes int                  // over the identities; none when the files were compacted together
}

func (f *folded) duplicates() int64 { return f.rows - f.events }

var errModels = errors.New("the hour has too many models")

// fold folds the hour that begins at the given second. files are its live files.
func (f *folder) fold(ctx context.Context, hour int64, files []event.LakeFile) (*folded, error) {
	if len(files) == 0 {
		return &folded{cells: map[string]*agg.Cell{}}, nil
	}
	w := &work{folder: f, hour: hour}
	if err := w.place(files); err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	if !w.compacted() {
		var err error
		if w.losers, w.passes, err = w.findCopies(ctx); err != nil {
			return nil, err
		}
	}
	if err := w.findJoins(ctx); err != nil {
		return nil, err
	}
	out, err := w.fold(ctx)
	if !errors.Is(err, errModels) {
		return out, err
	}
	if err := w.chooseModels(ctx); err != nil {
		return nil, err
	}
	return w.fold(ctx)
}

// work is one fold under way.
type work struct {
	*folder
	hour    int64
	sources []*source // by place
	rows    int64
	passes  int
	losers  places // rows that do not count: copies

	joins   joins
	allowed map[string]bool // models that keep their own cell; nil = all
}

// place orders the files, so that the first has the smallest places, and ranks their chains.
func (w *work) place(files []event.LakeFile) error {
	files = slices.Clone(files)
	slices.SortFunc(files, event.LakeFile.ComparePlace)
	chains := make(map[event.TopicPartition]int)
	for _, file := range files {
		if file.Hour != w.hour {
			return fmt.Errorf("fold hour %s: the file %s belongs to hour %s; the manifest is damaged, run `hxp lake verify`", hourName(w.hour), file.Path, hourName(file.Hour))
		}
		c := file.TopicPartition()
		if _, ok := chains[c]; !ok {
			chains[c] = len(chains)
		}
		w.sources = append(w.sources, &source{LakeFile: file, chain: chains[c]})
		w.rows += file.Rows
	}
	if len(chains) > maxChains {
		return fmt.Errorf("fold hour %s: its files come from %d partitions, more than %d", hourName(w.hour), len(chains), maxChains)
	}
	return nil
}

// compacted tells whether the files were compacted together: then they hold each identity once.
func (w *work) compacted() bool {
	generation := w.sources[0].Generation
	return generation != 0 && !slices.ContainsFunc(w.sources, func(s *source) bool { return s.Generation != generation })
}

// fold folds every row that counts, and merges what the readers found.
func (w *work) fold(ctx context.Context) (*folded, error) {
	all, err := w.tallies(ctx, false)
	if err != nil {
		return nil, err
	}
	out := &folded{cells: map[string]*agg.Cell{}, rows: w.rows, passes: w.passes}
	total := new(agg.Cell)
	for _, t := range all {
		for _, g := range t.groups {
			out.events += g.events
			total.Merge(g.cell)
			if have := out.cells[g.model]; have != nil {
				have.Merge(g.cell)
			} else if g.model != "" {
				out.cells[g.model] = g.cell
			}
		}
	}
	if w.allowed == nil && len(out.cells) > w.folder.models {
		return nil, errModels
	}
	if out.events > 0 {
		out.cells[agg.AllModels] = total
	}
	return out, nil
}

// chooseModels counts the events of each model and keeps those with the most. It costs about 150 bytes for each name.
func (w *work) chooseModels(ctx context.Context) error {
	all, err := w.tallies(ctx, true)
	if err != nil {
		return err
	}
	sum := map[string]int64{}
	for _, t := range all {
		for _, g := range t.groups {
			if g.model != "" {
				sum[g.model] += g.events
			}
		}
	}
	names := make([]string, 0, len(sum))
	for m := range sum {
		names = append(names, m)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(sum[b], sum[a]), cmp.Compare(a, b)) })
	w.allowed = make(map[string]bool, w.folder.models)
	for _, m := range names[:min(len(names), w.folder.models)] {
		w.allowed[m] = true
	}
	return nil
}

// tallies folds every row that counts, or only counts them: requests first, so that their models are known to what follows.
func (w *work) tallies(ctx context.Context, countOnly bool) ([]*tally, error) {
	fresh := func() *tally { return newTally(w, countOnly) }
	requests, others := w.byKind()
	all, err := forEach(ctx, w, requests, w.columns, fresh, (*tally).addRequests)
	if err != nil {
		return nil, err
	}
	w.joins.learn(all)
	more, err := forEach(ctx, w, others, w.columns, fresh, (*tally).addOthers)
	return append(all, more...), err
}

// columns are what folding needs of a kind.
func (w *work) columns(k event.Kind) event.LakeColumns {
	own := event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeIngested)
	if k != event.LLMRequest {
		return event.AllLakeColumns &^ (event.ColumnsOf(event.LakeID, event.LakeSource, event.LakeCorrelation, event.LakeSchemaVersion, event.LakeMetadata) |
			event.FieldsOf(event.Comment))
	}
	own |= agg.RequestColumns | event.FieldsOf(event.Model)
	if len(w.joins.number) > 0 {
		own |= event.FieldsOf(event.RequestID)
	}
	return own
}

func hourName(hour int64) string { return time.Unix(hour, 0).UTC().Format("2006-01-02T15Z") }
