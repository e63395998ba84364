package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/store/storetest"
)

var (
	_ retention.Plans    = (*store.Store)(nil)
	_ retention.Raw      = (*lake.Lake)(nil)
	_ retention.Copies   = (*lake.Archive)(nil)
	_ retention.Prover   = (*batch.Service)(nil)
	_ retention.DayStore = (*store.Store)(nil)
)

// attic is a lake with aggregates and an archive, on a clock of its own.
type attic struct {
	store   *store.Store
	lake    *lake.Lake
	folder  string // of the lake
	archive string
	reports string
	machine string
	batch   *batch.Service
	now     atomic.Int64 // seconds since the epoch
	events  int          // imported so far
}

const (
	hoursOld  = 3 // from hour on
	perImport = 60
)

// newAttic has three hours of raw events, folded and merged into their day, forty days before now.
func newAttic(t *testing.T) *attic {
	t.Helper()
	a := &attic{folder: t.TempDir(), archive: filepath.Join(t.TempDir(), "archive"), reports: t.TempDir()}
	a.now.Store(hour + 40*86400)
	var err error
	if a.store, err = store.Open(t.Context(), storetest.SQLite().New(t), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.store.Close() })
	a.store.UseClock(a.clock)
	if a.lake, err = lake.Open(a.folder); err != nil {
		t.Fatal(err)
	}
	a.batch = a.on(t, "one", a.reports)
	for i := range int64(hoursOld) {
		a.add(t, hour+i*3600, perImport)
		a.add(t, hour+i*3600, perImport)
		a.fold(t, hour+i*3600)
	}
	a.day(t)
	return a
}

