package agg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Stats are the numbers of a Cell as people and programs see them: the one object for numbers in every API. Pointers are nil,
// null in JSON, where data are absent; durations are in milliseconds, ratios 0–1.
type Stats struct {
	Requests         uint64        `json:"requests"`
	Errors           uint64        `json:"errors"`
	Unknown          uint64        `json:"unknown"`        // requests whose outcome is not known
	ErrorRate        *float64      `json:"error_rate"`     // errors ÷ (requests − unknown)
	ThroughputRPS    *float64      `json:"throughput_rps"` // requests ÷ seconds
	LatencyMS        MeasureStats  `json:"latency_ms"`
	TTFTMS           MeasureStats  `json:"ttft_ms"`
	TPOTMS           MeasureStats  `json:"tpot_ms"`
	Tokens           TokenStats    `json:"tokens"`
	CostUSD          *USD          `json:"cost_usd"` // of the priced requests
	UnpricedRequests uint64        `json:"unpriced_requests"`
	UniqueUsers      uint64        `json:"unique_users"`
	UniqueSessions   uint64        `json:"unique_sessions"`
	Feedback         FeedbackStats `json:"feedback"`
	Business         BusinessStats `json:"business"`
	System           SystemStats   `json:"system"`
	Events           uint64        `json:"events"`
	LateEvents       uint64        `json:"late_events"`
}

// MeasureStats are the numbers of a Measure, in milliseconds.
type MeasureStats struct {
	Count uint64   `json:"count"`
	Avg   *float64 `json:"avg"`
	Min   *float64 `json:"min"`
	Max   *float64 `json:"max"`
	P50   *float64 `json:"p50"`
	P95   *float64 `json:"p95"`
	P99   *float64 `json:"p99"`
}

// TokenStats are sums of tokens.
type TokenStats struct {
	Prompt     int64 `json:"prompt"`
	Completion int64 `json:"completion"`
	Total      int64 `json:"total"`
	Cached     int64 `json:"cached"`
	Reasoning  int64 `json:"reasoning"`
}

// FeedbackStats are the numbers of user_feedback events.
type FeedbackStats struct {
	Count        uint64   `json:"count"`
	Satisfaction *float64 `json:"satisfaction"` // mean score, 1–5
	Accuracy     *float64 `json:"accuracy"`     // mean, 0–1
	ThumbsUp     uint64   `json:"thumbs_up"`
	ThumbsDown   uint64   `json:"thumbs_down"`
}

// BusinessStats are the numbers of business_event events.
type BusinessStats struct {
	Events   uint64 `json:"events"`
	ValueUSD *USD   `json:"value_usd"`
	CostUSD  *USD   `json:"cost_usd"`
}

// SystemStats are the means of the system_metric events by name. In JSON they stand beside "samples"; the names of
// shownGauges are always there, null without data.
type SystemStats struct {
	Samples uint64
	Means   map[string]float64
}

// shownGauges are shown even without data, so that a reader finds them.
var shownGauges = [...]event.Field{event.CPUUsage, event.MemoryUsage, event.GPUUsage, event.KVCacheUsage}

// Stats returns the numbers of c over a span of so many seconds; rates are null unless seconds > 0.
func (c *Cell) Stats(seconds float64) Stats {
	s := Stats{
		Requests: c.Requests, Errors: c.Errors, Unknown: c.Unknown,
		LatencyMS: c.Latency.Stats(), TTFTMS: c.TTFT.Stats(), TPOTMS: c.TPOT.Stats(),
		Tokens:      TokenStats(c.Tokens),
		UniqueUsers: c.Users.Count(), UniqueSessions: c.Sessions.Count(),
		UnpricedRequests: c.Unpriced(),
		Feedback:         c.Feedback.stats(), Business: c.Business.stats(), System: c.System.stats(),
		Events: c.Events, LateEvents: c.Late,
	}
	if known := c.Requests - c.Unknown; known > 0 {
		s.ErrorRate = new(float64(c.Errors) / float64(known))
	}
	if seconds > 0 {
		s.ThroughputRPS = new(float64(c.Requests) / seconds)
	}
	if c.Priced > 0 {
		s.CostUSD = new(USD(c.Cost))
	}
	return s
}

// Stats returns the numbers of m.
func (m *Measure) Stats() MeasureStats {
	if m.count == 0 {
		return MeasureStats{}
	}
	return MeasureStats{
		Count: m.count, Avg: new(m.AvgMS()), Min: new(float64(m.min) / nsPerMS), Max: new(float64(m.max) / nsPerMS),
		P50: new(m.QuantileMS(0.50)), P95: new(m.QuantileMS(0.95)), P99: new(m.QuantileMS(0.99)),
	}
}

