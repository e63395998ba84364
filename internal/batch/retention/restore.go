package retention

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Restore says what comes back, and in the end what came.
type Restore struct {
	ID        string         `json:"plan_id"`
	Kind      string         `json:"kind"` // restore
	From      string         `json:"archive"`
	DryRun    bool           `json:"dry_run"`
	State     string         `json:"state"`
	CreatedAt time.Time      `json:"created_at"`
	EndedAt   *time.Time     `json:"ended_at,omitempty"`
	Items     []RestoreItem  `json:"items"`
	Totals    RestoredTotals `json:"totals"`
	Failed    []Refusal      `json:"failed"`
	Error     string         `json:"error,omitempty"`
}

// RestoreItem is one object that comes back.
type RestoreItem struct {
	Class  string    `json:"class"`
	Path   string    `json:"path"`
	Period time.Time `json:"period"`
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
}

// What is done to bring something back.
const (
	Unmark   = "unmark" // it still lies in its place
	FromCopy = "from_copy"
	None     = "none" // it cannot come back
)

// RestoredTotals count objects.
type RestoredTotals struct {
	Restored int64 `json:"restored"`
	Rows     int64 `json:"rows"`
	Bytes    int64 `json:"bytes"`
}

const noCopy = "no_copy"

// draftRestore says what of a plan comes back.
func (s *Service) draftRestore(ctx context.Context, from string, dryRun bool) (*Restore, error) {
	now, err := s.deps.Plans.Clock(ctx)
	if err != nil {
		return nil, err
	}
	left, err := s.leftOf(ctx, from)
	if err != nil {
		return nil, err
	}
	r := &Restore{ID: "restore-" + now.Format("20060102T150405Z-") + randomHex(3), Kind: "restore", From: from, DryRun: dryRun, State: Planned,
		CreatedAt: now, Items: []RestoreItem{}, Failed: []Refusal{}}
	for i := range left {
		l := &left[i]
		it := RestoreItem{l.Class, l.Path, time.Unix(l.Start, 0).UTC(), l.Rows, l.Bytes, FromCopy, "it comes back from " + l.Copy}
		switch {
		case l.State == event.LakeMarked:
			it.Action, it.Reason = Unmark, "it still lies in its place"
		case l.Copy == "":
			it.Action, it.Reason = None, "it was deleted without a copy"
		}
		if l.Plan != from {
			it.Reason += "; it left by plan " + l.Plan + ", of the same period"
		}
		r.Items = append(r.Items, it)
	}
	r.count()
	return r, nil
}

// comingBack is the order in which classes come back: hours of a day before the raw events that they count.
var comingBack = []string{event.ClassAggregated, event.ClassRaw, event.ClassReports}

// leftOf returns what is gone of the hours, days and reports that a plan let go, also when they came back meanwhile and left again
// by another plan: all of a period comes back together.
func (s *Service) leftOf(ctx context.Context, plan string) (left []event.Retired, err error) {
	stored, err := s.deps.Plans.Plan(ctx, plan)
	if err != nil {
		return nil, err
	}
	var p Plan
	if err := json.Unmarshal(stored.Document, &p); err != nil {
		return nil, err
	}
	starts, paths := map[string]map[int64]bool{}, map[string]bool{}
	for i := range p.Items {
		if it := &p.Items[i]; it.Action != Keep {
			if starts[it.Class] == nil {
				starts[it.Class] = map[int64]bool{}
			}
			starts[it.Class][it.Period.Unix()] = true
			paths[it.Path] = it.Class == event.ClassReports
		}
	}
	for _, class := range comingBack {
		of := slices.Sorted(maps.Keys(starts[class]))
		if len(of) == 0 {
			continue
		}
		all, err := s.deps.Retired.RetiredBetween(ctx, class, of[0], of[len(of)-1])
		if err != nil {
			return nil, err
		}
		for i := range all {
			if l := &all[i]; starts[class][l.Start] && (class != event.ClassReports || paths[l.Path]) {
				left = append(left, *l)
			}
		}
	}
	return left, nil
}

func (r *Restore) count() {
	r.Totals = RestoredTotals{}
	for i := range r.Items {
		if it := &r.Items[i]; it.Action != None {
			r.Totals.Restored++
			r.Totals.Rows += it.Rows
			r.Totals.Bytes += it.Bytes
		}
	}
}

// startRestore stores it and has it carried out unless it is a dry run.
func (s *Service) startRestore(ctx context.Context, r *Restore) (done <-chan struct{}, err error) {
	if !r.DryRun {
		r.State = Running
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	stored := event.RetentionPlan{ID: r.ID, Kind: r.Kind, State: r.State, CreatedAt: r.CreatedAt, Document: doc}
	if _, err := s.deps.Plans.AddPlan(ctx, stored, s.owner); err != nil || r.DryRun {
		return nil, err
	}
	return s.carry(stored), nil
}

// restore carries it out, from wherever it was left: what came back already has nothing left to bring.
func (s *Service) restore(ctx context.Context, doc []byte) (*Restore, error) {
	r := &Restore{}
	err := json.Unmarshal(doc, r)
	var left []event.Retired
	if err == nil {
		left, err = s.leftOf(ctx, r.From)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err != nil {
		r.Error = err.Error()
	}
	for _, group := range periods(left) {
		err := s.classes[group[0].Class].comeBack(ctx, group)
		if ctx.Err() != nil || errors.Is(err, errKilled) {
			return r, errors.Join(err, context.Cause(ctx))
		}
		if err != nil {
			r.fail(&group[0], err, errors.Is(err, s.deps.NoCopy))
		}
	}
	r.State, r.EndedAt = Done, new(s.deps.Now().UTC())
	if len(r.Failed) > 0 || r.Error != "" {
		r.State = Failed
		if r.Error == "" {
			r.Error = r.Failed[0].Reason
		}
	}
	r.count()
	return r, nil
}

// tell tells of a restore that ended.
func (r *Restore) tell(s *Service) {
	level := s.log.Info
	if r.State == Failed {
		level = s.log.Error
	}
	level("restore from the archive", "plan", r.ID, "of", r.From, "state", r.State, "objects", r.Totals.Restored, "rows", r.Totals.Rows, "err", r.Error)
}

// fail notes that a period does not come back.
func (r *Restore) fail(l *event.Retired, err error, lost bool) {
	code := "failed"
	if lost {
		code = noCopy
	}
	start := time.Unix(l.Start, 0).UTC()
	r.Failed = append(r.Failed, Refusal{l.Class, &start, code, err.Error()})
	for i := range r.Items {
		if it := &r.Items[i]; it.Class == l.Class && it.Period.Equal(start) {
			it.Action, it.Reason = None, err.Error()
		}
	}
}

// periods puts together what left of one class and period.
func periods(left []event.Retired) (out [][]event.Retired) {
	for i := range left {
		n := len(out)
		if n > 0 && out[n-1][0].Class == left[i].Class && out[n-1][0].Start == left[i].Start && left[i].Class != event.ClassReports {
			out[n-1] = append(out[n-1], left[i])
			continue
		}
		out = append(out, left[i:i+1:i+1])
	}
	return out
}
