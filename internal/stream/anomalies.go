package stream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/watch"
)

// AnomalyRule is the name under which anomalies are told on hxp-alerts. No rule has it: nobody wrote one.
const AnomalyRule = "Anomaly"

// anomalyVersion changes when anomalies are found in another way. No rule has it, so what is open at a start and what the watcher's state does
// not know is told to be over.
const anomalyVersion = "watch-2"

// checkActions reports what is wrong with what anomalies ask for. Whether a target can do it is said when it is asked.
func (c *Config) checkActions() error {
	if len(c.AnomalyActions) > rule.MaxActions {
		return fmt.Errorf("anomaly_actions: there are %d; at most %d are taken", len(c.AnomalyActions), rule.MaxActions)
	}
	for i, x := range c.AnomalyActions {
		if !slices.Contains(rule.ActionTypes(), x.Type) {
			return fmt.Errorf("anomaly_actions[%d].type: %q is none of %s", i, clip(x.Type), strings.Join(rule.ActionTypes(), ", "))
		}
	}
	return nil
}

// weeksBefore is what the windows know of some models in the same hour, and in those beside it, some weeks before.
func (s *Service) weeksBefore(hour int64, models []string) []watch.Hours {
	of := make([]named, len(models))
	for i, model := range models {
		of[i] = named{values{model}, byFirst}
	}
	weeks := make([]watch.Hours, watch.SeasonWeeks)
	for i := range weeks {
		for k := range weeks[i] {
			from := hour - int64(i+1)*7*24*3600 + int64(k-1)*3600
			had := map[string]*agg.Cell{}
			for m, c := range s.cells(0, Span{from, from + 3600}, of...) {
				had[models[m]] = c
			}
			weeks[i][k] = had
		}
	}
	return weeks
}

// suffering tells which objectives suffer now, as the rules see it.
func suffering(burning []rule.Burning) watch.Suffering {
	return func(model, metric string) (string, bool) {
		for i := range burning {
			if b := &burning[i]; b.Indicator != "" && indicated[metric] == b.Indicator && (b.Model == "" || b.Model == model) {
				return b.Name, b.Page
			}
		}
		return "", false
	}
}

// indicated are the indicators of objectives that are about the same as a metric.
var indicated = map[string]string{
	"error_rate": "availability", "latency_ms.p50": "latency", "ttft_ms.p50": "ttft", "tpot_ms.p50": "inter_token", "cost_usd_per_request": "cost", "feedback.satisfaction": "satisfaction",
}

// decided tells of an anomaly as rules tell of theirs. It calls people when an objective suffers in it so much that people are to be called;
// else it can wait.
func (c *Config) decided(a *watch.Anomaly, seen *arrived) rule.Decision {
	direction := "above"
	if !a.Up {
		direction = "below"
	}
	why := make([]string, 0, len(a.Opinions))
	for _, o := range a.Opinions {
		why = append(why, fmt.Sprintf("%s (%.3f): %s", o.Name, o.Score, o.Says))
	}
	d := rule.Decision{
		ID: "anomaly-" + a.ID, Rule: AnomalyRule, Version: anomalyVersion, State: rule.Firing, Severity: c.AnomalySeverity, Class: a.Metric, Mode: c.AnomalyMode,
		Key: map[string]string{"model": a.Model}, Labels: map[string]string{"alertname": AnomalyRule, "model": a.Model, "metric": a.Metric, "direction": direction},
		Annotations: map[string]string{
			"summary":     fmt.Sprintf("%s of %s is %s the usual: %.4g, usually %.4g", a.Metric, a.Model, direction, a.Value, a.Usual),
			"why":         strings.Join(why, "; "),
			"confidence":  fmt.Sprintf("%.6f", a.Confidence),
			"runbook_url": "docs/runbooks/alerts/Anomaly.md",
		},
		At: seconds(a.DetectedAt), StartsAt: seconds(a.Since), CausedAt: seconds(a.DetectedAt), Window: rule.Window{Start: seconds(a.DetectedAt - 60), End: seconds(a.DetectedAt)},
		Value: a.Value, Threshold: a.Usual, Top: seen.contributors(a.Model), RequestIDs: []string{},
	}
	if a.Objective != "" {
		d.Labels["slo"] = a.Objective
		d.Annotations["summary"] += fmt.Sprintf("; the objective %s suffers", a.Objective)
	}
	if a.Urgent {
		d.Severity = "critical"
		for _, x := range c.AnomalyActions {
			d.Actions = append(d.Actions, rule.Action{Type: x.Type, Target: x.Target, With: x.With})
		}
	}
	if a.EndedAt != 0 {
		return d.Ended(int64(seconds(a.EndedAt)))
	}
	return d
}

func seconds(at int64) rule.Time { return rule.Time(at * 1e6) }
