package cost

import (
	"cmp"
	"fmt"
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

// Whatever the numbers, the parts make up the whole and the cost is their exact sum, rounded once.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Price{}
		for i := range p.Rates {
			if Sort(i) <= Output || rapid.Bool().Draw(t, "has "+rateNames[i]) {
				p.Rates[i] = new(Pico(rapid.Int64Range(0, 1e7).Draw(t, rateNames[i])))
			}
		}
		// Tokens are dealt out one by one: each has one price.
		count, exact := [sorts]int64{}, new(big.Int)
		deal := func(all Sort, parts []Sort) (whole int64) {
			for _, part := range append([]Sort{all}, parts...) {
				n := rapid.Int64Range(0, 1e6).Draw(t, "tokens of "+rateNames[part])
				count[part], whole = n, whole+n
				price := cmp.Or(p.Rates[part], p.Rates[all])
				if part == Written1h {
					price = cmp.Or(p.Rates[part], p.Rates[Written], p.Rates[all])
				}
				exact.Add(exact, new(big.Int).Mul(big.NewInt(n), big.NewInt(int64(*price))))
			}
			return whole
		}
		prompt, answer := deal(Input, partsOfPrompt), deal(Output, partsOfAnswer)
		count[Written] += count[Written1h] // as events tell it
		e := request(prompt, answer, count[Cached], count[Reasoning])
		for i, name := range countNames {
			if name != "" {
				e.Extra = appendCount(e.Extra, name, count[i])
			}
		}
		got, ok := p.Cost(e)
		want := halfEven(new(big.Rat).SetFrac(exact, big.NewInt(picosPerNano)))
		if !ok || got != want {
			t.Fatalf("costs %d (%v), want %d", got, ok, want)
		}
	})
}

// appendCount adds a count to an object of data that the catalogue does not know.
func appendCount(object []byte, name string, n int64) []byte {
	if len(object) == 0 {
		return fmt.Appendf(nil, `{%q:%d}`, name, n)
	}
	return fmt.Appendf(object[:len(object)-1], `,%q:%d}`, name, n)
}

// Counts that cannot be are no reason to charge more than the whole, and none to charge nothing.
func TestCostOfOddParts(t *testing.T) {
	const all = `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9,"cache_read_input_token_cost":2e-9,"cache_creation_input_token_cost":3e-9,"input_cost_per_audio_token":5e-9`
	const unpriced = -1
	for _, tc := range []struct {
		name, price, extra string
		prompt             int64
		nano               int64
	}{
		{"what is written has its price", all, `{"cache_creation_tokens":4}`, 10, 6 + 4*3},
		{"without a price of its own it is prompt", `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9`, `{"cache_creation_tokens":4}`, 10, 10},
		{"for an hour, without a price of its own", all, `{"cache_creation_tokens":4,"cache_creation_1h_tokens":3}`, 10, 6 + 4*3},
		{"for an hour, with one", all + `,"cache_creation_input_token_cost_above_1hr":7e-9`, `{"cache_creation_tokens":4,"cache_creation_1h_tokens":3}`, 10, 6 + 3 + 3*7},
		{"for an hour alone", all + `,"cache_creation_input_token_cost_above_1hr":7e-9`, `{"cache_creation_1h_tokens":3}`, 10, 7 + 3*7},
		{"above a tier", all + `,"cache_creation_input_token_cost_above_200k_tokens":11e-9`, `{"cache_creation_tokens":4}`, 200_001, 199_997 + 4*11},
		{"for an hour and above a tier", all + `,"cache_creation_input_token_cost_above_1hr":7e-9,"cache_creation_input_token_cost_above_1hr_above_200k_tokens":13e-9`, `{"cache_creation_tokens":4,"cache_creation_1h_tokens":4}`, 200_001, 199_997 + 4*13},
		{"more than the prompt", all, `{"cache_creation_tokens":40}`, 10, 30},
		{"parts that overlap", all, `{"cache_creation_tokens":8,"prompt_audio_tokens":8}`, 10, 8*3 + 2*5},
		{"null is none", all, `{"cache_creation_tokens":null}`, 10, 10},
		{"no number", all, `{"cache_creation_tokens":"4"}`, 10, unpriced},
		{"negative", all, `{"cache_creation_tokens":-4}`, 10, unpriced},
		{"a fraction", all, `{"cache_creation_tokens":1.5}`, 10, unpriced},
		{"no number, and no price asks", `"input_cost_per_token":1e-9,"output_cost_per_token":1e-9`, `{"cache_creation_tokens":"4"}`, 10, 10},
		{"part of a prompt that is not told", all, `{"cache_creation_tokens":4}`, -1, unpriced},
		{"part of a free prompt that is not told", `"input_cost_per_token":0,"output_cost_per_token":0,"cache_creation_input_token_cost":3e-9`, `{"cache_creation_tokens":4}`, -1, unpriced},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := request(tc.prompt, 0, -1, -1)
			e.Extra = []byte(tc.extra)
			nano, ok := priceOf(t, tc.price).Cost(e)
			if !ok {
				nano = unpriced
			}
			if nano != tc.nano {
				t.Errorf("costs %d nano-USD, want %d", nano, tc.nano)
			}
		})
	}
}

// A model of LiteLLM's list may have prices of parts alone. They are enough for requests that have nothing else.
func TestCostOfPartsAlone(t *testing.T) {
	doc, err := Read([]byte(`{"m":{"input_cost_per_token":1e-9,"output_cost_per_image_token":4e-8}}`), day(1))
	if err != nil || len(doc.Warnings) != 0 {
		t.Fatal(err, doc.Warnings)
	}
	e := request(10, 100, -1, -1)
	if _, ok := doc.Prices[0].Cost(e); ok {
		t.Error("an answer of nobody knows what is priced")
	}
	e.Extra = []byte(`{"completion_image_tokens":100}`)
	if nano, ok := doc.Prices[0].Cost(e); !ok || nano != 10+100*40 {
		t.Errorf("costs %d (%v)", nano, ok)
	}
}
