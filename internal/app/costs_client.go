package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// USD is an exact amount of money.
type USD = agg.USD

// CostLine is what some requests cost.
type CostLine struct {
	CostUSD  *agg.USD `json:"cost_usd"`
	Requests uint64   `json:"requests"`
	Errors   uint64   `json:"errors"`
	Unpriced uint64   `json:"unpriced_requests"`
	Tokens   struct {
		Prompt     int64 `json:"prompt"`
		Completion int64 `json:"completion"`
		Total      int64 `json:"total"`
		Cached     int64 `json:"cached"`
		Reasoning  int64 `json:"reasoning"`
	} `json:"tokens"`
	OwnUSD *agg.USD `json:"own_gpu_usd,omitempty"`
}

// Costs are costs by groups.
type Costs struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Total  CostLine  `json:"total"`
	Groups []struct {
		Key map[string]*string `json:"key"`
		CostLine
	} `json:"groups"`
	Own  *OwnTotal `json:"own_gpus,omitempty"`
	Next *string   `json:"next_cursor"`
}

// OwnTotal is what own GPUs cost in the time of an answer.
type OwnTotal struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	CostUSD agg.USD   `json:"cost_usd"`
	UsedUSD agg.USD   `json:"used_usd"`
	IdleUSD agg.USD   `json:"idle_usd"`
	Idle    []struct {
		Key    map[string]*string `json:"key"`
		Pool   string             `json:"pool"`
		OwnUSD agg.USD            `json:"own_gpu_usd"`
	} `json:"idle"`
}

// CostParts are what costs can be grouped by; those that do not tell when can narrow them.
var CostParts = batch.CostParts

// CostQuery says which costs are asked for.
type CostQuery struct {
	From, To time.Time // zero = not said
	By       []string
	Only     []string // PART:VALUE, of each part one value at most
	Without  []string // PART:VALUE
	Own      bool     // also what they took of own GPUs
	Limit    int
}

func (q CostQuery) values() url.Values {
	v := url.Values{}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339))
		}
	}
	if len(q.By) > 0 {
		v.Set("group_by", strings.Join(q.By, ","))
	}
	for _, text := range q.Only {
		part, value, _ := strings.Cut(text, ":")
		v.Set(part, value)
	}
	for _, text := range q.Without {
		v.Add("without", text)
	}
	if q.Own {
		v.Set("own", "true")
	}
	return v
}

// Costs asks what requests cost.
func (a *Asked) Costs(ctx context.Context, q CostQuery) (c Costs, err error) {
	v := q.values()
	v.Set("limit", strconv.Itoa(q.Limit))
	return c, a.patient().Into(ctx, http.MethodGet, "/costs?"+v.Encode(), nil, &c)
}

// CostFile is everything as csv or focus.
func (a *Asked) CostFile(ctx context.Context, q CostQuery, format string) ([]byte, error) {
	v := q.values()
	v.Set("format", format)
	return a.patient().Call(ctx, http.MethodGet, "/costs?"+v.Encode(), nil)
}

// WhatIfAnswer is what moves would have done.
type WhatIfAnswer struct {
	From   time.Time       `json:"from"`
	To     time.Time       `json:"to"`
	Moves  []*cost.Outcome `json:"moves"`
	Before agg.USD         `json:"cost_usd_before"`
	After  agg.USD         `json:"cost_usd_after"`
	Saving agg.USD         `json:"saving_usd"`
	Month  agg.USD         `json:"saving_usd_month"`
}

// Move is a share of the requests to one model that another would serve.
type Move = cost.Move

// ParseMove reads SHARE:FROM:TO, such as 30%:big:small.
func ParseMove(text string) (m Move, err error) {
	share, models, _ := strings.Cut(text, ":")
	number, percent := strings.CutSuffix(share, "%")
	if percent {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return m, err
		}
		number = strconv.FormatFloat(f/100, 'f', 8, 64)
	}
	if err := m.Share.UnmarshalJSON([]byte(number)); err != nil {
		return m, err
	}
	if strings.Count(models, ":") != 1 {
		return m, errors.New("a name with a colon cannot be told from two names; POST /costs/whatif takes it")
	}
	m.From, m.To, _ = strings.Cut(models, ":")
	return m, nil
}

// WhatIf asks what moves would have done.
func (a *Asked) WhatIf(ctx context.Context, from, to time.Time, moves []Move) (w WhatIfAnswer, err error) {
	body := map[string]any{"moves": moves}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			body[name] = t.Format(time.RFC3339)
		}
	}
	return w, a.patient().Into(ctx, http.MethodPost, "/costs/whatif", body, &w)
}

// PriceEntry is one price of the book, by LiteLLM's field names.
type PriceEntry map[string]any

// PriceList is the price book.
type PriceList struct {
	Prices []PriceEntry `json:"prices"`
}

