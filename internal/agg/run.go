package agg

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrLeaseLost is the error of a result or report whose lease no longer holds: the task was cancelled, cleared, marked, or
// given to somebody else. It counts for nothing.
var ErrLeaseLost = errors.New("the lease of the task no longer holds")

// RunState is where a run or a task stands.
type RunState string

// The states. A run goes queued → running → success, failed or cancelled; clearing it makes it queued again. A task also waits
// for its next try (up_for_retry), is upstream_failed when its forerunner failed, and skipped when it is not in this version.
const (
	RunQueued          RunState = "queued"
	RunRunning         RunState = "running"
	RunSuccess         RunState = "success"
	RunFailed          RunState = "failed"
	RunCancelled       RunState = "cancelled"
	TaskUpForRetry     RunState = "up_for_retry"
	TaskSkipped        RunState = "skipped"
	TaskUpstreamFailed RunState = "upstream_failed"
)

// Final tells whether nothing follows on s by itself.
func (s RunState) Final() bool {
	return s == RunSuccess || s == RunFailed || s == RunCancelled || s == TaskUpstreamFailed || s == TaskSkipped
}

// What starts a run: its type.
const (
	RunScheduled = "scheduled"
	RunManual    = "manual"
	RunBackfill  = "backfill"
)

// Run is one execution of a DAG, or of one task of it, over one interval of data.
//
// Like Row it stands at the bottom because the batch runs it and the store keeps it.
type Run struct {
	ID      string    `json:"id"`     // unique; what paths name
	RunID   string    `json:"run_id"` // as Airflow spells it; unique within the DAG
	DagID   string    `json:"dag_id"`
	TaskID  string    `json:"task_id,omitempty"` // "" = the whole DAG
	Trigger string    `json:"run_type"`          // RunScheduled, RunManual, RunBackfill
	State   RunState  `json:"state"`
	Start   time.Time `json:"data_interval_start"` // interval [Start, End), UTC
	End     time.Time `json:"data_interval_end"`

	LogicalDate *time.Time      `json:"logical_date"` // nil: a manual run that named none
	TriggeredBy string          `json:"triggered_by"` // "timetable", "rest_api", "cli", "ui", "backfill", "operator"
	User        string          `json:"triggering_user,omitempty"`
	Note        string          `json:"note,omitempty"`
	BackfillID  int64           `json:"backfill_id,omitempty"`
	Conf        json.RawMessage `json:"conf,omitempty"`

	IdempotencyKey string `json:"-"` // "" = none
	// Until are the end offsets of the input topics, by topic and partition, when the run was asked for: everything before
	// them was acknowledged then, and the first task waits until the lake holds it. Raised counts how often somebody attached to
	// the run and raised them.
	Until  map[string]map[int32]int64 `json:"-"`
	Raised int64                      `json:"-"`

	RunAfter         time.Time  `json:"run_after"`  // when it came due
	CreatedAt        time.Time  `json:"created_at"` // set by the store when zero
	QueuedAt         *time.Time `json:"queued_at"`
	StartedAt        *time.Time `json:"started_at"`
	EndedAt          *time.Time `json:"ended_at"`
	TimeoutAt        *time.Time `json:"-"`                     // when it is failed if it still runs
	DeadlineAt       *time.Time `json:"deadline_at,omitempty"` // when it should have succeeded
	DeadlineMissedAt *time.Time `json:"deadline_missed_at,omitempty"`
	Error            string     `json:"error,omitempty"`
	Progress         Progress   `json:"progress"`
	Tasks            []Task     `json:"tasks"`
}

// Standing is where a run stands, as the audit of changes shows it.
type Standing struct {
	DagID string              `json:"dag_id"`
	RunID string              `json:"run_id"`
	Start time.Time           `json:"data_interval_start"`
	End   time.Time           `json:"data_interval_end"`
	State RunState            `json:"state"`
	Note  string              `json:"note,omitempty"`
	Tasks map[string]RunState `json:"tasks"`
}

// Standing is where the run stands.
func (r *Run) Standing() Standing {
	tasks := make(map[string]RunState, len(r.Tasks))
	for i := range r.Tasks {
		tasks[r.Tasks[i].TaskID] = r.Tasks[i].State
	}
	return Standing{r.DagID, r.RunID, r.Start, r.End, r.State, r.Note, tasks}
}

