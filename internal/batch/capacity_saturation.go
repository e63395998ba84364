package batch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/capacity"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What a capacity analysis reads of raw events. Hours alone cannot tell where a server breaks: it does so within seconds.
const (
	saturationModels = 20      // with the most requests
	hoursOfModel     = 12      // the busiest ones, and as many of the slowest ones
	requestsScanned  = 1 << 20 // raw events, the newest hours first
	samplesScanned   = 1 << 21 // of machines, of which two short columns are read
	slice            = 10      // seconds; windows are of one, three or six slices
	windowRequests   = 5       // that a percentile of a window is told from, at least
	busyWindow       = 50      // requests of the busiest window; where it has fewer, windows are made longer
	shownPoints      = 500     // windows of a model
)

// saturation is what is told of where the objective of a model breaks, with what plans need of it.
type saturation struct {
	report.Saturation
	peak float64 // load of the peaks of an hour relative to the hour
}

// scanned is what the raw events of some hours say.
type scanned struct {
	slices   map[string]map[int64]*sliceOf // by model and slice of time
	machines map[int64]fleet               // that were measured, by hour
	seen     map[[2]uint64]struct{}        // identities of the hour that is read
}

type sliceOf struct {
	requests           int
	prompt, completion int64     // tokens
	ttft, tpot         []float64 // ms
}

func (w *sliceOf) join(o *sliceOf) {
	w.requests, w.prompt, w.completion = w.requests+o.requests, w.prompt+o.prompt, w.completion+o.completion
	w.ttft, w.tpot = append(w.ttft, o.ttft...), append(w.tpot, o.tpot...)
}

// measure is what is held against an objective, and the load that it is a matter of.
type measure struct {
	metric    string
	load      func(*sliceOf) float64
	values    func(*sliceOf) []float64
	objective float64 // ms
}

func byRequests(w *sliceOf) float64    { return float64(w.requests) }
func firstTokens(w *sliceOf) []float64 { return w.ttft }

// hoursToScan returns the hours that say most of where models break: for the models with the most requests their busiest hours and their
// slowest ones; the last day, for the machines that there are; and the busiest of each number of machines. Newest first.
func hoursToScan(hours []hourUse) []int64 {
	byModel, total := map[string][]*agg.Row{}, map[string]int64{}
	chosen := map[int64]bool{}
	for i := range hours {
		if i >= len(hours)-24 && len(hours[i].gauge) > 0 {
			chosen[hours[i].start.Unix()] = true
		}
		for j := range hours[i].rows {
			if r := &hours[i].rows[j]; r.Model != agg.AllModels && r.Requests > 0 {
				byModel[r.Model] = append(byModel[r.Model], r)
				total[r.Model] += r.Requests
			}
		}
	}
	for _, hour := range hoursOfFleets(hours) {
		chosen[hour] = true
	}
	models := slices.Collect(maps.Keys(byModel))
	sorting.By(models, func(a, b string) int { return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b)) })
	for _, m := range models[:min(saturationModels, len(models))] {
		rows := byModel[m]
		for _, most := range []func(*agg.Row) float64{func(r *agg.Row) float64 { return float64(r.Requests) }, func(r *agg.Row) float64 {
			if r.TTFTP95MS == nil {
				return 0
			}
			return *r.TTFTP95MS
		}} {
			sorting.StableBy(rows, func(a, b *agg.Row) int {
				return cmp.Or(cmp.Compare(most(b), most(a)), b.Timestamp.Compare(a.Timestamp))
			})
			for _, r := range rows[:min(hoursOfModel, len(rows))] {
				chosen[r.Timestamp.Unix()] = true
			}
		}
	}
	out := slices.Sorted(maps.Keys(chosen))
	slices.Reverse(out)
	return out
}

func newScanned() *scanned {
	return &scanned{slices: map[string]map[int64]*sliceOf{}, machines: map[int64]fleet{}, seen: map[[2]uint64]struct{}{}}
}

