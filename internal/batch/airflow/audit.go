package airflow

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// maxAudit is how many writes are remembered. What they changed is stored for good; who asked for it is in the log as well.
const maxAudit = 1000

// audit remembers the last writes through this API.
type audit struct {
	mu   sync.Mutex
	last int64
	list []eventView // oldest first
}

type eventView struct {
	ID          int64      `json:"event_log_id"`
	When        time.Time  `json:"when"`
	DagID       *string    `json:"dag_id"`
	TaskID      *string    `json:"task_id"`
	RunID       *string    `json:"run_id"`
	MapIndex    *int       `json:"map_index"`
	Try         *int       `json:"try_number"`
	Event       string     `json:"event"`
	LogicalDate *time.Time `json:"logical_date"`
	Owner       *string    `json:"owner"`
	Extra       *string    `json:"extra"`
	DagDisplay  *string    `json:"dag_display_name"`
	TaskDisplay *string    `json:"task_display_name"`
}

// noted remembers a write and logs it.
func (a *API) noted(r *http.Request, event, dag, run, task string, extra map[string]any) {
	text, _ := json.Marshal(extra) // strings, numbers and flags
	who := callerOf(r.Context())
	a.log.Info("scheduler changed", "event", event, "user", who.Name, "via", who.via, "dag", dag, "run", run, "task", task, "extra", string(text))
	l := &a.audit
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e := eventView{ID: l.last, When: a.now().UTC(), DagID: orNull(dag), TaskID: orNull(task), RunID: orNull(run), Event: event, Owner: orNull(who.Name), Extra: orNull(string(text)),
		DagDisplay: orNull(dag), TaskDisplay: orNull(task)}
	l.list = append(l.list, e)
	if len(l.list) > maxAudit {
		l.list = append([]eventView{}, l.list[len(l.list)-maxAudit:]...)
	}
}

func (l *audit) all() []eventView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]eventView{}, l.list...)
}
