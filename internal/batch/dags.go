package batch

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// dag is one DAG of the catalogue. Its names are contracts with operators and with Airflow.
type dag struct {
	id     string
	about  string
	period string // hourly, daily, weekly, monthly: the aggregation level
	cron   string
	every  cron.Schedule
	zone   *time.Location // in which the cron is read
	policy Policy
	tasks  []dagTask // each after those that it depends on
}

type dagTask struct {
	ID        string
	DependsOn []string
	run       taskFunc                // nil: not available in this version, then it is skipped
	part      func(k, n int) taskFunc // does part k of n; nil: the task is not done in parts
}

func (s *Service) catalogue(p Processing) []*dag {
	none := []string{}
	dags := []*dag{
		{id: "hxp_hourly_aggregation", about: "Folds the raw events of each hour into hourly_aggregations.", period: "hourly", cron: p.HourlyCron, tasks: []dagTask{
			{"hourly_aggregation", none, s.hourlyAggregation, s.hourlyPart}}},
		{id: "hxp_daily_aggregation", about: "Merges the hours of each day into daily_aggregations and makes the reports that are due.", period: "daily", cron: p.DailyCron, tasks: []dagTask{
			{"daily_aggregation", none, s.aggregation(levels["daily"]), nil}, {"report_generation", []string{"daily_aggregation"}, s.reportGeneration, nil}}},
		{id: "hxp_weekly_aggregation", about: "Merges the days of each week, from Sunday, into weekly_aggregations and analyses capacity.", period: "weekly", cron: p.WeeklyCron, tasks: []dagTask{
			{"weekly_aggregation", none, s.aggregation(levels["weekly"]), nil}, {"capacity_analysis", []string{"weekly_aggregation"}, s.capacityAnalysis, nil}}},
		{id: "hxp_monthly_aggregation", about: "Merges the days of each month into monthly_aggregations.", period: "monthly", cron: p.MonthlyCron, tasks: []dagTask{
			{"monthly_aggregation", none, s.aggregation(levels["monthly"]), nil}}},
	}
	for _, d := range dags {
		d.every, _ = parseCron(d.cron) // Config.Validate has seen both
		d.zone, _ = time.LoadLocation(p.Timezone)
		d.policy = p.Policies.of(d.period)
	}
	return dags
}

func (s *Service) dag(id string) *dag {
	for _, d := range s.dags() {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (s *Service) dagOf(period string) *dag {
	for _, d := range s.dags() {
		if d.period == period {
			return d
		}
	}
	return nil
}

// next is when the cron comes due after now.
func (d *dag) next(now time.Time) time.Time { return d.every.Next(now.In(d.zone)).UTC() }

// A scheduled run takes one whole period: the interval tiles are those of the calendar, in UTC, and the cron says only when a period that
// is over is aggregated. So no cron and no night in which a zone changes its clock makes a gap or an overlap, and a cron at minute 5
// is a grace of five minutes.

// first is the start of the period that a fresh store begins with: the one that now lies in.
func (d *dag) first(now time.Time) time.Time { return levels[d.period].floor(now.UTC()) }

// end is the end of the period that starts at a time.
func (d *dag) end(start time.Time) time.Time { return levels[d.period].next(start) }

// due is when the period that ends at a time is aggregated: the first time of the cron that is not before its end.
func (d *dag) due(end time.Time) time.Time { return d.next(end.Add(-time.Second)) }

// dueRuns returns the intervals that came due by now, oldest first and at most limit of them, and the start of the first one after.
func (d *dag) dueRuns(first, now time.Time, limit int) (starts []time.Time, next time.Time) {
	if d.policy.CatchUp == "latest" {
		return d.latest(first, now)
	}
	next = first
	for len(starts) < limit && !d.due(d.end(next)).After(now) {
		starts = append(starts, next)
		next = d.end(next)
	}
	return starts, next
}

// latest returns only the newest interval that is due.
func (d *dag) latest(first, now time.Time) ([]time.Time, time.Time) {
	for start := d.first(now); !start.Before(first); start = levels[d.period].floor(start.Add(-time.Nanosecond)) {
		if end := d.end(start); !d.due(end).After(now) {
			return []time.Time{start}, end
		}
	}
	return nil, first
}

// chosen returns the tasks of a run: all, or the one that it names, which may be a part of one.
func (d *dag) chosen(task string) []dagTask {
	if task == "" {
		return d.tasks
	}
	base, k, n, part := agg.PartOf(task)
	for _, t := range d.tasks {
		if part && t.ID == base && t.part != nil {
			return []dagTask{{ID: task, DependsOn: []string{}, run: t.part(k, n)}}
		}
		if t.ID == task {
			return []dagTask{t}
		}
	}
	return nil
}

// newTasks are the task instances of a new run.
func (s *Service) newTasks(d *dag, task string) (out []agg.Task) {
	for _, t := range d.chosen(task) {
		out = append(out, agg.Task{TaskID: t.ID, State: agg.RunQueued, MaxTries: s.cfg().Processing.Retries})
	}
	return out
}

// downstream returns tasks with all that depend on them, in the order of the DAG, parts before the task that they are of.
func (d *dag) downstream(tasks []string) (out []string) {
	for _, t := range d.tasks {
		parts := len(out)
		for _, name := range tasks {
			if base, _, _, ok := agg.PartOf(name); ok && base == t.ID {
				out = append(out, name)
			}
		}
		if len(out) > parts || slices.Contains(tasks, t.ID) || slices.ContainsFunc(t.DependsOn, func(up string) bool { return slices.Contains(out, up) }) {
			out = append(out, t.ID)
		}
	}
	return out
}
