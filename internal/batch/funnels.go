package batch

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// How far sessions, users or requests come through steps that follow each other, from the raw events, each identity once.

// funnelAnswer is the answer of GET /business-intelligence/funnels.
type funnelAnswer struct {
	From    time.Time      `json:"from"`
	To      time.Time      `json:"to"`
	Funnels []toldFunnel   `json:"funnels"`
	Limits  []insightLimit `json:"limits"`
}

type toldFunnel struct {
	Funnel
	Came []insight.FunnelStep `json:"steps"`
}

const (
	// mostSubjects bounds the sessions, users or requests of a funnel: what is known of each is in memory.
	mostSubjects = 1_000_000
	// mostPassing bounds the events of all funnels that wait for their hour's turn: about a gigabyte.
	mostPassing = 10_000_000
)

func (s *Service) mountFunnels(m *httpx.Mux) {
	m.HandleFunc("GET /business-intelligence/funnels", s.getFunnels, httpx.Doc("How many sessions, users or requests come to each step of the funnels (business_intelligence.funnels): their events are the steps up to it, one after the other, the last within the time of the funnel after the first. Every event counts once; what began before the span is not known."),
		httpx.Query("from", "Start, RFC 3339; the first of the month when not given."), httpx.Query("to", "End, exclusive; the end of the running hour when not given."),
		httpx.Answer("200", "The funnels.", funnelAnswer{}), httpx.Answer("409", "Business intelligence is switched off."), httpx.Answer("422", "A parameter cannot be used, or the question reads too much; errors says which."))
}

func (s *Service) getFunnels(w http.ResponseWriter, r *http.Request) {
	if !s.cfg().Intelligence.Enabled {
		httpx.Problem(w, r, http.StatusConflict, "business intelligence is switched off (business_intelligence.enabled)")
		return
	}
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	from, to := s.costTimes(q)
	if q.refused(w, r) {
		return
	}
	a, err := asking(r.Context(), s, func() (*funnelAnswer, error) { return s.funnels(r.Context(), from, to) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, a)
}

// funnels reads the hours of [from, to), oldest first.
func (s *Service) funnels(ctx context.Context, from, to time.Time) (*funnelAnswer, error) {
	hours, _, err := s.hourStates(ctx, from, to)
	if err != nil {
		return nil, err
	}
	p := newPassage(s.cfg().Intelligence.Funnels, from, to)
	rows, left := reading{}, 0
	err = inOrder(ctx, len(hours), s.cfg().Processing.Workers, func(ctx context.Context, i int) (h passageHour, err error) {
		files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hours[i].Hour)
		if err != nil {
			return h, err
		}
		files = slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
			k, _ := event.KindOfTopic(f.Topic)
			return !p.kinds[k]
		})
		if !rows.take(rowsOf(files)) {
			return h, tooMuch("from", "it takes more than %d raw events; ask for a shorter time", maxCostRows)
		}
		h.left = len(base) > 0
		h.seen, err = s.folder.passages(ctx, hours[i].Hour, files, p)
		return h, err
	}, func(h passageHour) error {
		if h.left {
			left++
		}
		return p.take(h.seen)
	})
	if err != nil {
		return nil, err
	}
	a := &funnelAnswer{From: from, To: to, Funnels: p.told(), Limits: []insightLimit{}}
	l := insightLook{}
	if left > 0 {
		l.limit("funnels", "raw events of %d of %d hours have left; these are of the rest", left, len(hours))
	}
	a.Limits = append(a.Limits, l.limits...)
	return a, nil
}

// passage gathers the funnels. take has one owner; the rest is read alone, but for held.
type passage struct {
	most     int64        // events that may wait for take
	held     atomic.Int64 // that do
	from, to int64        // microseconds
	sets     []Funnel
	steps    [][]funnelStep
	by       []event.Field
	kinds    map[event.Kind]bool
	typed    bool // some step asks for the type of business events
	funnels  []*insight.Funnel
}

