package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

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
// The way there is optimistic: the first copy seen is folded. Files are read in the order of their places, so a copy at a
// smaller place rarely comes later; when one does, the pass is read again and folds exactly the winners.

const (
	maxModels   = 5000
	otherModels = "__other__"
)

// folder folds hours. It holds no state and may be used by several goroutines.
type folder struct {
	scan     Scanner
	lateness time.Duration
	budget   int // bytes that the identities of one fold may take
	readers  int // files read at the same time
	models   int // maxModels, less in tests
}

// folded is the result of a fold: the cell of each model and of all together.
type folded struct {
	cells  map[string]*agg.Cell // by model; agg.AllModels has everything
	rows   int64                // rows read, copies included
	events int64                // rows folded
	passes int
	again  int // scans repeated because the optimism was wrong
}

func (f *folded) duplicates() int64 { return f.rows - f.events }

var (
	errPlan   = errors.New("an event that needs its request's model lies where it was not expected")
	errModels = errors.New("the hour has too many models")
)

// fold folds the hour that begins at the given second. files are its live files.
func (f *folder) fold(ctx context.Context, hour int64, files []event.LakeFile) (*folded, error) {
	w := &work{folder: f, hour: hour, files: slices.Clone(files)}
	if err := w.place(); err != nil {
		return nil, err
	}
	out, err := w.attempt(ctx)
	if errors.Is(err, errPlan) { // an event on the topic of another kind: look everywhere
		w.everywhere = true
		return w.attempt(ctx)
	}
	return out, err
}

// attempt folds the hour; errPlan says that it must be done again with everywhere set.
func (w *work) attempt(ctx context.Context) (*folded, error) {
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
	hour   int64
	files  []event.LakeFile // by place
	chains map[event.TopicPartition]int
	rows   int64

	joins      map[string]int32 // request ids whose model is asked for → index in models
	models     []joined         // what was found, merged over the readers
	everywhere bool             // joins were sought, and their models found, in all files before folding
	allowed    map[string]bool  // models that keep their own cell; nil = all
	again      int
	wrong      atomic.Bool // a reader of this pass met a copy at a smaller place than one that was folded
}

// joined is the model of a request, and where it was named.
type joined struct {
	place place
	model string // "" = not found yet
}

// place orders the files and ranks their chains.
func (w *work) place() error {
	slices.SortFunc(w.files, func(a, b event.LakeFile) int {
		return cmp.Or(cmp.Compare(asks(a), asks(b)), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Path, b.Path))
	})
	w.chains = make(map[event.TopicPartition]int)
	for _, file := range w.files {
		if file.Hour != w.hour {
			return fmt.Errorf("fold hour %s: the file %s belongs to hour %s; the manifest is damaged, run `hxp lake verify`", hourName(w.hour), file.Path, hourName(file.Hour))
		}
		c := chainOf(file)
		if _, ok := w.chains[c]; !ok {
			w.chains[c] = len(w.chains)
		}
		w.rows += file.Rows
	}
	if len(w.chains) > maxChains {
		return fmt.Errorf("fold hour %s: its files come from %d partitions, more than %d", hourName(w.hour), len(w.chains), maxChains)
	}
	return nil
}

func chainOf(f event.LakeFile) event.TopicPartition {
	return event.TopicPartition{TopicID: f.TopicID, Topic: f.Topic, Partition: f.Partition}
}

// companion tells whether the events of a kind take the model of their request.
func companion(k event.Kind) bool { return k == event.UserFeedback || k == event.BusinessEvent }

// asks is 1 for the files of topics whose events take the model of their request, 0 for others.
func asks(f event.LakeFile) int {
	if k, _ := event.KindOfTopic(f.Topic); companion(k) {
		return 1
	}
	return 0
}

// split returns the files without and with companions; place has put the companions last.
func (w *work) split() (requests, companions []event.LakeFile) {
	i, _ := slices.BinarySearchFunc(w.files, 1, func(f event.LakeFile, one int) int { return asks(f) - one })
	return w.files[:i], w.files[i:]
}

