package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// An hour that is too large for one machine is folded in parts. The task of the hour makes a plan (the files of one moment and the rows
// that each part takes), puts tasks for the parts that are missing before itself, and is executed once more when they are done: then it
// merges what they made and stores the hour like a fold in one piece, with the version that the plan was made from. Parts may also be
// asked for one by one, by runs of their own (Airflow's mapped tasks do); the run of the hour finds them made.
//
// A part always makes the same of a plan, so it does not matter who made it, how often, or who died over it. When data comes meanwhile, a
// run goes on with the plan that was made for it: what it must count lay in the lake by then. For any other run the plan is too old, and
// it is replaced together with what was made by it.

// planAge is how old a plan may be that is followed: its files are kept two hours when others supersede them.
const planAge = time.Hour

// partsConf is what of a run's conf is about parts.
type partsConf struct {
	Part  *int `json:"part"`
	Parts *int `json:"parts"`
	Merge bool `json:"merge"`
}

// partsOf returns the number of parts that a run asks for by its conf, 0 = it says nothing.
func (s *Service) partsOf(r *agg.Run) int {
	var c partsConf
	if len(r.Conf) == 0 || json.Unmarshal(r.Conf, &c) != nil || c.Parts == nil || r.End.Sub(r.Start) != time.Hour { // a backfill may have any conf
		return 0
	}
	return min(max(*c.Parts, 1), maxParts)
}

// checkParts holds what a request says of parts to the rules, and makes one for a part name that as its task.
func checkParts(req *agg.RunRequest, d *dag, bad func(field, code, detail string)) {
	var c partsConf
	if _, _, _, part := agg.PartOf(req.TaskID); part {
		bad("task_id", "unknown_task", `ask for a part by the conf {"part": 0, "parts": 4}`)
		return
	}
	if len(req.Conf) == 0 {
		return
	}
	if err := json.Unmarshal(req.Conf, &c); err != nil {
		bad("conf", "wrong_type", "part and parts are whole numbers, merge is true or false: "+err.Error())
		return
	}
	if c.Part == nil && c.Parts == nil && !c.Merge {
		return
	}
	i := slices.IndexFunc(d.tasks, func(t dagTask) bool { return t.part != nil })
	switch {
	case i < 0 || req.TaskID != "" && req.TaskID != d.tasks[i].ID:
		bad("conf/parts", "bad_value", "only hourly_aggregation of hxp_hourly_aggregation is done in parts")
	case c.Parts == nil:
		bad("conf/parts", "required", "say in how many parts the hour is folded")
	case *c.Parts < 1 || *c.Parts > maxParts:
		bad("conf/parts", "out_of_range", fmt.Sprintf("an hour is folded in 1 to %d parts", maxParts))
	case c.Part != nil && c.Merge:
		bad("conf/merge", "bad_value", "a run makes one part or merges them, not both")
	case c.Part != nil && (*c.Part < 0 || *c.Part >= *c.Parts):
		bad("conf/part", "out_of_range", fmt.Sprintf("parts are numbered from 0 to %d", *c.Parts-1))
	case req.Start != nil && req.End != nil && req.End.Sub(*req.Start) != time.Hour:
		bad("data_interval_end", "bad_interval", "parts are of one hour; give an interval of one")
	case c.Part != nil:
		req.TaskID = agg.PartTask(d.tasks[i].ID, *c.Part, *c.Parts)
	}
}

// missingParts is the error of a task that can go on when other tasks are done.
type missingParts struct {
	tasks []string
	parts int
	again bool // they were done, and must fold what they only counted
}

func (m *missingParts) Error() string {
	if m.again {
		return fmt.Sprintf("the hour has too many values to keep all apart; %d of %d parts fold the busiest", len(m.tasks), m.parts)
	}
	return fmt.Sprintf("%d of %d parts are to be folded first", len(m.tasks), m.parts)
}

// largeHour is the error of an hour that is better folded in so many parts.
type largeHour struct{ parts int }

func (l *largeHour) Error() string {
	return fmt.Sprintf("the hour is large enough for %d parts", l.parts)
}

// large is the number of rows above which a run folds its hour in parts, 0 = never.
func (s *Service) large(r *agg.Run) int64 {
	if r.End.Sub(r.Start) != time.Hour || s.partsOf(r) == 1 || !s.shared.Load() {
		return 0
	}
	return s.cfg().Processing.PartRows
}

// lookAround notes whether other instances are alive, which could take parts.
func (s *Service) lookAround(ctx context.Context) error {
	if s.cfg().Processing.PartRows == 0 {
		return nil
	}
	beats, err := s.Heartbeats(ctx)
	if err != nil {
		return err
	}
	alive := 0
	for _, b := range beats {
		if b.Alive {
			alive++
		}
	}
	s.shared.Store(alive > 1)
	return nil
}

// roomForParts is how many more parts this process can work on.
func (s *Service) roomForParts() int {
	room := s.cfg().Processing.Workers
	for _, e := range s.executions() {
		if _, _, _, part := agg.PartOf(e.lease.Task); part {
			room--
		}
	}
	return max(room, 0)
}

