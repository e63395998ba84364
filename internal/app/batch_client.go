package app

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// What commands show of the batch service.
type (
	BatchRun     = agg.Run
	Backfill     = agg.Backfill
	BackfillPlan = agg.BackfillPlan
	LogLine      = agg.LogLine
)

// DAG is one DAG as the batch service describes it.
type DAG struct {
	ID          string    `json:"dag_id"`
	Description string    `json:"description"`
	Cron        string    `json:"cron"`
	Timezone    string    `json:"timezone"`
	Paused      bool      `json:"paused"`
	Disabled    bool      `json:"disabled"`
	NextRun     time.Time `json:"next_run"`
	NextStart   time.Time `json:"next_data_interval_start"`
	NextEnd     time.Time `json:"next_data_interval_end"`
	CatchUp     string    `json:"catchup"`
	MaxActive   int       `json:"max_active_runs"`
	Deadline    int       `json:"deadline_seconds"`
	Retries     int       `json:"retries"`
	RetryDelay  int       `json:"retry_delay_seconds"`
	Timeout     int       `json:"timeout_seconds"`
	Tasks       []struct {
		ID        string   `json:"task_id"`
		DependsOn []string `json:"depends_on"`
	} `json:"tasks"`
}

// BatchClient talks to the batch-processing-api.
type BatchClient struct{ *Asked }

// DAGs lists the DAGs.
func (c *BatchClient) DAGs(ctx context.Context) ([]DAG, error) {
	var out struct {
		DAGs []DAG `json:"dags"`
	}
	return out.DAGs, c.Into(ctx, http.MethodGet, "/dags", nil, &out)
}

// DAG describes one DAG.
func (c *BatchClient) DAG(ctx context.Context, id string) (d DAG, err error) {
	return d, c.Into(ctx, http.MethodGet, "/dags/"+url.PathEscape(id), nil, &d)
}

// SetPaused pauses a DAG or lets it go on.
func (c *BatchClient) SetPaused(ctx context.Context, id string, paused bool) (d DAG, err error) {
	what := map[bool]string{true: "/pause", false: "/unpause"}[paused]
	return d, c.Into(ctx, http.MethodPost, "/dags/"+url.PathEscape(id)+what, nil, &d)
}

// Trigger runs a DAG; fields are those of POST /dags/{id}/trigger.
func (c *BatchClient) Trigger(ctx context.Context, id string, fields map[string]any) (r BatchRun, err error) {
	return r, c.Into(ctx, http.MethodPost, "/dags/"+url.PathEscape(id)+"/trigger", fields, &r)
}

// Runs lists the newest runs of a DAG ("" = all), at most limit, in a state ("" = any).
func (c *BatchClient) Runs(ctx context.Context, dag, state string, limit int) ([]BatchRun, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if state != "" {
		q.Set("state", state)
	}
	path := "/runs?"
	if dag != "" {
		path = "/dags/" + url.PathEscape(dag) + "/runs?"
	}
	var out struct {
		Runs []BatchRun `json:"runs"`
	}
	return out.Runs, c.Into(ctx, http.MethodGet, path+q.Encode(), nil, &out)
}

// Run shows one run.
func (c *BatchClient) Run(ctx context.Context, id string) (r BatchRun, err error) {
	return r, c.Into(ctx, http.MethodGet, "/runs/"+url.PathEscape(id), nil, &r)
}

// CancelRun ends a run.
func (c *BatchClient) CancelRun(ctx context.Context, id string) (r BatchRun, err error) {
	return r, c.Into(ctx, http.MethodPost, "/runs/"+url.PathEscape(id)+"/cancel", nil, &r)
}

// Logs are the lines of a run, or of one task ("" = all).
func (c *BatchClient) Logs(ctx context.Context, id, task string, try int) ([]LogLine, error) {
	q := url.Values{}
	if task != "" {
		q.Set("task_id", task)
	}
	if try > 0 {
		q.Set("try", strconv.Itoa(try))
	}
	var out struct {
		Logs []LogLine `json:"logs"`
	}
	return out.Logs, c.Into(ctx, http.MethodGet, "/runs/"+url.PathEscape(id)+"/logs?"+q.Encode(), nil, &out)
}

// PlanBackfill says what a backfill would do; fields are those of POST /dags/{id}/backfill.
func (c *BatchClient) PlanBackfill(ctx context.Context, dag string, fields map[string]any) (p BackfillPlan, err error) {
	fields["dry_run"] = true
	return p, c.Into(ctx, http.MethodPost, "/dags/"+url.PathEscape(dag)+"/backfill", fields, &p)
}

// CreateBackfill begins a backfill.
func (c *BatchClient) CreateBackfill(ctx context.Context, dag string, fields map[string]any) (b Backfill, err error) {
	fields["dry_run"] = false
	return b, c.Into(ctx, http.MethodPost, "/dags/"+url.PathEscape(dag)+"/backfill", fields, &b)
}

// Backfill shows how far a backfill is.
func (c *BatchClient) Backfill(ctx context.Context, id int64) (b Backfill, err error) {
	return b, c.Into(ctx, http.MethodGet, "/backfills/"+strconv.FormatInt(id, 10), nil, &b)
}

// AwaitBackfill calls see with every state of a backfill until it is over.
func (c *BatchClient) AwaitBackfill(ctx context.Context, b Backfill, see func(Backfill)) (Backfill, error) {
	err := poll(ctx, func() (over bool, err error) {
		see(b)
		if b.State.Final() {
			return true, nil
		}
		b, err = c.Backfill(ctx, b.ID)
		return false, err
	})
	return b, err
}

// AwaitRun returns a run when it is over.
func (c *BatchClient) AwaitRun(ctx context.Context, r BatchRun) (BatchRun, error) {
	err := poll(ctx, func() (over bool, err error) {
		if r.State.Final() {
			return true, nil
		}
		r, err = c.Run(ctx, r.ID)
		return false, err
	})
	return r, err
}

// poll calls look, at first often, until it is over.
func poll(ctx context.Context, look func() (over bool, err error)) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		over, err := look()
		if over || err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
