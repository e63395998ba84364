package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/store/storetest"
)

// messyRows are rows of an hour as anyRows draws them, the same for a seed: copies across partitions and topics, late ones, requests
// whose success is not known, feedback about requests, names that stand for others.
func messyRows(seed int) []event.LakeRow {
	var rows []event.LakeRow
	for len(rows) < 30 {
		rows = rapid.Custom(func(t *rapid.T) []event.LakeRow { return anyRows(t, true) }).Example(seed)
		seed += 1000
	}
	return rows
}

// publishAll puts rows into an hour, in files of at most three.
func (w *world) publishAll(hour int64, rows []event.LakeRow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hours[hour]
	if h == nil {
		h = &worldHour{}
		h.Hour = hour
		w.hours[hour] = h
	}
	files := map[chainKind][]event.LakeRow{}
	var order []chainKind
	for _, r := range rows {
		k := chainKind{event.TopicPartition{TopicID: r.TopicID, Topic: r.Topic, Partition: r.Partition}, r.Event.Kind}
		if files[k] == nil {
			order = append(order, k)
		}
		files[k] = append(files[k], r)
	}
	for _, k := range order {
		for part := range slices.Chunk(files[k], 3) {
			f := w.lake.put(fmt.Sprint("f", len(w.lake)), part...)
			f.Hour = hour
			h.files = append(h.files, f)
		}
	}
	h.Version++
	h.LastPublished = time.Now().UnixMicro()
}

// stored is everything that is stored of an hour.
func (w *world) stored(hour int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%x %s", sortedCells(w.period("hourly", hour).Aggregate), must(json.Marshal(w.period("hourly", hour).Rows)))
}

// inOnePiece is what a fold in one piece stores of an hour.
func (w *world) inOnePiece(t *testing.T, hour int64) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	a := mustFold(t, testFolder(w.lake), w.hours[hour].files).cells.aggregate(levels["hourly"].of(hour), nil)
	return fmt.Sprintf("%x %s", sortedCells(a), must(json.Marshal(a.Rows)))
}

func sortedCells(a agg.Aggregate) (out []string) {
	for g, c := range a.Cells {
		out = append(out, g.Dimension+g.Value+string(c))
	}
	slices.Sort(out)
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// forget empties what is stored of an hour, so that who stores it next is seen.
func (w *world) forget(hour int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.period("hourly", hour).Aggregate = agg.Aggregate{}
}

// ask asks for a run of the first hour.
func ask(t *testing.T, s *Service, conf string) agg.Run {
	t.Helper()
	start, end := timeOf(hour0), timeOf(hour0+3600)
	run, _, err := s.Trigger(t.Context(), agg.RunRequest{DagID: hourly, TaskID: "hourly_aggregation", Start: &start, End: &end, Conf: json.RawMessage(conf)})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// finished returns a run when it is over.
func finished(t *testing.T, s *Service, id string) agg.Run {
	t.Helper()
	for range 4000 {
		run, err := s.RunByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if run.State.Final() {
			return run
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("run %s does not end", id)
	return agg.Run{}
}

func wantSuccess(t *testing.T, run agg.Run) {
	t.Helper()
	if run.State != agg.RunSuccess {
		t.Fatalf("%s is %s: %s", run.ID, run.State, run.Error)
	}
}

// states are the tasks of a run in their order.
func states(run agg.Run) string {
	var out []string
	for _, task := range run.Tasks {
		out = append(out, fmt.Sprintf("%s %s", strings.TrimPrefix(task.TaskID, "hourly_aggregation"), task.State))
	}
	return strings.Join(out, ", ")
}

// The parts are tasks of the run that come before the one that merges them, and the result is that of one piece.
func TestRunInParts(t *testing.T) {
	for n, tasks := range map[int]string{1: " success",
		3:  ".part_00_of_03 success, .part_01_of_03 success, .part_02_of_03 success,  success",
		16: ""} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				w.publishAll(hour0, messyRows(n))
				r := begin(t, w, nil)
				time.Sleep(time.Minute)
				w.forget(hour0)
				run := finished(t, r.s, ask(t, r.s, fmt.Sprintf(`{"parts":%d}`, n)).ID)
				wantSuccess(t, run)
				if got := states(run); tasks != "" && got != tasks {
					t.Errorf("tasks: %s", got)
				}
				if w.stored(hour0) != w.inOnePiece(t, hour0) {
					t.Error("other bytes than in one piece")
				}
				if n == 1 {
					return
				}
				if len(run.Tasks) != n+1 {
					t.Errorf("%d tasks", len(run.Tasks))
				}
				var rows int64
				for k, task := range run.Tasks[:n] {
					var sum partTotals
					if err := json.Unmarshal(task.Summary, &sum); err != nil || sum.Part != k || sum.Parts != n || !sum.Made {
						t.Errorf("summary of %s: %s", task.TaskID, task.Summary)
					}
					rows += sum.Rows
				}
				if want := rowsOf(w.hours[hour0].files); rows != want {
					t.Errorf("the parts have %d of %d rows", rows, want)
				}
				lines, err := r.s.TaskLogs(t.Context(), run.ID, agg.PartTask("hourly_aggregation", 1, n), 0)
				if err != nil || len(lines) < 2 {
					t.Errorf("log of a part: %v, %v", lines, err)
				}
				if _, err := w.db.HourPlan(t.Context(), hour0, n); err == nil {
					t.Error("the plan is still there")
				}
			})
		})
	}
}

