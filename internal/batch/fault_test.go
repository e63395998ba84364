package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/store/storetest"
)

// breakage is what happens at one statement of one instance.
type breakage struct {
	name  string
	after bool // the statement was done, and nobody is told
	dies  bool // nothing arrives from then on; else only this statement fails
}

var breakages = []breakage{
	{"the statement fails", false, false},
	{"the statement is done and seems to fail", true, false},
	{"the process dies before the statement", false, true},
	{"the process dies after the statement", true, true},
}

var errBroken = errors.New("broken on purpose")

// sabotage breaks at the n-th statement.
type sabotage struct {
	breakage
	n    int64 // 0 = never
	seen atomic.Int64
	dead atomic.Bool
}

func (f *sabotage) ask(after bool) error {
	if f.dead.Load() {
		return errBroken
	}
	n := f.seen.Load()
	if !after {
		n = f.seen.Add(1)
	}
	if f.n == 0 || n != f.n || after != f.after {
		return nil
	}
	f.dead.Store(f.dies)
	return errBroken
}

// Three instances share a database and have three hours to make up for, with data in each. Whatever happens at whichever statement of one
// of them, each interval is run once in effect, and none is missed.
func TestFaultAtEveryStatement(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { faultAtEveryStatement(t, storetest.SQLite(), 1) })
	t.Run("postgres", func(t *testing.T) {
		dbs, ok := storetest.Postgres(t)
		if !ok {
			t.Skip("HXP_TEST_POSTGRES names no server")
		}
		step := int64(11)
		if os.Getenv("HXP_TEST_EVERY_STATEMENT") != "" { // half an hour
			step = 1
		}
		faultAtEveryStatement(t, dbs, step)
	})
}

func faultAtEveryStatement(t *testing.T, dbs storetest.Databases, step int64) {
	all := outage(t, dbs, nil)
	if all < 100 {
		t.Fatalf("only %d statements", all)
	}
	if testing.Short() {
		step = 73 // under the race detector each outage takes seconds
	}
	t.Logf("%d statements", all)
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			for n := int64(1); n <= all; n += step {
				outage(t, dbs, &sabotage{breakage: b, n: n})
				if t.Failed() {
					t.Fatalf("with a fault at statement %d", n)
				}
			}
		})
	}
}

// outage plays the scenario, with a sabotage of the first instance, and returns how many statements that sent while there was work.
func outage(t *testing.T, dbs storetest.Databases, f *sabotage) (statements int64) {
	if f == nil {
		f = &sabotage{}
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(hour0, 0).Add(3*time.Hour + time.Minute)))
		w := newWorld()
		url := dbs.New(t)
		open := func() *store.Store {
			db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			db.UseClock(time.Now) // that of the bubble
			return db
		}
		watch := open()
		if err := watch.EnsureDAG(t.Context(), "hxp_hourly_aggregation", time.Unix(hour0, 0)); err != nil { // the last that was stored
			t.Fatal(err)
		}
		for h := range int64(3) {
			w.publish(hour0+h*3600, request("1", "m", 1), request("2", "m", 2))
		}
		broken := open()
		storetest.Break(t, broken, f.ask)
		for _, db := range []*store.Store{broken, open(), open()} {
			runInstance(t, w, db)
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		statements = f.seen.Load()
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end) && strings.Count(runLines(t, watch), " success success\n") < 3; {
			time.Sleep(5 * time.Second)
		}
		time.Sleep(leaseTime + 2*beatEvery) // what is taken for lost is done again by then
		checkOutage(t, w, watch)
	})
	return statements
}

// runInstance runs a service over a database until the test ends. One that cannot start is started again, as an operator would see to.
func runInstance(t *testing.T, w *world, db *store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended, dir := make(chan struct{}), t.TempDir()
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			cfg := Defaults()
			cfg.Processing.RetryDelay = 1
			s, err := New(cfg, w.deps(db, dir, telemetry.NewRegistry()))
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Run(ctx); err != nil {
				time.Sleep(time.Second)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// runLines has a line for each run: its ID, its state and that of its task.
func runLines(t *testing.T, db *store.Store) (text string) {
	t.Helper()
	page, err := db.Runs(t.Context(), agg.RunFilter{DagID: "hxp_hourly_aggregation", Order: "data_interval_start"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Runs {
		text += fmt.Sprintf("%s %s %s\n", r.RunID, r.State, r.Tasks[0].State)
	}
	return text
}

func checkOutage(t *testing.T, w *world, db *store.Store) {
	t.Helper()
	text, want := runLines(t, db), ""
	for h := range 3 {
		want += fmt.Sprintf("scheduled__%s+00:00 success success\n", time.Unix(hour0, 0).UTC().Add(time.Duration(h)*time.Hour).Format("2006-01-02T15:04:05"))
	}
	if text != want {
		t.Errorf("runs:\n%swant:\n%s", text, want)
	}
	for h := range int64(3) {
		if w.hours[hour0+h*3600].Built != 1 {
			t.Errorf("hour %d is not built", h)
		}
	}
}

// cut is a way to the database that may be away for heartbeats.
type cut struct {
	*store.Store
	away atomic.Bool
}

func (c *cut) Beat(ctx context.Context, owner string, started time.Time, mine []agg.Lease, lease time.Duration) ([]agg.Lease, error) {
	if c.away.Load() {
		return nil, errBroken
	}
	return c.Store.Beat(ctx, owner, started, mine, lease)
}

// Three instances share the runs of a backfill: each is executed once, and nobody waits for a leader.
func TestThreeInstancesShareABackfill(t *testing.T) {
	for _, c := range []struct {
		name string
		dbs  func(t *testing.T) (storetest.Databases, bool)
	}{
		{"sqlite", func(*testing.T) (storetest.Databases, bool) { return storetest.SQLite(), true }},
		{"postgres", func(t *testing.T) (storetest.Databases, bool) { return storetest.Postgres(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dbs, ok := c.dbs(t)
			if !ok {
				t.Skip("HXP_TEST_POSTGRES names no server")
			}
			bubble(t, func(t *testing.T) { shareBackfill(t, dbs) })
		})
	}
}

func shareBackfill(t *testing.T, dbs storetest.Databases) {
	w, url := newWorld(), dbs.New(t)
	w.scanTakes = time.Second
	var stores []*store.Store
	for range 3 {
		db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		db.UseClock(time.Now)
		stores = append(stores, db)
	}
	const hours = 60
	for h := range int64(hours) {
		w.publish(hour0+h*3600, request("1", "m", 1))
	}
	w.through = stores[0]
	asked, _ := newService(t, w, nil)
	if err := asked.enrol(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := asked.CreateBackfill(t.Context(), agg.BackfillRequest{DagID: hourly, From: time.Unix(hour0, 0), To: time.Unix(hour0+hours*3600, 0), MaxActiveRuns: 30})
	if err != nil || b.Total != hours {
		t.Fatal(b, err)
	}
	for _, db := range stores {
		runInstance(t, w, db)
	}
	time.Sleep(5 * time.Minute)
	page, err := stores[0].Runs(t.Context(), agg.RunFilter{BackfillID: b.ID})
	if err != nil || len(page.Runs) != hours {
		t.Fatal(len(page.Runs), err)
	}
	owners := map[string]int{}
	for _, r := range page.Runs {
		if r.State != agg.RunSuccess || r.Tasks[0].Try != 1 {
			t.Errorf("%s is %s at try %d: %s", r.ID, r.State, r.Tasks[0].Try, r.Error)
		}
		owners[r.Tasks[0].Owner]++
	}
	if len(owners) < 2 {
		t.Errorf("they did not share: %v", owners)
	}
}
