package stream

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// orders are those in which GET /correlations lists. A sample is even over all that the filters choose, and the same for the same requests: the
// hash of the id decides.
const (
	orderNewest  = "newest"
	orderSlowest = "slowest"
	orderSample  = "sample"
)

var orders = []string{orderNewest, orderSlowest, orderSample}

// durations are the measures that requests are chosen and ordered by.
var durations = map[string]event.Field{"latency_ms": event.DurationMS, "ttft_ms": event.TTFT, "tpot_ms": event.TPOT}

var durationNames = []string{"latency_ms", "ttft_ms", "tpot_ms"}

// chosen says which requests are looked for by what they themselves say, and in which order.
type chosen struct {
	order          string
	from, to       int64 // of their own time, microseconds
	measure        event.Field
	low, high      int64 // of the measure, nanoseconds
	tenant, prompt string
	failed         bool // only those that failed

	size int64 // of the request that was looked at last
}

func chosenOptions() []httpx.Option {
	return []httpx.Option{
		httpx.Query("from", "RFC 3339: only requests whose own time is this or later"), httpx.Query("to", "RFC 3339: only requests whose own time is before this"), httpx.Query("tenant", "only requests of this tenant"), httpx.Query("prompt_version", "only requests with this version of their prompt"),
		httpx.Query("measure", "what at_least, below and order=slowest mean; latency_ms when absent", httpx.OneOf(durationNames...)), httpx.Query("at_least", "milliseconds; only requests that took so long or longer"), httpx.Query("below", "milliseconds; only requests that took less"),
		httpx.Query("outcome", "failed: only requests that failed", httpx.OneOf("failed")),
		httpx.Query("order", "newest (the default, page by page), slowest, or sample: chosen evenly by the hash of their ids", httpx.OneOf(orders...)),
	}
}

// chosen reads what is asked for; needed tells whether requests must be looked at for it.
func (p *params) chosen() (c chosen, needed bool) {
	c = chosen{order: orderNewest, from: math.MinInt64, to: math.MaxInt64, measure: event.DurationMS, high: math.MaxInt64, tenant: p.Get("tenant"), prompt: p.Get("prompt_version")}
	if v := p.Get("order"); v != "" {
		if c.order = v; !slices.Contains(orders, v) {
			p.refuse("order", "order=%q: give one of %s", clip(v), strings.Join(orders, ", "))
		}
	}
	if t, ok := p.moment("from"); ok {
		c.from = t.UnixMicro()
	}
	if t, ok := p.moment("to"); ok {
		c.to = t.UnixMicro()
	}
	if v := p.Get("measure"); v != "" {
		f, ok := durations[v]
		if c.measure = f; !ok {
			p.refuse("measure", "measure=%q: give one of %s", clip(v), strings.Join(durationNames, ", "))
		}
	}
	if v := p.Get("outcome"); v != "" {
		if c.failed = v == "failed"; !c.failed {
			p.refuse("outcome", "outcome=%q: give failed, or leave it out", clip(v))
		}
	}
	c.low, c.high = p.millis("at_least", 0), p.millis("below", math.MaxInt64)
	return c, c.order == orderSlowest || c.from > math.MinInt64 || c.to < math.MaxInt64 || c.bounded() || c.failed || c.tenant != "" || c.prompt != ""
}

// millis reads a duration in milliseconds as nanoseconds.
func (p *params) millis(name string, otherwise int64) int64 {
	v := p.Get(name)
	if v == "" {
		return otherwise
	}
	ms, err := strconv.ParseFloat(v, 64)
	if err != nil || !(ms >= 0 && ms <= 1e12) {
		p.refuse(name, "%s=%q: give milliseconds from 0 to 1e12", name, clip(v))
		return otherwise
	}
	return int64(ms * 1e6)
}

func (c *chosen) bounded() bool { return c.low > 0 || c.high < math.MaxInt64 }

// take tells whether a request is one of those that are looked for.
func (c *chosen) take(e *event.Event) bool {
	c.size = e.Int(c.measure)
	return c.from <= e.Time && e.Time < c.to && (!c.failed || e.Has(event.Success) && !e.Bool(event.Success)) && (c.tenant == "" || e.Text(event.Tenant) == c.tenant) && (c.prompt == "" || noted(e, `"prompt_version"`) == c.prompt) &&
		(e.Has(c.measure) && c.low <= c.size && c.size < c.high || c.order != orderSlowest && !c.bounded())
}

// compare puts what stands first in the order first.
func (c *chosen) compare(a, b found) int {
	switch c.order {
	case orderSlowest:
		return cmp.Or(cmp.Compare(b.size, a.size), a.spot.compare(b.spot))
	case orderSample:
		return cmp.Or(cmp.Compare(a.key[0], b.key[0]), cmp.Compare(a.key[1], b.key[1]))
	}
	return a.spot.compare(b.spot)
}
