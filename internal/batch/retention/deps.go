package retention

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	clocks "github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Plans are plans and holds at rest. A plan that is running belongs to an owner; whoever carries it out shows signs of life.
type Plans interface {
	// Clock is the time by which it is decided what is old.
	Clock(ctx context.Context) (time.Time, error)
	// AddPlan is not ok when the id exists.
	AddPlan(ctx context.Context, p event.RetentionPlan, owner string) (ok bool, err error)
	// SavePlan and BeatPlan are not ok when the plan is not running or belongs to somebody else.
	SavePlan(ctx context.Context, p event.RetentionPlan, owner string) (ok bool, err error)
	BeatPlan(ctx context.Context, id, owner string) (ok bool, err error)
	// TakePlan makes owner the owner of a running plan that was silent for so long.
	TakePlan(ctx context.Context, id, owner string, silent time.Duration) (ok bool, err error)
	DropPlan(ctx context.Context, id, owner string) error
	Plan(ctx context.Context, id string) (event.RetentionPlan, error)
	Plans(ctx context.Context, state string, limit int) ([]event.RetentionPlan, error)

	PutHold(ctx context.Context, h event.Hold) (event.Hold, error)
	Holds(ctx context.Context) ([]event.Hold, error)
	Hold(ctx context.Context, name string) (event.Hold, error)
	DeleteHold(ctx context.Context, name string) error
}

// RawStore is the manifest of the lake.
type RawStore interface {
	// OldRaw returns the live files of hours that ended by a second since the epoch, by hour.
	OldRaw(ctx context.Context, ended int64) ([]event.StoredFile, error)
	RawHoldings(ctx context.Context) (event.Holdings, error)
	LiveFiles(ctx context.Context, hour int64) (files []event.LakeFile, version int64, err error)
	Files(ctx context.Context, f event.LakeFilter) ([]event.LakeFile, error)
	// RetireHour marks files and makes the cells of the hour its base, all or nothing.
	RetireHour(ctx context.Context, r event.Retirement) error
	// ReviveHour makes files live again, under new names where they have some, and clears the base, all or nothing.
	ReviveHour(ctx context.Context, hour int64, moved map[string]string) error
	// BuryFiles ends the grace of files that were marked before a time and returns their paths.
	BuryFiles(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// DayStore is the hourly aggregates by day.
type DayStore interface {
	// OldDays returns the days with hourly cells that ended by a second since the epoch, oldest first.
	OldDays(ctx context.Context, ended int64) ([]event.Retired, error)
	DayHoldings(ctx context.Context) (event.Holdings, error)
	// StoredHours returns what is stored of the hours of a day, as of one moment.
	StoredHours(ctx context.Context, day int64) ([]agg.StoredHour, error)
	// RetireDay deletes rows and cells and makes the cells of the day its base, all or nothing. builds are those of the hours that
	// were copied.
	RetireDay(ctx context.Context, r event.Retired, builds map[int64]int64) error
	// ReviveDay gives the hours their cells again and clears the base of the day, all or nothing.
	ReviveDay(ctx context.Context, day int64, copies []string, hours map[int64]map[agg.Group][]byte) error
}

// ReportStore is what is known of reports.
type ReportStore interface {
	// OldReports returns the reports with bytes that were made before a time, and how many there are in all.
	OldReports(ctx context.Context, before time.Time) ([]agg.Report, event.Holdings, error)
	UnfinishedReports(ctx context.Context) ([]agg.Report, error)
	Report(ctx context.Context, id string) (agg.Report, error)
	RetireReport(ctx context.Context, id string, r event.Retired) error
	// ClearReport calls remove while nobody can make the report again that left. Changed means that somebody has, or that it came back.
	ClearReport(ctx context.Context, left event.Retired, remove func() error) error
	// ReviveReport lists a report again, unless one with its id was made meanwhile. It calls put while nobody can make it.
	ReviveReport(ctx context.Context, r agg.Report, left event.Retired, put func() error) error
}

// RetiredStore is what has left.
type RetiredStore interface {
	// RetiredBy returns what a plan let go and has not come back.
	RetiredBy(ctx context.Context, plan string) ([]event.Retired, error)
	// RetiredBetween returns what has left of a class whose period starts within [from, to], by whichever plan.
	RetiredBetween(ctx context.Context, class string, from, to int64) ([]event.Retired, error)
	// Copies returns everything that has a copy in the archive.
	Copies(ctx context.Context) ([]event.Retired, error)
	StoredBytes(ctx context.Context) (lake, archive int64, err error)
}

// Raw are the files of the lake themselves.
type Raw interface {
	OpenRaw(ctx context.Context, path string) (io.ReadCloser, error)
	// CheckRaw says what is wrong with a file, "" when nothing is.
	CheckRaw(ctx context.Context, f event.LakeFile) string
	RemoveRaw(ctx context.Context, path string) error
	// MayRemove is asked before files are removed: not now while a backup reads them.
	MayRemove() (release func() error, now bool, err error)
	// BringBack puts a copy into the lake under a new name.
	BringBack(ctx context.Context, f event.LakeFile, open func(context.Context) (io.ReadCloser, error)) (name string, err error)
	// InTime is an error when files that were brought back since then may have been swept away already.
	InTime(began time.Time) error
	// FirstName is the name that a file had before it ever left.
	FirstName(path string) string
}

// Copies keeps copies for good; a lake.Archive is one.
type Copies interface {
	String() string
	// Put returns when the copy was read again and found whole.
	Put(ctx context.Context, e event.ArchiveEntry, open func(context.Context) (io.ReadCloser, error)) error
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Record names copies in the manifest, unless it does so already.
	Record(ctx context.Context, entries []event.ArchiveEntry) error
	// Verify reads everything again.
	Verify(ctx context.Context) (entries []event.ArchiveEntry, bad []event.ArchiveFault, err error)
}

// Prover holds aggregates to what they are made of.
type Prover interface {
	// ProveHour tells what speaks against letting the raw files of an hour go, "" when nothing does; deep counts them anew.
	ProveHour(ctx context.Context, hour int64, deep bool) (why string, err error)
	// ProveDay tells what speaks against letting the hourly aggregates of a day go.
	ProveDay(ctx context.Context, day int64) (why string, err error)
}

// Deps are what app connects. All but Machine, Usage, Registry, Log, Now, Clock and Point are needed.
type Deps struct {
	Plans   Plans
	Raw     RawStore
	Days    DayStore
	Reports ReportStore
	// ReportsDir is the folder of the reports.
	ReportsDir string
	// Machine is the name of this one, that of the host when empty.
	Machine string
	Retired RetiredStore
	Files   Raw
	Archive Copies
	Prover  Prover
	// Usage is how full the file systems of lake and archive are, 0 to 1; known is false where nobody can tell.
	Usage func() (used float64, known bool)
	// NotFound and Changed are the errors (by errors.Is) of what does not exist, and of an hour that is not what it was. Held is
	// that of what a hold keeps, NoCopy that of what cannot come back.
	NotFound, Changed, Held, NoCopy error
	Registry                        *telemetry.Registry
	Log                             *slog.Logger
	Now                             func() time.Time
	Clock                           *clocks.Watch // of that clock; nil = it is believed
	// Point is called between the steps; an error ends the work there, as if the process had been killed. For tests.
	Point func(step string) error
}
