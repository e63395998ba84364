package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/eventtest"
)

const hour0 = 1_772_359_200 // 2026-03-01T10:00:00Z

// memLake is a lake in memory: rows by path.
type memLake map[string][]event.LakeRow

func (m memLake) OpenFile(_ context.Context, f event.LakeFile) (event.LakeReader, error) {
	rows, ok := m[f.Path]
	if !ok {
		return nil, errors.New("file of the lake is missing")
	}
	return memReader(rows), nil
}

// memReader gives rows in blocks of three, every other one with dictionaries.
type memReader []event.LakeRow

const memBlock = 3

func (m memReader) Kind() event.Kind { return m[0].Event.Kind }
func (m memReader) Close() error     { return nil }

func (m memReader) Blocks() (rows []int) {
	for part := range slices.Chunk(m, memBlock) {
		rows = append(rows, len(part))
	}
	return rows
}

func (m memReader) Read(ctx context.Context, block int, columns event.LakeColumns, b *event.LakeBlock) error {
	eventtest.Fill(b, m[block*memBlock:min(len(m), (block+1)*memBlock)], columns, block%2 == 0)
	return ctx.Err()
}

// put makes a file of rows, which all are of one kind and lie in one chain.
func (m memLake) put(path string, rows ...event.LakeRow) event.LakeFile {
	for _, r := range rows {
		if r.Event.Kind != rows[0].Event.Kind {
			panic("a file has rows of one kind")
		}
	}
	f := event.LakeFile{Path: path, Hour: hour0, Rows: int64(len(rows)), State: event.LakeLive,
		TopicID: rows[0].TopicID, Topic: rows[0].Topic, Partition: rows[0].Partition, From: rows[0].Offset, To: rows[0].Offset + 1}
	for _, r := range rows {
		f.From, f.To = min(f.From, r.Offset), max(f.To, r.Offset+1)
	}
	m[path] = rows
	return f
}

func testFolder(scan Scanner) *folder {
	return &folder{scan: scan, lateness: 5 * time.Minute, budget: 1 << 20, readers: 2, limits: limits, users: trackedUsers}
}

func mustFold(t interface {
	Helper()
	Fatal(...any)
}, f *folder, files []event.LakeFile) *folded {
	t.Helper()
	out, err := f.fold(context.Background(), hour0, files)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bytesOf is everything that is stored of a fold.
func bytesOf(f *folded) string {
	a := f.cells.aggregate(levels["hourly"].of(hour0), nil)
	var b bytes.Buffer
	fmt.Fprintf(&b, "joined %d of %d\n", f.joined.Complete, f.joined.Requests)
	for _, dimension := range agg.Dimensions {
		for _, r := range a.Rows[dimension] {
			j, err := json.Marshal(r)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(&b, "%s %s\n%x\n", dimension, j, a.Cells[agg.Group{Dimension: dimension, Value: r.Model}])
		}
	}
	return b.String()
}

// reference folds slowly and plainly, as the rules at the top of fold.go say.
func reference(rows []event.LakeRow, lateness time.Duration) *folded {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b event.LakeRow) int {
		at := func(r event.LakeRow) event.LakeFile {
			return event.LakeFile{Topic: r.Topic, TopicID: r.TopicID, Partition: r.Partition, From: r.Offset}
		}
		return at(a).ComparePlace(at(b))
	})
	out := &folded{cells: cells{}, rows: int64(len(rows))}
	models, spoken := map[string]string{}, map[string]map[event.Kind]bool{}
	for i := range rows {
		e := &rows[i].Event
		id, model := e.Text(event.RequestID), e.Text(event.Model)
		if _, ok := models[id]; !ok && e.Kind == event.LLMRequest && id != "" && model != "" {
			models[id] = model
		}
		if id != "" && spoken[id] == nil {
			spoken[id] = map[event.Kind]bool{}
		}
		if id != "" {
			spoken[id][e.Kind] = true
		}
	}
	seen := map[string]bool{}
	for i := range rows {
		e := &rows[i].Event
		if id := e.Source + "\x00" + e.ID; seen[id] {
			continue
		} else {
			seen[id] = true
		}
		model := e.Text(event.Model)
		if model == "" && (e.Kind == event.UserFeedback || e.Kind == event.BusinessEvent) {
			model = models[e.Text(event.RequestID)]
		}
		out.events++
		if e.Kind == event.LLMRequest {
			out.joined.Requests++
			if of := spoken[e.Text(event.RequestID)]; of[event.UserFeedback] && of[event.BusinessEvent] {
				out.joined.Complete++
			}
		}
		late := time.Duration(rows[i].IngestedAt-e.Time)*time.Microsecond > lateness
		add := func(dimension, value string, e *event.Event) {
			c := new(agg.Cell)
			c.Add(e, late)
			out.cells.add(agg.Group{Dimension: dimension, Value: value}, c)
		}
		add(agg.ByModel, agg.AllModels, e)
		for dimension, value := range map[string]string{agg.ByModel: model, agg.ByTenant: e.Text(event.Tenant), agg.ByEndpoint: e.Text(event.Endpoint)} {
			if value != "" && value != agg.AllModels {
				add(dimension, value, e)
			}
		}
		if user := e.Text(event.UserID); user != "" && user != agg.AllModels {
			add(agg.ByUser, user, forUser(e))
		}
	}
	return out
}

