package batch

import "github.com/hxp-enterprise/hxp/internal/kit/telemetry"

// counts are what the scheduler of this process has done.
type counts struct {
	scheduled, late *telemetry.CounterVec
	lost, reused    telemetry.Counter
}

func newCounts(r *telemetry.Registry) counts {
	return counts{
		scheduled: r.CounterVec("batch_runs_scheduled_total", "runs that this instance stored because they came due", "dag_id"),
		late:      r.CounterVec("batch_deadlines_missed_total", "scheduled runs that had not succeeded by their deadline", "dag_id"),
		lost:      r.Counter("batch_leases_lost_total", "tasks taken from an owner that gave no sign of life"),
		reused:    r.Counter("data_aggregation_reused_offsets_total", "copies of an event that a fold found at one offset of a log that was cut off and written again; the first file counts"),
	}
}
