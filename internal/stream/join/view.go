package join

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// View is what is shown of a request.
type View struct {
	RequestID string            `json:"request_id"`
	Status    string            `json:"status"`
	Missing   []string          `json:"missing"`
	Tier      string            `json:"tier"`
	Sequence  int               `json:"sequence"`
	ClosedAt  *time.Time        `json:"closed_at"`
	Request   json.RawMessage   `json:"request"`
	Engine    json.RawMessage   `json:"engine"`
	Feedback  []json.RawMessage `json:"feedback"`
	Business  []json.RawMessage `json:"business_events"`
	Derived   Derived           `json:"derived"`
}

// Derived is what follows from the parts. What cannot be told is null.
type Derived struct {
	Satisfaction  *float64 `json:"satisfaction"`      // mean of the scores
	ValueUSD      *agg.USD `json:"value_usd"`         // of the business events
	CostUSD       *agg.USD `json:"cost_usd"`          // of the request
	MarginUSD     *agg.USD `json:"margin_usd"`        // value − cost
	FeedbackDelay *float64 `json:"feedback_delay_ms"` // from the request's timestamp to that of its first feedback
}

// Statuses that a request may have.
const (
	StatusOpen     = "open"
	StatusComplete = "complete"
	StatusPartial  = "partial"
)

// View makes of a record what is shown.
func (r *Record) View() (*View, error) {
	v, _, err := r.Shown()
	return v, err
}

// About is what a record is about.
type About struct {
	Model  string // that served the request, "" when no part names one
	Tenant string // that the parts name, "" when none does, or they do not agree
}

// Shown is View with what it is about.
func (r *Record) Shown() (_ *View, about About, err error) {
	v := &View{Missing: []string{}, Sequence: len(r.Parts), Feedback: []json.RawMessage{}, Business: []json.RawMessage{}}
	var d derivation
	var work timings
	var has uint8
	events, err := r.events()
	if err != nil {
		return nil, about, err
	}
	about.Tenant = tenantOf(events)
	for i := range events {
		e := &events[i]
		if about.Model == "" {
			about.Model = strings.Clone(e.Text(event.Model))
		}
		has |= 1 << e.Kind
		d.take(e)
		switch e.Kind {
		case event.LLMRequest:
			if v.Request == nil { // of two events with one request id the earlier one stands for the request
				v.Request = shown(e)
			}
			work.take(e)
		case event.UserFeedback:
			v.Feedback = append(v.Feedback, shown(e))
		case event.BusinessEvent:
			v.Business = append(v.Business, shown(e))
		}
	}
	v.RequestID = strings.Clone(events[0].Text(event.RequestID))
	v.Status, v.Tier = status(r.Closed, has), tier(r.Closed, r.Stub, has)
	for _, k := range []event.Kind{event.LLMRequest, event.UserFeedback, event.BusinessEvent} {
		if has&(1<<k) == 0 {
			v.Missing = append(v.Missing, missing[k])
		}
	}
	if r.Closed {
		v.ClosedAt = new(time.UnixMicro(r.Changed).UTC())
	}
	v.Derived, v.Engine = d.derived(), work.shown()
	return v, about, nil
}

// tenantOf is the tenant of all that name one.
func tenantOf(events []event.Event) (tenant string) {
	for i := range events {
		switch of := events[i].Text(event.Tenant); {
		case of == "" || of == tenant:
		case tenant == "":
			tenant = strings.Clone(of)
		default:
			return ""
		}
	}
	return tenant
}

// Only is the record without the parts that name another tenant; not ok when none names this one. A request id is chosen by who sends it, so
// parts of several tenants may meet under one.
func (r *Record) Only(tenant string) (out Record, ok bool) {
	out = *r
	out.Parts = nil
	var e event.Event
	for _, part := range r.Parts {
		if _, err := e.ReadCompact(part); err != nil {
			continue // what cannot be read is nobody's
		}
		of := e.Text(event.Tenant)
		if ok = ok || of == tenant; of == tenant || of == "" {
			out.Parts = append(out.Parts, part)
		}
	}
	return out, ok
}

