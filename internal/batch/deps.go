package batch

import (
	"context"
	"log/slog"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
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
	// HourSnapshot returns the live files of an hour and its version, both of one moment.
	HourSnapshot(ctx context.Context, hour int64) (files []event.LakeFile, version int64, err error)
	// SaveHour replaces the aggregate of an hour unless what is stored was built from a newer version. changed tells whether a
	// byte differs from before.
	SaveHour(ctx context.Context, hour, version int64, rows []agg.Row, cells map[string][]byte) (changed bool, err error)
}

// Rows are the aggregation tables. A limit of 0 is none; a cursor is what the call before returned, "" at both ends.
type Rows interface {
	Rows(ctx context.Context, level string, from, to time.Time, model string, limit int, cursor string) ([]agg.Row, string, error)
}

// Runs are the executions of DAGs at rest.
type Runs interface {
	// CreateRun stores r, or returns the run with its id or key, or the one under way for its DAG, task and interval.
	CreateRun(ctx context.Context, r agg.Run) (run agg.Run, existed bool, err error)
	UpdateRun(ctx context.Context, r agg.Run) error
	Run(ctx context.Context, id string) (agg.Run, error)
	Runs(ctx context.Context, dag string, limit int, cursor string) ([]agg.Run, string, error)
	// RecoverRuns queues again what a killed process left running and returns all that is unfinished.
	RecoverRuns(ctx context.Context) ([]agg.Run, error)
}

// Scanner reads raw files. A row belongs to the scanner again when fn returns; an error of fn ends the scan and comes back.
type Scanner interface {
	Scan(ctx context.Context, files []event.LakeFile, fn func(r *event.LakeRow) error) error
}

// Lake is the writer of the raw files.
type Lake interface {
	// Flush asks the lake to publish what it has read without waiting for its interval.
	Flush(ctx context.Context) error
	// Wait returns when everything before the offsets, by topic and partition, is published.
	Wait(ctx context.Context, until map[string]map[int32]int64) error
}

// Ends returns the present end offsets of the input topics, by topic and partition: everything acknowledged lies before them.
type Ends func(ctx context.Context) (map[string]map[int32]int64, error)

// Deps are what app connects. All but Registry, Log and Now are needed.
type Deps struct {
	Hours   Hours
	Rows    Rows
	Runs    Runs
	Scanner Scanner
	Lake    Lake
	Ends    Ends
	// NotFound and BadCursor are the errors (by errors.Is) of Runs and Rows for a run that does not exist and a cursor that
	// they did not make.
	NotFound, BadCursor error
	// Lateness is how long after its own time an event may be taken in without counting as late. The live windows use the same.
	Lateness time.Duration
	Registry *telemetry.Registry
	Log      *slog.Logger
	Now      func() time.Time
}