// forUser is what of an event counts for its user: of a request all but what goes into sketches.
func forUser(e *event.Event) *event.Event {
	if e.Kind != event.LLMRequest {
		return e
	}
	u := &event.Event{Kind: e.Kind, Time: e.Time, HasTime: true}
	u.SetText(event.UserID, e.Text(event.UserID))
	for _, f := range []event.Field{event.Success, event.PromptTokens, event.CompletionTokens, event.TotalTokens, event.CachedTokens, event.ReasoningTokens, event.Cost} {
		if e.Has(f) {
			u.SetInt(f, e.Int(f))
		}
	}
	return u
}

// anyRows draws the rows of an hour: copies of few identities whose contents may differ, some on topics of another kind.
func anyRows(t *rapid.T, distinctContents bool) []event.LakeRow {
	n := rapid.IntRange(1, 60).Draw(t, "rows")
	next := map[event.TopicPartition]int64{}
	contents := map[string]event.Event{}
	rows := make([]event.LakeRow, n)
	for i := range rows {
		kind := rapid.SampledFrom(event.Kinds[:]).Draw(t, "kind")
		topic := kind.Topic()
		if rapid.IntRange(0, 9).Draw(t, "misplaced") == 0 {
			topic = rapid.SampledFrom(event.Kinds[:]).Draw(t, "topic").Topic()
		}
		tp := event.TopicPartition{TopicID: rapid.SampledFrom([]string{"aa", "bb"}).Draw(t, "topicID") + topic, Topic: topic,
			Partition: int32(rapid.IntRange(0, 2).Draw(t, "partition"))}
		offset := next[tp] + int64(rapid.IntRange(0, 3).Draw(t, "skip"))
		next[tp] = offset + 1
		e := anyEvent(t, kind)
		e.ID = fmt.Sprintf("e%d", rapid.IntRange(0, 40).Draw(t, "id"))
		if !distinctContents {
			e.ID += kind.String()
			if old, ok := contents[e.ID]; ok {
				e = old
			}
			contents[e.ID] = e
		}
		rows[i] = event.LakeRow{Event: e, TopicID: tp.TopicID, Topic: tp.Topic, Partition: tp.Partition, Offset: offset,
			IngestedAt: e.Time + rapid.Int64Range(-1e6, 600e6).Draw(t, "after")}
	}
	return rows
}

func anyEvent(t *rapid.T, kind event.Kind) event.Event {
	var e event.Event
	e.Kind, e.Source, e.HasTime = kind, rapid.SampledFrom([]string{"", "s"}).Draw(t, "source"), true
	e.Time = hour0*1e6 + rapid.Int64Range(0, 3600e6-1).Draw(t, "time")
	maybe := func(f event.Field, values ...string) {
		if v := rapid.SampledFrom(append(values, "")).Draw(t, event.Catalogue[f].Name); v != "" {
			e.SetText(f, v)
		}
	}
	if kind == event.SystemMetric {
		e.SetFloat(event.CPUUsage, rapid.Float64Range(0, 100).Draw(t, "cpu"))
		return e
	}
	maybe(event.RequestID, "r1", "r2", "r3", "r4")
	maybe(event.Model, "m1", "m2", "m3", agg.AllModels)
	switch kind {
	case event.LLMRequest:
		maybe(event.UserID, "u1", "u2", "u3", "u4", agg.Others, agg.AllModels)
		maybe(event.Tenant, "t1", "t2", "t3", agg.Others)
		maybe(event.Endpoint, "/a", "/b", "/c")
		maybe(event.SessionID, "s1", "s2")
		if rapid.Bool().Draw(t, "priced") {
			e.SetInt(event.Cost, rapid.Int64Range(0, 1e9).Draw(t, "cost"))
		}
		e.SetInt(event.DurationMS, rapid.Int64Range(0, 1e12).Draw(t, "duration"))
		e.SetInt(event.PromptTokens, rapid.Int64Range(0, 1e6).Draw(t, "tokens"))
		if rapid.Bool().Draw(t, "known") {
			e.SetBool(event.Success, rapid.Bool().Draw(t, "success"))
		}
	case event.UserFeedback:
		maybe(event.UserID, "u1", "u2", "u5")
		e.SetFloat(event.SatisfactionScore, rapid.Float64Range(1, 5).Draw(t, "score"))
	case event.BusinessEvent:
		maybe(event.Tenant, "t1", "t4")
		e.SetInt(event.BusinessValue, rapid.Int64Range(-1e9, 1e9).Draw(t, "value"))
	}
	return e
}

