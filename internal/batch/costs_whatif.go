package batch

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// maxMoves bounds one question.
const maxMoves = 20

type whatIfAnswer struct {
	From   time.Time       `json:"from"`
	To     time.Time       `json:"to"`
	Moves  []*cost.Outcome `json:"moves"`
	Before agg.USD         `json:"cost_usd_before"` // of everything
	After  agg.USD         `json:"cost_usd_after"`
	Saving agg.USD         `json:"saving_usd"`
	Month  agg.USD         `json:"saving_usd_month"`
}

func (s *Service) postWhatIf(w http.ResponseWriter, r *http.Request) {
	var req struct {
		From  string      `json:"from"`
		To    string      `json:"to"`
		Moves []cost.Move `json:"moves"`
	}
	if !readBody(w, r, &req, httpx.Strict) {
		return
	}
	q := &query{values: map[string][]string{"from": {req.From}, "to": {req.To}}}
	a := whatIfAnswer{Moves: []*cost.Outcome{}}
	a.From, a.To = s.costTimes(q)
	shares := map[string]cost.Share{}
	if len(req.Moves) == 0 || len(req.Moves) > maxMoves {
		q.bad("/moves", "out_of_range", "%d moves; give 1 to %d", len(req.Moves), maxMoves)
		req.Moves = nil
	}
	for i, m := range req.Moves {
		at := fmt.Sprintf("/moves/%d", i)
		if m.From == "" || m.To == "" || m.From == m.To {
			q.bad(at, "required", "name two models, from and to")
		}
		if m.Share == 0 {
			q.bad(at+"/share", "required", "give the share of the requests, above 0 and up to 1")
		}
		if shares[m.From] += m.Share; shares[m.From] > 1_000_000 {
			q.bad(at+"/share", "out_of_range", "more than all requests to %q would move", m.From)
		}
	}
	if q.refused(w, r) {
		return
	}
	known, err := asking(r.Context(), s, func() (*whatIfFacts, error) {
		return s.whatIfFacts(r.Context(), &costQuery{from: a.From, to: a.To, by: []string{agg.ByModel}, rows: new(reading)}, req.Moves)
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	table := known.table
	a.Before = agg.USD(table.Total.Cost)
	hours := max(1, int64(a.To.Sub(a.From)/time.Hour))
	for i, m := range req.Moves {
		o, err := cost.WhatIf(m, &table.Of(m.From).Usage, &table.Of(m.To).Usage, known.prices[i], known.each[i], hours)
		if err != nil {
			q.bad(fmt.Sprintf("/moves/%d", i), "unknown_cost", "%s", err)
			continue
		}
		a.Moves = append(a.Moves, o)
		a.Saving, a.Month = a.Saving+o.Saving, a.Month+o.Month
	}
	if a.After = a.Before - a.Saving; q.refused(w, r) {
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// whatIfFacts is what moves are told from: the costs by model, and of each move the price of the other model and what it makes of the
// requests one by one, nil where it need not or cannot see them.
type whatIfFacts struct {
	table  *cost.Table
	prices []*cost.Price
	each   []*int64
}

func (s *Service) whatIfFacts(ctx context.Context, q *costQuery, moves []cost.Move) (*whatIfFacts, error) {
	f := &whatIfFacts{each: make([]*int64, len(moves))}
	now := s.now().UnixMicro()
	var anew []*ratedAnew
	of := map[int]*ratedAnew{} // by move
	for i, m := range moves {
		p := s.deps.Prices.Find(m.To, now, now)
		if f.prices = append(f.prices, p); p != nil && p.ByRequest() {
			of[i] = &ratedAnew{model: m.From, price: p}
			anew = append(anew, of[i])
		}
	}
	var err error
	if f.table, err = s.costTable(ctx, q); err != nil || len(anew) == 0 {
		return f, err
	}
	if all, err := s.rateAnew(ctx, q, anew); err != nil || !all {
		return f, err
	}
	for i, r := range of {
		if !r.unknown && r.requests == f.table.Of(r.model).Requests {
			f.each[i] = &r.nano
		}
	}
	return f, nil
}

// ratedAnew is what the requests to a model would have cost by the price of another.
type ratedAnew struct {
	model    string
	price    *cost.Price
	requests uint64
	nano     int64
	unknown  bool // the price has nothing for what some of them took
}

// rateAnew looks at the requests of a question one by one; all is false where some have left, or are too many to be read.
func (s *Service) rateAnew(ctx context.Context, q *costQuery, anew []*ratedAnew) (all bool, err error) {
	hours, _, err := s.hourStates(ctx, q.from, q.to)
	if err != nil {
		return false, err
	}
	all = true
	err = inOrder(ctx, len(hours), s.cfg().Processing.Workers, func(ctx context.Context, i int) ([]*reRater, error) {
		files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hours[i].Hour)
		if err != nil {
			return nil, err
		}
		if files = requestFiles(files); len(base) > 0 || !q.rows.take(rowsOf(files)) {
			return nil, nil
		}
		return s.folder.rateAnew(ctx, hours[i].Hour, files, q, anew)
	}, func(found []*reRater) error {
		all = all && found != nil
		for _, f := range found {
			for i := range f.sums {
				x, r := &f.sums[i], anew[i]
				r.requests, r.nano, r.unknown = r.requests+x.requests, r.nano+x.nano, r.unknown || x.unknown
			}
		}
		return nil
	})
	return all, err
}

// reRater is what one reader adds up. It has one owner.
type reRater struct {
	w    *work
	q    *costQuery
	sums []ratedAnew
	keep []int32
	row  event.LakeRow
}

// rateAnew rates the requests of an hour; what it returns is not nil.
func (f *folder) rateAnew(ctx context.Context, hour int64, files []event.LakeFile, q *costQuery, anew []*ratedAnew) ([]*reRater, error) {
	if len(files) == 0 {
		return []*reRater{}, nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	requests, _ := w.byKind()
	found, err := forEach(ctx, w, w.units(requests, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeExtra) | event.FieldsOf(event.Model, event.PromptTokens, event.CompletionTokens, event.CachedTokens, event.ReasoningTokens)
	}, func() *reRater {
		p := &reRater{w: w, q: q}
		for _, r := range anew {
			p.sums = append(p.sums, ratedAnew{model: r.model, price: r.price})
		}
		return p
	}, (*reRater).add)
	return append([]*reRater{}, found...), err
}

func (p *reRater) add(s *source, b *event.LakeBlock) (err error) {
	if p.keep, err = p.w.choose(s, b, p.keep[:0]); err != nil {
		return err
	}
	times, models := b.Column(event.LakeTime), b.Field(event.Model)
	from, to := p.q.from.UnixMicro(), p.q.to.UnixMicro()
	for _, i := range p.keep {
		if t := times.Int(int(i)); t < from || t >= to {
			continue
		}
		read := false
		for k := range p.sums {
			r := &p.sums[k]
			if r.model != models.Text(int(i)) {
				continue
			}
			if !read {
				if err := b.Row(int(i), &p.row); err != nil {
					return err
				}
				read = true
			}
			nano, ok := r.price.CostOfTold(&p.row.Event)
			r.requests, r.nano, r.unknown = r.requests+1, r.nano+nano, r.unknown || !ok
		}
	}
	return nil
}