// Progress is how much of a run is done, in units that it names itself ("files", "hours" …).
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"`
}

// Task is one task of a run.
type Task struct {
	ID        string          `json:"id,omitempty"` // a UUID
	TaskID    string          `json:"task_id"`
	State     RunState        `json:"state"`
	Try       int             `json:"try_number"` // 0: not begun
	MaxTries  int             `json:"max_tries"`  // tries that may follow on the first
	Owner     string          `json:"hostname,omitempty"`
	QueuedAt  *time.Time      `json:"queued_at,omitempty"`
	NextTryAt *time.Time      `json:"next_try_at,omitempty"`
	StartedAt *time.Time      `json:"started_at"`
	EndedAt   *time.Time      `json:"ended_at"`
	Error     string          `json:"error,omitempty"`
	Summary   json.RawMessage `json:"summary,omitempty"`
}

// RunRequest asks for a run.
type RunRequest struct {
	DagID, TaskID  string
	RunID          string     // "" = one is made
	Start, End     *time.Time // both or neither: the last whole interval
	LogicalDate    *time.Time
	Conf           json.RawMessage
	Note           string
	TriggeredBy    string // "" = "rest_api"
	User           string
	IdempotencyKey string
}

// RunFilter chooses runs of a list. Zero values choose all.
type RunFilter struct {
	DagID        string
	RunID        string // exactly this one
	States       []RunState
	Types        []string
	BackfillID   int64
	From, To     time.Time // Start in [From, To)
	Order        string    // created_at (default), data_interval_start, started_at, ended_at, run_id, state; "-" before it for descending
	Limit        int       // 0 = all
	Offset       int
	Cursor       string // of the page before; only in the default order "-created_at"
	CountTotal   bool
	WithoutTasks bool // leave Tasks empty: cheaper for grids of many runs
}

// RunPage is one page of runs. Total is 0 unless it was asked for; Next is "" at the end.
type RunPage struct {
	Runs  []Run
	Next  string
	Total int
}

// LogLine is one line of the log of a try of a task.
type LogLine struct {
	At     time.Time `json:"timestamp"`
	Level  string    `json:"level"`
	TaskID string    `json:"task_id,omitempty"`
	Try    int       `json:"try_number,omitempty"`
	Event  string    `json:"event"`
	Line   int       `json:"-"` // number within the try
}

// DAG is one DAG as it is shown.
type DAG struct {
	ID            string
	Description   string
	Period        string // hourly, daily, weekly, monthly
	Cron          string
	Timezone      string // in which the cron is read; the intervals are UTC
	Paused        bool
	Disabled      bool      // aggregation of the period is switched off
	NextRun       time.Time // when cron comes due next
	NextStart     time.Time // interval of the next scheduled run
	NextEnd       time.Time
	NextAfter     time.Time // when that run is due: in the past when it is made up for
	CatchUp       string    // "all" or "latest"
	MaxActiveRuns int
	Retries       int
	RetryDelay    time.Duration
	Timeout       time.Duration
	Deadline      time.Duration // 0 = none
	Tasks         []DAGTask
}

// DAGTask is one task of a DAG.
type DAGTask struct {
	TaskID    string   `json:"task_id"`
	DependsOn []string `json:"depends_on"`
	Available bool     `json:"-"` // false: not in this version
}

// Which intervals a backfill takes beside those that have no run.
const (
	ReprocessNone      = "none"
	ReprocessFailed    = "failed"    // also those whose last run failed or was cancelled
	ReprocessCompleted = "completed" // and those whose last run succeeded
)

// BackfillRequest asks for runs of all intervals that start in [From, To).
type BackfillRequest struct {
	DagID         string
	From, To      time.Time
	Reprocess     string // "" = ReprocessNone
	Backwards     bool
	MaxActiveRuns int // 0 = 10
	Conf          json.RawMessage
	TriggeredBy   string
	User          string
}

// PlannedRun is what a backfill would do with one interval.
type PlannedRun struct {
	Start  time.Time `json:"data_interval_start"`
	End    time.Time `json:"data_interval_end"`
	Action string    `json:"action"` // run, rerun, skip
	Reason string    `json:"reason,omitempty"`
}