// foldByItself folds an hour that got data. One that is large is folded by a run, which others can take part in.
func (s *Service) foldByItself(ctx context.Context, hour int64) (hourResult, error) {
	start, end := timeOf(hour), timeOf(hour+3600)
	res, err := s.foldHour(ctx, hour, true, s.large(&agg.Run{Start: start, End: end}))
	if _, large := errors.AsType[*largeHour](err); !large {
		return res, err
	}
	began := s.now()
	run, _, err := s.Trigger(ctx, agg.RunRequest{DagID: s.dagOf("hourly").id, Start: &start, End: &end, TriggeredBy: "operator", Note: "data came to an hour that is folded in parts"})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for err == nil && !run.State.Final() {
		select {
		case <-tick.C:
			run, err = s.RunByID(ctx, run.ID)
		case <-ctx.Done():
			return res, context.Cause(ctx)
		}
	}
	if err == nil && run.State != agg.RunSuccess {
		err = fmt.Errorf("run %s is %s: %s", run.ID, run.State, run.Error)
	}
	return hourResult{Folded: err == nil, Took: s.now().Sub(began)}, err
}

// planFor returns the plan that a run follows for an hour in n parts, and makes one where there is none of use. nil: there is nothing
// to divide, because the hour has no data, or stands on a base and its files are those of a few late events.
func (s *Service) planFor(ctx context.Context, r *agg.Run, hour int64, n int, pinned bool) (*agg.HourPlan, error) {
	for range 10 { // each time somebody else was faster with a plan that data came after
		p, err := s.deps.Parts.HourPlan(ctx, hour, n)
		if err != nil && !errors.Is(err, s.deps.NotFound) {
			return nil, err
		}
		if err == nil && p.Age < planAge {
			mine := p.Run == r.ID && (pinned || p.Raised == r.Raised)
			now, err := s.deps.Hours.HourBuild(ctx, hour)
			if err != nil {
				return nil, err
			}
			if mine || p.Version == now.Version {
				return &p, nil
			}
		}
		files, base, version, err := s.deps.Hours.HourSnapshot(ctx, hour)
		if err != nil || len(files) == 0 || len(base) > 0 {
			return nil, err
		}
		fresh := agg.HourPlan{ID: randomHex(16), Hour: hour, Version: version, Files: files, Run: r.ID, Raised: r.Raised, Cuts: cutsOf(divide(files, n))}
		there, err := s.deps.Parts.PlanHour(ctx, fresh, p.ID)
		if err != nil || there.ID == fresh.ID {
			return &there, err
		}
	}
	return nil, fmt.Errorf("hour %s: runs with different data replace each other's plan for %d parts", hourName(hour), n)
}

func cutsOf(shares []portion) []int64 {
	cuts := []int64{0}
	for _, s := range shares {
		cuts = append(cuts, s.to)
	}
	return cuts
}

func rowsOf(files []event.LakeFile) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// foldForRun folds an hour of a run: in as many parts as its conf says, else in one piece, or in parts when it is large.
func (s *Service) foldForRun(ctx context.Context, r *agg.Run, hour int64, onlyDirty bool, progress func(done, total int64, unit string)) (hourResult, error) {
	if n := s.partsOf(r); n > 1 {
		return s.foldInParts(ctx, r, hour, n, progress)
	}
	res, err := s.foldHour(ctx, hour, onlyDirty, s.large(r))
	if large, is := errors.AsType[*largeHour](err); is {
		return s.foldInParts(ctx, r, hour, large.parts, progress)
	}
	return res, err
}

// foldInParts stores an hour when all its parts are made, or returns which are missing.
func (s *Service) foldInParts(ctx context.Context, r *agg.Run, hour int64, n int, progress func(done, total int64, unit string)) (hourResult, error) {
	plan, err := s.planFor(ctx, r, hour, n, false)
	if err != nil {
		return hourResult{}, err
	}
	if plan == nil {
		return s.foldHour(ctx, hour, false, 0)
	}
	made, err := s.deps.Parts.PartsMade(ctx, plan.ID)
	if err != nil {
		return hourResult{}, err
	}
	progress(int64(len(made)), int64(n), "parts")
	missing, err := s.missing(ctx, plan, made)
	switch {
	case err != nil:
		return hourResult{}, err
	case len(missing.tasks) > 0:
		return hourResult{}, missing
	}
	res, err := s.makeHour(ctx, hour, false, func(ctx context.Context) (*recounted, error) { return s.mergePlan(ctx, plan) })
	if errors.Is(err, s.deps.NotFound) { // another run has merged it, or needed a newer plan
		if now, e := s.deps.Hours.HourBuild(ctx, hour); e == nil && now.Built >= plan.Version {
			return hourResult{Folded: true, Files: int64(len(plan.Files)), Rows: rowsOf(plan.Files), Version: plan.Version}, nil
		}
	}
	if err != nil {
		return res, err
	}
	return res, s.deps.Parts.DropHourPlan(ctx, plan.ID)
}

