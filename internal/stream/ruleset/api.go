package ruleset

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Commands is the control log.
type Commands interface {
	Append(ctx context.Context, key string, value []byte) (offset int64, err error)
	WaitFor(ctx context.Context, offset int64) error
	Settled(ctx context.Context) error
}

// Runner runs the rules that count.
type Runner interface {
	// AwaitRules waits until those that count at the call are run, or ctx ends.
	AwaitRules(ctx context.Context) error
	// RunsRule tells whether a rule of a version is run.
	RunsRule(version string) bool
}

// API answers for a Set.
type API struct {
	Set      *Set
	Commands Commands
	Runner   Runner
	Vet      func(*rule.Rule) []rule.Fault // what is wrong with a rule beside what it says itself; nil = nothing
	Timeout  time.Duration                 // of a command
	Log      *slog.Logger
	Past     *Past // nil = no dry runs

	running atomic.Bool // a dry run is
}

// Mount adds the endpoints.
func (a *API) Mount(m *httpx.Mux) {
	m.HandleFunc("GET /rules", a.getRules, httpx.Doc("Lists the rules by name: those that count, and those that are switched off by a deletion."), httpx.Paging(),
		httpx.Query("type", "only rules of this type", httpx.OneOf(TypeNames()...)), httpx.Query("severity", "only rules of this severity", httpx.OneOf(Severities...)),
		httpx.Query("origin", "only rules of this layer", httpx.OneOf(Origins...)), httpx.Query("enabled", "true or false: only rules that count, or only those that do not", httpx.OneOf("true", "false")),
		httpx.Answer("200", "the rules, without their tests", listAnswer{}))
	one, away := ruleSchema(), httpx.Answer("503", "the change could not be written now, see Retry-After")
	origin := httpx.Query("origin", "the rule of this layer, also where it does not count", httpx.OneOf(Origins...))
	m.HandleFunc("GET /rules/{name}", a.getRule, httpx.Doc("Shows a rule as it can be put, with its ETag."), origin,
		httpx.Answer("200", "the rule", one), httpx.AnswerAs("200", typeYAML, "the rule"), httpx.Answer("304", "it is the one of If-None-Match"),
		httpx.Answer("400", "a wrong parameter"), httpx.Answer("404", "there is no such rule, or it is switched off"), httpx.Answer("406", "neither JSON nor YAML is accepted"))
	match := func(o ...httpx.Option) []httpx.Option {
		return append(o, httpx.Header("If-Match", "ETag of the rule that is meant"), httpx.Header("If-None-Match", "* = only if there is none"),
			httpx.Answer("412", "it is not the rule that If-Match or If-None-Match mean"), away)
	}
	m.HandleFunc("PUT /rules/{name}", a.putRule, match(
		httpx.Doc("Sets a rule for all instances. Its tests are run first. A rule that is put counts before that of a file or of the pack; what is put as it stands there is theirs again."),
		httpx.Body(append([]string{typeJSON}, yamlTypes...)...), httpx.BodyOf(one), httpx.Answer("200", "it counts now", one), httpx.Answer("201", "it is new and counts now", one),
		httpx.Answer("400", "the body was cut off"), httpx.Answer("406", "neither JSON nor YAML is accepted"), httpx.Answer("409", "there are too many rules"), httpx.Answer("413", "too large"),
		httpx.Answer("415", "neither JSON nor YAML"), httpx.Answer("422", "the rule is wrong or fails a test: where, with line and pointer"))...)
	m.HandleFunc("DELETE /rules/{name}", a.deleteRule, match(
		httpx.Doc("Takes a rule away; its alerts resolve. A rule of a file or of the pack is switched off until it is put again."),
		httpx.Answer("204", "it is gone"), httpx.Answer("404", "there is no such rule"), httpx.Answer("409", "there are too many changes"))...)
	m.HandleFunc("POST /rules/test", a.postTest, httpx.Needs(httpx.Read),
		httpx.Doc("Tries rules and changes nothing: the rule, the list of rules, or the object with rules and objectives (slos) in the body, without a body those that count. It runs the tests that they carry; with from it is a dry run over what arrived since, and says what would have fired."),
		httpx.Query("rule", "without a body: only this rule"),
		httpx.Query("from", "RFC 3339: begin of a dry run"), httpx.Query("to", "RFC 3339: its end, at most 24 hours later; now when absent"),
		httpx.Body(append([]string{typeJSON}, yamlTypes...)...), httpx.BodyOf(httpx.Schema{"anyOf": []httpx.Schema{one, httpx.List(one), fileSchema()}}), httpx.NoBodyNeeded(),
		httpx.Answer("200", "what became of each test, or of the dry run", httpx.Schema{"anyOf": []any{Tested{}, DryRun{}}}),
		httpx.AnswerAs("200", typeLines, "of a dry run, where it is accepted: lines with progress, then one with result"), httpx.Answer("429", "another dry run is under way, see Retry-After"),
		httpx.Answer("503", "the topics cannot be read now, see Retry-After"), httpx.Answer("400", "the body was cut off"), httpx.Answer("413", "too large"), httpx.Answer("415", "neither JSON nor YAML"),
		httpx.Answer("422", "a rule is wrong: where, with line and pointer"))
}

