package batch

import (
	"time"

	"github.com/robfig/cron/v3"
)

// dag is one DAG of the catalogue. Its names are contracts with operators and with Airflow.
type dag struct {
	id     string
	period string // hourly, daily, weekly, monthly: the aggregation level
	cron   string
	every  cron.Schedule
	tasks  []dagTask
}

type dagTask struct {
	ID        string   `json:"task_id"`
	DependsOn []string `json:"depends_on"`
	run       taskFunc // nil: not available in this version
}

func (s *Service) catalogue() []*dag {
	none := []string{}
	p := s.cfg.Processing
	dags := []*dag{
		{id: "hxp_hourly_aggregation", period: "hourly", cron: p.HourlyCron, tasks: []dagTask{
			{"hourly_aggregation", none, s.hourlyAggregation}}},
		{id: "hxp_daily_aggregation", period: "daily", cron: p.DailyCron, tasks: []dagTask{
			{"daily_aggregation", none, s.aggregation(levels["daily"])}, {"report_generation", []string{"daily_aggregation"}, s.reportGeneration}}},
		{id: "hxp_weekly_aggregation", period: "weekly", cron: p.WeeklyCron, tasks: []dagTask{
			{"weekly_aggregation", none, s.aggregation(levels["weekly"])}, {"capacity_analysis", []string{"weekly_aggregation"}, s.capacityAnalysis}}},
		{id: "hxp_monthly_aggregation", period: "monthly", cron: p.MonthlyCron, tasks: []dagTask{
			{"monthly_aggregation", none, s.aggregation(levels["monthly"])}}},
	}
	for _, d := range dags {
		d.every, _ = parseCron(d.cron) // Config.Validate has seen it
	}
	return dags
}

func (s *Service) dag(id string) *dag {
	for _, d := range s.dags {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (s *Service) dagOf(period string) *dag {
	for _, d := range s.dags {
		if d.period == period {
			return d
		}
	}
	return nil
}

func (d *dag) next(now time.Time) time.Time { return d.every.Next(now.UTC()) }

// chosen returns the tasks of a run: all, or the one that it names.
func (d *dag) chosen(task string) []dagTask {
	if task == "" {
		return d.tasks
	}
	for _, t := range d.tasks {
		if t.ID == task {
			return []dagTask{t}
		}
	}
	return nil
}

type dagJSON struct {
	DagID   string    `json:"dag_id"`
	Cron    string    `json:"cron"`
	Paused  bool      `json:"paused"`
	NextRun time.Time `json:"next_run"`
	Tasks   []dagTask `json:"tasks"`
}

func (d *dag) json(now time.Time) dagJSON { return dagJSON{d.id, d.cron, false, d.next(now), d.tasks} }
