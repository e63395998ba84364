package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// applied is a control log that applies at once.
type applied struct{ set *ruleset.Set }

func (a applied) Append(_ context.Context, key string, value []byte) (int64, error) {
	return 0, a.set.Apply(key, value, 0)
}
func (applied) WaitFor(context.Context, int64) error { return nil }
func (applied) Settled(context.Context) error        { return nil }
func (applied) AwaitRules(context.Context) error     { return nil }
func (applied) RunsRule(string) bool                 { return true }

// What the commands of hxp rules ask is what event-processing-api answers.
func TestRuleCommands(t *testing.T) {
	set := ruleset.New(nil)
	set.Settled()
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	(&ruleset.API{Set: set, Commands: applied{set}, Runner: applied{set}, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)}).Mount(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	api, err := Ask(&Config{}, EventProcessingAPI, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rules, good := ReadRules([]RuleFile{{Name: "a.yaml", Text: []byte(silentRule)}}, t.Output())
	if !good {
		t.Fatal("the rule is faulty")
	}
	text, err := json.Marshal(&rules[0])
	must(err)
	must(api.PutRule(ctx, "silent", text, "new"))
	if err := api.PutRule(ctx, "silent", text, "new"); err == nil || !strings.Contains(err.Error(), "is another one now") {
		t.Errorf("put as new again: %v", err)
	}
	shown, err := api.RuleText(ctx, "silent", "", false)
	if again, good := ReadRules([]RuleFile{{Name: "-", Text: shown}}, t.Output()); err != nil || !good || again[0].Version() != rules[0].Version() {
		t.Errorf("%s, %v", shown, err)
	}
	must(api.DeleteRule(ctx, "silent-model"))
	find := func(name string) (out ListedRule) {
		list, err := api.Rules(ctx, url.Values{"type": {"absence"}})
		must(err)
		for _, r := range list {
			if r.Name == name {
				out = r
			}
		}
		return out
	}
	if find("silent").Origin != ruleset.FromAPI || find("silent-model").Enabled {
		t.Errorf("%+v, %+v", find("silent"), find("silent-model"))
	}
	if origin, err := api.RestoreRule(ctx, "silent-model"); err != nil || origin != "pack" || !find("silent-model").Enabled {
		t.Errorf("restored from %q: %v", origin, err)
	}
	if _, err := api.RestoreRule(ctx, "silent"); err == nil || !strings.Contains(err.Error(), "neither a file") {
		t.Error(err)
	}
}
