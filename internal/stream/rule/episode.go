package rule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// State of an episode.
type State string

// The states. An episode that ends before it fired has lapsed: nobody needs to be told.
const (
	none     State = ""
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
	Lapsed   State = "lapsed"
)

// Time is microseconds since the epoch, written as RFC 3339; 0 is written as null.
type Time int64

// MarshalJSON is part of json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, event.FormatTime(int64(t))), nil
}

// UnmarshalJSON is part of json.Unmarshaler.
func (t *Time) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*t = 0
		return nil
	}
	var at time.Time
	if err := at.UnmarshalJSON(text); err != nil {
		return err
	}
	*t = Time(at.UnixMicro())
	return nil
}

// Window is the span of time that a decision rests on.
type Window struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// Share is how much a value of a field has of what caused an alert.
type Share struct {
	Field string  `json:"field"`
	Value string  `json:"value"`
	Share float64 `json:"share"` // of the events that were looked at
	Of    int     `json:"of"`    // how many were looked at: a sample, at most 4 of each second and 32 of all
}

// Decision is what an episode of a rule and a key came to at a moment.
type Decision struct {
	ID          string            `json:"id"` // of the episode: the same in all of its decisions, whoever makes them
	Rule        string            `json:"rule"`
	Version     string            `json:"version"`
	State       State             `json:"state"`
	Severity    string            `json:"severity"`
	Class       string            `json:"class,omitempty"` // page or ticket, of a burn rate: each has episodes of its own
	Mode        string            `json:"mode"`
	Actions     []Action          `json:"actions,omitempty"`
	Key         map[string]string `json:"key"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	At          Time              `json:"at"`
	StartsAt    Time              `json:"starts_at"`
	EndsAt      Time              `json:"ends_at"`
	CausedAt    Time              `json:"caused_at"` // arrival of the latest event that was seen
	Window      Window            `json:"window"`
	Value       float64           `json:"value"`
	Threshold   float64           `json:"threshold"`
	Top         []Share           `json:"top"`
	RequestIDs  []string          `json:"request_ids"`
	Events      []string          `json:"events,omitempty"` // ids of those that made the sequence, the first ones

	order string // the key as the engine has it
}

// Ended is the decision that ends the episode of d.
func (d *Decision) Ended(now int64) Decision {
	end := *d
	end.State, end.At, end.EndsAt = Resolved, Time(now), Time(now)
	if d.State == Pending {
		end.State = Lapsed
	}
	return end
}

const (
	maxExamples = 5
	maxEvents   = 10 // of a sequence
	maxShares   = 5
)

// episode is the time in which a rule holds for a key.
type episode struct {
	state   State
	start   int64 // microseconds at which it began to hold
	held    int64 // microseconds at which it held last
	reading reading
}

// next moves an episode on and returns the state to tell, none when nothing changed.
func (p *episode) next(now int64, x reading, wait, keep int64) State {
	if x.holds {
		p.held, p.reading = now, x
		if p.state == none {
			p.start = now
		}
		switch {
		case p.state == Firing:
			return none
		case now-p.start >= wait:
			p.state = Firing
			return Firing
		case p.state == none:
			p.state = Pending
			return Pending
		}
		return none
	}
	switch {
	case p.state == Pending:
		return Lapsed
	case p.state == Firing && now-p.held >= keep:
		return Resolved
	}
	return none
}

// judge looks at a group, with the windows that end at a second, and adds what follows to out.
func (r *compiled) judge(g *group, at, now int64, out []Decision) []Decision {
	if r.Type != BurnRate {
		return r.move(g, 0, now, r.read(g, at), out)
	}
	for class := range classes {
		out = r.move(g, class, now, r.burn(g, at, class), out)
	}
	return out
}

// foresee is judge where only what holds counts.
func (r *compiled) foresee(g *group, at, now int64, out []Decision) []Decision {
	if r.Type != BurnRate {
		if x := r.read(g, at); x.holds {
			out = r.move(g, 0, now, x, out)
		}
		return out
	}
	for class := range classes {
		if x := r.burn(g, at, class); x.holds {
			out = r.move(g, class, now, x, out)
		}
	}
	return out
}

func (r *compiled) move(g *group, class int, now int64, x reading, out []Decision) []Decision {
	p := &g.episodes[class]
	if r.Type == Sequence && x.holds && p.state == Firing { // one more match of the same episode
		x.value += p.reading.value
		x.from = min(x.from, p.reading.from)
		ids, events := x.ids, x.events
		x.ids, x.events = p.reading.ids, p.reading.events // the first ones are kept
		x.show(ids, events)
	}
	state := p.next(now, x, r.For.seconds()*second, r.KeepFiringFor.seconds()*second)
	if state == none {
		return out
	}
	return append(out, r.tell(g, class, now, state))
}

// begin opens the episode of an event that is all that the rule waits for, as of its arrival.
func (r *compiled) begin(g *group, h *held) Decision {
	at := floor(h.at, second)
	h.told = true
	g.newest = max(g.newest, h.arrival)
	g.episodes[0] = episode{Firing, h.arrival, h.arrival, reading{true, 1, 1, at, at + 1, example(nil, h.request, maxExamples), example(nil, h.id, maxEvents)}}
	return r.tell(g, 0, h.arrival, Firing)
}

// tell makes the decision of an episode that came to a state, by the last reading that held. With an end it is over.
func (r *compiled) tell(g *group, class int, now int64, state State) Decision {
	p := &g.episodes[class]
	d := Decision{
		ID: r.id(g, class, p.start), Rule: r.Name, Version: r.version, State: state, Severity: r.Severity, Mode: r.Mode, Actions: r.Actions, Annotations: r.Annotations,
		Key: map[string]string{}, Labels: map[string]string{"alertname": r.Name}, At: Time(now), StartsAt: Time(p.start), CausedAt: Time(g.newest),
		Window: Window{Time(p.reading.from * second), Time(p.reading.to * second)}, Value: p.reading.value, Threshold: p.reading.threshold, order: g.key,
	}
	for i, name := range r.GroupBy {
		d.Key[name] = g.values[i]
	}
	maps.Copy(d.Labels, d.Key)
	if r.Type == BurnRate {
		d.Class = classNames[class]
		d.Labels["burn"] = d.Class
		d.Severity = severityOf(d.Severity, class)
	}
	maps.Copy(d.Labels, r.Labels)
	d.RequestIDs, d.Events = append([]string{}, p.reading.ids...), p.reading.events
	r.explain(g, p, &d)
	if state == Resolved || state == Lapsed {
		d.EndsAt = d.At
		*p = episode{}
	}
	return d
}

// id names an episode.
func (r *compiled) id(g *group, class int, start int64) string {
	text, err := json.Marshal([]any{r.Name, r.version, []byte(g.key), class, start})
	if err != nil {
		panic("rule: " + err.Error()) // texts and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// explain adds example requests and where the events came from, of those that lie in the window.
func (r *compiled) explain(g *group, p *episode, d *Decision) {
	from, to := p.reading.from*second, p.reading.to*second
	var seen []*sample
	for i := len(g.samples) - 1; i >= 0; i-- {
		s := g.samples[i]
		if s.at < from || s.at >= to {
			continue
		}
		seen = append(seen, s)
		d.RequestIDs = example(d.RequestIDs, s.text(0), maxExamples)
	}
	d.Top = sharesOf(seen, func(field string) bool { return d.Key[field] == "" })
}

// sharesOf says which values of the wanted fields stand out among samples.
func sharesOf(samples []*sample, wanted func(field string) bool) []Share {
	type value struct {
		field int
		text  string
	}
	counts, n := map[value]int{}, len(samples)
	for _, s := range samples {
		for f := 1; f < len(told); f++ {
			if text := s.text(f); text != "" {
				counts[value{f, text}]++
			}
		}
	}
	top := make([]Share, 0, len(counts))
	for v, count := range counts {
		if name := event.Catalogue[told[v.field]].Name; wanted(name) {
			top = append(top, Share{name, v.text, float64(count) / float64(n), n})
		}
	}
	sorting.By(top, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value))
	})
	return top[:min(len(top), maxShares)]
}

// example adds an id to a few.
func example(ids []string, id string, most int) []string {
	if id == "" || len(ids) >= most || slices.Contains(ids, id) {
		return ids
	}
	return append(slices.Clip(ids), id)
}
