package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// What event-processing-api tells of rules and alerts, for commands.
type (
	ListedRule   = ruleset.Listed
	Rule         = rule.Rule
	ListedAlert  = alerts.Alert
	RuleDryRun   = ruleset.DryRun
	RuleProgress = ruleset.Progress
)

// The words that rules and alerts are found by, for completion.
var (
	RuleTypes   = ruleset.TypeNames()
	RuleOrigins = ruleset.Origins
	Severities  = ruleset.Severities
	AlertStates = alerts.States
)

func rulePath(name string) string { return "/rules/" + url.PathEscape(name) }

// Rules lists rules. The query is that of GET /rules.
func (a *Asked) Rules(ctx context.Context, q url.Values) ([]ListedRule, error) {
	return gather[ListedRule](ctx, a, "/rules", "rules", q, 0)
}

// RuleText returns a rule as YAML or JSON; an origin, unless empty, names the layer.
func (a *Asked) RuleText(ctx context.Context, name, origin string, asJSON bool) ([]byte, error) {
	accept := "application/yaml"
	if asJSON {
		accept = "application/json"
	}
	path := rulePath(name)
	if origin != "" {
		path += "?origin=" + url.QueryEscape(origin)
	}
	return a.With("Accept", accept).Call(ctx, http.MethodGet, path, nil)
}

// PutRule sets a rule. A condition, unless empty, is an ETag that the rule must have, or "new" for one that must not be there.
func (a *Asked) PutRule(ctx context.Context, name string, text json.RawMessage, condition string) error {
	switch condition {
	case "":
	case "new":
		a = a.With("If-None-Match", "*")
	default:
		a = a.With("If-Match", condition)
	}
	_, err := a.Call(ctx, http.MethodPut, rulePath(name), text)
	return err
}

// DeleteRule takes a rule away.
func (a *Asked) DeleteRule(ctx context.Context, name string) error {
	_, err := a.Call(ctx, http.MethodDelete, rulePath(name), nil)
	return err
}

// RestoreRule puts back what the files of the configuration say of a rule, or else what comes with hxp.
func (a *Asked) RestoreRule(ctx context.Context, name string) (origin string, err error) {
	for _, origin := range []string{"file", "pack"} {
		status, text, err := a.ask(ctx, http.MethodGet, rulePath(name)+"?origin="+origin, nil)
		switch {
		case err != nil:
			return "", err
		case status == http.StatusOK:
			return origin, a.PutRule(ctx, name, text, "")
		case status != http.StatusNotFound:
			return "", objection(fmt.Sprintf("%d %s", status, http.StatusText(status)), text)
		}
	}
	return "", fmt.Errorf("neither a file of the configuration nor hxp itself has a rule %q", name)
}

// TryRules is a dry run of rules, nil for those that count, over a span of time; to is now when it is zero. told hears how far it is.
func (a *Asked) TryRules(ctx context.Context, rules []Rule, from, to time.Time, told func(RuleProgress)) (*RuleDryRun, error) {
	q := url.Values{"from": {from.UTC().Format(time.RFC3339)}}
	if !to.IsZero() {
		q.Set("to", to.UTC().Format(time.RFC3339))
	}
	var body any
	if rules != nil {
		body = rules
	}
	resp, err := a.patient().With("Accept", "application/x-ndjson").open(ctx, http.MethodPost, "/rules/test?"+q.Encode(), body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return nil, objection(resp.Status, text)
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var line struct {
			Progress *RuleProgress `json:"progress"`
			Result   *RuleDryRun   `json:"result"`
			Error    string        `json:"error"`
		}
		switch err := dec.Decode(&line); {
		case err != nil:
			return nil, fmt.Errorf("the dry run was cut off: %w", err)
		case line.Error != "":
			return nil, errors.New(line.Error)
		case line.Result != nil:
			return line.Result, nil
		case line.Progress != nil:
			told(*line.Progress)
		}
	}
}

// Alerts lists alerts, the newest first, at most so many (0 = all). The query is that of GET /alerts.
func (a *Asked) Alerts(ctx context.Context, q url.Values, most int) ([]*ListedAlert, error) {
	return gather[*ListedAlert](ctx, a, "/alerts", "alerts", q, most)
}

// Alert shows one alert.
func (a *Asked) Alert(ctx context.Context, id string) (one ListedAlert, err error) {
	return one, a.Into(ctx, http.MethodGet, "/alerts/"+url.PathEscape(id), nil, &one)
}
