// Package target speaks to the systems that responses change: LiteLLM, the vLLM router, anything with an HTTP API, webhooks,
// incident services, workers that are restarted, and numbers of replicas.
//
// In come orders that name a configured target; out go HTTP requests to the addresses of the configuration and to no others:
// redirects are refused, no proxy is asked, answers are read up to a megabyte, and every call ends with its context. Each target
// says what it looked like before it is changed, tells a change that is in place from one that is not, and takes back only what
// still is as it was made. Secrets appear in no error.
package target

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// Config is one element of responses.targets.
type Config struct {
	Name      string            `yaml:"name" doc:"Name by which rules know the target."`
	Type      string            `yaml:"type" enum:"litellm,vllm_router,http,webhook,incident,replicas" doc:"What speaks there: the LiteLLM proxy, the router of vLLM's production stack, any HTTP API by calls of one's own, a webhook, an incident service that understands PagerDuty's Events API v2, or what keeps a number of replicas as JSON (Kubernetes)."`
	URL       string            `yaml:"url" doc:"http or https address, without a query. Nothing else is ever asked, and redirects are refused."`
	Token     string            `yaml:"token" secret:"true" doc:"Sent as Authorization: Bearer; for incident it is the routing key, for webhook the signing secret."`
	TokenEnv  string            `yaml:"token_env" doc:"Environment variable that holds it, as token: env:NAME says too."`
	Headers   map[string]string `yaml:"headers" secret:"true" doc:"Further headers."`
	Endpoints map[string]string `yaml:"endpoints" doc:"The group that the target serves with: names as the target has them (LiteLLM model ids, vLLM engine ids) with the address of their health, which answers 2xx while they work. Without one an endpoint is not taken out, and does not count as working (vllm_router asks the engines)."`
	Actions   []string          `yaml:"actions" doc:"http and webhook: the actions that it can do; all when empty."`
	Phases    []string          `yaml:"phases" default:"apply" enum:"check,apply,verify,revert" doc:"webhook: what it is called for. Without revert its changes are not taken back, and none that names an endpoint is made."`
	Check     string            `yaml:"check" doc:"http and replicas: METHOD /path that tells the state as a JSON object, such as GET /admin/{endpoint}; {NAME} is a text of the action."`
	Field     string            `yaml:"field" default:"applied" doc:"http: the field of that object which is true while the change is in place."`
	Apply     string            `yaml:"apply" doc:"http and replicas: METHOD /path that makes the change."`
	Revert    string            `yaml:"revert" doc:"http: METHOD /path that takes it back; without one there is nothing to take back, and no endpoint is taken out."`

	RestartURL      string            `yaml:"restart_url" doc:"litellm, vllm_router and http: webhook that restarts a worker; it makes the action restart possible, which drains the worker first and puts it back when it is well."`
	RestartToken    string            `yaml:"restart_token" secret:"true" doc:"Signing secret of that webhook."`
	RestartTokenEnv string            `yaml:"restart_token_env" doc:"Environment variable that holds it, as restart_token: env:NAME says too."`
	RestartVerify   bool              `yaml:"restart_verify" default:"false" doc:"Ask the webhook with the phase verify whether the worker was restarted, where its metrics have no process_start_time_seconds."`
	Metrics         map[string]string `yaml:"metrics" doc:"Addresses of the metrics of endpoints in Prometheus' text format, which tell whether requests run there; a restart needs them."`
	BusyMetrics     []string          `yaml:"busy_metrics" default:"vllm:num_requests_running,vllm:num_requests_waiting" doc:"Gauges there whose sum is the number of requests that run or wait."`
	IdleWithin      time.Duration     `yaml:"idle_within" default:"2m" min:"1s" max:"30m" doc:"How long a drained worker is given to end its requests; after that it is put back and not restarted."`

	Wanted      string `yaml:"wanted" default:"spec.replicas" doc:"replicas: where the document of check has the number that is asked for, keys with dots between; apply is sent a document with that number alone (PATCH: as a JSON merge patch)."`
	Ready       string `yaml:"ready" default:"status.readyReplicas" doc:"replicas: where it has the number of those that are ready."`
	MaxReplicas int    `yaml:"max_replicas" default:"0" min:"0" max:"1000" doc:"replicas: the most that hxp may ask for."`
}

// MaxTargets bounds the list, maxEndpoints a group.
const (
	MaxTargets   = 200
	maxEndpoints = 1000
	maxReplicas  = 1000
)