// events are the parts in the order of their time, whatever order they came in.
func (r *Record) events() ([]event.Event, error) {
	events := make([]event.Event, len(r.Parts))
	for i, part := range r.Parts {
		if _, err := events[i].ReadCompact(part); err != nil {
			return nil, err
		}
	}
	sorting.By(events, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	return events, nil
}

var missing = map[event.Kind]string{event.LLMRequest: "request", event.UserFeedback: "user_feedback", event.BusinessEvent: "business_event"}

func status(closed bool, has uint8) string {
	switch {
	case !closed:
		return StatusOpen
	case has == hasAll:
		return StatusComplete
	}
	return StatusPartial
}

// tier says who joined: the live table within the window, the stubs of closed requests later, or, when the request itself is
// unknown to both, nobody but the batch half.
func tier(closed, late bool, has uint8) string {
	switch {
	case closed && has&hasRequest == 0:
		return "batch"
	case late:
		return "stub"
	}
	return "live"
}

// shown is an event as one flat object.
func shown(e *event.Event) json.RawMessage {
	id, _ := json.Marshal(e.ID)
	source, _ := json.Marshal(e.Source)
	b := append([]byte(`{"event_id":`), id...)
	b = append(event.AppendTime(append(b, `,"timestamp":"`...), e.Time), `","source":`...)
	b = append(b, source...)
	if data := e.AppendData(nil); len(data) > 2 {
		b = append(append(b, ','), data[1:len(data)-1]...)
	}
	return append(b, '}')
}

// timings are what is known of the engine's work on a request. Gateway, SDK and engine may each tell of it: what the first does not say is
// taken from the next.
type timings struct {
	event event.Event
	known bool
}

func (t *timings) take(e *event.Event) {
	for _, f := range []event.Field{event.TTFT, event.TPOT, event.Queue} {
		if e.Has(f) && !t.event.Has(f) {
			t.event.Kind, t.known = e.Kind, true
			t.event.SetInt(f, e.Int(f))
		}
	}
}

// shown is null when nobody said anything.
func (t *timings) shown() json.RawMessage {
	if !t.known {
		return nil
	}
	return t.event.AppendData(nil)
}

// derivation adds up what is derived from parts.
type derivation struct {
	scores, score     float64
	value, cost       *int64
	asked, firstReply *int64
}

func (d *derivation) take(e *event.Event) {
	switch e.Kind {
	case event.LLMRequest:
		if d.asked != nil {
			return
		}
		d.asked = new(e.Time)
		if e.Has(event.Cost) {
			d.cost = new(e.Int(event.Cost))
		}
	case event.UserFeedback:
		if d.firstReply == nil || e.Time < *d.firstReply {
			d.firstReply = new(e.Time)
		}
		if e.Has(event.SatisfactionScore) {
			d.score += e.Float(event.SatisfactionScore)
			d.scores++
		}
	case event.BusinessEvent:
		if !e.Has(event.BusinessValue) {
			return
		}
		sum := e.Int(event.BusinessValue)
		if d.value != nil {
			sum = add(sum, *d.value)
		}
		d.value = &sum
	}
}

// add stops at the ends of the range.
func add(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

func (d *derivation) derived() (out Derived) {
	if d.scores > 0 && !math.IsInf(d.score, 0) { // JSON has no infinity
		out.Satisfaction = new(d.score / d.scores)
	}
	if d.value != nil {
		out.ValueUSD = new(agg.USD(*d.value))
	}
	if d.cost != nil {
		out.CostUSD = new(agg.USD(*d.cost))
	}
	if d.value != nil && d.cost != nil {
		out.MarginUSD = new(agg.USD(add(*d.value, -*d.cost)))
	}
	if d.asked != nil && d.firstReply != nil {
		out.FeedbackDelay = new(float64(*d.firstReply-*d.asked) / 1e3)
	}
	return out
}
