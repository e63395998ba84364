package agg

import (
	"bytes"
	"math"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Cell holds all counters of one group of events in one span of time. The zero Cell is empty. Its fields are for reading;
// only Add, Merge, Decode and Reset write them.
type Cell struct {
	Events   uint64 // of all kinds
	Requests uint64 // llm_request events
	Errors   uint64 // of Requests: success is false
	Unknown  uint64 // of Requests: success is not known
	Late     uint64 // of Events: later than the allowed lateness

	// Durations of the requests whose success is true.
	Latency, TTFT, TPOT Measure

	Tokens Tokens // of the requests
	Cost   int64  // nano-USD, of the Priced requests
	Priced uint64 // of Requests: those with a cost

	Users, Sessions Distinct // of the requests

	Feedback Feedback
	Business Business
	System   System
}

// Tokens are sums over requests.
type Tokens struct{ Prompt, Completion, Total, Cached, Reasoning int64 }

// Feedback summarises user_feedback events.
type Feedback struct {
	Count      uint64
	Scores     uint64   // events with a satisfaction score
	Score      ExactSum // of the scores
	Accuracies uint64   // events with an accuracy
	Accuracy   ExactSum // of the accuracies
	ThumbsUp   uint64
	ThumbsDown uint64
}

// Business summarises business_event events.
type Business struct {
	Events uint64
	Valued uint64 // events with a value
	Gain   int64  // nano-USD, sum of the values above 0
	Loss   int64  // nano-USD, sum of the values below 0, without their sign
	Priced uint64 // events with a cost
	Cost   int64  // nano-USD
}

// Value returns the sum of the values in nano-USD.
func (b *Business) Value() int64 { return b.Gain - b.Loss }

// Unpriced returns the number of requests without a cost.
func (c *Cell) Unpriced() uint64 { return c.Requests - c.Priced }

// Add folds one settled event; late says that it came later than the allowed lateness. The event may be reused afterwards.
// It allocates only while c grows.
func (c *Cell) Add(e *event.Event, late bool) {
	c.Events++
	if late {
		c.Late++
	}
	switch e.Kind {
	case event.LLMRequest:
		c.addRequest(e)
	case event.UserFeedback:
		c.Feedback.add(e)
	case event.SystemMetric:
		c.System.add(e)
	case event.BusinessEvent:
		c.Business.add(e)
	}
}

func (c *Cell) addRequest(e *event.Event) {
	c.Requests++
	switch {
	case !e.Has(event.Success):
		c.Unknown++
	case !e.Bool(event.Success):
		c.Errors++
	default:
		if e.Has(event.DurationMS) {
			c.Latency.Add(e.Int(event.DurationMS))
		}
		if e.Has(event.TTFT) {
			c.TTFT.Add(e.Int(event.TTFT))
		}
		if e.Has(event.TPOT) {
			c.TPOT.Add(e.Int(event.TPOT))
		}
	}
	c.Tokens.add(&Tokens{
		Prompt: e.Int(event.PromptTokens), Completion: e.Int(event.CompletionTokens), Total: e.Int(event.TotalTokens),
		Cached: e.Int(event.CachedTokens), Reasoning: e.Int(event.ReasoningTokens),
	})
	if e.Has(event.Cost) {
		c.Priced++
		plus(&c.Cost, e.Int(event.Cost))
	}
	c.Users.Add(e.Text(event.UserID))
	c.Sessions.Add(e.Text(event.SessionID))
}

// plus adds n to a sum of numbers that are not negative and stops at the largest int64: turning over would show nonsense,
// and stopping keeps the order of additions without effect. A negative n, which no valid event has, adds nothing.
func plus(sum *int64, n int64) {
	if *sum += max(n, 0); *sum < 0 {
		*sum = math.MaxInt64
	}
}

func (t *Tokens) add(o *Tokens) {
	plus(&t.Prompt, o.Prompt)
	plus(&t.Completion, o.Completion)
	plus(&t.Total, o.Total)
	plus(&t.Cached, o.Cached)
	plus(&t.Reasoning, o.Reasoning)
}

func (f *Feedback) add(e *event.Event) {
	f.Count++
	if e.Has(event.SatisfactionScore) {
		f.Scores++
		f.Score.Add(e.Float(event.SatisfactionScore))
	}
	if e.Has(event.AccuracyFeedback) {
		f.Accuracies++
		f.Accuracy.Add(e.Float(event.AccuracyFeedback))
	}
	switch e.Text(event.Thumbs) {
	case "up":
		f.ThumbsUp++
	case "down":
		f.ThumbsDown++
	}
}

func (f *Feedback) merge(o *Feedback) {
	f.Count += o.Count
	f.Scores += o.Scores
	f.Score.Merge(&o.Score)
	f.Accuracies += o.Accuracies
	f.Accuracy.Merge(&o.Accuracy)
	f.ThumbsUp += o.ThumbsUp
	f.ThumbsDown += o.ThumbsDown
}

func (b *Business) add(e *event.Event) {
	b.Events++
	if e.Has(event.BusinessValue) {
		b.Valued++
		v := e.Int(event.BusinessValue)
		plus(&b.Gain, v)
		plus(&b.Loss, -v)
	}
	if e.Has(event.Cost) {
		b.Priced++
		plus(&b.Cost, e.Int(event.Cost))
	}
}

func (b *Business) merge(o *Business) {
	b.Events += o.Events
	b.Valued += o.Valued
	plus(&b.Gain, o.Gain)
	plus(&b.Loss, o.Loss)
	b.Priced += o.Priced
	plus(&b.Cost, o.Cost)
}

// Merge adds everything that o holds, which stays as it is. o must not be c.
func (c *Cell) Merge(o *Cell) {
	c.Events += o.Events
	c.Requests += o.Requests
	c.Errors += o.Errors
	c.Unknown += o.Unknown
	c.Late += o.Late
	c.Latency.Merge(&o.Latency)
	c.TTFT.Merge(&o.TTFT)
	c.TPOT.Merge(&o.TPOT)
	c.Tokens.add(&o.Tokens)
	plus(&c.Cost, o.Cost)
	c.Priced += o.Priced
	c.Users.Merge(&o.Users)
	c.Sessions.Merge(&o.Sessions)
	if o.Feedback.Count > 0 { // most groups have requests alone
		c.Feedback.merge(&o.Feedback)
	}
	if o.Business.Events > 0 {
		c.Business.merge(&o.Business)
	}
	if o.System.Samples > 0 {
		c.System.merge(&o.System)
	}
}

// Empty tells whether no event was folded into c.
func (c *Cell) Empty() bool { return c.Events == 0 }

// Reset empties c and keeps its memory for what comes next.
func (c *Cell) Reset() {
	latency, ttft, tpot, users, sessions, system := c.Latency, c.TTFT, c.TPOT, c.Users, c.Sessions, c.System
	latency.Reset()
	ttft.Reset()
	tpot.Reset()
	users.Reset()
	sessions.Reset()
	system.reset()
	*c = Cell{Latency: latency, TTFT: ttft, TPOT: tpot, Users: users, Sessions: sessions, System: system}
}

// Clone returns an independent copy without spare memory.
func (c *Cell) Clone() *Cell {
	d := *c
	d.Latency, d.TTFT, d.TPOT = c.Latency.Clone(), c.TTFT.Clone(), c.TPOT.Clone()
	d.Users, d.Sessions = c.Users.Clone(), c.Sessions.Clone()
	d.Feedback.Score, d.Feedback.Accuracy = c.Feedback.Score.Clone(), c.Feedback.Accuracy.Clone()
	d.System = c.System.clone()
	return &d
}

// Equal tells whether c and o say the same, whatever their memory looks like.
func (c *Cell) Equal(o *Cell) bool { return bytes.Equal(c.Append(nil), o.Append(nil)) }
