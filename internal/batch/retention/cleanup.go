package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Codes of refusals of a period that come up while a plan is carried out.
const (
	held      = "held"      // a hold came after the plan
	elsewhere = "elsewhere" // the report does not lie on the machine that carries the plan on
)

// refusal is the error of a group that stays.
type refusal struct{ code, reason string }

func (r *refusal) Error() string { return r.reason }

func refuse(code, reason string) error { return &refusal{code, reason} }

// draft looks at what there is and makes a plan of it.
func (s *Service) draft(ctx context.Context, o Order) (*Plan, error) {
	st := &State{Holdings: map[string]event.Holdings{}}
	var err error
	if st.Clock, err = s.deps.Plans.Clock(ctx); err != nil {
		return nil, err
	}
	st.Now, st.Doubt = s.deps.Now(), s.deps.Clock.Doubt()
	if st.Holds, err = s.deps.Plans.Holds(ctx); err != nil {
		return nil, err
	}
	cutoffs := s.settings().cutoffs(st.Clock)
	keep := func(g *Group) bool {
		action, _ := g.decide(s.settings(), st, o)
		return action == Keep || o.Own
	}
	for _, class := range event.Classes {
		old, all, err := s.classes[class].gather(ctx, cutoffs[class], keep)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", class, err)
		}
		if o.Own {
			old = slices.DeleteFunc(old, func(g Group) bool { return class != event.ClassReports || g.Busy != "" || g.Unproved != "" })
		}
		st.Old, st.Holdings[class] = append(st.Old, old...), all
	}
	p := Draft(s.settings(), st, o)
	p.Machine, p.ID = s.deps.Machine, st.Clock.UTC().Format("20060102T150405Z-")+randomHex(3)
	if o.Daily {
		p.ID = dailyID(lastDue(st.Clock))
	}
	if o.Own {
		p.ID += "-" + s.deps.Machine
	}
	if s.settings().ArchivalEnabled {
		p.Archive = s.deps.Archive.String()
	}
	return p, nil
}

// start stores a plan and has it carried out unless it is a dry run or refused. done is closed when it ended; nil when it has
// already. Not ok means that its id exists: the daily plan of another instance.
func (s *Service) start(ctx context.Context, p *Plan) (done <-chan struct{}, ok bool, err error) {
	why := p.stopped()
	switch {
	case p.DryRun:
	case why != "":
		p.State, p.Error, p.EndedAt = Failed, why, new(s.deps.Now().UTC())
		p.stay()
	default:
		p.State = Running
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return nil, false, err
	}
	stored := event.RetentionPlan{ID: p.ID, Kind: p.Kind, State: p.State, CreatedAt: p.CreatedAt, Document: doc}
	if ok, err = s.deps.Plans.AddPlan(ctx, stored, s.owner); err != nil || !ok {
		return nil, ok, err
	}
	if p.DryRun {
		return nil, true, nil
	}
	if p.State == Failed {
		p.tell(s)
		return nil, true, nil
	}
	s.log.Info("plan of retention", "plan", p.ID, "origin", p.Origin, "archive", p.Totals.Archived, "delete", p.Totals.Deleted, "keep", p.Totals.Kept)
	if err := s.reach("planned"); err != nil {
		return nil, true, err
	}
	return s.carry(stored), true, nil
}

// stay makes a plan say that nothing moves.
func (p *Plan) stay() {
	for i := range p.Items {
		p.Items[i].Action = Keep
	}
	p.count(nil)
}

// cleanUp carries a plan out, from wherever it was left.
func (s *Service) cleanUp(ctx context.Context, doc []byte) (*Plan, error) {
	p := &Plan{}
	if err := json.Unmarshal(doc, p); err != nil {
		p.Error = err.Error()
	}
	for _, items := range p.groups() {
		err := s.classes[items[0].Class].leave(ctx, p, items)
		if no, is := errors.AsType[*refusal](err); is {
			p.Refused = append(p.Refused, Refusal{items[0].Class, &items[0].Period, no.code, no.reason})
			for _, it := range items {
				it.Action, it.Reason = Keep, no.reason
			}
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errKilled) {
			return p, errors.Join(err, context.Cause(ctx))
		}
		if err != nil {
			p.Error = err.Error()
			p.stayFrom(items[0])
			break
		}
	}
	p.State, p.EndedAt = Done, new(s.deps.Now().UTC())
	if p.Error != "" {
		p.State = Failed
	}
	p.count(nil)
	return p, nil
}

// stayFrom makes an item and those behind it stay: the plan ended there.
func (p *Plan) stayFrom(first *Item) {
	from := false
	for i := range p.Items {
		it := &p.Items[i]
		if from = from || it == first; from && it.Action != Keep {
			it.Action, it.Reason = Keep, "the plan ended before its turn: "+p.Error
		}
	}
}