// scan reads the raw events of hours, as far as they are still there and as many as are allowed. An hour that cannot be read whole is left out: half of its
// events would look like half of its load.
func (s *Service) scan(ctx context.Context, hours []int64) (*scanned, error) {
	all := newScanned()
	left := map[string]int64{event.LLMRequest.Topic(): requestsScanned, event.SystemMetric.Topic(): samplesScanned}
	large := 0
	for _, hour := range hours {
		files, _, _, err := s.deps.Hours.HourSnapshot(ctx, hour)
		if err != nil {
			return nil, err
		}
		files, whole := affordable(left, files)
		if !whole {
			large++
		}
		one := newScanned()
		for _, f := range files {
			if err = s.scanFile(ctx, one, f); err != nil {
				break
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			s.log.Warn("capacity analysis leaves out an hour whose raw events cannot be read", "hour", hourName(hour), "error", err)
		default:
			all.add(one)
		}
	}
	if large > 0 {
		s.log.Info("capacity analysis leaves out hours with more raw events than it reads", "hours", large, "of", len(hours))
	}
	return all, nil
}

// affordable returns the files of an hour that are read, in the order of their rows, and takes them off what is left of each topic: all of a topic or none. Each
// has a budget of its own, so that millions of requests do not hide the few samples that tell the machines; and a large hour does not end the scan, since those
// after it may be small.
func affordable(left map[string]int64, files []event.LakeFile) (chosen []event.LakeFile, whole bool) {
	byTopic := map[string][]event.LakeFile{}
	for _, f := range files {
		byTopic[f.Topic] = append(byTopic[f.Topic], f)
	}
	whole = true
	for topic, budget := range left {
		rows := rowsOf(byTopic[topic])
		if rows > budget {
			whole = false
			continue
		}
		left[topic] = budget - rows
		chosen = append(chosen, byTopic[topic]...)
	}
	sorting.By(chosen, event.LakeFile.ComparePlace)
	return chosen, whole
}

// add takes over what another hour says.
func (sc *scanned) add(o *scanned) {
	for model, of := range o.slices {
		if sc.slices[model] == nil {
			sc.slices[model] = map[int64]*sliceOf{}
		}
		maps.Copy(sc.slices[model], of) // a slice lies in one hour
	}
	maps.Copy(sc.machines, o.machines)
}

func (s *Service) scanFile(ctx context.Context, sc *scanned, f event.LakeFile) error {
	r, err := s.deps.Scanner.OpenFile(ctx, f)
	if err != nil {
		return err
	}
	defer r.Close()
	var columns event.LakeColumns
	var add func(*scanned, event.LakeFile, *event.LakeBlock)
	switch r.Kind() {
	case event.LLMRequest:
		columns, add = event.ColumnsOf(event.LakeTime, event.LakeID, event.LakeSource)|event.FieldsOf(event.Model, event.TTFT, event.TPOT, event.PromptTokens, event.CompletionTokens), (*scanned).addRequests
	case event.SystemMetric:
		columns, add = event.FieldsOf(event.Host, event.Model), (*scanned).addMachines
	default:
		return nil
	}
	var b event.LakeBlock
	for block := range r.Blocks() {
		if err := r.Read(ctx, block, columns, &b); err != nil {
			return err
		}
		add(sc, f, &b)
	}
	return nil
}

// addRequests counts the requests of a block, each identity once, in the slice of time that they began in.
func (sc *scanned) addRequests(_ event.LakeFile, b *event.LakeBlock) {
	times, models, ttft, tpot := b.Column(event.LakeTime), b.Field(event.Model), b.Field(event.TTFT), b.Field(event.TPOT)
	prompt, completion := b.Field(event.PromptTokens), b.Field(event.CompletionTokens)
	for i, id := range b.Identities(nil) {
		if _, twice := sc.seen[id]; twice {
			continue
		}
		sc.seen[id] = struct{}{}
		model := models.Text(i)
		of := sc.slices[model]
		if of == nil {
			of = map[int64]*sliceOf{}
			sc.slices[strings.Clone(model)] = of
		}
		at := times.Int(i) / 1e6 / slice
		w := of[at]
		if w == nil {
			w = &sliceOf{}
			of[at] = w
		}
		w.requests++
		if prompt.Has(i) {
			w.prompt += prompt.Int(i)
		}
		if completion.Has(i) {
			w.completion += completion.Int(i)
		}
		if ttft.Has(i) {
			w.ttft = append(w.ttft, float64(ttft.Int(i))/1e6)
		}
		if tpot.Has(i) {
			w.tpot = append(w.tpot, float64(tpot.Int(i))/1e6)
		}
	}
}

// saturations tells of each model where its time to the first token breaks.
func (sc *scanned) saturations(objective float64, laws laws) []saturation {
	out := []saturation{}
	for _, model := range slices.Sorted(maps.Keys(sc.slices)) {
		if model == "" {
			continue
		}
		s := saturation{report.Saturation{Model: model, Metric: "ttft_ms.p95", Objective: objective, Machines: sc.currentOf(model)}, 1}
		width := sc.width(model)
		s.Points = windows(sc.slices[model], width, measure{s.Metric, byRequests, firstTokens, objective})
		if len(s.Points) == 0 {
			continue
		}
		s.Knee = capacity.FindKnee(sc.onTheMachinesNow(s.Points, model, laws(model).Law()))
		s.peak = peakFactor(sc.slices[model], width)
		s.Points = s.Points[max(0, len(s.Points)-shownPoints):]
		out = append(out, s)
	}
	return out
}

// width returns how many slices a window of a model has.
func (sc *scanned) width(model string) int64 { return widthOf(sc.slices[model]) }

// widthOf is as few slices as leave the busiest window enough requests to tell a percentile from.
func widthOf(of map[int64]*sliceOf) int64 {
	for _, n := range []int64{1, 3} {
		sums, busiest := map[int64]int{}, 0
		for at, w := range of {
			sums[at/n] += w.requests
			busiest = max(busiest, sums[at/n])
		}
		if busiest >= busyWindow {
			return n
		}
	}
	return 6
}

// windows makes windows of so many slices, oldest first, without those of too few requests.
func windows(of map[int64]*sliceOf, width int64, m measure) []capacity.Point {
	joined := map[int64]*sliceOf{}
	for _, at := range slices.Sorted(maps.Keys(of)) {
		if joined[at/width] == nil {
			joined[at/width] = &sliceOf{}
		}
		joined[at/width].join(of[at])
	}
	out := []capacity.Point{}
	seconds := width * slice
	for _, at := range slices.Sorted(maps.Keys(joined)) {
		w := joined[at]
		values := m.values(w)
		if len(values) < windowRequests {
			continue
		}
		slices.Sort(values)
		p95 := values[(95*len(values)+99)/100-1] // nearest rank
		start := time.Unix(at*seconds, 0).UTC()
		out = append(out, capacity.Point{Start: start, End: start.Add(time.Duration(seconds) * time.Second), Load: m.load(w) / float64(seconds), Value: p95, Good: p95 <= m.objective})
	}
	return out
}

// peakFactor is the load of the busy windows of an hour (95th percentile of those with requests) relative to that of the hour: the
// median of the hours.
func peakFactor(of map[int64]*sliceOf, width int64) float64 {
	byHour := map[int64]map[int64]int{}
	for at, w := range of {
		hour := at * slice / 3600
		if byHour[hour] == nil {
			byHour[hour] = map[int64]int{}
		}
		byHour[hour][at/width] += w.requests
	}
	var factors []float64
	for _, counts := range byHour {
		sum := 0
		for _, n := range counts {
			sum += n
		}
		sorted := slices.Sorted(maps.Values(counts))
		busy := sorted[(95*len(sorted)+99)/100-1]
		factors = append(factors, max(1, float64(busy)*float64(3600/slice)/float64(width)/float64(sum)))
	}
	slices.Sort(factors)
	return factors[len(factors)/2]
}