// A large hour is divided by itself, between instances that share the parts; an instance that is alone folds it in one piece.
func TestLargeHourIsDivided(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = time.Second
		small := func(c *Config) { c.Processing.PartRows, c.Processing.Workers = 5, 1 }
		alone := begin(t, w, small)
		time.Sleep(10 * time.Second)
		w.publishAll(hour0, messyRows(1))
		run := finished(t, alone.s, ask(t, alone.s, "").ID)
		wantSuccess(t, run)
		if len(run.Tasks) != 1 {
			t.Errorf("alone: %s", states(run))
		}
		for range 2 {
			begin(t, w, small)
		}
		time.Sleep(10 * time.Second) // they have seen each other
		more := messyRows(2)
		for i := range more {
			more[i].Offset += 1000
		}
		w.publishAll(hour0, more)
		time.Sleep(5 * time.Minute)
		page, err := alone.s.Runs(t.Context(), agg.RunFilter{DagID: hourly, Types: []string{agg.RunManual}, Order: "created_at"})
		if err != nil || len(page.Runs) != 2 {
			t.Fatalf("%d runs, %v", len(page.Runs), err)
		}
		run = page.Runs[1]
		wantSuccess(t, run)
		owners := map[string]bool{}
		for _, task := range run.Tasks {
			owners[task.Owner] = true
		}
		if len(run.Tasks) < 4 || len(owners) < 2 || run.TriggeredBy != "operator" {
			t.Errorf("%s by %v, started by %s", states(run), owners, run.TriggeredBy)
		}
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
	})
}

// Parts that runs of their own made are merged by one more run. What was made from older data is thrown away and made again.
func TestPartsByRunsOfTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(3))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		w.forget(hour0)
		made := func(k int) bool {
			run := finished(t, r.s, ask(t, r.s, fmt.Sprintf(`{"part":%d,"parts":3}`, k)).ID)
			wantSuccess(t, run)
			var sum partTotals
			if err := json.Unmarshal(run.Tasks[0].Summary, &sum); err != nil || run.TaskID != agg.PartTask("hourly_aggregation", k, 3) {
				t.Errorf("%s: %s", run.TaskID, run.Tasks[0].Summary)
			}
			return sum.Made
		}
		if !made(0) || made(0) || !made(1) {
			t.Error("a part is made once")
		}
		more := messyRows(4)
		for i := range more {
			more[i].Offset += 1000
		}
		w.publishAll(hour0, more)
		if !made(2) || !made(1) {
			t.Error("parts of older data were taken")
		}
		run := finished(t, r.s, ask(t, r.s, `{"merge":true,"parts":3}`).ID)
		wantSuccess(t, run)
		if got := states(run); got != ".part_00_of_03 success,  success" {
			t.Errorf("the merge made %s", got)
		}
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
	})
}