// BackfillPlan is a backfill before it is made: Total of Runs are not skipped.
type BackfillPlan struct {
	DagID string       `json:"dag_id"`
	Total int          `json:"total"`
	Runs  []PlannedRun `json:"runs"`
}

// Backfill is many runs of one DAG that were asked for together.
type Backfill struct {
	ID            int64           `json:"id"`
	DagID         string          `json:"dag_id"`
	State         RunState        `json:"state"` // running, success, failed, cancelled
	From          time.Time       `json:"from"`
	To            time.Time       `json:"to"`
	Reprocess     string          `json:"reprocess"`
	Backwards     bool            `json:"run_backwards"`
	Paused        bool            `json:"paused"`
	MaxActiveRuns int             `json:"max_active_runs"`
	Conf          json.RawMessage `json:"conf,omitempty"`
	TriggeredBy   string          `json:"triggered_by"`
	User          string          `json:"triggering_user,omitempty"`
	Total         int             `json:"total"`
	Done          int             `json:"done"` // succeeded
	Failed        int             `json:"failed"`
	Cancelled     int             `json:"cancelled"`
	Running       int             `json:"running"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
	CompletedAt   *time.Time      `json:"completed_at"`
}

// Standing is the backfill as the audit of changes shows it: without the conf, which may hold anything.
func (b *Backfill) Standing() Backfill {
	out := *b
	out.Conf = nil
	return out
}

// RunMark is what a backfill needs to know of a run that is there already.
type RunMark struct {
	Start, End time.Time
	RunID      string
	State      RunState
}

// ScheduleState is what is stored of a DAG.
type ScheduleState struct {
	DagID  string
	Paused bool
	Next   time.Time // start of the first interval that has no scheduled run yet
}

// Lease is the right to execute one task of a run. It ends when it is not renewed in time; a result counts only while it holds.
type Lease struct {
	Run, Task string
	Owner     string
	Fence     int64
	Try       int
}

// Claim is a task to execute now.
type Claim struct {
	Lease
	Of  Run       // as it is by now, with its tasks
	Now time.Time // by the clock of the database
}

// ClaimRequest asks for tasks of a DAG to execute.
type ClaimRequest struct {
	DagID, Owner string
	Limit        int // tasks
	Parts        int // of these: parts of a task, at most
	MaxActive    int // scheduled and manual runs of the DAG that may be under way at the same time
	Lease        time.Duration
	Timeout      time.Duration // of a run, from its start
}

// TaskResult is how a try of a task ended.
type TaskResult struct {
	State    RunState // RunSuccess, TaskSkipped, RunFailed, TaskUpForRetry
	Error    string
	Summary  json.RawMessage
	RetryIn  time.Duration
	Progress Progress
	Raised   int64     // what the try has counted: Run.Raised when it began
	Log      []LogLine // what was not reported yet
	// First names tasks that must be done before this one can go on, such as its parts, with so many tries each. Then the task waits for
	// them and is executed once more; the other results above count nothing.
	First   []string
	Retries int
}

// Swept is what a sweep found.
type Swept struct {
	Lost     []Lease // leases that expired, taken from their owners
	TimedOut []Run
	Late     []Run // runs that missed their deadline
	Ended    []Run // of those with lost leases: runs whose tries are used up
}

// Heartbeat is the last sign of life of an instance of the scheduler, by the clock of the database.
type Heartbeat struct {
	Instance  string
	StartedAt time.Time
	At        time.Time
	Alive     bool
}

// RefusalKind says what a caller did wrong, so that each interface can answer in its own words.
type RefusalKind string

// The kinds.
const (
	RefusedInvalid     RefusalKind = "invalid"
	RefusedUnknownDAG  RefusalKind = "unknown_dag"
	RefusedNotFound    RefusalKind = "not_found"
	RefusedConflict    RefusalKind = "conflict"
	RefusedDisabled    RefusalKind = "disabled"
	RefusedUnavailable RefusalKind = "unavailable" // now; later it may be taken
	RefusedNotYet      RefusalKind = "not_in_this_version"
)

// Refusal is the error of a request that cannot be done as it stands; its cause lies with the caller or passes by itself.
type Refusal struct {
	Kind   RefusalKind
	Detail string
	Fields []FieldFault
}

// FieldFault is one thing that is wrong with a request.
type FieldFault struct {
	Field  string // name in JSON
	Code   string
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }
