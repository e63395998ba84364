package airflow

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// What does not change between the DAGs.
const (
	owner      = "hxp-enterprise-llm"
	poolName   = "default_pool"
	queueName  = "default"
	bundleName = "hxp"
	bundleFile = "hxp_batch_processing.py"
	operator   = "hxp"
	fillColour = "#e6f1f2"
	textColour = "#000"
	maxActive  = 16 // tasks of one DAG
	poolSlots  = 128
	timeDelta  = "TimeDelta"
)

type tagView struct {
	Name    string `json:"name"`
	DagID   string `json:"dag_id"`
	Display string `json:"dag_display_name"`
}

type versionView struct {
	ID            string    `json:"id"`
	Number        int       `json:"version_number"`
	DagID         string    `json:"dag_id"`
	BundleName    string    `json:"bundle_name"`
	BundleVersion *string   `json:"bundle_version"`
	CreatedAt     time.Time `json:"created_at"`
	Display       string    `json:"dag_display_name"`
	BundleURL     *string   `json:"bundle_url"`
}

type dagView struct {
	ID                   string     `json:"dag_id"`
	Display              string     `json:"dag_display_name"`
	Paused               bool       `json:"is_paused"`
	Stale                bool       `json:"is_stale"`
	LastParsed           time.Time  `json:"last_parsed_time"`
	ParseDuration        float64    `json:"last_parse_duration"`
	LastExpired          *time.Time `json:"last_expired"`
	BundleName           string     `json:"bundle_name"`
	BundleVersion        *string    `json:"bundle_version"`
	RelativeFile         string     `json:"relative_fileloc"`
	File                 string     `json:"fileloc"`
	Description          string     `json:"description"`
	Timetable            string     `json:"timetable_summary"`
	TimetableDescription string     `json:"timetable_description"`
	Partitioned          bool       `json:"timetable_partitioned"`
	Periodic             bool       `json:"timetable_periodic"`
	Tags                 []tagView  `json:"tags"`
	MaxActiveTasks       int        `json:"max_active_tasks"`
	MaxActiveRuns        int        `json:"max_active_runs"`
	MaxFailedRuns        int        `json:"max_consecutive_failed_dag_runs"`
	TaskLimits           bool       `json:"has_task_concurrency_limits"`
	ImportErrors         bool       `json:"has_import_errors"`
	NextLogical          *time.Time `json:"next_dagrun_logical_date"`
	NextStart            *time.Time `json:"next_dagrun_data_interval_start"`
	NextEnd              *time.Time `json:"next_dagrun_data_interval_end"`
	NextAfter            *time.Time `json:"next_dagrun_run_after"`
	AllowedRunTypes      []string   `json:"allowed_run_types"`
	Owners               []string   `json:"owners"`
	Backfillable         bool       `json:"is_backfillable"`
	FileToken            string     `json:"file_token"`
}

func (a *API) dagView(d *agg.DAG) dagView {
	token, _ := json.Marshal(map[string]string{"bundle_name": bundleName, "relative_fileloc": bundleFile}) // strings
	v := dagView{
		ID: d.ID, Display: d.ID, Paused: d.Paused, LastParsed: a.began, BundleName: bundleName, RelativeFile: bundleFile,
		File: path.Join(a.cfg.Home, "dags", bundleFile), Description: d.Description, Timetable: d.Cron, TimetableDescription: a.describe(d), Periodic: true,
		MaxActiveTasks: maxActive, MaxActiveRuns: max(d.MaxActiveRuns, 1), Owners: []string{owner}, Backfillable: true,
		FileToken: base64.RawURLEncoding.EncodeToString(token),
	}
	for _, name := range tagsOf(d) {
		v.Tags = append(v.Tags, tagView{name, d.ID, d.ID})
	}
	if !d.NextEnd.IsZero() && !d.Disabled {
		v.NextLogical, v.NextStart, v.NextEnd, v.NextAfter = &d.NextStart, &d.NextStart, &d.NextEnd, &d.NextAfter
	}
	return v
}

// tagsOf are the tags of a DAG in the order of the alphabet: hxp, and its period.
func tagsOf(d *agg.DAG) []string {
	period := map[string]string{"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}[d.Period]
	if period == "" {
		return []string{"hxp"}
	}
	if period < "hxp" {
		return []string{period, "hxp"}
	}
	return []string{"hxp", period}
}

// describe says in words when a DAG runs.
func (a *API) describe(d *agg.DAG) string {
	text := map[string]string{"0 * * * *": "Every hour", "0 0 * * *": "At 00:00", "0 0 * * 0": "At 00:00, only on Sunday", "0 0 1 * *": "At 00:00, on day 1 of the month"}[d.Cron]
	if text == "" {
		text = "At " + d.Cron + ", UTC"
	}
	return text
}

type detailsView struct {
	dagView
	Catchup          bool           `json:"catchup"`
	RunTimeout       *string        `json:"dag_run_timeout"`
	AssetExpression  *struct{}      `json:"asset_expression"`
	Doc              *string        `json:"doc_md"`
	StartDate        *time.Time     `json:"start_date"`
	EndDate          *time.Time     `json:"end_date"`
	PausedAtCreation *bool          `json:"is_paused_upon_creation"`
	Params           struct{}       `json:"params"`
	NativeObjects    bool           `json:"render_template_as_native_obj"`
	SearchPath       []string       `json:"template_search_path"`
	Timezone         string         `json:"timezone"`
	LastParsedAgain  time.Time      `json:"last_parsed"`
	DefaultArgs      map[string]any `json:"default_args"`
	RerunLatest      *bool          `json:"rerun_with_latest_version"`
	OwnerLinks       struct{}       `json:"owner_links"`
	Favorite         bool           `json:"is_favorite"`
	ActiveRuns       int            `json:"active_runs_count"`
	Concurrency      int            `json:"concurrency"`
	Version          versionView    `json:"latest_dag_version"`
}

func (a *API) detailsView(d *agg.DAG, active int) detailsView {
	v := detailsView{
		dagView: a.dagView(d), Catchup: d.CatchUp == "all", Timezone: zone(d), LastParsedAgain: a.began, ActiveRuns: active, Concurrency: maxActive, Version: a.version(d.ID),
		DefaultArgs: map[string]any{"owner": owner, "depends_on_past": false, "retries": d.Retries, "retry_delay": isoDuration(d.RetryDelay)},
	}
	if d.Timeout > 0 {
		v.RunTimeout = new(isoDuration(d.Timeout))
	}
	return v
}

func zone(d *agg.DAG) string {
	if d.Timezone == "" {
		return "UTC"
	}
	return d.Timezone
}

// isoDuration writes a duration as ISO 8601 does: PT1H, PT5M, PT90.5S.
func isoDuration(d time.Duration) string {
	switch {
	case d > 0 && d%time.Hour == 0:
		return fmt.Sprintf("PT%dH", d/time.Hour)
	case d > 0 && d%time.Minute == 0:
		return fmt.Sprintf("PT%dM", d/time.Minute)
	}
	return fmt.Sprintf("PT%gS", d.Seconds())
}

// version is the one version of a DAG: its definition lies in the binary.
func (a *API) version(dag string) versionView {
	return versionView{ID: uuid("version", dag), Number: 1, DagID: dag, BundleName: bundleName, CreatedAt: a.began, Display: dag}
}

// uuid makes a UUID (version 8) of words, the same for the same words.
func uuid(words ...string) string {
	b := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

type runView struct {
	RunID         string          `json:"dag_run_id"`
	DagID         string          `json:"dag_id"`
	LogicalDate   *time.Time      `json:"logical_date"`
	QueuedAt      *time.Time      `json:"queued_at"`
	StartDate     *time.Time      `json:"start_date"`
	EndDate       *time.Time      `json:"end_date"`
	Duration      *float64        `json:"duration"`
	IntervalStart *time.Time      `json:"data_interval_start"`
	IntervalEnd   *time.Time      `json:"data_interval_end"`
	RunAfter      time.Time       `json:"run_after"`
	LastDecision  *time.Time      `json:"last_scheduling_decision"`
	Type          string          `json:"run_type"`
	State         string          `json:"state"`
	TriggeredBy   *string         `json:"triggered_by"`
	User          *string         `json:"triggering_user_name"`
	Conf          json.RawMessage `json:"conf"`
	Note          *string         `json:"note"`
	Versions      []versionView   `json:"dag_versions"`
	BundleVersion *string         `json:"bundle_version"`
	Display       string          `json:"dag_display_name"`
	PartitionKey  *string         `json:"partition_key"`
	PartitionDate *time.Time      `json:"partition_date"`
}

func (a *API) runView(r *agg.Run) runView {
	v := runView{
		RunID: r.RunID, DagID: r.DagID, LogicalDate: r.LogicalDate, QueuedAt: r.QueuedAt, StartDate: r.StartedAt, EndDate: r.EndedAt, Duration: duration(r.StartedAt, r.EndedAt),
		IntervalStart: &r.Start, IntervalEnd: &r.End, RunAfter: r.RunAfter, LastDecision: r.EndedAt, Type: r.Trigger, State: runState(r.State),
		TriggeredBy: orNull(r.TriggeredBy), User: orNull(r.User), Conf: r.Conf, Note: orNull(note(r)), Versions: []versionView{a.version(r.DagID)}, Display: r.DagID,
	}
	if len(v.Conf) == 0 {
		v.Conf = json.RawMessage("{}")
	}
	return v
}

// runState is the word of Airflow for a state of a run.
func runState(s agg.RunState) string {
	if s == agg.RunCancelled {
		return string(agg.RunFailed)
	}
	return string(s)
}

// note says of a cancelled run that it was cancelled, which its state cannot say.
func note(r *agg.Run) string {
	if r.State == agg.RunCancelled && r.Note == "" {
		return "cancelled"
	}
	return r.Note
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func duration(from, to *time.Time) *float64 {
	if from == nil || to == nil {
		return nil
	}
	return new(to.Sub(*from).Seconds())
}

// tryView is one try of a task; a task instance is its last try with what is known of it as a whole.
type tryView struct {
	TaskID         string      `json:"task_id"`
	DagID          string      `json:"dag_id"`
	RunID          string      `json:"dag_run_id"`
	MapIndex       int         `json:"map_index"`
	StartDate      *time.Time  `json:"start_date"`
	EndDate        *time.Time  `json:"end_date"`
	Duration       *float64    `json:"duration"`
	State          *string     `json:"state"`
	Try            int         `json:"try_number"`
	MaxTries       int         `json:"max_tries"`
	Display        string      `json:"task_display_name"`
	DagDisplay     string      `json:"dag_display_name"`
	Hostname       *string     `json:"hostname"`
	UnixName       *string     `json:"unixname"`
	Pool           string      `json:"pool"`
	PoolSlots      int         `json:"pool_slots"`
	Queue          string      `json:"queue"`
	Priority       int         `json:"priority_weight"`
	Operator       string      `json:"operator"`
	OperatorName   string      `json:"operator_name"`
	QueuedWhen     *time.Time  `json:"queued_when"`
	ScheduledWhen  *time.Time  `json:"scheduled_when"`
	PID            *int        `json:"pid"`
	Executor       *string     `json:"executor"`
	ExecutorConfig string      `json:"executor_config"`
	Version        versionView `json:"dag_version"`
}

type taskInstanceView struct {
	ID string `json:"id"`
	tryView
	LogicalDate      *time.Time `json:"logical_date"`
	RunAfter         time.Time  `json:"run_after"`
	Note             *string    `json:"note"`
	RenderedMapIndex *string    `json:"rendered_map_index"`
	RenderedFields   struct{}   `json:"rendered_fields"`
	Trigger          *struct{}  `json:"trigger"`
	TriggererJob     *struct{}  `json:"triggerer_job"`
}

func (a *API) tryView(r *agg.Run, t *agg.Task, i int) tryView {
	return tryView{
		TaskID: t.TaskID, DagID: r.DagID, RunID: r.RunID, MapIndex: -1, StartDate: t.StartedAt, EndDate: t.EndedAt, Duration: duration(t.StartedAt, t.EndedAt),
		State: taskState(r, t), Try: t.Try, MaxTries: t.MaxTries, Display: t.TaskID, DagDisplay: r.DagID, Hostname: orNull(t.Owner), Pool: poolName, PoolSlots: 1,
		Queue: queueName, Priority: max(len(r.Tasks)-i, 1), Operator: operator, OperatorName: operator, QueuedWhen: t.QueuedAt, ScheduledWhen: t.QueuedAt,
		ExecutorConfig: "{}", Version: a.version(r.DagID),
	}
}

func (a *API) taskInstanceView(r *agg.Run, i int) taskInstanceView {
	t := &r.Tasks[i]
	id := t.ID
	if id == "" {
		id = uuid("task", r.DagID, r.RunID, t.TaskID)
	}
	return taskInstanceView{ID: id, tryView: a.tryView(r, t, i), LogicalDate: r.LogicalDate, RunAfter: r.RunAfter}
}

// taskState is the word of Airflow for the state of a task: null where nothing was decided yet.
func taskState(r *agg.Run, t *agg.Task) *string {
	switch {
	case t.State == agg.RunCancelled:
		return new(string(agg.RunFailed))
	case t.State == agg.RunQueued && t.QueuedAt == nil && t.Try == 0 && r.State != agg.RunQueued:
		return nil // its turn has not come
	}
	return orNull(string(t.State))
}

type taskView struct {
	ID               string            `json:"task_id"`
	Display          string            `json:"task_display_name"`
	Owner            string            `json:"owner"`
	StartDate        *time.Time        `json:"start_date"`
	EndDate          *time.Time        `json:"end_date"`
	TriggerRule      string            `json:"trigger_rule"`
	DependsOnPast    bool              `json:"depends_on_past"`
	WaitForDown      bool              `json:"wait_for_downstream"`
	Retries          float64           `json:"retries"`
	Queue            string            `json:"queue"`
	Pool             string            `json:"pool"`
	PoolSlots        float64           `json:"pool_slots"`
	ExecutionTimeout *deltaView        `json:"execution_timeout"`
	RetryDelay       *deltaView        `json:"retry_delay"`
	Backoff          float64           `json:"retry_exponential_backoff"`
	Priority         float64           `json:"priority_weight"`
	WeightRule       string            `json:"weight_rule"`
	Colour           string            `json:"ui_color"`
	TextColour       string            `json:"ui_fgcolor"`
	TemplateFields   []string          `json:"template_fields"`
	Downstream       []string          `json:"downstream_task_ids"`
	Doc              *string           `json:"doc_md"`
	OperatorName     string            `json:"operator_name"`
	Params           struct{}          `json:"params"`
	Class            map[string]string `json:"class_ref"`
	Mapped           bool              `json:"is_mapped"`
	ExtraLinks       []string          `json:"extra_links"`
}

// deltaView is a duration as Airflow's tasks have it.
type deltaView struct {
	Type         string `json:"__type"`
	Days         int64  `json:"days"`
	Seconds      int64  `json:"seconds"`
	Microseconds int64  `json:"microseconds"`
}

func delta(d time.Duration) *deltaView {
	const day = 24 * time.Hour
	return &deltaView{timeDelta, int64(d / day), int64(d % day / time.Second), int64(d % time.Second / time.Microsecond)}
}

func taskViewOf(d *agg.DAG, i int) taskView {
	t := d.Tasks[i]
	v := taskView{
		ID: t.TaskID, Display: t.TaskID, Owner: owner, TriggerRule: "all_success", Retries: float64(d.Retries), Queue: queueName, Pool: poolName, PoolSlots: 1,
		RetryDelay: delta(d.RetryDelay), Priority: float64(len(d.Tasks) - i), WeightRule: "downstream", Colour: fillColour, TextColour: textColour, TemplateFields: []string{},
		Downstream: downstream(d, t.TaskID), OperatorName: operator, Class: map[string]string{"module_path": "hxp.batch", "class_name": t.TaskID}, ExtraLinks: []string{},
	}
	if d.Timeout > 0 {
		v.ExecutionTimeout = delta(d.Timeout)
	}
	return v
}

// downstream are the tasks that wait for a task.
func downstream(d *agg.DAG, task string) []string {
	out := []string{}
	for _, t := range d.Tasks {
		for _, up := range t.DependsOn {
			if up == task {
				out = append(out, t.TaskID)
			}
		}
	}
	return out
}

type backfillView struct {
	ID          int64           `json:"id"`
	DagID       string          `json:"dag_id"`
	From        time.Time       `json:"from_date"`
	To          time.Time       `json:"to_date"`
	Conf        json.RawMessage `json:"dag_run_conf"`
	Paused      bool            `json:"is_paused"`
	Reprocess   string          `json:"reprocess_behavior"`
	MaxActive   int             `json:"max_active_runs"`
	CreatedAt   time.Time       `json:"created_at"`
	CompletedAt *time.Time      `json:"completed_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	Display     string          `json:"dag_display_name"`
}

func backfillViewOf(b *agg.Backfill) backfillView {
	v := backfillView{
		ID: b.ID, DagID: b.DagID, From: b.From, To: exclusive(b.To, -1), Conf: b.Conf, Paused: b.Paused, Reprocess: b.Reprocess, MaxActive: b.MaxActiveRuns,
		CreatedAt: b.CreatedAt, CompletedAt: b.CompletedAt, UpdatedAt: b.UpdatedAt, Display: b.DagID,
	}
	if len(v.Conf) == 0 {
		v.Conf = json.RawMessage("null")
	}
	return v
}

// exclusive turns the end of a range that belongs to it (Airflow's) into one that does not (the scheduler's) with step 1, and back with
// step -1. Both are kept in microseconds, so the step is one.
func exclusive(t time.Time, step int) time.Time { return t.Add(time.Duration(step) * time.Microsecond) }
