package batch

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"reflect"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Hours are the hours at rest: their raw files as the manifest lists them, and their aggregates. Hours are named by their first
// second since the epoch.
type Hours interface {
	// DirtyHours returns the hours that ended by then and whose Version is not the Built one, oldest first.
	DirtyHours(ctx context.Context, ended time.Time) ([]event.HourState, error)
	// HourBuild returns the state of one hour; an hour without data has Version 0.
	HourBuild(ctx context.Context, hour int64) (event.HourState, error)
	// HourStates returns the state of each hour with data that starts in [from, to), oldest first.
	HourStates(ctx context.Context, from, to int64) ([]event.HourState, error)
	// HourSnapshot returns what an hour is folded from: its live files, the cells of raw files that have left, and the version
	// that they make up, all of one moment.
	HourSnapshot(ctx context.Context, hour int64) (files []event.LakeFile, base map[agg.Group][]byte, version int64, err error)
	// SaveHour replaces the aggregate of an hour unless what is stored was built from a newer version.
	SaveHour(ctx context.Context, hour, version int64, a agg.Aggregate) (agg.Change, error)
}

// Periods are the days, weeks and months at rest, named by level and first second. The children of a day are its hours, those of a
// week or month its days; the build of a period rises whenever a byte of its cells changes.
type Periods interface {
	// Cells returns the cells of a period of any level and its build, both of one moment; build 0 when it was never made.
	Cells(ctx context.Context, level string, start int64) (cells map[agg.Group][]byte, build int64, err error)
	// PeriodBase returns the cells that a period holds beside its children: those of children whose own cells have left.
	PeriodBase(ctx context.Context, level string, start int64) (cells map[agg.Group][]byte, err error)
	// Unmerged returns the children that start in [from, to) whose present build is not the one that their period has merged.
	Unmerged(ctx context.Context, level string, from, to int64) (children []int64, err error)
	// LastBuilt returns the period of any level whose aggregate was the last to change, and when; the zero time when there is none.
	LastBuilt(ctx context.Context, level string) (start int64, at time.Time, err error)
	// SavePeriod replaces the aggregate of [start, end), merged from the given builds of its children, unless a newer build of
	// one of them is in what is stored.
	SavePeriod(ctx context.Context, level string, start, end int64, children map[int64]int64, a agg.Aggregate) (agg.Change, error)
}

// Rows are the aggregation tables, by dimension. value "*" is every value. A limit of 0 is none; a cursor is what the call before
// returned, "" at both ends.
type Rows interface {
	Rows(ctx context.Context, level, dimension string, from, to time.Time, value string, limit int, cursor string) ([]agg.Row, string, error)
}

// Runs are the executions of DAGs at rest, where the instances of the service agree on who does what. Every method is one transaction,
// and what is due or over is decided by the clock of the database.
type Runs interface {
	RunQueue
	RunList
	RunControl
	Schedules
	Backfills
}

// RunQueue hands tasks to those who execute them. A lease that no longer holds is agg.ErrLeaseLost.
type RunQueue interface {
	// CreateRun stores r, or returns the run with its id or key, or the one under way for its DAG, task and interval, and lets that
	// count what r asks for.
	CreateRun(ctx context.Context, r agg.Run) (run agg.Run, existed bool, err error)
	// Waiting returns the DAGs that have something to claim, at a glance.
	Waiting(ctx context.Context) (dags []string, err error)
	Claim(ctx context.Context, req agg.ClaimRequest) ([]agg.Claim, error)
	// Beat renews the leases that an owner names and returns those of them that it still holds.
	Beat(ctx context.Context, owner string, started time.Time, mine []agg.Lease, lease time.Duration) (held []agg.Lease, err error)
	ReportProgress(ctx context.Context, l agg.Lease, p agg.Progress, lines []agg.LogLine) error
	// Finish stores a result, or tells that the task must count more (again): run says what.
	Finish(ctx context.Context, l agg.Lease, res agg.TaskResult) (run agg.Run, again bool, err error)
	LayDown(ctx context.Context, l agg.Lease, lines []agg.LogLine) error
	// Sweep ends what nobody else would: expired leases, runs over their time (grace later than their owners should), missed deadlines,
	// which it finds until MarkLate.
	Sweep(ctx context.Context, grace time.Duration, timeout string) (agg.Swept, error)
	MarkLate(ctx context.Context, id string, at time.Time) (first bool, err error)
	// MissedAndEnded are the runs that missed their deadline and have ended since a time, also those of which it was not noted.
	MissedAndEnded(ctx context.Context, since time.Time) ([]agg.Run, error)
	PurgeLogs(ctx context.Context, age time.Duration) error
}

// RunList reads runs.
type RunList interface {
	Run(ctx context.Context, id string) (agg.Run, error)
	RunOf(ctx context.Context, dag, runID string) (agg.Run, error)
	Runs(ctx context.Context, f agg.RunFilter) (agg.RunPage, error)
	Unfinished(ctx context.Context, trigger string) (int, error)
	TaskLogs(ctx context.Context, run, task string, try, limit int) ([]agg.LogLine, error)
	Heartbeats(ctx context.Context, alive time.Duration) ([]agg.Heartbeat, error)
}