// Validate reports what is wrong with one target.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" || len(c.Name) > 128 {
		wrong("name: give the target a name of up to 128 bytes")
	}
	if c.Type == "" {
		wrong("type: say what speaks there: litellm, vllm_router, http, webhook or incident")
	}
	if err := address(c.URL); err != nil {
		wrong("url: %w", err)
	}
	if len(c.Endpoints) > maxEndpoints {
		wrong("endpoints: more than %d", maxEndpoints)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		if err := address(c.Endpoints[name]); c.Endpoints[name] != "" && err != nil {
			wrong("endpoints: %s: %w", name, err)
		}
	}
	for key, both := range map[string]bool{"token": c.Token != "" && c.TokenEnv != "", "restart_token": c.RestartToken != "" && c.RestartTokenEnv != ""} {
		if both {
			wrong("%s: %s_env is there too; give one of them", key, key)
		}
	}
	errs = append(errs, c.checkRestart()...)
	for _, a := range c.Actions {
		if !slices.Contains(respond.Actions, a) {
			wrong("actions: %q is none of %s", a, strings.Join(respond.Actions, ", "))
		}
	}
	switch c.Type {
	case "http":
		errs = append(errs, c.checkCalls()...)
	case "replicas":
		errs = append(errs, c.checkCalls()...)
		if c.MaxReplicas < 1 {
			wrong("max_replicas: say how many replicas there may be at most")
		}
	}
	return errors.Join(errs...)
}

// checkRestart reports what is wrong with what the action restart needs.
func (c Config) checkRestart() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Metrics) > maxEndpoints {
		wrong("metrics: more than %d", maxEndpoints)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		if err := address(c.Metrics[name]); err != nil {
			wrong("metrics: %s: %w", name, err)
		}
	}
	if c.RestartURL == "" {
		return errs
	}
	if err := address(c.RestartURL); err != nil {
		wrong("restart_url: %w", err)
	}
	if !slices.Contains([]string{"litellm", "vllm_router", "http"}, c.Type) {
		wrong("restart_url: a target of type %s cannot drain; litellm, vllm_router and http can", c.Type)
	}
	if c.Type == "http" && c.Revert == "" {
		wrong("restart_url: a worker that is drained must be put back; give the target a revert")
	}
	return errs
}

// checkCalls reports what is wrong with the calls of a target of type http.
func (c Config) checkCalls() (errs []error) {
	for key, call := range map[string]string{"check": c.Check, "apply": c.Apply, "revert": c.Revert} {
		if call == "" && key == "revert" {
			continue
		}
		if _, _, err := splitCall(call); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
	}
	return errs
}

func splitCall(call string) (method, path string, err error) {
	method, path, _ = strings.Cut(call, " ")
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# ") {
		return "", "", errors.New("write METHOD /path, such as POST /admin/{endpoint}/drain, without a query")
	}
	return method, path, nil
}

func address(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("write an address that begins with http:// or https://")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("write the address without a user, a query and a fragment; secrets belong into the environment")
	}
	return nil
}

// CheckNames reports what is wrong between targets.
func CheckNames(list []Config) error {
	if len(list) > MaxTargets {
		return fmt.Errorf("%d targets; at most %d are known", len(list), MaxTargets)
	}
	seen := map[string]bool{}
	for _, c := range list {
		if seen[c.Name] {
			return fmt.Errorf("two targets are called %q", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// New makes the targets by name. It fails when a variable of the environment is not set.
func New(list []Config) (map[string]respond.Target, error) {
	out := map[string]respond.Target{}
	var errs []error
	for _, c := range list {
		t, err := c.open()
		if err != nil {
			errs = append(errs, fmt.Errorf("responses.targets: %s: %w", c.Name, err))
			continue
		}
		out[c.Name] = t
	}
	return out, errors.Join(errs...)
}

// reverts tells whether the target can take back what it does.
func (c Config) reverts() bool {
	switch c.Type {
	case "http":
		return c.Revert != ""
	case "webhook":
		return slices.Contains(c.Phases, "revert")
	}
	return true
}

// CheckAction says why a rule of a mode must not ask the target for an action.
func (c Config) CheckAction(mode, action string) error {
	err := respond.CheckMode(mode, action, c.reverts())
	if action == "restart" && c.RestartURL == "" {
		err = errBareRestart
	}
	if err != nil {
		return fmt.Errorf("target %q: %w", c.Name, err)
	}
	return nil
}

func (c Config) open() (respond.Target, error) {
	t, err := c.openPlain()
	if err != nil || c.RestartURL == "" {
		return t, err
	}
	return newRestarter(t, c)
}

func (c Config) openPlain() (respond.Target, error) {
	caller, err := newCaller(c)
	if err != nil {
		return nil, err
	}
	switch c.Type {
	case "litellm":
		return newLiteLLM(caller), nil
	case "vllm_router":
		return &vllmRouter{caller}, nil
	case "http":
		return newGeneric(c, caller)
	case "webhook":
		return &webhook{caller, c}, nil
	case "incident":
		return &incident{caller}, nil
	case "replicas":
		return &replicas{caller, c}, errors.Join(c.checkCalls()...)
	}
	return nil, fmt.Errorf("there is no type %q", c.Type)
}
