package airflow

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// logLine is one structured message of a log.
type logLine map[string]any

// getLogs shows the log of a try. Airflow's clients get all of it at once, so there is never a token to go on with.
func (a *API) getLogs(w http.ResponseWriter, r *http.Request) (any, error) {
	p := &params{flaws: flaws{part: "path"}}
	try, err := strconv.Atoi(r.PathValue("try"))
	if err != nil {
		p.add("try_number", "int_parsing", "Input should be a valid integer, unable to parse string as an integer", r.PathValue("try"), nil)
		return nil, p.err()
	}
	run, i, err := a.instance(r)
	if err != nil {
		return nil, err
	}
	t := &run.Tasks[i]
	if try < 1 || try > max(t.Try, 1) {
		return nil, refuse(http.StatusNotFound, "TaskInstance not found")
	}
	lines, err := a.sched.TaskLogs(r.Context(), run.ID, t.TaskID, try)
	if err != nil {
		return nil, err
	}
	content := []logLine{
		{"event": "::group::Log message source details"},
		{"event": fmt.Sprintf("hxp, run %s, task %s, try %d", run.ID, t.TaskID, try)},
		{"event": "::endgroup::"},
	}
	for _, l := range lines {
		content = append(content, lineOf(&run, t, &l))
	}
	if strings.Contains(r.Header.Get("Accept"), "ndjson") {
		w.Header().Set("Content-Type", "application/x-ndjson")
		enc := json.NewEncoder(w)
		for _, l := range content {
			if _, ok := l["timestamp"]; !ok {
				l["timestamp"] = nil
			}
			if enc.Encode(l) != nil {
				return answered, nil // the client is gone
			}
		}
		return answered, nil
	}
	return map[string]any{"content": content, "continuation_token": nil}, nil
}

func lineOf(run *agg.Run, t *agg.Task, l *agg.LogLine) logLine {
	return logLine{"timestamp": l.At.UTC(), "event": l.Event, "level": l.Level, "logger": "hxp.batch", "dag_id": run.DagID, "run_id": run.RunID, "task_id": t.TaskID,
		"try_number": max(l.Try, 1), "map_index": -1}
}