// RunControl is what a person does to runs. Each returns the run as it is then.
type RunControl interface {
	CancelRun(ctx context.Context, id, why string) (agg.Run, error)
	ClearTasks(ctx context.Context, id string, tasks []string, retries int, until map[string]map[int32]int64) (agg.Run, error)
	MarkRun(ctx context.Context, id string, state agg.RunState) (agg.Run, error)
	MarkTask(ctx context.Context, id, task string, state agg.RunState, retries int) (agg.Run, error)
	SetNote(ctx context.Context, id, note string) (agg.Run, error)
}

// Schedules are what is stored of the DAGs.
type Schedules interface {
	Clock(ctx context.Context) (time.Time, error)
	EnsureDAG(ctx context.Context, dag string, first time.Time) error
	Schedules(ctx context.Context) (byDAG map[string]agg.ScheduleState, now time.Time, err error)
	SetPaused(ctx context.Context, dag string, paused bool) error
	// Materialise stores the scheduled runs from first up to next, unless somebody else has moved the DAG on from first (ok false).
	Materialise(ctx context.Context, dag string, first, next time.Time, runs []agg.Run) (stored int, ok bool, err error)
}

// Backfills are many runs that were asked for together.
type Backfills interface {
	RunMarks(ctx context.Context, dag string, from, to time.Time) ([]agg.RunMark, error)
	CreateBackfill(ctx context.Context, b agg.Backfill, plan func([]agg.RunMark) []agg.Run) (agg.Backfill, error)
	Backfill(ctx context.Context, id int64) (agg.Backfill, error)
	Backfills(ctx context.Context, dag string, limit int) ([]agg.Backfill, error)
	CancelBackfill(ctx context.Context, id int64) (agg.Backfill, error)
	PauseBackfill(ctx context.Context, id int64, paused bool) (agg.Backfill, error)
}

// Parts are hours that are folded in parts, while that is under way. What does not exist is the error Deps.NotFound.
type Parts interface {
	// HourPlan returns the plan by which an hour is folded in so many parts.
	HourPlan(ctx context.Context, hour int64, parts int) (agg.HourPlan, error)
	// PlanHour stores a plan in place of the one with the id replaces, "" = none, and returns the one that is there then.
	PlanHour(ctx context.Context, p agg.HourPlan, replaces string) (agg.HourPlan, error)
	ChooseForPlan(ctx context.Context, plan string, choice []byte) error
	// SavePart stores what a part made, unless that is there; counted: only the events of each value.
	SavePart(ctx context.Context, plan string, part int, counted bool, data []byte) error
	// PartsMade returns the parts that are there; true = it only counted.
	PartsMade(ctx context.Context, plan string) (map[int]bool, error)
	PartData(ctx context.Context, plan string, part int) ([]byte, error)
	DropHourPlan(ctx context.Context, plan string) error
	PurgeHourPlans(ctx context.Context, age time.Duration) error
}

// Scanner opens raw files for reading.
type Scanner interface {
	OpenFile(ctx context.Context, file event.LakeFile) (event.LakeReader, error)
}

// Lake is the writer of the raw files.
type Lake interface {
	// Flush asks the lake to publish what it has read without waiting for its interval.
	Flush(ctx context.Context) error
	// Wait returns when everything before the offsets, by topic and partition, is published.
	Wait(ctx context.Context, until map[string]map[int32]int64) error
}

// Commands is the log by which all instances learn of a change, here the control log.
type Commands interface {
	Append(ctx context.Context, key string, value []byte) (offset int64, err error)
	WaitFor(ctx context.Context, offset int64) error
}

// Ends returns the present end offsets of the input topics, by topic and partition: everything acknowledged lies before them.
type Ends func(ctx context.Context) (map[string]map[int32]int64, error)

// Deps are what app connects. All but Alerts, Registry, Log and Now are needed.
type Deps struct {
	Hours   Hours
	Periods Periods
	Rows    Rows
	Runs    Runs
	Parts   Parts
	Scanner Scanner
	Lake    Lake
	Ends    Ends
	// Parquet writes a Parquet file: rows are values of the struct type row. An error of rows comes back.
	Parquet func(w io.Writer, row reflect.Type, rows iter.Seq2[any, error]) error
	// Prices is the price book; Commands takes what is put into it. Without them there are no prices, and none can be put.
	Prices   *cost.Book
	Commands Commands
	Reports  ReportStore
	// Deliveries are the reports on their way.
	Deliveries DeliveryStore
	// WebhookAllow are the private networks that webhooks of reports may reach.
	WebhookAllow []netip.Prefix
	// ReportsDir is the folder of the reports; it is made when the first one is.
	ReportsDir string
	// Incidents are the alerts that fired in a period, with what was done about them, the oldest first; nil where nobody knows.
	Incidents func(ctx context.Context, period report.Period) (report.Alerts, error)
	// Metrics is asked how machines were used that sent no samples; nil = nobody is.
	Metrics *MetricServer
	// Erased tells how many events of an hour have left the lake because of whom they were about, and are counted all the same; nil = none.
	Erased func(ctx context.Context, hour int64) (int64, error)
	// NotFound and BadCursor are the errors (by errors.Is) of Runs, Reports and Rows for what does not exist and a cursor that
	// they did not make.
	NotFound, BadCursor error
	// Lateness is how long after its own time an event may be taken in without counting as late. The live windows use the same.
	Lateness time.Duration
	// Machine is the name of this one, that of the host when empty: reports are files, which another machine may not see.
	Machine string
	// Alerts gets an event for each run that misses its deadline; nil = nobody.
	Alerts   Alerts
	Registry *telemetry.Registry
	Log      *slog.Logger
	Now      func() time.Time
}