// Data that comes while the parts of a run are folded is for the next fold: the run goes on with its plan.
func TestDataBetweenParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(5))
		r := begin(t, w, func(c *Config) { c.Processing.Workers = 1 })
		time.Sleep(time.Minute)
		w.scanTakes = time.Second
		id := ask(t, r.s, `{"parts":4}`).ID
		w.forget(hour0)
		for i := range 200 {
			row := request(fmt.Sprint("late", i), "m", int64(5000+i))
			row.Event.Time = hour0 * 1e6
			w.publishAll(hour0, []event.LakeRow{row})
			time.Sleep(100 * time.Millisecond)
		}
		run := finished(t, r.s, id)
		wantSuccess(t, run)
		for _, task := range run.Tasks[:4] {
			if task.Try != 1 {
				t.Errorf("%s was made %d times", task.TaskID, task.Try)
			}
		}
		time.Sleep(5 * time.Minute)
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece in the end")
		}
	})
}

// Two runs that merge the same parts at once both succeed, and the hour is what it is in one piece.
func TestTwoMergesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(6))
		a, b := begin(t, w, nil), begin(t, w, nil)
		time.Sleep(time.Minute)
		w.forget(hour0)
		for k := range 2 {
			wantSuccess(t, finished(t, a.s, ask(t, a.s, fmt.Sprintf(`{"part":%d,"parts":2}`, k)).ID))
		}
		start, end := timeOf(hour0), timeOf(hour0+3600)
		whole, _, err := b.s.Trigger(t.Context(), agg.RunRequest{DagID: hourly, Start: &start, End: &end, Conf: json.RawMessage(`{"parts":2}`)})
		if err != nil {
			t.Fatal(err)
		}
		task := ask(t, a.s, `{"merge":true,"parts":2}`)
		if whole.ID == task.ID {
			t.Fatal("they are one run")
		}
		wantSuccess(t, finished(t, a.s, whole.ID))
		wantSuccess(t, finished(t, a.s, task.ID))
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
	})
}

// severed is a way to the database that may be away for good: nothing is renewed, claimed or finished.
type severed struct{ cut }

func (c *severed) Claim(ctx context.Context, req agg.ClaimRequest) ([]agg.Claim, error) {
	if c.away.Load() {
		return nil, errBroken
	}
	return c.Store.Claim(ctx, req)
}

func (c *severed) Finish(ctx context.Context, l agg.Lease, res agg.TaskResult) (run agg.Run, again bool, err error) {
	if c.away.Load() {
		return run, false, errBroken
	}
	return c.Store.Finish(ctx, l, res)
}

// The worker of a part is cut off from the database: when its lease is over another one takes the part.
func TestPartOfADeadWorkerIsTakenOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(7))
		db := w.open(t)
		one := &severed{cut{Store: db}}
		w.through = one
		begin(t, w, func(c *Config) { c.Processing.Workers = 1 })
		w.through = nil
		other := begin(t, w, func(c *Config) { c.Processing.Workers = 1 })
		time.Sleep(time.Minute)
		w.forget(hour0)
		w.scanTakes = leaseTime + beatEvery // longer than a lease
		id := ask(t, other.s, `{"parts":2}`).ID
		time.Sleep(2 * w.scanTakes)
		one.away.Store(true)
		run := finished(t, other.s, id)
		wantSuccess(t, run)
		tries := 0
		for _, task := range run.Tasks {
			tries += task.Try
		}
		if tries < 5 { // two parts, the task before and after them, and a try that was lost
			t.Errorf("nothing was lost: %d tries", tries)
		}
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
	})
}

