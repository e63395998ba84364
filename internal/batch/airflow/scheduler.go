package airflow

import (
	"context"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Scheduler is what the API stands on. What a caller did wrong comes back as *agg.Refusal; any other error is a failure of ours.
type Scheduler interface {
	DAGs(ctx context.Context) ([]agg.DAG, error)
	// SetPaused stops or resumes the schedule of a DAG.
	SetPaused(ctx context.Context, dag string, paused bool) (agg.DAG, error)

	// RunOf finds a run by its DAG and the id that Airflow's clients use.
	RunOf(ctx context.Context, dag, runID string) (agg.Run, error)
	Runs(ctx context.Context, f agg.RunFilter) (agg.RunPage, error)
	// Trigger stores a run and starts it; existed tells that it is one of before.
	Trigger(ctx context.Context, r agg.RunRequest) (run agg.Run, existed bool, err error)
	// CancelRun ends a run that waits or executes.
	CancelRun(ctx context.Context, id string) (agg.Run, error)
	// MarkRun and MarkTask end a run or a task in a state that somebody chose; what still executes is stopped.
	MarkRun(ctx context.Context, id string, state agg.RunState) (agg.Run, error)
	MarkTask(ctx context.Context, id, task string, state agg.RunState) (agg.Run, error)
	// ClearTasks lets the named tasks of a run, or all of them, and what follows on them be done again.
	ClearTasks(ctx context.Context, id string, tasks []string, onlyFailed bool) (agg.Run, error)
	SetNote(ctx context.Context, id, note string) (agg.Run, error)
	// TaskLogs are the lines of a run, oldest first; task "" chooses all tasks, try 0 the last try.
	TaskLogs(ctx context.Context, id, task string, try int) ([]agg.LogLine, error)

	// PlanBackfill tells what a backfill would do, and CreateBackfill does it.
	PlanBackfill(ctx context.Context, r agg.BackfillRequest) (agg.BackfillPlan, error)
	CreateBackfill(ctx context.Context, r agg.BackfillRequest) (agg.Backfill, error)
	Backfill(ctx context.Context, id int64) (agg.Backfill, error)
	// Backfills lists those of a DAG ("" = all), newest first.
	Backfills(ctx context.Context, dag string) ([]agg.Backfill, error)
	// PauseBackfill holds or resumes the runs that have not begun; CancelBackfill ends those that are not over.
	PauseBackfill(ctx context.Context, id int64, paused bool) (agg.Backfill, error)
	CancelBackfill(ctx context.Context, id int64) (agg.Backfill, error)

	// Heartbeats are the signs of life of all instances of the scheduler. An error means that the database does not answer.
	Heartbeats(ctx context.Context) ([]agg.Heartbeat, error)
}

// Config is what an installation says.
type Config struct {
	Dir     string // folder of the vault
	Home    string // AIRFLOW_HOME: where the DAG file is said to lie
	Version string // of hxp
	Workers int    // tasks at the same time
	// Open lets the page work without a login: authentication is off and strangers cannot reach the port, or the operator
	// said that they may.
	Open bool
	// Token, when set, tells who sends a bearer token that is not of the vault, or has a session of the installation; its error is for who sent it.
	Token func(*http.Request) (User, error)
	// LogIn, when set, begins such a session for a token, and LogOut ends that of a request.
	LogIn  func(w http.ResponseWriter, r *http.Request, token string) (User, error)
	LogOut func(w http.ResponseWriter, r *http.Request)
}

// AnswersAs is the version of Apache Airflow whose API this one is a part of.
const AnswersAs = "3.3.2"

// longAgo is before every interval.
var longAgo = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