// needsJoin tells whether the model of e is that of its request.
func needsJoin(e *event.Event) bool {
	return companion(e.Kind) && e.Text(event.Model) == "" && e.Text(event.RequestID) != ""
}

// findJoins collects the request ids whose model is asked for. Normally it reads only the small topics that ask, and the models
// are found while their requests are folded; everywhere reads all files, twice when anything asks.
func (w *work) findJoins(ctx context.Context) error {
	files := w.files
	if !w.everywhere {
		_, files = w.split()
	}
	type found struct {
		ids     map[string]struct{}
		request bool
	}
	parts, err := scanAll(ctx, w, files, func() *found { return &found{ids: map[string]struct{}{}} },
		func(t *found, r *event.LakeRow, _ place) error {
			e := &r.Event
			if e.Kind == event.LLMRequest {
				t.request = true
			} else if needsJoin(e) {
				addClone(t.ids, e.Text(event.RequestID))
			}
			return nil
		})
	if err != nil {
		return err
	}
	w.joins, w.models = map[string]int32{}, nil
	misplaced := false
	for _, t := range parts {
		for id := range t.ids {
			if _, ok := w.joins[id]; !ok {
				w.joins[id] = int32(len(w.joins))
			}
		}
		misplaced = misplaced || t.request
	}
	w.models = make([]joined, len(w.joins))
	if !w.everywhere && misplaced && len(w.joins) > 0 {
		w.everywhere = true
		return w.findJoins(ctx)
	}
	if w.everywhere && len(w.joins) > 0 {
		return w.findModels(ctx)
	}
	return nil
}

// findModels finds the models of all joins in all files.
func (w *work) findModels(ctx context.Context) error {
	parts, err := scanAll(ctx, w, w.files, w.newTally, func(t *tally, r *event.LakeRow, p place) error {
		t.noteModel(&r.Event, p)
		return nil
	})
	if err != nil {
		return err
	}
	w.mergeModels(parts)
	return nil
}

// mergeModels takes over what the readers found.
func (w *work) mergeModels(parts []*tally) {
	for _, t := range parts {
		for i, j := range t.models {
			if j.model != "" && (w.models[i].model == "" || j.place < w.models[i].place) {
				w.models[i] = j
			}
		}
		t.models = nil
	}
}