// anyFiles cuts rows into files in any way that a lake could, rows in any order.
func anyFiles(t *rapid.T, lake memLake, rows []event.LakeRow) []event.LakeFile {
	chains := map[chainKind][]event.LakeRow{}
	for _, r := range rapid.Permutation(rows).Draw(t, "order") {
		tp := chainKind{event.TopicPartition{TopicID: r.TopicID, Topic: r.Topic, Partition: r.Partition}, r.Event.Kind}
		chains[tp] = append(chains[tp], r)
	}
	keys := slices.SortedFunc(maps.Keys(chains), func(a, b chainKind) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var files []event.LakeFile
	for _, tp := range keys {
		for rest := chains[tp]; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "rows of the file")
			files = append(files, lake.put(fmt.Sprintf("f%d", len(lake)), rest[:n]...))
			rest = rest[n:]
		}
	}
	return rapid.Permutation(files).Draw(t, "files")
}

// chainKind is what the rows of a file have in common.
type chainKind struct {
	event.TopicPartition
	event.Kind
}

func anyFolder(t *rapid.T, lake memLake) *folder {
	f := testFolder(lake)
	f.readers = rapid.IntRange(1, 4).Draw(t, "readers")
	f.budget = rapid.SampledFrom([]int{1 << 20, 512, 128}).Draw(t, "budget")
	return f
}

// However the rows are cut into files, ordered, read and split into passes: the result is that of the reference, to the byte.
func TestFoldIsAFunctionOfTheRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows(t, true)
		lake := memLake{}
		files := anyFiles(t, lake, rows)
		f := anyFolder(t, lake)
		got, want := mustFold(t, f, files), reference(rows, f.lateness)
		if a, b := bytesOf(got), bytesOf(want); a != b {
			t.Fatalf("got\n%s\nwant\n%s", a, b)
		}
		if got.events != want.events || got.rows != want.rows {
			t.Fatalf("%d of %d rows folded, want %d of %d", got.events, got.rows, want.events, want.rows)
		}
	})
}

// More copies behind the first ones change nothing.
func TestFoldIgnoresLaterCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows(t, false)
		lake := memLake{}
		once := mustFold(t, anyFolder(t, lake), anyFiles(t, lake, rows))
		more := slices.Clone(rows)
		for i, r := range rows {
			if rapid.Bool().Draw(t, "again") {
				r.Offset += 1000 + int64(i)
				more = append(more, r)
			}
		}
		twice := mustFold(t, anyFolder(t, lake), anyFiles(t, lake, more))
		if a, b := bytesOf(twice), bytesOf(once); a != b {
			t.Fatalf("with copies\n%s\nwithout\n%s", a, b)
		}
		if once.events != twice.events {
			t.Fatalf("%d events with copies, %d without", twice.events, once.events)
		}
	})
}

// With more values than fit, the busiest keep their cells and the others are together, whether a reader met too many or not.
func TestFoldBoundsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows(t, true)
		lake := memLake{}
		files := anyFiles(t, lake, rows)
		f := anyFolder(t, lake)
		f.limits = map[string]int{}
		for _, d := range agg.Dimensions {
			f.limits[d] = rapid.IntRange(1, 4).Draw(t, "limit")
		}
		f.users = rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "users")
		want := reference(rows, f.lateness)
		want.cells.trim(f.limits)
		if a, b := bytesOf(mustFold(t, f, files)), bytesOf(want); a != b {
			t.Fatalf("got\n%s\nwant\n%s", a, b)
		}
	})
}

