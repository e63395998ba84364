package ruleset

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Tested is what the tests that rules carry came to.
type Tested struct {
	Rules   int           `json:"rules"`
	Passed  int           `json:"passed"`
	Failed  int           `json:"failed"`
	Results []rule.Result `json:"results"`
}

// RunTests runs the tests that rules carry.
func RunTests(ctx context.Context, rules []rule.Rule) (*Tested, error) {
	t := &Tested{Rules: len(rules), Results: []rule.Result{}}
	for i := range rules {
		of, err := rule.Check(ctx, &rules[i])
		if err != nil {
			return nil, err
		}
		for _, r := range of {
			if len(r.Failed) > 0 {
				t.Failed++
			}
		}
		t.Results = append(t.Results, of...)
	}
	t.Passed = len(t.Results) - t.Failed
	return t, nil
}

// postTest tries rules: by the tests that they carry, or on what happened.
func (a *API) postTest(w http.ResponseWriter, r *http.Request) {
	body, ok := text(w, r)
	if !ok {
		return
	}
	rules, faults := a.meant(r, body)
	if len(faults) > 0 {
		refuse(w, r, faults)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), testLimit, errSlow)
	defer cancel()
	tested, err := RunTests(ctx, rules)
	if err != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, err.Error())
		return
	}
	httpx.JSON(w, http.StatusOK, tested)
}

// meant are the rules of a body; without one those that count, or the one that the query names.
func (a *API) meant(r *http.Request, body []byte) ([]rule.Rule, []rule.Fault) {
	if len(body) > 0 {
		return rule.Decode(body)
	}
	rules, _ := a.Set.Current()
	name := r.URL.Query().Get("rule")
	if name == "" {
		return rules, nil
	}
	for i := range rules {
		if rules[i].Name == name {
			return rules[i : i+1], nil
		}
	}
	return nil, []rule.Fault{{Detail: fmt.Sprintf("no rule %.80q counts; send it as the body, or name another", name)}}
}