// groups are the items that leave, by class and period.
func (p *Plan) groups() (out [][]*Item) {
	for i := range p.Items {
		it := &p.Items[i]
		if it.Action == Keep {
			continue
		}
		if n := len(out); n > 0 && out[n-1][0].Class == it.Class && out[n-1][0].Period.Equal(it.Period) && it.Class == event.ClassRaw {
			out[n-1] = append(out[n-1], it)
			continue
		}
		out = append(out, []*Item{it})
	}
	return out
}

// marked makes refusals of what the transaction says in which something was to leave.
func (s *Service) marked(err error) error {
	switch {
	case err == nil:
		return s.reach("marked")
	case errors.Is(err, s.deps.Changed):
		return refuse(moved, err.Error())
	case errors.Is(err, s.deps.Held):
		return refuse(held, err.Error())
	}
	return err
}

// leftBy tells whether something of a period has left by a plan.
func (s *Service) leftBy(ctx context.Context, plan, class string, start int64) bool {
	left, err := s.deps.Retired.RetiredBy(ctx, plan)
	for i := range left {
		if left[i].Plan == plan && left[i].Class == class && left[i].Start == start {
			return err == nil
		}
	}
	return false
}

type opener = func(context.Context) (io.ReadCloser, error)

// copy brings copies into the archive and names them in its manifest. When it returns they are whole and safe.
func (s *Service) copy(ctx context.Context, entries []event.ArchiveEntry, open func(i int) opener) error {
	if len(entries) == 0 {
		return nil
	}
	for i, e := range entries {
		if err := s.deps.Archive.Put(ctx, e, open(i)); err != nil {
			return err
		}
		if err := s.reach("copied"); err != nil {
			return err
		}
	}
	if err := s.deps.Archive.Record(ctx, entries); err != nil {
		return err
	}
	return s.reach("recorded")
}

// tell tells of a plan that ended.
func (p *Plan) tell(s *Service) {
	s.metrics.ended(p)
	switch {
	case p.stopped() != "":
		s.log.Error("plan of retention is refused, nothing was moved", "plan", p.ID, "origin", p.Origin, "reason", p.stopped())
	case p.Error != "":
		s.log.Error("plan of retention failed", "plan", p.ID, "origin", p.Origin, "err", p.Error)
	case len(p.Refused) > 0:
		r := &p.Refused[0]
		s.log.Error("plan of retention left data in place that is not proved", "plan", p.ID, "origin", p.Origin, "periods", len(p.Refused),
			"class", r.Class, "first", r.Period, "reason", r.Reason, "archived", p.Totals.Archived, "deleted", p.Totals.Deleted)
	default:
		s.log.Info("plan of retention is carried out", "plan", p.ID, "origin", p.Origin, "archived", p.Totals.Archived, "deleted", p.Totals.Deleted, "bytes_freed", p.Totals.BytesFreed)
	}
}

// The daily run comes due at 03:00 UTC.
const dueHour = 3

// lastDue is when the daily run came due last.
func lastDue(now time.Time) time.Time {
	now = now.UTC()
	due := time.Date(now.Year(), now.Month(), now.Day(), dueHour, 0, 0, 0, time.UTC)
	if now.Before(due) {
		due = due.AddDate(0, 0, -1)
	}
	return due
}

func dailyID(due time.Time) string { return "daily-" + due.Format("20060102") }

// daily cleans up when that is due and no instance has done so yet; one that was missed is made up for.
func (s *Service) daily(ctx context.Context) error {
	if !s.settings().Daily {
		return nil
	}
	now, err := s.deps.Plans.Clock(ctx)
	if err != nil {
		return err
	}
	due := lastDue(now)
	switch of, err := s.deps.Plans.Plan(ctx, dailyID(due)); {
	case err == nil:
		return s.ownReports(ctx, due, of)
	case !errors.Is(err, s.deps.NotFound):
		return err
	}
	p, err := s.draft(ctx, Order{Daily: true})
	if err != nil {
		return err
	}
	_, _, err = s.start(ctx, p)
	return err
}

// ownReports lets the reports go that lie on this machine, once a day, when the daily plan was made on another and is at its end: folders of reports
// need not be shared, and a plan takes what its machine sees.
func (s *Service) ownReports(ctx context.Context, due time.Time, of event.RetentionPlan) error {
	if s.own.Equal(due) || of.State == Running {
		return nil
	}
	var first Plan
	if err := json.Unmarshal(of.Document, &first); err != nil {
		return err
	}
	if err := (reports{s}).sweep(ctx, due); err != nil {
		return err
	}
	if first.Machine != s.deps.Machine {
		p, err := s.draft(ctx, Order{Daily: true, Own: true})
		if err == nil && p.Totals.Archived+p.Totals.Deleted > 0 {
			_, _, err = s.start(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	s.own = due
	return nil
}
