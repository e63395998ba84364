package cost

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// priceOf reads one price.
func priceOf(t *testing.T, fields string) *Price {
	t.Helper()
	doc, err := Read([]byte(`{"prices":[{"model":"m","effective_from":"2026-01-01T00:00:00Z",`+fields+`}]}`), noTime)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Prices[0]
}

// request is an event with counts; a negative one is not told.
func request(prompt, answer, cached, reasoning int64) *event.Event {
	e := &event.Event{Kind: event.LLMRequest}
	e.SetText(event.Model, "m")
	for f, n := range map[event.Field]int64{event.PromptTokens: prompt, event.CompletionTokens: answer, event.CachedTokens: cached, event.ReasoningTokens: reasoning} {
		if n >= 0 {
			e.SetInt(f, n)
		}
	}
	return e
}

func TestCost(t *testing.T) {
	const unpriced = -1
	failed := request(100, -1, -1, -1)
	failed.SetBool(event.Success, false)
	for _, tc := range []struct {
		name, price string
		e           *event.Event
		nano        int64
	}{
		{"input and output", `"input_cost_per_token":2.5e-6,"output_cost_per_token":1e-5`, request(1000, 100, -1, -1), 3_500_000},
		{"cached tokens are a part of the prompt", `"input_cost_per_token":1.5e-7,"output_cost_per_token":6e-7,"cache_read_input_token_cost":7.5e-8`, request(1000, 10, 400, -1), 600*150 + 400*75 + 10*600},
		{"cached without a price of their own", `"input_cost_per_token":2e-9,"output_cost_per_token":0`, request(10, 1, 4, -1), 20},
		{"more cached than there are", `"input_cost_per_token":2e-9,"output_cost_per_token":0,"cache_read_input_token_cost":1e-9`, request(10, 1, 99, -1), 10},
		{"reasoning is a part of the answer", `"input_cost_per_token":0,"output_cost_per_token":4e-9,"output_cost_per_reasoning_token":1e-9`, request(5, 10, -1, 6), 4*4 + 6},
		{"below the tier", `"input_cost_per_token":1e-9,"output_cost_per_token":2e-9,"input_cost_per_token_above_128k_tokens":3e-9`, request(128_000, 1, -1, -1), 128_002},
		{"a tier is for the whole request", `"input_cost_per_token":1e-9,"output_cost_per_token":2e-9,"input_cost_per_token_above_128k_tokens":3e-9`, request(128_001, 1, -1, -1), 3*128_001 + 2},
		{"the highest tier", `"input_cost_per_token":1e-9,"output_cost_per_token":2e-9,"input_cost_per_token_above_200k_tokens":5e-9,"input_cost_per_token_above_128k_tokens":3e-9,"output_cost_per_token_above_128k_tokens":4e-9`, request(200_001, 1, -1, -1), 5*200_001 + 4},
		{"for the request", `"input_cost_per_request":0.01`, request(0, 0, -1, -1), 10_000_000},
		{"free is priced", `"input_cost_per_token":0,"output_cost_per_token":0`, request(7, 7, -1, -1), 0},
		{"free without counts", `"input_cost_per_token":0,"output_cost_per_token":0`, request(-1, -1, -1, -1), 0},
		{"an embedding has no answer", `"input_cost_per_token":1e-9`, request(7, -1, -1, -1), 7},
		{"answer without a price", `"input_cost_per_token":1e-9`, request(7, 1, -1, -1), unpriced},
		{"prompt not told", `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9`, request(-1, 1, -1, -1), unpriced},
		{"answer not told", `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9`, request(1, -1, -1, -1), unpriced},
		{"failed before an answer", `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9`, failed, 100},
		{"half a nano to even, down", `"input_cost_per_token":0.5e-9,"output_cost_per_token":0`, request(1, 0, -1, -1), 0},
		{"half a nano to even, up", `"input_cost_per_token":0.5e-9,"output_cost_per_token":0`, request(3, 0, -1, -1), 2},
		{"rounded once", `"input_cost_per_token":0.3e-9,"output_cost_per_token":0.3e-9`, request(1, 1, -1, -1), 1},
		{"too dear to be true", `"input_cost_per_token":1000,"output_cost_per_token":1000`, request(1e9, 1e9, -1, -1), unpriced},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nano, ok := priceOf(t, tc.price).Cost(tc.e)
			if !ok {
				nano = unpriced
			}
			if nano != tc.nano {
				t.Errorf("costs %d nano-USD, want %d", nano, tc.nano)
			}
		})
	}
}

// Whatever the numbers, the cost is the exact sum, rounded once.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Map(rapid.Int64Range(0, 1e7), func(n int64) *Pico { return new(Pico(n)) })
		p := &Price{Rates: Rates{Input: rate.Draw(t, "input"), Output: rate.Draw(t, "output"), Cached: rate.Draw(t, "cached"), Reasoning: rate.Draw(t, "reasoning")}}
		tokens := rapid.Int64Range(0, 1e6)
		prompt, answer := tokens.Draw(t, "prompt"), tokens.Draw(t, "answer")
		cached, reasoning := rapid.Int64Range(0, prompt).Draw(t, "cached"), rapid.Int64Range(0, answer).Draw(t, "reasoning")
		got, ok := p.Cost(request(prompt, answer, cached, reasoning))
		exact := new(big.Int)
		for _, x := range []struct {
			n int64
			p *Pico
		}{{prompt - cached, p.Input}, {cached, p.Cached}, {answer - reasoning, p.Output}, {reasoning, p.Reasoning}} {
			exact.Add(exact, new(big.Int).Mul(big.NewInt(x.n), big.NewInt(int64(*x.p))))
		}
		want := halfEven(new(big.Rat).SetFrac(exact, big.NewInt(picosPerNano)))
		if !ok || got != want {
			t.Fatalf("costs %d (%v), want %d", got, ok, want)
		}
	})
}