func (f *Feedback) stats() FeedbackStats {
	s := FeedbackStats{Count: f.Count, ThumbsUp: f.ThumbsUp, ThumbsDown: f.ThumbsDown}
	if f.Scores > 0 {
		s.Satisfaction = new(f.Score.Mean(f.Scores))
	}
	if f.Accuracies > 0 {
		s.Accuracy = new(f.Accuracy.Mean(f.Accuracies))
	}
	return s
}

func (b *Business) stats() BusinessStats {
	s := BusinessStats{Events: b.Events}
	if b.Valued > 0 {
		s.ValueUSD = new(USD(b.Value()))
	}
	if b.Priced > 0 {
		s.CostUSD = new(USD(b.Cost))
	}
	return s
}

func (s *System) stats() SystemStats {
	st := SystemStats{Samples: s.Samples}
	if len(s.Gauges) > 0 {
		st.Means = make(map[string]float64, len(s.Gauges))
		for i := range s.Gauges {
			st.Means[s.Gauges[i].Name] = s.Gauges[i].Mean()
		}
	}
	return st
}

// Mean returns the mean of a name, nil when there is none.
func (s *SystemStats) Mean(name string) *float64 {
	if v, ok := s.Means[name]; ok {
		return &v
	}
	return nil
}

const samplesKey = "samples" // a gauge of this name is not shown

// MarshalJSON writes samples, then the shown gauges, then the others by name.
func (s SystemStats) MarshalJSON() ([]byte, error) {
	b := strconv.AppendUint([]byte(`{"samples":`), s.Samples, 10)
	one := func(name string, v *float64) error {
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		value, err := json.Marshal(v)
		b = append(append(append(append(b, ','), key...), ':'), value...)
		return err
	}
	names := make([]string, 0, len(s.Means)+len(shownGauges))
	for name := range s.Means {
		if name != samplesKey && !slices.ContainsFunc(shownGauges[:], func(f event.Field) bool { return event.Catalogue[f].Name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i := len(shownGauges) - 1; i >= 0; i-- {
		names = slices.Insert(names, 0, event.Catalogue[shownGauges[i]].Name)
	}
	for _, name := range names {
		if err := one(name, s.Mean(name)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *SystemStats) UnmarshalJSON(data []byte) error {
	var all map[string]*json.Number
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&all); err != nil {
		return err
	}
	*s = SystemStats{}
	for name, n := range all {
		if n == nil {
			continue
		}
		if name == samplesKey {
			v, err := strconv.ParseUint(n.String(), 10, 64)
			if err != nil {
				return fmt.Errorf("agg: samples: %w", err)
			}
			s.Samples = v
			continue
		}
		v, err := n.Float64()
		if err != nil {
			return fmt.Errorf("agg: gauge %q: %w", name, err)
		}
		if s.Means == nil {
			s.Means = map[string]float64{}
		}
		s.Means[name] = v
	}
	return nil
}

// USD is an amount in nano-USD. In JSON it is a number of dollars, exact to the last of its nine decimals.
type USD int64

const (
	nanos       = 1_000_000_000
	usdDecimals = 9
)

// String returns the dollars as a decimal number without needless zeros, e.g. "-0.000125".
func (u USD) String() string {
	n, sign := uint64(u), ""
	if u < 0 {
		n, sign = -n, "-"
	}
	whole, part := strconv.FormatUint(n/nanos, 10), n%nanos
	if part == 0 {
		return sign + whole
	}
	digits := strconv.FormatUint(part+nanos, 10)[1:]
	return sign + whole + "." + strings.TrimRight(digits, "0")
}

// Float returns the dollars as the nearest float64.
func (u USD) Float() float64 {
	f, _ := strconv.ParseFloat(u.String(), 64) // rounds once; a decimal number always parses
	return f
}

// MarshalJSON writes the dollars.
func (u USD) MarshalJSON() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalJSON reads dollars that are exact in nano-USD.
func (u *USD) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) > 64 {
		return fmt.Errorf("agg: amount of %d characters", len(data))
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return err
	}
	if _, exp, _ := strings.Cut(strings.ToLower(n.String()), "e"); len(exp) > 4 {
		return fmt.Errorf("agg: amount %s is out of range", n)
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return fmt.Errorf("agg: %q is not an amount", n)
	}
	r.Mul(r, big.NewRat(nanos, 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return fmt.Errorf("agg: %s USD is not a whole number of nano-USD within ±9.2 billion USD", n)
	}
	*u = USD(r.Num().Int64())
	return nil
}