// fold reads the hour in as many passes as the memory for identities asks for, and merges what they found.
func (w *work) fold(ctx context.Context) (*folded, error) {
	all, passes, err := w.tallies(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := &folded{cells: map[string]*agg.Cell{}, rows: w.rows, passes: passes, again: w.again}
	total := new(agg.Cell)
	for _, t := range all {
		out.events += t.events
		for model, g := range t.groups {
			c := &g.cell
			total.Merge(c)
			if have := out.cells[model]; have != nil {
				have.Merge(c)
			} else if model != "" {
				out.cells[model] = c
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

// chooseModels counts the events of each model and keeps those with the most. It costs about 100 bytes for each name.
func (w *work) chooseModels(ctx context.Context) error {
	sum := map[string]int64{}
	all, _, err := w.tallies(ctx, func(t *tally) { t.counts = map[string]int64{} })
	if err != nil {
		return err
	}
	for _, t := range all {
		for m, n := range t.counts {
			sum[m] += n
		}
		t.counts = nil
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

// tallies runs all passes and returns what each reader of each folded. prepare, if not nil, changes each fresh tally.
func (w *work) tallies(ctx context.Context, prepare func(*tally)) ([]*tally, int, error) {
	passes := uint64(max(1, (w.rows*idBytes+int64(w.budget)-1)/int64(w.budget)))
	var all []*tally
	for pass := range passes {
		w.wrong.Store(false)
		set := newIDSet(w.rows / int64(passes))
		fresh := func() *tally {
			t := w.newTally()
			t.pass, t.passes, t.set, t.enter = pass, passes, set, set.insert
			t.known = pass > 0 || w.everywhere
			t.findModels = !t.known && len(w.joins) > 0
			if prepare != nil {
				prepare(t)
			}
			return t
		}
		got, err := w.optimistic(ctx, fresh)
		if err == nil && w.wrong.Load() {
			w.again++
			w.wrong.Store(false) // claim never says smaller
			got, err = scanAll(ctx, w, w.files, func() *tally {
				t := fresh()
				t.enter, t.known, t.findModels = set.claim, true, false
				return t
			}, (*tally).add)
		}
		if err != nil {
			return nil, 0, err
		}
		for _, t := range got {
			t.set, t.enter = nil, nil
		}
		all = append(all, got...)
	}
	return all, int(passes), nil
}

// optimistic folds the first copy seen of each identity: requests first, so that their models are known to what follows. When it
// was wrong somewhere, w.wrong is set: then what it folded is worthless, and the set holds the places of the winners.
func (w *work) optimistic(ctx context.Context, fresh func() *tally) ([]*tally, error) {
	requests, companions := w.split()
	all, err := scanAll(ctx, w, requests, fresh, (*tally).add)
	if err != nil {
		return nil, err
	}
	w.mergeModels(all)
	more, err := scanAll(ctx, w, companions, func() *tally {
		t := fresh()
		t.known, t.findModels = true, false
		return t
	}, (*tally).add)
	return append(all, more...), err
}

// scanAll reads files, which are in the order of their places, with several readers. Each reader takes a stretch of neighbours and
// has a state of its own, so that fn needs no locks.
func scanAll[T any](ctx context.Context, w *work, files []event.LakeFile, fresh func() T, fn func(T, *event.LakeRow, place) error) ([]T, error) {
	var parts []T
	g, ctx := errgroup.WithContext(ctx)
	for _, stretch := range stretches(files, w.readers) {
		part := fresh()
		parts = append(parts, part)
		g.Go(func() error {
			for _, file := range stretch {
				if err := scanFile(ctx, w, file, part, fn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return parts, g.Wait()
}

func scanFile[T any](ctx context.Context, w *work, file event.LakeFile, part T, fn func(T, *event.LakeRow, place) error) error {
	chain, n := w.chains[chainOf(file)], 0
	from, to := w.hour*1e6, (w.hour+3600)*1e6
	err := w.scan.Scan(ctx, []event.LakeFile{file}, func(r *event.LakeRow) error {
		if n++; n&4095 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if t := r.Event.Time; t < from || t >= to {
			return fmt.Errorf("offset %d has the time %s", r.Offset, time.UnixMicro(t).UTC().Format(time.RFC3339Nano))
		}
		if r.Offset < file.From || r.Offset >= file.To || r.Offset > maxOffset {
			return fmt.Errorf("offset %d is not within [%d, %d)", r.Offset, file.From, file.To)
		}
		return fn(part, r, placeOf(chain, r.Offset))
	})
	if err == nil && int64(n) != file.Rows {
		err = fmt.Errorf("it has %d rows, the manifest says %d", n, file.Rows)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errPlan) && !errors.Is(err, errModels) {
		return fmt.Errorf("fold hour %s: %s: %w; run `hxp lake verify` to see whether the file is whole", hourName(w.hour), file.Path, err)
	}
	return err
}

// stretches cuts files into at most n runs of neighbours with about the same work in each.
func stretches(files []event.LakeFile, n int) [][]event.LakeFile {
	const opening = 500 // opening a file costs about as much as so many rows
	var total, done int64
	for _, f := range files {
		total += f.Rows + opening
	}
	var out [][]event.LakeFile
	start := 0
	for i, f := range files {
		done += f.Rows + opening
		if done*int64(n) >= total*int64(len(out)+1) || i == len(files)-1 {
			out, start = append(out, files[start:i+1]), i+1
		}
	}
	return out
}

func hourName(hour int64) string { return time.Unix(hour, 0).UTC().Format("2006-01-02T15Z") }
