package batch

import (
	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// The answers of the batch service that are lists or small objects, for those who write them and for their description.
type (
	dagList struct {
		DAGs []dagJSON `json:"dags"`
		Next *string   `json:"next_cursor"`
	}
	runList struct {
		Runs []agg.Run `json:"runs"`
		Next *string   `json:"next_cursor"`
	}
	backfillList struct {
		Backfills []agg.Backfill `json:"backfills"`
		Next      *string        `json:"next_cursor"`
	}
	reportList struct {
		Reports []reportJSON `json:"reports"`
		Next    *string      `json:"next_cursor"`
	}
	logList struct {
		RunID string        `json:"run_id"`
		Logs  []agg.LogLine `json:"logs"`
		Next  *string       `json:"next_cursor"`
	}
	runOutcome struct {
		State agg.RunState `json:"state"`
		Error *string      `json:"error"`
	}
	reportStates struct {
		Counts   map[agg.ReportStatus]int `json:"counts"`
		Last     map[string]*reportJSON   `json:"last"` // by type; null = none was made
		States   map[string]string        `json:"states"`
		Queue    int                      `json:"queue"`
		Delivery deliveryState            `json:"delivery"`
	}
)

// rowsDoc describes a page of rows; their columns depend on what was asked for.
var rowsDoc = httpx.Schema{"type": "object", "required": []string{"rows", "next_cursor"}, "properties": map[string]any{
	"rows": httpx.Schema{"type": "array", "items": httpx.Schema{"type": "object"}}, "next_cursor": httpx.Schema{"type": []string{"string", "null"}}}}

// statusDoc describes GET /aggregation/status.
var statusDoc = func() httpx.Schema {
	properties := map[string]any{"detail": httpx.Schema{"type": "object", "additionalProperties": statusDetail{}}}
	for _, p := range periods {
		properties[p] = httpx.OneOf("completed", "running", "failed", "scheduled", "disabled")
	}
	return httpx.Schema{"type": "object", "required": append([]string{"detail"}, periods[:]...), "properties": properties}
}()