// When a part meets more values than it follows, all count, one choice is made, and those that only counted fold.
func TestPartsWithTooManyValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(8))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		w.forget(hour0)
		r.s.folder.users = 1
		run := finished(t, r.s, ask(t, r.s, `{"parts":3}`).ID)
		wantSuccess(t, run)
		again := 0
		for _, task := range run.Tasks[:3] {
			if task.Try == 2 {
				again++
			}
		}
		if again == 0 {
			t.Errorf("no part met too many: %s", states(run))
		}
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
	})
}

// Clearing a run in parts does all of it anew; cancelling ends it and frees who works on it.
func TestClearAndCancelParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publishAll(hour0, messyRows(9))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		id := ask(t, r.s, `{"parts":3}`).ID
		wantSuccess(t, finished(t, r.s, id))
		w.forget(hour0)
		if _, err := r.s.ClearTasks(t.Context(), id, []string{agg.PartTask("hourly_aggregation", 1, 3)}, false); err != nil {
			t.Fatal(err)
		}
		run := finished(t, r.s, id)
		wantSuccess(t, run)
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
		w.scanTakes = time.Hour
		id = ask(t, r.s, `{"parts":3}`).ID
		time.Sleep(5 * time.Second)
		run, err := r.s.CancelRun(t.Context(), id)
		if err != nil || run.State != agg.RunCancelled {
			t.Fatal(run.State, err)
		}
		if mine := r.s.of(id); len(mine) != 0 {
			t.Errorf("%d tasks go on", len(mine))
		}
	})
}

// Three instances fold an hour in parts. Whatever happens at whichever statement of one of them, the run succeeds and the bytes are
// those of one piece.
func TestPartsWithFaults(t *testing.T) {
	steps := map[string]int64{"sqlite": 7, "postgres": 13}
	if os.Getenv("HXP_TEST_EVERY_STATEMENT") != "" { // minutes
		steps = map[string]int64{"sqlite": 1, "postgres": 1}
	}
	t.Run("sqlite", func(t *testing.T) { partsWithFaults(t, storetest.SQLite(), steps["sqlite"]) })
	t.Run("postgres", func(t *testing.T) {
		dbs, ok := storetest.Postgres(t)
		if !ok {
			t.Skip("HXP_TEST_POSTGRES names no server")
		}
		partsWithFaults(t, dbs, steps["postgres"])
	})
}

func partsWithFaults(t *testing.T, dbs storetest.Databases, step int64) {
	all := partsOutage(t, dbs, &sabotage{})
	if all < 50 {
		t.Fatalf("only %d statements", all)
	}
	if testing.Short() {
		step = 41
	}
	t.Logf("%d statements", all)
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			for n := int64(1); n <= all; n += step {
				partsOutage(t, dbs, &sabotage{breakage: b, n: n})
				if t.Failed() {
					t.Fatalf("with a fault at statement %d", n)
				}
			}
		})
	}
}

func partsOutage(t *testing.T, dbs storetest.Databases, f *sabotage) (statements int64) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(hour0, 0).Add(1000 * time.Hour)))
		w, url := newWorld(), dbs.New(t)
		w.publishAll(hour0, messyRows(10))
		open := func() *store.Store {
			db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			db.UseClock(time.Now)
			return db
		}
		w.through = open()
		asked, _ := newService(t, w, nil)
		if err := asked.enrol(t.Context()); err != nil {
			t.Fatal(err)
		}
		run := ask(t, asked, `{"parts":3}`)
		broken := open()
		storetest.Break(t, broken, f.ask)
		for _, db := range []*store.Store{broken, open(), open()} {
			runInstance(t, w, db)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		statements = f.seen.Load()
		run = finished(t, asked, run.ID)
		wantSuccess(t, run)
		time.Sleep(leaseTime + 2*beatEvery) // what is taken for lost is done again by then
		if w.stored(hour0) != w.inOnePiece(t, hour0) {
			t.Error("other bytes than in one piece")
		}
		if len(run.Tasks) != 4 {
			t.Errorf("tasks: %s", states(run))
		}
	})
	return statements
}
