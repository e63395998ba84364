package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// What requests took of own GPUs, by what people ask for. Each hour that is over is shared out among the requests of that hour (cost.PoolHour):
// so it needs them by model, beside what is asked for, and where a model is in several pools by machine. What nobody used stands for itself.

// ownPools gathers what the pools cost, each in the hours in which it is there. It has one owner.
type ownPools struct {
	pools []cost.Pool
	spans []cost.Span
	split bool // the machine tells whose a request is
	hosts bool // pools name their machines
	sums  []*cost.PoolCost
}

func newOwnPools(pools []cost.Pool) *ownPools {
	o := &ownPools{pools: pools, split: cost.Split(pools)}
	for i := range pools {
		o.spans, o.sums = append(o.spans, pools[i].Span()), append(o.sums, pools[i].Begin())
		o.hosts = o.hosts || len(pools[i].Hosts) > 0
	}
	return o
}

// any tells whether some pool is there in an hour.
func (o *ownPools) any(hour int64) bool {
	return slices.ContainsFunc(o.spans, func(s cost.Span) bool { return s.Holds(hour) })
}

// whose is the pool whose work the requests to a model are, by the machine that they name, negative where it is nobody's.
func (o *ownPools) whose(hour int64, model, host string) int {
	for i := range o.pools {
		if o.spans[i].Holds(hour) && o.pools[i].Serves(model, host) {
			return i
		}
	}
	return -1
}

// ownHour is what one pool cost in an hour, and whose work that was.
type ownHour struct {
	cost *cost.PoolHour // nil where the pool is not there
	work []cost.Work
}

// costHour is one hour of a table.
type costHour struct {
	table *cost.Table
	own   []ownHour // by pool; none when nobody asked
}

func (o *ownPools) add(hours []ownHour) {
	for i, h := range hours {
		if h.cost != nil {
			o.sums[i].Add(h.cost, h.work)
		}
	}
}

// owns tells whether an hour is one whose own GPUs are asked for.
func (q *costQuery) owns(hour int64) bool {
	return q.own && q.whole(hour) && hour+3600 <= q.ended.Unix()
}

// finish adds the hours without data, in which all was idle as far as anybody knows, and ends the sums.
func (o *ownPools) finish(q *costQuery, hours []event.HourState, t *cost.Table) {
	for hour := q.from.Add(time.Hour - 1).Truncate(time.Hour).Unix(); q.owns(hour); hour += 3600 {
		for len(hours) > 0 && hours[0].Hour < hour {
			hours = hours[1:]
		}
		if len(hours) > 0 && hours[0].Hour == hour {
			continue
		}
		key := q.timesOf(hour)
		for i := range o.pools {
			if o.spans[i].Holds(hour) {
				idle := o.pools[i].Hour(hour, -1, nil, nil)
				o.sums[i].Add(idle, nil)
				t.AddIdle(key, o.pools[i].Name, idle.Idle())
			}
		}
	}
	for _, c := range o.sums {
		if c.Hours > 0 { // else it is no part of that time
			c.End()
			t.Pools = append(t.Pools, c)
		}
	}
}

// detail is the question for the requests of an hour that own GPUs are shared out by, and where model and machine stand in its keys.
func (q *costQuery) detail(split bool) (d *costQuery, model, host int) {
	c := *q
	c.by, c.only = slices.Clone(q.by), nil
	place := func(part string) int {
		if i := slices.Index(c.by, part); i >= 0 {
			return i
		}
		c.by = append(c.by, part)
		return len(c.by) - 1
	}
	if model, host = place(agg.ByModel), -1; split {
		host = place("host")
	}
	return &c, model, host
}

// costWithOwn adds up one hour with what its requests took of own GPUs.
func (s *Service) costWithOwn(ctx context.Context, q *costQuery, o *ownPools, h event.HourState) (out costHour, err error) {
	d, model, host := q.detail(o.split)
	cells, err := s.cellsOf(ctx, h, q.rows)
	if err != nil {
		return out, err
	}
	out = costHour{cost.NewTable(q.by), make([]ownHour, len(o.pools))}
	groups, left, err := s.ownWork(ctx, q, d, h, cells, out.table)
	if err != nil {
		return out, err
	}
	times, busy, err := s.ownMeasures(ctx, q.rows, o, h, cells)
	if err != nil {
		return out, err
	}
	of := make([][]int, len(o.pools)) // groups by pool
	for i := range groups {
		g := &groups[i]
		if i < left && q.asks(g.Key[:len(q.by)]) {
			out.table.Add(g.Key[:len(q.by)], &g.Usage)
		}
		name := ""
		if host >= 0 {
			name = g.Key[host]
		}
		if p := o.whose(h.Hour, g.Key[model], name); p >= 0 {
			t := &g.Tokens
			of[p] = append(of[p], i)
			out.own[p].work = append(out.own[p].work, cost.Work{Model: g.Key[model], Host: name, Requests: g.Requests, Prompt: t.Prompt, Cached: t.Cached, Completion: t.Completion})
		}
	}
	for p := range o.pools {
		if !o.spans[p].Holds(h.Hour) {
			continue
		}
		own := &out.own[p]
		own.cost = o.pools[p].Hour(h.Hour, busy[p], own.work, times)
		for k, i := range of[p] {
			if key := groups[i].Key[:len(q.by)]; q.asks(key) {
				covered := uint64(0)
				if i < left {
					covered = groups[i].Unpriced()
				}
				out.table.AddOwn(key, own.cost.Shares[k].Prefill+own.cost.Shares[k].Decode, covered)
			}
		}
		out.table.AddIdle(q.timesOf(h.Hour), o.pools[p].Name, own.cost.Idle())
	}
	return out, nil
}

