package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/sdk"
)

// arrives waits until the windows count n requests of a model, with so many tokens of prompts.
func (h *instance) arrives(t *testing.T, model string, n, prompt int64) {
	t.Helper()
	var a struct {
		Overall struct {
			Requests, Errors int64
			Tokens           struct{ Prompt int64 }
		}
	}
	eventually(t, 30*time.Second, model+" in the windows", func() bool {
		h.get(t, "event-processing-api", "/analytics?window=600&model="+model, &a)
		return a.Overall.Requests >= n
	})
	if o := a.Overall; o.Requests != n || o.Errors != 0 || o.Tokens.Prompt != prompt {
		t.Errorf("%s: %+v, want %d requests and %d tokens", model, o, n, prompt)
	}
}

// The example that needs nothing but Python, and the Go client, against the real binary.
func TestExamples(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	t.Run("python", func(t *testing.T) {
		python, err := exec.LookPath("python3")
		if err != nil {
			t.Skip("there is no python3 here")
		}
		wants(t, "examples/python/stdlib.py", tool(t, "", python, "../../examples/python/stdlib.py", h.url("kafka-api")), "accepted 20 rejected 0")
		h.arrives(t, "python-stdlib", 20, 20*100+190)
	})
	t.Run("python package", func(t *testing.T) {
		python, err := exec.LookPath("python3")
		if err != nil {
			t.Skip("there is no python3 here")
		}
		tool(t, "", python, "-m", "unittest", "discover", "-s", "../../examples/python", "-t", "../../examples/python")
		wants(t, "examples/python/package.py", tool(t, "", python, "../../examples/python/package.py", h.url("kafka-api"), h.url("event-processing-api"), h.url("batch-processing-api")),
			"accepted 20 again 20 refused 1 wrong_type", "requests 20")
	})
	t.Run("go", func(t *testing.T) {
		p, err := sdk.NewProducer(sdk.Options{URL: h.url("kafka-api"), Spill: t.TempDir(), Batch: 7})
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := p.Emit(sdk.Event{Type: sdk.LLMRequest, Data: sdk.Request{Model: "go-sdk", PromptTokens: new(int64(3)), Duration: sdk.Millis(time.Second), Success: new(true)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Emit(sdk.Event{Type: "no_such_type", Data: sdk.Metrics{}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Delivered != 50 || s.Refused != 1 || s.Spill.Records != 0 {
			t.Errorf("%+v", s)
		}
		h.arrives(t, "go-sdk", 50, 150)
	})
}

func TestRealExamples(t *testing.T) {
	python := need(t, "HXP_REAL_PYTHON", "examples/python/confluent.py")
	h := start(t, "127.0.0.1:0")
	wants(t, "examples/python/confluent.py", tool(t, "", python, "../../examples/python/confluent.py", h.url("kafka")), "delivered 20")
	h.arrives(t, "python-confluent", 20, 20*100+190)
}
