package agg

import (
	"encoding/json"
	"time"
)

// RunState is where a run or a task stands.
type RunState string

// The states. A run goes queued → running → one of the last three; a restart takes it from running back to queued.
const (
	RunQueued    RunState = "queued"
	RunRunning   RunState = "running"
	RunSuccess   RunState = "success"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Final tells whether nothing follows on s.
func (s RunState) Final() bool { return s == RunSuccess || s == RunFailed || s == RunCancelled }

// Run is one execution of a DAG, or of one task of it, over one interval of data.
//
// Like Row it stands at the bottom because the batch runs it and the store keeps it.
type Run struct {
	ID      string    `json:"id"`
	DagID   string    `json:"dag_id"`
	TaskID  string    `json:"task_id,omitempty"` // "" = the whole DAG
	Trigger string    `json:"run_type"`          // "scheduled", "manual", "backfill", "dirty" …
	State   RunState  `json:"state"`
	Start   time.Time `json:"data_interval_start"` // interval [Start, End), UTC
	End     time.Time `json:"data_interval_end"`

	IdempotencyKey string          `json:"-"` // "" = none
	Conf           json.RawMessage `json:"conf,omitempty"`
	// Until are the end offsets of the input topics, by topic and partition, when the run was accepted: everything before
	// them was acknowledged then, and the first task waits until the lake holds it.
	Until map[string]map[int32]int64 `json:"-"`

	CreatedAt time.Time  `json:"created_at"` // set by the store when zero
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Error     string     `json:"error,omitempty"`
	Progress  Progress   `json:"progress"`
	Tasks     []Task     `json:"tasks"`
}

// Progress is how much of a run is done, in units that it names itself ("files", "hours" …).
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"`
}

// Task is one task of a run.
type Task struct {
	TaskID    string          `json:"task_id"`
	State     RunState        `json:"state"`
	Try       int             `json:"try_number"`
	StartedAt *time.Time      `json:"started_at"`
	EndedAt   *time.Time      `json:"ended_at"`
	Error     string          `json:"error,omitempty"`
	Summary   json.RawMessage `json:"summary,omitempty"`
}