// Prices lists the price book.
func (a *Asked) Prices(ctx context.Context, model string, history bool) (all PriceList, err error) {
	for cursor := ""; ; {
		v := url.Values{"limit": {"1000"}, "history": {strconv.FormatBool(history)}}
		if model != "" {
			v.Set("model", model)
		}
		if cursor != "" {
			v.Set("cursor", cursor)
		}
		var page struct {
			PriceList
			Next *string `json:"next_cursor"`
		}
		if err := a.Into(ctx, http.MethodGet, "/prices?"+v.Encode(), nil, &page); err != nil {
			return all, err
		}
		if all.Prices = append(all.Prices, page.Prices...); page.Next == nil {
			return all, nil
		}
		cursor = *page.Next
	}
}

// PutAnswer is what putting prices did.
type PutAnswer struct {
	Changed  int      `json:"changed"`
	Warnings []string `json:"warnings"`
}

// PutPrices puts the prices of a document: {"prices": […]}, or LiteLLM's list, whose prices hold from a time on.
func (a *Asked) PutPrices(ctx context.Context, text []byte, from time.Time) (p PutAnswer, err error) {
	doc, err := cost.Read(text, from)
	if err != nil {
		return p, err
	}
	all, err := json.Marshal(map[string]any{"prices": doc.Prices})
	if err != nil {
		return p, err
	}
	err = a.Into(ctx, http.MethodPut, "/prices", json.RawMessage(all), &p)
	p.Warnings = append(doc.Warnings, p.Warnings...)
	return p, err
}

// OwnCosts are those of own GPUs.
type OwnCosts struct {
	From  time.Time        `json:"from"`
	To    time.Time        `json:"to"`
	Total agg.USD          `json:"cost_usd"`
	Pools []*cost.PoolCost `json:"pools"`
}

// OwnCosts asks what own GPUs cost.
func (a *Asked) OwnCosts(ctx context.Context, q CostQuery) (own OwnCosts, err error) {
	return own, a.patient().Into(ctx, http.MethodGet, "/costs/self-hosted?"+q.values().Encode(), nil, &own)
}

// Budgets are how the budgets of the month stand.
type Budgets struct {
	Budgets []cost.Standing `json:"budgets"`
}

// Budgets asks for them; they are about no other time than this month.
func (a *Asked) Budgets(ctx context.Context, _ CostQuery) (out Budgets, err error) {
	return out, a.patient().Into(ctx, http.MethodGet, "/costs/budgets", nil, &out)
}

// Accepted is what accepted answers cost.
type Accepted struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Judged  int       `json:"judged"`
	Matched int       `json:"with_their_request"`
	Models  []struct {
		Model    string   `json:"model"`
		Judged   int      `json:"judged"`
		Accepted int      `json:"accepted"`
		Rate     float64  `json:"acceptance_rate"`
		Unpriced int      `json:"unpriced_requests"`
		CostUSD  *agg.USD `json:"cost_usd"`
		Each     *float64 `json:"cost_usd_per_accepted_answer"`
	} `json:"models"`
}

// Accepted asks what accepted answers cost.
func (a *Asked) Accepted(ctx context.Context, q CostQuery) (out Accepted, err error) {
	return out, a.patient().Into(ctx, http.MethodGet, "/costs/accepted?"+q.values().Encode(), nil, &out)
}

// Reconciled compares the tokens of requests with those of engines, in an hour or in all of them.
type Reconciled struct {
	Hour              *time.Time `json:"hour,omitempty"`
	Engines           int        `json:"engines"`
	Samples           int        `json:"samples"`
	GatewayPrompt     int64      `json:"gateway_prompt_tokens"`
	GatewayCompletion int64      `json:"gateway_completion_tokens"`
	EnginePrompt      float64    `json:"engine_prompt_tokens"`
	EngineCompletion  float64    `json:"engine_completion_tokens"`
	PromptRatio       *float64   `json:"prompt_ratio"`
	CompletionRatio   *float64   `json:"completion_ratio"`
}

// Judge tells what is wrong when a ratio is farther from 1 than within; a negative one judges nothing.
func (r *Reconciled) Judge(within float64) error {
	if within < 0 {
		return nil
	}
	for _, x := range []struct {
		of    string
		ratio *float64
	}{{"prompts", r.PromptRatio}, {"answers", r.CompletionRatio}} {
		switch {
		case x.ratio == nil:
			return fmt.Errorf("nothing to compare the tokens of %s with: no hour of that time has both requests and samples of engines", x.of)
		case math.Abs(*x.ratio-1) > within:
			return fmt.Errorf("engines counted %.4f times the tokens of %s that requests tell, which is farther from 1 than %g", *x.ratio, x.of, within)
		}
	}
	return nil
}

// Reconciliation is the comparison by hour.
type Reconciliation struct {
	From  time.Time    `json:"from"`
	To    time.Time    `json:"to"`
	Total Reconciled   `json:"total"`
	Hours []Reconciled `json:"hours"`
}

// Reconciliation asks for it.
func (a *Asked) Reconciliation(ctx context.Context, q CostQuery) (out Reconciliation, err error) {
	return out, a.patient().Into(ctx, http.MethodGet, "/costs/reconciliation?"+q.values().Encode(), nil, &out)
}