// missing finds the parts that are to be folded. Once all have counted or folded, and some met too many values, it makes the choice
// with which those fold.
func (s *Service) missing(ctx context.Context, plan *agg.HourPlan, made map[int]bool) (*missingParts, error) {
	m := &missingParts{parts: plan.Parts()}
	add := func(k int) { m.tasks = append(m.tasks, agg.PartTask("hourly_aggregation", k, m.parts)) }
	for k := range m.parts {
		if _, there := made[k]; !there {
			add(k)
		}
	}
	if len(m.tasks) > 0 {
		return m, nil
	}
	for k := range m.parts {
		if made[k] {
			add(k)
			m.again = true
		}
	}
	if !m.again || plan.Choice != nil {
		return m, nil
	}
	sum, err := s.sum(ctx, plan)
	if err != nil {
		return nil, err
	}
	return m, s.deps.Parts.ChooseForPlan(ctx, plan.ID, sum.choose(s.folder.limits).encode())
}

// sum merges what the parts made.
func (s *Service) sum(ctx context.Context, plan *agg.HourPlan) (*partial, error) {
	sum := newPartial()
	for k := range plan.Parts() {
		data, err := s.deps.Parts.PartData(ctx, plan.ID, k)
		if err != nil {
			return nil, err
		}
		p, err := decodePartial(data)
		if err != nil {
			return nil, fmt.Errorf("part %d of hour %s: %w", k, hourName(plan.Hour), err)
		}
		sum.merge(p)
	}
	return sum, nil
}

// mergePlan merges the parts of a plan into the hour.
func (s *Service) mergePlan(ctx context.Context, plan *agg.HourPlan) (*recounted, error) {
	sum, err := s.sum(ctx, plan)
	if err != nil {
		return nil, err
	}
	if sum.counted {
		return nil, fmt.Errorf("hour %s: %w", hourName(plan.Hour), errTooMany)
	}
	f := sum.finish(s.folder.limits)
	a := f.cells.aggregate(levels["hourly"].of(plan.Hour), s.columns)
	a.Joined = &f.joined
	return &recounted{f, a, plan.Version, len(plan.Files), plan.Parts(), false}, nil
}

// partTotals is the summary of one part.
type partTotals struct {
	Part   int   `json:"part"`
	Parts  int   `json:"parts"`
	Rows   int64 `json:"rows"` // of the part, copies included
	Events int64 `json:"events"`
	Kept   int   `json:"kept_bytes"` // until the merge
	Made   bool  `json:"made"`       // false: it was there, or there is nothing to divide
}

// hourlyPart returns the task that makes part k of n of the hour of a run.
func (s *Service) hourlyPart(k, n int) taskFunc {
	return func(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
		t := partTotals{Part: k, Parts: n}
		err := s.counting(ctx, r, func(bool) error { return s.foldPart(ctx, r, &t, progress) })
		return t, err
	}
}

// foldPart makes a part of the hour of a run, unless it is there.
func (s *Service) foldPart(ctx context.Context, r *agg.Run, t *partTotals, progress func(done, total int64, unit string)) error {
	if err := levels["hourly"].span(r.Start, r.End); err != nil {
		return err
	}
	hour := r.Start.Unix()
	done, err := s.busy.take(ctx, fmt.Sprintf("hourly, part %d of %d", t.Part, t.Parts), hour)
	if err != nil {
		return err
	}
	defer done()
	for {
		plan, err := s.planFor(ctx, r, hour, t.Parts, r.TaskID == "" || r.TaskID == "hourly_aggregation")
		if err != nil || plan == nil {
			return err
		}
		made, err := s.deps.Parts.PartsMade(ctx, plan.ID)
		if err != nil {
			return err
		}
		progress(int64(len(made)), int64(t.Parts), "parts")
		if counted, there := made[t.Part]; there && (!counted || plan.Choice == nil) {
			return nil
		}
		err = s.makePart(ctx, plan, t)
		if errors.Is(err, s.deps.NotFound) && ctx.Err() == nil { // the plan was replaced meanwhile
			s.note(r, "info", "the plan was replaced; the part is made anew")
			continue
		}
		if err == nil {
			made[t.Part] = false
			progress(int64(len(made)), int64(t.Parts), "parts")
		}
		return err
	}
}

// makePart folds a part and stores what comes out.
func (s *Service) makePart(ctx context.Context, plan *agg.HourPlan, t *partTotals) error {
	allowed, err := decodeChoice(plan.Choice)
	if err != nil {
		return err
	}
	if !take(ctx, s.slots) {
		return context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	began := s.now()
	p, err := s.folder.part(ctx, plan.Hour, plan.Files, portion{plan.Cuts[t.Part], plan.Cuts[t.Part+1]}, allowed)
	if err != nil {
		return err
	}
	data, err := p.encode()
	if err != nil {
		return err
	}
	if err := s.deps.Parts.SavePart(ctx, plan.ID, t.Part, p.counted, data); err != nil {
		return err
	}
	t.Rows, t.Events, t.Kept, t.Made = p.rows, p.events, len(data), true
	s.log.Info("part of an hour folded", "hour", hourName(plan.Hour), "part", t.Part, "parts", t.Parts, "rows", p.rows, "events", p.events,
		"only_counted", p.counted, "bytes", len(data), "took", s.now().Sub(began))
	return nil
}