// on is the batch service of a machine with a folder of its own, which cleanups are carried out on from now.
func (a *attic) on(t *testing.T, machine, reports string) *batch.Service {
	t.Helper()
	a.machine, a.reports = machine, reports
	s, err := batch.New(batch.Defaults(), batch.Deps{Hours: a.store, Periods: a.store, Rows: a.store, Runs: a.store, Parts: a.store, Scanner: a.lake, Lake: quiet{}, Ends: quiet{}.ends,
		Parquet: lake.WriteTable, Reports: a.store, Deliveries: a.store, ReportsDir: reports, Machine: machine, NotFound: store.ErrNotFound, BadCursor: store.ErrBadCursor, Lateness: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	start(t, s)
	return s
}

func (a *attic) clock() time.Time     { return time.Unix(a.now.Load(), 0).UTC() }
func (a *attic) pass(d time.Duration) { a.now.Add(int64(d / time.Second)) }
func (a *attic) day(t *testing.T) {
	run(t, a.batch, "daily", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
}
func (a *attic) fold(t *testing.T, h int64) {
	t.Helper()
	if _, err := a.batch.FoldHour(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

// add imports events into an hour; the first ones are copies of events that are there already.
func (a *attic) add(t testing.TB, h int64, n int) {
	t.Helper()
	from := a.events
	a.events += n
	_, err := a.lake.Import(t.Context(), a.store, event.TopicPartition{TopicID: "feed", Topic: event.LLMRequest.Topic()}, func(yield func(*event.Event, int64) bool) {
		for i := range n {
			var e event.Event
			e.ID, e.Source, e.Kind, e.HasTime = fmt.Sprintf("%d-%d", h, from+max(i, 5)), "test", event.LLMRequest, true
			e.Time = h*1e6 + int64(i)*1e6
			e.SetText(event.Model, fmt.Sprintf("model-%d", i%3))
			e.SetText(event.UserID, fmt.Sprintf("user-%d", i%7))
			e.SetText(event.Tenant, "acme")
			e.SetInt(event.DurationMS, int64(i+1)*1_000_000)
			e.SetBool(event.Success, i%9 != 0)
			e.Settle()
			if !yield(&e, e.Time) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keeper is a running retention service.
type keeper struct {
	t   *testing.T
	mux *httpx.Mux
	reg *telemetry.Registry
}

// keep runs a retention service; point may be nil.
func (a *attic) keep(t *testing.T, change func(*retention.Config), point func(step string) error) (k *keeper, stop func()) {
	t.Helper()
	archive, err := lake.OpenArchive(t.Context(), a.archive, lake.S3{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := retention.Defaults()
	cfg.Daily = false
	if change != nil {
		change(&cfg)
	}
	k = &keeper{t: t, mux: httpx.NewMux(slog.New(slog.DiscardHandler), nil), reg: telemetry.NewRegistry()}
	s, err := retention.New(cfg, retention.Deps{Plans: a.store, Raw: a.store, Days: a.store, Reports: a.store, ReportsDir: a.reports, Machine: a.machine, Retired: a.store, Files: a.lake,
		Archive: archive, Prover: a.batch, NotFound: store.ErrNotFound, Changed: store.ErrHourMoved, Held: store.ErrHeld, NoCopy: store.ErrNoCopy,
		Registry: k.reg, Now: a.clock, Point: point})
	if err != nil {
		t.Fatal(err)
	}
	s.Mount(k.mux)
	return k, start(t, s)
}

func (k *keeper) call(method, path, body string) *httptest.ResponseRecorder {
	k.t.Helper()
	rec := httptest.NewRecorder()
	k.mux.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
	return rec
}

func (k *keeper) into(method, path, body string, to any) {
	k.t.Helper()
	rec := k.call(method, path, body)
	if rec.Code >= 300 {
		k.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), to); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeper) cleanup(body string) (p retention.Plan) {
	k.t.Helper()
	k.into("POST", "/retention/cleanup", body, &p)
	return p
}

// forced cleans up and wants that nothing is refused.
func (k *keeper) forced() retention.Plan {
	k.t.Helper()
	p := k.cleanup(`{"force":true}`)
	if p.State != retention.Done || len(p.Refused) > 0 {
		k.t.Fatalf("%s: %s, %+v", p.State, p.Error, p.Refused)
	}
	return p
}

func (k *keeper) restore(plan string) (r retention.Restore) {
	k.t.Helper()
	k.into("POST", "/retention/restore", fmt.Sprintf(`{"archive":%q}`, plan), &r)
	return r
}

// whole wants that nothing is wrong with the archive and that it names so many files, each once.
func (k *keeper) whole(files int) {
	k.t.Helper()
	var v retention.Verified
	k.into("POST", "/retention/verify", "", &v)
	if len(v.Bad) > 0 || v.Checked != files || v.OK != files {
		k.t.Errorf("the archive: %+v, want %d files", v, files)
	}
}

// states counts the files of the manifest by state.
func (a *attic) states(t *testing.T) map[string]int {
	t.Helper()
	files, err := a.store.Files(t.Context(), event.LakeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for i := range files {
		n[files[i].State]++
	}
	return n
}

func (a *attic) expectStates(t *testing.T, what string, want map[string]int) {
	t.Helper()
	if got := a.states(t); !maps.Equal(got, want) {
		t.Errorf("%s: files %v, want %v", what, got, want)
	}
}

// cells are those of the hours and of the day.
func (a *attic) cells(t *testing.T) (all []map[agg.Group][]byte) {
	t.Helper()
	for i := range int64(hoursOld) {
		c, _, err := a.store.Cells(t.Context(), "hourly", hour+i*3600)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return append(all, a.dayCells(t))
}

func (a *attic) dayCells(t *testing.T) map[agg.Group][]byte {
	t.Helper()
	c, _, err := a.store.Cells(t.Context(), "daily", hour-10*3600)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sameCells(a, b []map[agg.Group][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y map[agg.Group][]byte) bool { return maps.EqualFunc(x, y, bytes.Equal) })
}

// onDisk counts the Parquet files of the lake's folder.
func (a *attic) onDisk(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(a.folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".parquet" {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ended waits until no plan is running and returns the newest.
func (a *attic) ended(t *testing.T) event.RetentionPlan {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		running, err := a.store.Plans(t.Context(), retention.Running, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(running) == 0 {
			break
		}
	}
	plans, err := a.store.Plans(t.Context(), "", 1)
	if err != nil || len(plans) == 0 {
		t.Fatal(plans, err)
	}
	return plans[0]
}

// until waits for something that a service does by itself.
func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it was not done in time")
		}
	}
}

// buried lets the grace pass and waits until what was marked is removed.
func (a *attic) buried(t *testing.T, change func(*retention.Config)) {
	t.Helper()
	a.pass(25 * time.Hour)
	_, stop := a.keep(t, change, nil) // looks at once
	until(t, func() bool { return a.onDisk(t) == 0 })
	stop()
}

func (a *attic) foldAll(t *testing.T) {
	t.Helper()
	for i := range int64(hoursOld) {
		a.fold(t, hour+i*3600)
	}
}

var errKill = errors.New("here")

// killAt ends the work at the nth step.
func killAt(n int) (point func(string) error, reached func() bool) {
	var steps atomic.Int64
	return func(string) error {
		if steps.Add(1) == int64(n) {
			return errKill
		}
		return nil
	}, func() bool { return steps.Load() >= int64(n) }
}

// Raw hours leave, are removed after the grace, come back, and are made of their events again.
func TestRawLeavesAndComesBack(t *testing.T) {
	a := newAttic(t)
	k, _ := a.keep(t, nil, nil)
	before := a.cells(t)

	dry := k.cleanup(`{"dry_run":true,"force":true}`)
	if dry.State != retention.Planned || dry.Totals.Archived != 6 || a.states(t)[event.LakeLive] != 6 {
		t.Fatalf("dry run: %+v, %v", dry.Totals, a.states(t))
	}
	if rec := k.call("POST", "/retention/restore", fmt.Sprintf(`{"archive":%q}`, dry.ID)); rec.Code != 422 || !strings.Contains(rec.Body.String(), "dry run") {
		t.Errorf("restore of a dry run: %d %s", rec.Code, rec.Body)
	}
	if p := k.cleanup(""); p.State != retention.Failed || len(p.Refused) != 1 || a.states(t)[event.LakeLive] != 6 {
		t.Fatalf("more than a quarter: %s, %+v", p.State, p.Refused)
	}
	p := k.forced()
	a.expectStates(t, "in the grace", map[string]int{event.LakeMarked: 6})
	k.whole(6)
	if a.onDisk(t) != 6 {
		t.Error("files are removed before their grace is over")
	}
	if r := k.restore(p.ID); r.State != retention.Done || r.Totals.Restored != 6 || r.Items[0].Action != retention.Unmark {
		t.Fatalf("restore in the grace: %+v", r)
	}
	a.expectStates(t, "unmarked", map[string]int{event.LakeLive: 6})
	a.foldAll(t)
	if !sameCells(before, a.cells(t)) {
		t.Error("other cells after the restore")
	}

	p = k.forced()
	k.whole(6) // the same copies: nothing is doubled
	a.buried(t, nil)
	a.expectStates(t, "after the grace", map[string]int{event.LakeArchived: 6})
	if r := k.restore(p.ID); r.State != retention.Done || r.Totals.Restored != 6 || r.Items[0].Action != retention.FromCopy {
		t.Fatalf("restore from the archive: %+v", r)
	}
	a.expectStates(t, "restored", map[string]int{event.LakeLive: 6})
	a.foldAll(t)
	if !sameCells(before, a.cells(t)) {
		t.Error("other cells after the restore from the archive")
	}
	if _, bad, err := a.lake.Verify(t.Context(), a.store, nil); err != nil || len(bad) > 0 {
		t.Error(bad, err)
	}
	again := k.forced()
	k.whole(6) // files that came back leave to the copies that are there
	if r := k.restore(p.ID); r.State != retention.Done || r.Totals.Restored != 6 || !strings.Contains(r.Items[0].Reason, again.ID) {
		t.Errorf("by the plan before: %+v", r)
	}
	if r := k.restore(again.ID); r.State != retention.Done || r.Totals.Restored != 0 {
		t.Errorf("all is back: %+v", r)
	}
}

// Killed between any two steps, a cleanup and a restore are carried on to the same end.
func TestKilledAtEveryStep(t *testing.T) {
	for n := 1; ; n++ {
		a := newAttic(t)
		before := a.cells(t)
		kill, reached := killAt(n)
		k, stop := a.keep(t, nil, kill)
		k.call("POST", "/retention/cleanup", `{"force":true}`) // 202, or 500 when killed before it began
		stop()
		if !reached() {
			t.Logf("%d steps of a cleanup", n-1)
			break
		}
		a.pass(2 * time.Minute) // its owner is silent
		k, stop = a.keep(t, nil, nil)
		plan := a.ended(t)
		if plan.State != retention.Done {
			t.Fatalf("killed at step %d: the plan is %s: %s", n, plan.State, plan.Document)
		}
		a.expectStates(t, fmt.Sprint("killed at step ", n), map[string]int{event.LakeMarked: 6})
		k.whole(6)
		if !sameCells(before, a.cells(t)) {
			t.Errorf("killed at step %d: other cells", n)
		}
		stop()
	}
	for n := 1; ; n++ {
		a := newAttic(t)
		before := a.cells(t)
		k, stop := a.keep(t, nil, nil)
		plan := k.forced()
		stop()
		a.pass(25 * time.Hour)
		kill, reached := killAt(n)
		k, stop = a.keep(t, nil, kill)
		k.call("POST", "/retention/restore", fmt.Sprintf(`{"archive":%q}`, plan.ID))
		stop()
		if !reached() {
			t.Logf("%d steps of removal and restore", n-1)
			break
		}
		a.pass(2 * time.Minute)
		k, stop = a.keep(t, nil, nil)
		a.ended(t)
		k.restore(plan.ID) // when it was killed before the restore was taken
		a.expectStates(t, fmt.Sprint("restore killed at step ", n), map[string]int{event.LakeLive: 6})
		a.foldAll(t)
		if !sameCells(before, a.cells(t)) {
			t.Errorf("restore killed at step %d: other cells", n)
		}
		if _, bad, err := a.lake.Verify(t.Context(), a.store, nil); err != nil || len(bad) > 0 {
			t.Error(bad, err)
		}
		stop()
	}
}

// A process that hangs within a plan does no harm when it goes on after another one has carried the plan out.
func TestTwoCarryOnePlan(t *testing.T) {
	for _, at := range []string{"planned", "copied", "recorded", "marked"} {
		t.Run(at, func(t *testing.T) {
			a := newAttic(t)
			before := a.cells(t)
			hangs, goesOn := make(chan struct{}), make(chan struct{})
			var once atomic.Bool
			slow, stop := a.keep(t, nil, func(step string) error {
				if step == at && once.CompareAndSwap(false, true) {
					close(hangs)
					<-goesOn
				}
				return nil
			})
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				slow.call("POST", "/retention/cleanup", `{"force":true}`)
			}()
			<-hangs
			a.pass(2 * time.Minute)
			k, _ := a.keep(t, nil, nil)
			plan := a.ended(t)
			close(goesOn)
			<-answered
			stop()
			if plan.State != retention.Done {
				t.Errorf("%s: %s", plan.State, plan.Document)
			}
			if now := a.ended(t); !bytes.Equal(now.Document, plan.Document) {
				t.Errorf("the slow one changed the plan: %s", now.Document)
			}
			a.expectStates(t, "in the end", map[string]int{event.LakeMarked: 6})
			k.whole(6)
			if !sameCells(before, a.cells(t)) {
				t.Error("other cells")
			}
			if r := k.restore(plan.ID); r.State != retention.Done || r.Totals.Restored != 6 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Whatever happens between the copy and the mark, the hour stays, and leaves with the next plan.
func TestHourChangesWhileItLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, a *attic)
		code      string
		live      int
		mend      func(t *testing.T, a *attic)
	}{
		"a late event": {func(t *testing.T, a *attic) { a.add(t, hour, 10) }, "changed", 3, func(t *testing.T, a *attic) { a.fold(t, hour); a.day(t) }},
		"a compaction": {func(t *testing.T, a *attic) {
			if _, err := a.lake.Compact(t.Context(), a.store, lake.CompactOptions{To: time.Unix(hour+3600, 0), Budget: 1 << 24}); err != nil {
				t.Error(err)
			}
		}, "changed", 1, func(*testing.T, *attic) {}},
		"a hold": {func(t *testing.T, a *attic) {
			if _, err := a.store.PutHold(t.Context(), event.Hold{Name: "x", Class: event.ClassRaw, From: time.Unix(hour, 0), To: time.Unix(hour+1, 0), Reason: "audit"}); err != nil {
				t.Error(err)
			}
		}, "held", 2, func(t *testing.T, a *attic) {
			if err := a.store.DeleteHold(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttic(t)
			var done atomic.Bool
			k, _ := a.keep(t, nil, func(step string) error {
				if step == "recorded" && done.CompareAndSwap(false, true) {
					c.meanwhile(t, a)
				}
				return nil
			})
			p := k.cleanup(`{"force":true}`)
			if p.State != retention.Done || len(p.Refused) != 1 || p.Refused[0].Code != c.code || p.Refused[0].Period.Unix() != hour {
				t.Fatalf("%s, %+v", p.State, p.Refused)
			}
			if got := a.states(t); got[event.LakeLive] != c.live || got[event.LakeMarked] != 4 {
				t.Errorf("files %v", got)
			}
			c.mend(t, a)
			k.forced()
			if got := a.states(t); got[event.LakeLive] != 0 {
				t.Errorf("files %v", got)
			}
		})
	}
}

// What is damaged does not leave, and what is damaged in the archive does not come back.
func TestDamage(t *testing.T) {
	a := newAttic(t)
	k, _ := a.keep(t, nil, nil)
	files, err := a.store.Files(t.Context(), event.LakeFilter{FromHour: hour, ToHour: hour + 1})
	if err != nil {
		t.Fatal(err)
	}
	damage := func(path string) (mend func()) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		broken := bytes.Clone(data)
		broken[len(broken)-9] ^= 1
		write := func(data []byte) {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(broken)
		return func() { write(data) }
	}
	mend := damage(filepath.Join(a.folder, filepath.FromSlash(files[0].Path)))
	p := k.cleanup(`{"force":true}`)
	if len(p.Refused) != 1 || p.Refused[0].Period.Unix() != hour || p.Totals.Archived != 4 {
		t.Fatalf("a damaged file leaves: %+v", p)
	}
	mend()
	p = k.forced()
	a.buried(t, nil)
	mend = damage(filepath.Join(a.archive, event.ClassRaw, filepath.FromSlash(files[0].Path)))
	var v retention.Verified
	if k.into("POST", "/retention/verify", "", &v); len(v.Bad) != 1 || !strings.HasSuffix(v.Bad[0].Path, files[0].Path) {
		t.Errorf("verify: %+v", v)
	}
	r := k.restore(p.ID)
	if got := a.states(t); r.State != retention.Failed || len(r.Failed) != 1 || got[event.LakeArchived] != 6 {
		t.Errorf("a damaged copy comes back: %+v, %v", r, got)
	}
	mend()
	if r := k.restore(p.ID); r.State != retention.Done || a.states(t)[event.LakeArchived] != 4 {
		t.Errorf("%+v", r)
	}
	a.foldAll(t)

	manifest := filepath.Join(a.archive, lake.ArchiveManifest)
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, changed := range map[string][]byte{
		"a changed line":   bytes.Replace(data, []byte(`"rows":60`), []byte(`"rows":61`), 1),
		"a missing line":   data[bytes.IndexByte(data, '\n')+1:],
		"a half last line": data[:len(data)-20],
	} {
		if err := os.WriteFile(manifest, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if k.into("POST", "/retention/verify", "", &v); len(v.Bad) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
	if err := os.WriteFile(manifest, data[:len(data)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	k.forced() // the half line is taken away, and what it named is named again
	if k.into("POST", "/retention/verify", "", &v); len(v.Bad) != 0 || v.Checked != 6 {
		t.Errorf("%+v", v)
	}
}

// Without an archive data is deleted for good, and says so.
func TestWithoutArchive(t *testing.T) {
	a := newAttic(t)
	delete := func(c *retention.Config) { c.ArchivalEnabled = false }
	k, _ := a.keep(t, delete, nil)
	before := a.cells(t)
	p := k.forced()
	if p.Totals.Deleted != 6 {
		t.Fatalf("%+v", p.Totals)
	}
	if r := k.restore(p.ID); r.State != retention.Done || r.Totals.Restored != 6 {
		t.Fatalf("in the grace: %+v", r)
	}
	a.foldAll(t)
	p = k.forced()
	a.buried(t, delete)
	a.expectStates(t, "deleted", map[string]int{})
	if r := k.restore(p.ID); r.State != retention.Failed && r.Totals.Restored != 0 {
		t.Errorf("what is gone comes back: %+v", r)
	}
	if !sameCells(before, a.cells(t)) {
		t.Error("the aggregates went with it")
	}
	if _, err := os.Stat(a.archive); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is an archive:", err)
	}
}

// Hourly aggregates leave by days after their raw files; late events add to the day, and all comes back.
func TestHourlyAggregatesLeaveAndComeBack(t *testing.T) {
	a := newAttic(t)
	young := func(c *retention.Config) { c.AggregatedDays = 35 }
	k, _ := a.keep(t, young, nil)
	whole := a.cells(t)
	first := k.forced()
	if a.cells(t)[0] == nil || slices.ContainsFunc(first.Items, func(it retention.Item) bool { return it.Class == event.ClassAggregated && it.Action != retention.Keep }) {
		t.Fatal("aggregates leave before their raw files")
	}
	a.buried(t, young)
	second := k.forced()
	if second.Totals.Archived != 1 {
		t.Fatalf("%+v %+v", second.Totals, second.Items)
	}
	k.whole(7)
	now := a.cells(t)
	if len(now[0])+len(now[1])+len(now[2]) != 0 || !maps.EqualFunc(now[hoursOld], whole[hoursOld], bytes.Equal) {
		t.Error("cells of hours stay, or the day changes")
	}
	rows, _, err := a.store.Rows(t.Context(), "hourly", agg.ByModel, time.Time{}, time.Time{}, "*", 0, "")
	if err != nil || len(rows) != 0 {
		t.Error(len(rows), err)
	}
	a.day(t)
	if !maps.EqualFunc(a.dayCells(t), whole[hoursOld], bytes.Equal) {
		t.Error("made again, the day is another")
	}
	if r := k.restore(first.ID); r.State != retention.Failed || !strings.Contains(r.Error, "restore them first") {
		t.Errorf("raw files come back below a day that counts them already: %+v", r)
	}

	a.add(t, hour, 20) // 20 events, of which 5 are copies of a sixth
	a.fold(t, hour)
	a.day(t)
	count := func() (n uint64) {
		var c agg.Cell
		if _, err := c.Decode(a.dayCells(t)[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]); err != nil {
			t.Fatal(err)
		}
		return c.Events
	}
	const all = hoursOld*2*(perImport-5) + 15
	if n := count(); n != all {
		t.Errorf("the day counts %d events, want %d", n, all)
	}

	if r := k.restore(second.ID); r.State != retention.Done {
		t.Fatalf("%+v", r)
	}
	a.fold(t, hour)
	a.day(t)
	if n := count(); n != all {
		t.Errorf("restored, the day counts %d events, want %d", n, all)
	}
	if r := k.restore(first.ID); r.State != retention.Done {
		t.Fatalf("%+v", r)
	}
	a.day(t)
	now = a.cells(t)
	if n := count(); n != all || !maps.EqualFunc(now[1], whole[1], bytes.Equal) || !maps.EqualFunc(now[2], whole[2], bytes.Equal) {
		t.Errorf("with its raw events, the day counts %d events, want %d", n, all)
	}
}

// Reports leave by their age and come back as they were.
func TestReportsLeaveAndComeBack(t *testing.T) {
	a := newAttic(t)
	k, _ := a.keep(t, func(c *retention.Config) { c.RawDays, c.ReportsDays = 1000, 1 }, nil)
	for _, format := range []string{"json", "csv"} {
		ask(t, a.batch, "POST", "/reports/generate", fmt.Sprintf(`{"report_type":"daily_summary","format":%q,"period":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"}}`, format), http.StatusCreated)
	}
	content := func(status int) []byte {
		return ask(t, a.batch, "GET", "/reports/daily_summary-20260301-20260302-json/content", "", status)
	}
	body := content(http.StatusOK)
	made := time.Now()
	a.now.Store(made.Add(48 * time.Hour).Unix()) // reports are stamped by the machine
	p := k.forced()
	if p.Totals.Archived != 2 {
		t.Fatalf("%+v", p)
	}
	content(http.StatusNotFound)
	if left, err := filepath.Glob(filepath.Join(a.reports, "*", "*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	k.whole(2)
	if r := k.restore(p.ID); r.State != retention.Done || r.Totals.Restored != 2 {
		t.Fatalf("%+v", r)
	}
	if !bytes.Equal(content(http.StatusOK), body) {
		t.Error("another document came back")
	}
}

// A report that is made again while the plan is carried out stays. One that left before is in the archive all the same.
func TestReportMadeAgainWhileItLeaves(t *testing.T) {
	const id = "daily_summary-20260301-20260302-json"
	for _, at := range []string{"planned", "recorded", "marked"} {
		t.Run(at, func(t *testing.T) {
			a := newAttic(t)
			young := func(c *retention.Config) { c.RawDays, c.ReportsDays = 1000, 1 }
			generate := func() {
				t.Helper()
				ask(t, a.batch, "POST", "/reports/generate", `{"report_type":"daily_summary","format":"json","period":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"}}`, http.StatusCreated)
			}
			content := func() []byte { return ask(t, a.batch, "GET", "/reports/"+id+"/content", "", http.StatusOK) }
			generate()
			first := content()
			a.now.Store(time.Now().Add(48 * time.Hour).Unix()) // reports are stamped by the machine
			k, stop := a.keep(t, young, func(step string) error {
				if step == at {
					return errKill
				}
				return nil
			})
			k.call("POST", "/retention/cleanup", `{"force":true}`)
			stop()
			a.add(t, hour, 10)
			a.fold(t, hour)
			a.day(t)
			generate()
			second := content()
			if bytes.Equal(first, second) {
				t.Fatal("late events change nothing")
			}

			a.pass(2 * time.Minute) // the owner of the plan is silent
			k, _ = a.keep(t, young, nil)
			p := planOf(t, a.ended(t))
			if !bytes.Equal(content(), second) || p.State != retention.Done || !strings.Contains(p.Items[0].Reason, "made again") {
				t.Errorf("%s, %+v", p.State, p.Items)
			}
			if at != "marked" {
				if len(p.Refused) != 1 || p.Refused[0].Code != "changed" {
					t.Errorf("%+v", p.Refused)
				}
				return
			}
			k.whole(1)
			copies, err := filepath.Glob(filepath.Join(a.archive, "reports", "daily_summary", "*.json"))
			if err != nil || len(copies) != 1 {
				t.Fatal(copies, err)
			}
			if old, err := os.ReadFile(copies[0]); err != nil || !bytes.Equal(old, first) || p.Totals.Archived != 1 {
				t.Errorf("the archive does not have the report that left: %v, %+v", err, p.Totals)
			}
			if r := k.restore(p.ID); r.State != retention.Done || !bytes.Equal(content(), second) {
				t.Errorf("a restore takes the place of the new one: %+v", r)
			}
		})
	}
}

// Machines with folders of their own let go of their own reports, each day by themselves.
func TestReportsOnTwoMachines(t *testing.T) {
	a := newAttic(t)
	first, one := a.reports, a.batch
	second := t.TempDir()
	two := a.on(t, "two", second)
	generate := func(on *batch.Service, format string) {
		t.Helper()
		ask(t, on, "POST", "/reports/generate", fmt.Sprintf(`{"report_type":"daily_summary","format":%q,"period":{"start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"}}`, format), http.StatusCreated)
	}
	generate(one, "json")
	generate(two, "csv")
	content := func(on *batch.Service, format string, status int) string {
		t.Helper()
		return string(ask(t, on, "GET", "/reports/daily_summary-20260301-20260302-"+format+"/content", "", status))
	}
	csv := content(two, "csv", http.StatusOK)
	if said := content(one, "csv", http.StatusGone); !strings.Contains(said, "on two, which made it") {
		t.Error(said)
	}
	a.now.Store(time.Now().Add(48 * time.Hour).Truncate(24 * time.Hour).Add(12 * time.Hour).Unix()) // reports are stamped by the machine; no daily run comes due below
	young := func(c *retention.Config) { c.RawDays, c.ReportsDays = 1000, 1 }
	daily := func(c *retention.Config) { young(c); c.Daily = true }
	for i := range 8 { // so that one of ten leaves at a time, which needs no force
		r := agg.Report{ID: fmt.Sprint("young-", i), Type: "test", Format: "json", Start: a.clock().Add(-time.Hour), End: a.clock()}
		if _, _, err := a.store.QueueReport(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}

	a.on(t, "one", first)
	_, stop := a.keep(t, daily, nil)
	until(t, func() bool {
		plans, err := a.store.Plans(t.Context(), retention.Done, 2)
		return err == nil && len(plans) == 1
	})
	stop()
	plan := planOf(t, a.ended(t))
	if plan.Totals.Archived != 1 || len(plan.Items) != 2 || len(plan.Refused) > 0 {
		t.Fatalf("%+v", plan)
	}
	for _, it := range plan.Items {
		stays := strings.HasSuffix(it.Path, ".csv")
		if stays != (it.Action == retention.Keep) || stays != strings.Contains(it.Reason, "two made it, and a cleanup there lets it go") {
			t.Errorf("%+v", it)
		}
	}
	content(one, "json", http.StatusNotFound)
	if content(two, "csv", http.StatusOK) != csv {
		t.Error("another document")
	}

	// A plan of its machine that another one carries on moves nothing there.
	a.pass(time.Minute)
	a.on(t, "two", second)
	k, stop := a.keep(t, young, func(step string) error {
		if step == "planned" {
			return errKill
		}
		return nil
	})
	k.call("POST", "/retention/cleanup", "")
	stop()
	a.pass(2 * time.Minute)
	a.on(t, "one", first)
	_, stop = a.keep(t, young, nil)
	if p := planOf(t, a.ended(t)); p.State != retention.Done || len(p.Refused) != 1 || p.Refused[0].Code != "elsewhere" || !strings.Contains(p.Refused[0].Reason, "not on one") {
		t.Errorf("%s, %+v", p.State, p.Refused)
	}
	stop()
	if content(two, "csv", http.StatusOK) != csv {
		t.Error("another document")
	}

	a.pass(time.Minute)
	a.on(t, "two", second)
	k, stop = a.keep(t, daily, nil)
	until(t, func() bool { _, err := a.store.Plan(t.Context(), plan.ID+"-two"); return err == nil })
	if p := planOf(t, a.ended(t)); p.ID != plan.ID+"-two" || p.Totals.Archived != 1 || len(p.Items) != 1 {
		t.Fatalf("%+v", p)
	}
	content(two, "csv", http.StatusNotFound)
	k.whole(2)
	stop()

	// What a killed cleanup left is taken away by its machine also when another one ended the plan.
	if err := os.WriteFile(filepath.Join(second, "daily_summary", "daily_summary-20260301-20260302.csv"), []byte(csv), 0o644); err != nil {
		t.Fatal(err)
	}
	_, stop = a.keep(t, daily, nil)
	until(t, func() bool {
		left, err := filepath.Glob(filepath.Join(second, "*", "*"))
		return err == nil && len(left) == 0
	})
	stop()

	// On whichever machine it comes back, it is of that one.
	a.on(t, "one", first)
	k, _ = a.keep(t, young, nil)
	if r := k.restore(plan.ID + "-two"); r.State != retention.Done || r.Totals.Restored != 1 || content(one, "csv", http.StatusOK) != csv {
		t.Errorf("%+v", r)
	}
	if said := content(two, "csv", http.StatusGone); !strings.Contains(said, "on one, which made it") {
		t.Error(said)
	}
}

func planOf(t *testing.T, stored event.RetentionPlan) (p retention.Plan) {
	t.Helper()
	if err := json.Unmarshal(stored.Document, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Each day one of several instances cleans up; a refused plan is counted.
func TestDailyOnce(t *testing.T) {
	a := newAttic(t)
	a.pass(24 * time.Hour) // the files were published lately, by the clock of the machine
	daily := func(c *retention.Config) { c.Daily = true }
	one, _ := a.keep(t, daily, nil)
	two, _ := a.keep(t, daily, nil)
	count := func() float64 {
		n, _ := one.reg.Sum("data_retention_plans_total")
		m, _ := two.reg.Sum("data_retention_plans_total")
		return n + m
	}
	until(t, func() bool { return count() > 0 })
	a.ended(t)
	plans, err := a.store.Plans(t.Context(), "", 10)
	if err != nil || len(plans) != 1 || plans[0].ID != "daily-"+a.clock().Format("20060102") || count() != 1 {
		t.Fatalf("%d plans, %v counted, %v", len(plans), count(), err)
	}
	a.pass(24 * time.Hour)
	three, _ := a.keep(t, daily, nil)
	until(t, func() bool { n, _ := three.reg.Sum("data_retention_plans_total"); return n > 0 })
	if plans, err = a.store.Plans(t.Context(), "", 10); err != nil || len(plans) != 2 {
		t.Errorf("%d plans, %v", len(plans), err)
	}
}

// What is asked wrongly is told precisely.
func TestRetentionRefusesNonsense(t *testing.T) {
	a := newAttic(t)
	k, _ := a.keep(t, nil, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/retention/cleanup", `{"dryrun":true}`, 422, "/dryrun"},
		{"POST", "/retention/cleanup", `{"dry_run":"yes"}`, 422, "/dry_run"},
		{"POST", "/retention/cleanup", `[]`, 400, ""},
		{"POST", "/retention/cleanup", `{`, 400, ""},
		{"POST", "/retention/restore", `{}`, 422, "/archive"},
		{"POST", "/retention/restore", `{"archive":"nobody"}`, 404, ""},
		{"GET", "/retention/plans/nobody", "", 404, ""},
		{"GET", "/retention/plans?limit=0", "", 422, "limit"},
		{"PUT", "/retention/holds/a%20b", `{"class":"raw","from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z","reason":"x"}`, 422, "name"},
		{"PUT", "/retention/holds/x", `{"class":"row","from":"2026-03-01","to":"2026-03-02T00:00:00Z"}`, 422, "/reason"},
		{"PUT", "/retention/holds/x", `{"class":"raw","from":"2026-03-02T00:00:00Z","to":"2026-03-02T00:00:00Z","reason":"x"}`, 422, "/to"},
		{"GET", "/retention/holds/x", "", 404, ""},
		{"DELETE", "/retention/holds/x", "", 404, ""},
		{"PUT", "/retention/holds/x", `{"class":"raw","from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z","reason":"audit"}`, 200, `"reason":"audit"`},
		{"GET", "/retention/holds", "", 200, `"name":"x"`},
		{"DELETE", "/retention/holds/x", "", 204, ""},
	} {
		rec := k.call(c.method, c.path, c.body)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, rec.Code, rec.Body)
		}
	}
}
