package target

import (
	"slices"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// Every limit of a cap is looked at, not only the first, and what was approved before that was so ends in an error.
func TestCapLooksAtEveryLimit(t *testing.T) {
	to := litellmTarget(t, newProxy())
	for _, wrong := range []string{"NaN", "Inf", "0", "-1", "1.5", "1e3", "0x10", "much", "99999999999"} {
		o := order("cap", map[string]string{"endpoint": "llama-a", "rpm": "10", "max_tokens": wrong})
		if err := to.Can(o); err == nil {
			t.Errorf("a cap with max_tokens %q is taken", wrong)
		}
		if s, err := to.Check(t.Context(), o); err == nil {
			t.Errorf("max_tokens %q was looked at: %+v", wrong, s)
		}
	}
	if err := to.Can(order("cap", map[string]string{"tenant": "t1", "rpm": "10", "max_tokens": "5"})); err == nil {
		t.Error("a team gets a limit that only endpoints have")
	}
	s, err := to.Check(t.Context(), order("cap", map[string]string{"endpoint": "llama-a", "rpm": "010"}))
	if err != nil || s.InPlace {
		t.Errorf("rpm 010 is 10: %v, %+v", err, s)
	}
}

// An endpoint that gets no traffic does not count as working, however its weight is written.
func TestWeightOfNothing(t *testing.T) {
	for _, weight := range []any{0, 0.0, "0", "0.0", "00", -1} {
		p := newProxy()
		p.model("llama-b")["litellm_params"].(map[string]any)["weight"] = weight
		s, err := litellmTarget(t, p).Check(t.Context(), order("drain", map[string]string{"endpoint": "llama-a"}))
		if err != nil || !slices.Contains(s.Group, respond.Endpoint{Name: "llama-b"}) {
			t.Errorf("weight %v: %v, %+v", weight, err, s)
		}
	}
}

// The text of an order is one segment of a path at LiteLLM as well.
func TestLiteLLMPathsLeadNowhereElse(t *testing.T) {
	p := newProxy()
	to := litellmTarget(t, p)
	for _, model := range []string{".", "..", "../key/delete", "a/../../key"} {
		_, _ = to.Check(t.Context(), order("fallback_model", map[string]string{"model": model, "fallback": "qwen"}))
	}
	want := []string{"GET /fallback/_", "GET /fallback/_", "GET /fallback/../key/delete", "GET /fallback/a/../../key"}
	if !slices.Equal(p.calls, want) { // paths as they are decoded: the slashes came escaped
		t.Errorf("asked %q, want %q", p.calls, want)
	}
}