func request(id, model string, offset int64) event.LakeRow {
	r := event.LakeRow{TopicID: "t1", Topic: "llm-requests", Offset: offset, IngestedAt: hour0*1e6 + offset}
	r.Event.Kind, r.Event.ID, r.Event.Time, r.Event.HasTime = event.LLMRequest, id, hour0*1e6+offset, true
	r.Event.SetText(event.Model, model)
	r.Event.SetText(event.RequestID, id)
	r.Event.SetBool(event.Success, true)
	return r
}

// Copies in any order, in one file and across files, cost no second reading.
func TestFoldCountsTheFirstCopy(t *testing.T) {
	lake := memLake{}
	files := []event.LakeFile{
		lake.put("a", request("1", "m", 0), request("2", "m", 1), request("1", "other", 2)),
		lake.put("b", request("2", "other", 3), request("3", "m", 4)),
	}
	for range 2 {
		if out := mustFold(t, testFolder(lake), files); out.passes != 1 || out.events != 3 || out.duplicates() != 2 || out.cells[agg.Group{Dimension: agg.ByModel, Value: "m"}].Events != 3 {
			t.Errorf("%d events, %d duplicates in %d passes", out.events, out.duplicates(), out.passes)
		}
		slices.Reverse(lake["a"])
		slices.Reverse(files)
	}
}

// What was compacted together has no copies, so nobody looks for them; with a file that came later, everybody does.
func TestFoldTrustsCompaction(t *testing.T) {
	lake := memLake{}
	a, b := lake.put("a", request("1", "m", 0)), lake.put("b", request("1", "m", 1))
	for _, tc := range []struct{ a, b, events int64 }{{0, 0, 1}, {1, 0, 1}, {1, 2, 1}, {2, 2, 2}} {
		a.Generation, b.Generation = tc.a, tc.b
		if out := mustFold(t, testFolder(lake), []event.LakeFile{a, b}); out.events != tc.events || (out.passes == 0) != (tc.events == 2) {
			t.Errorf("generations %d and %d: %d events in %d passes", tc.a, tc.b, out.events, out.passes)
		}
	}
}