func newPassage(sets []Funnel, from, to time.Time) *passage {
	if len(sets) == 0 {
		sets = usualFunnels
	}
	p := &passage{from: from.UnixMicro(), to: to.UnixMicro(), sets: sets, kinds: map[event.Kind]bool{}, most: mostPassing}
	for _, set := range sets {
		var steps []funnelStep
		for _, text := range set.Steps {
			step, _ := stepOf(text) // Validate has read it
			steps = append(steps, step)
			p.kinds[step.kind] = true
			p.typed = p.typed || step.of != ""
		}
		p.steps, p.by = append(p.steps, steps), append(p.by, subjects[set.By])
		p.funnels = append(p.funnels, insight.NewFunnel(len(steps), int64(set.Within)*1e6))
	}
	return p
}

// passing is an event that can be a step of a funnel.
type passing struct {
	at      int64
	funnel  int
	steps   uint
	subject string
}

type passageHour struct {
	seen []passing
	left bool // raw events of it have left
}

// take adds the events of an hour, the next in time.
func (p *passage) take(seen []passing) error {
	slices.SortFunc(seen, func(a, b passing) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.steps, b.steps)) }) // at the same time in the order of the steps
	defer p.held.Add(-int64(len(seen)))
	for i := range seen {
		e := &seen[i]
		f := p.funnels[e.funnel]
		if f.See(e.subject, e.at, e.steps); f.Len() > mostSubjects {
			return tooMuch("from", "the funnel %s has more than %d of %s; ask for a shorter time", p.sets[e.funnel].Name, mostSubjects, p.sets[e.funnel].By)
		}
	}
	return nil
}

func (p *passage) told() []toldFunnel {
	out := []toldFunnel{}
	for i, f := range p.funnels {
		out = append(out, toldFunnel{p.sets[i], f.Steps(p.sets[i].Steps)})
	}
	return out
}

// stepsOf has a bit for each step of a funnel that an event can be.
func (p *passage) stepsOf(funnel int, k event.Kind, of string) (bits uint) {
	for i, step := range p.steps[funnel] {
		if step.kind == k && (step.of == "" || step.of == of) {
			bits |= 1 << i
		}
	}
	return bits
}

// columns are what the funnels need to read.
func (p *passage) columns(k event.Kind) event.LakeColumns {
	c := event.ColumnsOf(event.LakeOffset, event.LakeTime) | event.FieldsOf(p.by...)
	if k == event.BusinessEvent && p.typed {
		c |= event.FieldsOf(event.BusinessEventType)
	}
	return c
}

// passer is what one reader finds. It has one owner.
type passer struct {
	w    *work
	p    *passage
	keep []int32
	seen []passing
}

// passages finds the events of an hour that can be a step.
func (f *folder) passages(ctx context.Context, hour int64, files []event.LakeFile, p *passage) ([]passing, error) {
	if len(files) == 0 {
		return nil, nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	found, err := forEach(ctx, w, w.units(w.sources, true), p.columns, func() *passer { return &passer{w: w, p: p} }, (*passer).add)
	if err != nil {
		return nil, err
	}
	var all []passing
	for _, x := range found {
		all = append(all, x.seen...)
	}
	return all, nil
}

func (x *passer) add(s *source, b *event.LakeBlock) (err error) {
	if x.keep, err = x.w.choose(s, b, x.keep[:0]); err != nil {
		return err
	}
	times, had := b.Column(event.LakeTime), len(x.seen)
	for _, row := range x.keep {
		at, of := times.Int(int(row)), ""
		if at < x.p.from || at >= x.p.to {
			continue
		}
		if b.Kind == event.BusinessEvent && x.p.typed {
			of = b.Field(event.BusinessEventType).Text(int(row))
		}
		for i, by := range x.p.by {
			if bits, subject := x.p.stepsOf(i, b.Kind, of), b.Field(by).Text(int(row)); bits != 0 && subject != "" {
				x.seen = append(x.seen, passing{at, i, bits, strings.Clone(subject)})
			}
		}
	}
	if x.p.held.Add(int64(len(x.seen)-had)) > x.p.most {
		return tooMuch("from", "some hours have more than %d events that are steps of funnels; ask for a shorter time, or for fewer funnels", x.p.most)
	}
	return nil
}