// ruleSchema is the JSON Schema of one rule.
func ruleSchema() httpx.Schema {
	return definition("rule")
}

// definition is a part of the JSON Schema of files of rules.
func definition(name string) httpx.Schema {
	var file struct {
		Defs map[string]httpx.Schema `json:"$defs"`
	}
	if err := json.Unmarshal(rule.Schema(), &file); err != nil {
		panic("ruleset: " + err.Error()) // it was written as JSON
	}
	return file.Defs[name]
}

// fileSchema is the JSON Schema of an object of rules and objectives.
func fileSchema() httpx.Schema {
	file := definition("file")
	properties, _ := file["properties"].(map[string]any)
	for list, one := range map[string]string{"slos": "slo", "rules": "rule"} {
		properties[list].(map[string]any)["items"] = definition(one) // the reference means a place of another document
	}
	return file
}

var (
	// Severities from mild to bad.
	Severities = []string{"info", "warning", "critical"}
	// Origins are the layers, the lowest first.
	Origins = []string{string(FromPack), string(FromFile), string(FromAPI)}
)

// TypeNames lists the types of rules.
func TypeNames() (out []string) {
	for _, t := range rule.Types {
		out = append(out, string(t))
	}
	return out
}

// Listed is a rule in a list.
type Listed struct {
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Severity  string            `json:"severity"`
	Mode      string            `json:"mode"`
	GroupBy   []string          `json:"group_by"`
	When      string            `json:"when"`
	Labels    map[string]string `json:"labels"`
	Summary   string            `json:"summary"` // of its annotations
	Tests     int               `json:"test_count"`
	Origin    Origin            `json:"origin"`
	Enabled   bool              `json:"enabled"`
	Running   bool              `json:"running"`    // on the instance that answers: false for a moment after a change, or while it is in trouble
	Below     *Origin           `json:"overrides"`  // the layer whose rule of this name does not count because of it
	File      *string           `json:"file"`       // FILE:LINE of a rule of a file
	ChangedAt *time.Time        `json:"changed_at"` // when it was put or deleted over the API
	ETag      string            `json:"etag"`
	Version   string            `json:"version"` // as decisions name it
}

func (a *API) listed(e *entry) Listed {
	r := e.rule
	out := Listed{
		Name: r.Name, Type: string(r.Type), Severity: r.Severity, Mode: r.Mode, GroupBy: append([]string{}, r.GroupBy...), When: r.When, Labels: r.Labels,
		Summary: r.Annotations["summary"], Tests: len(r.Tests), Origin: e.origin, Enabled: e.enabled, ETag: quoted(e.etag), Version: r.Version(),
	}
	out.Running = e.enabled && a.Runner.RunsRule(out.Version)
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if e.below != nil && e.enabled {
		out.Below = &e.below.origin
	}
	if e.place != "" {
		out.File = &e.place
	}
	if e.change != nil {
		out.ChangedAt = &e.change.at
	}
	return out
}

type listAnswer struct {
	Rules []Listed `json:"rules"`
	Next  *string  `json:"next_cursor"`
}

func (a *API) getRules(w http.ResponseWriter, r *http.Request) {
	page, bad := httpx.PageOf(r)
	if bad == nil {
		bad = oneOf(r, "type", TypeNames())
	}
	if bad == nil {
		bad = oneOf(r, "severity", Severities)
	}
	if bad == nil {
		bad = oneOf(r, "origin", Origins)
	}
	if bad == nil {
		bad = oneOf(r, "enabled", []string{"true", "false"})
	}
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	q, now := r.URL.Query(), a.Set.now.Load()
	is := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
	out := listAnswer{Rules: []Listed{}}
	at, found := slices.BinarySearch(now.names, page.After)
	if found {
		at++
	}
	for _, name := range now.names[at:] {
		e := now.entries[name]
		if !is("type", string(e.rule.Type)) || !is("severity", e.rule.Severity) || !is("origin", string(e.origin)) || !is("enabled", fmt.Sprint(e.enabled)) {
			continue
		}
		if len(out.Rules) == page.Limit {
			out.Next = httpx.Cursor(out.Rules[page.Limit-1].Name)
			break
		}
		out.Rules = append(out.Rules, a.listed(e))
	}
	httpx.JSON(w, http.StatusOK, out)
}

// oneOf refuses a parameter that is none of some words.
func oneOf(r *http.Request, name string, words []string) *httpx.FieldError {
	if v := r.URL.Query().Get(name); r.URL.Query().Has(name) && !slices.Contains(words, v) {
		return &httpx.FieldError{Pointer: "?" + name, Code: "unknown", Detail: fmt.Sprintf("%s=%.60q is none of %s", name, v, strings.Join(words, ", "))}
	}
	return nil
}