func TestFoldRefusesDamage(t *testing.T) {
	early, far := request("1", "m", 0), request("2", "m", 900)
	early.Event.Time = hour0*1e6 - 1
	for name, tc := range map[string]struct {
		file func(memLake) event.LakeFile
		want string
	}{
		"time outside the hour": {func(l memLake) event.LakeFile { return l.put("f", early) }, "has the time 2026-03-01T09:59:59.999999Z"},
		"offset outside the range": {func(l memLake) event.LakeFile {
			f := l.put("f", far)
			f.From, f.To = 0, 10
			return f
		}, "offset 900 is not within [0, 10)"},
		"rows missing": {func(l memLake) event.LakeFile {
			f := l.put("f", request("1", "m", 0))
			f.Rows = 2
			return f
		}, "it has 1 rows, the manifest says 2"},
		"file missing": {func(l memLake) event.LakeFile {
			f := l.put("f", request("1", "m", 0))
			delete(l, "f")
			return f
		}, "missing"},
		"a row twice in a file": {func(l memLake) event.LakeFile {
			l.put("f", request("1", "m", 0))
			return l.put("f", request("1", "m", 0), request("1", "m", 0))
		}, "offset 0 of llm-requests/0 is there twice"},
		"other hour": {func(l memLake) event.LakeFile {
			f := l.put("f", request("1", "m", 0))
			f.Hour += 3600
			return f
		}, "belongs to hour 2026-03-01T11Z"},
	} {
		t.Run(name, func(t *testing.T) {
			lake := memLake{}
			_, err := testFolder(lake).fold(t.Context(), hour0, []event.LakeFile{tc.file(lake)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestFoldStopsWhenAsked(t *testing.T) {
	lake := memLake{}
	file := lake.put("a", request("1", "m", 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testFolder(lake).fold(ctx, hour0, []event.LakeFile{file}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Of all copies the one at the smallest place is left, whatever readers saw which, in however many bins.
func TestCopiesLoseToTheSmallestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 1 << rapid.IntRange(0, 4).Draw(t, "bins")
		readers := []*bins{newBins(n), newBins(n)}
		best, all := map[[2]uint64]place{}, map[place][2]uint64{}
		for range rapid.IntRange(0, 2000).Draw(t, "n") {
			h := notZero([2]uint64{rapid.Uint64().Draw(t, "hi") % 5 << 60, rapid.Uint64().Draw(t, "lo") % 500 << 53})
			p := placeOf(rapid.IntRange(0, maxChains-1).Draw(t, "chain"), rapid.Int64Range(0, 200_000).Draw(t, "offset"))
			if _, taken := all[p]; taken {
				continue
			}
			all[p] = h
			if b, ok := best[h]; !ok || p < b {
				best[h] = p
			}
			readers[rapid.IntRange(0, 1).Draw(t, "reader")].add(sighting{h, p})
		}
		w := &work{folder: &folder{readers: 2}}
		losers := places{}
		if _, err := w.settle(t.Context(), readers, n, losers, false); err != nil {
			t.Fatal(err)
		}
		for p, h := range all {
			chain, offset := int(p>>offsetBits), int64(p&maxOffset)
			left := losers.without(chain, &event.LakeVector{Ints: []int64{offset}}, 1, nil)
			if (len(left) == 1) != (best[h] == p) {
				t.Fatalf("place %d of %v: left %v, best %d", p, h, left, best[h])
			}
			if best[h] != p && !losers.touches(chain, offset, offset+1) {
				t.Fatalf("a loser at %d is overlooked", p)
			}
		}
	})
}

func BenchmarkCopies(b *testing.B) {
	const n, readers = 1 << 20, 2
	hashes := make([][2]uint64, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range hashes {
		hashes[i] = [2]uint64{rng.Uint64(), rng.Uint64()}
	}
	w := &work{folder: &folder{readers: readers}}
	for b.Loop() {
		seen := []*bins{newBins(n / binRows), newBins(n / binRows)}
		for i, h := range hashes {
			seen[i*readers/n].add(sighting{h, place(i)})
		}
		if _, err := w.settle(b.Context(), seen, n/binRows, places{}, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	b.ReportMetric(0, "ns/op")
}

// A log that was cut off and written again has offsets twice, with other records or with the same ones. Each row counts as itself; of
// copies the one at the smaller offset, and at one offset that of the file that comes first, as compaction decides.
func TestFoldOfReusedOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lake := memLake{}
		var files []event.LakeFile
		for i := range rapid.IntRange(2, 4).Draw(t, "files") {
			var rows []event.LakeRow
			for _, offset := range rapid.SliceOfNDistinct(rapid.Int64Range(0, 9), 1, 6, rapid.ID[int64]).Draw(t, "offsets") {
				r := request(rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"}).Draw(t, "id"), fmt.Sprint("m", i), offset)
				rows = append(rows, r)
			}
			files = append(files, lake.put(fmt.Sprint("f", i), rows...))
		}
		slices.SortFunc(files, event.LakeFile.ComparePlace)
		var rows []event.LakeRow
		at := map[string]int{} // identity and offset, by file
		copies := int64(0)
		for _, f := range files {
			for _, r := range lake[f.Path] {
				key := fmt.Sprint(r.Event.ID, "@", r.Offset)
				if at[key]++; at[key] > 1 {
					copies++
				}
				rows = append(rows, r)
			}
		}
		f, noticed := testFolder(lake), int64(0)
		f.reused = func(_, n int64) { noticed += n }
		got, want := mustFold(t, f, files), reference(rows, f.lateness)
		if got.events != want.events || bytesOf(got) != bytesOf(want) {
			t.Fatalf("%d events, want %d; files %+v\n%s\nwant\n%s", got.events, want.events, files, bytesOf(got), bytesOf(want))
		}
		if copies == 0 && noticed > 0 {
			t.Fatalf("%d copies at one offset were noticed, there are none", noticed)
		}
		if n := rapid.IntRange(1, 3).Draw(t, "parts"); bytesOf(inParts(t, func() *folder { return testFolder(lake) }, files, n)) != bytesOf(want) {
			t.Fatal("parts fold to something else")
		}
	})
	lake := memLake{}
	var noticed int64
	f := testFolder(lake)
	f.reused = func(hour, n int64) { noticed += n }
	files := []event.LakeFile{lake.put("a", request("1", "m", 0), request("2", "m", 1), request("3", "m", 2)), lake.put("b", request("2", "n", 1), request("4", "n", 2))}
	if out := mustFold(t, f, files); out.events != 4 || noticed != 1 {
		t.Errorf("%d events, %d copies at one offset; want 4 and 1", out.events, noticed)
	}
}