// ownWork is what the requests of an hour did by the parts of d, the detail of q. Those from left on are of raw events that have left: their hour
// tells them by model, or by what q asks for, and not by both. So the requests count in table by what is asked for, and their work by model.
func (s *Service) ownWork(ctx context.Context, q, d *costQuery, h event.HourState, cells map[agg.Group][]byte, table *cost.Table) (groups []cost.Group, left int, err error) {
	nearest := q.nearest()
	if nearest == agg.ByModel {
		detail, err := s.costOfHour(ctx, d, h, cells)
		if err != nil {
			return nil, 0, err
		}
		table.Doubt(detail)
		groups = detail.Groups()
		return groups, len(groups), nil
	}
	files, base, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
	if err != nil {
		return nil, 0, err
	}
	detail, gone := cost.NewTable(d.by), cost.NewTable(d.by)
	if err := s.costOfFiles(ctx, d, h.Hour, files, detail); err != nil {
		return nil, 0, err
	}
	if len(base) > 0 {
		if err := errors.Join(q.addBase(h.Hour, base, table), addCells(d, h.Hour, agg.ByModel, base, gone)); err != nil {
			return nil, 0, err
		}
	}
	table.Doubt(detail)
	groups = detail.Groups()
	return append(groups, gone.Groups()...), len(groups), nil
}

// ownMeasures are the times of requests by model, and to which share the GPUs of each pool were in use in an hour, negative where nobody knows.
// Stored hours tell all machines together; those of a pool that names its machines are read from the raw samples.
func (s *Service) ownMeasures(ctx context.Context, rows *reading, o *ownPools, h event.HourState, cells map[agg.Group][]byte) (map[string]cost.Phases, []float64, error) {
	times, all := map[string]cost.Phases{}, agg.Gauge{}
	for g, text := range cells {
		if g.Dimension != agg.ByModel {
			continue
		}
		var c agg.Cell
		if _, err := c.Decode(text); err != nil {
			return nil, nil, fmt.Errorf("the stored cell of model %q of hour %s is damaged: %w; aggregate its period again", g.Value, hourName(h.Hour), err)
		}
		if g.Value == agg.AllModels {
			all = c.System.Gauge("gpu_usage")
		} else if n := c.TTFT.Count(); n > 0 && n == c.Latency.Count() { // else they are of different requests
			times[g.Value] = cost.Phases{Prefill: c.TTFT.AvgMS() * float64(n), Total: c.Latency.AvgMS() * float64(n)}
		}
	}
	busy := make([]float64, len(o.pools))
	var byHost map[string]agg.Gauge
	if o.hosts {
		var err error
		if byHost, err = s.gpusByHost(ctx, rows, h.Hour); err != nil {
			return nil, nil, err
		}
	}
	for i := range o.pools {
		gauge := all
		if p := &o.pools[i]; len(p.Hosts) > 0 {
			gauge = agg.Gauge{}
			for host, g := range byHost {
				if p.Has(host) {
					gauge.Count += g.Count
					gauge.Sum.Merge(&g.Sum)
				}
			}
		}
		if busy[i] = -1; gauge.Count > 0 {
			busy[i] = min(1, gauge.Mean()/100)
		}
	}
	return times, busy, nil
}

// gpusByHost reads how much the GPUs of each machine were in use in an hour.
func (s *Service) gpusByHost(ctx context.Context, rows *reading, hour int64) (map[string]agg.Gauge, error) {
	files, _, _, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return nil, err
	}
	if files = metricFiles(files); len(files) == 0 {
		return nil, nil
	}
	if !rows.take(rowsOf(files)) {
		return nil, tooMuch("from", "it takes more than %d raw events; ask for a shorter time", maxCostRows)
	}
	w, err := s.folder.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.folder = &folder{scan: s.folder.scan, readers: 1} // what it writes has one owner
	_, others := w.byKind()
	by, keep := map[string]agg.Gauge{}, []int32{}
	_, err = forEach(ctx, w, w.units(others, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime) | event.FieldsOf(event.Host, event.GPUUsage)
	}, func() struct{} { return struct{}{} }, func(_ struct{}, src *source, b *event.LakeBlock) error {
		var err error
		if keep, err = w.choose(src, b, keep[:0]); err != nil {
			return err
		}
		hosts, usage := b.Field(event.Host), b.Field(event.GPUUsage)
		b.KeepText()
		for _, i := range keep {
			if usage.Has(int(i)) {
				g := by[hosts.Text(int(i))]
				g.Count++
				g.Sum.Add(usage.Floats[i])
				by[hosts.Text(int(i))] = g
			}
		}
		return nil
	})
	return by, err
}
