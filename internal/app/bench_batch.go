package app

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
)

// benchHour is the hour that the measurement of batch work folds; it is long over, so that no clock has a say.
const benchHour = 1_780_315_200 // 2026-06-01T12:00:00Z

// benchMonth is the month before.
var benchMonth = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

const (
	BenchHourRows    = 3_608_000 // where nobody asks for others: a little more than 3.6 million events when the duplicates are gone
	fewestRows       = 10_000    // so that none of the models is missing
	benchHourFiles   = 8
	benchHourModels  = 12
	benchCompactRows = 1_200_000 // at most, and a third of the hour
	benchTinyEvents  = 100
	benchDayEvents   = 20_000 // at most, and a hundredth of the hour
)

// benchBatch: one hour of raw events is folded as the batch service does it when a run asks for it, from the snapshot of its
// files to the stored rows, again and again for as long as o.Duration, at least three times. Seconds are the median.
func benchBatch(ctx context.Context, s *system, o BenchOptions) (map[string]any, error) {
	d := o.Duration
	if err := s.makeBenchHours(ctx, o.Rows); err != nil {
		return nil, err
	}
	hour, err := s.benchFold(ctx, benchHour, d, 3)
	if err != nil {
		return nil, err
	}
	if n := hour["models"]; n != int64(benchHourModels) {
		return nil, fmt.Errorf("the hour has %v models, %d were made", n, benchHourModels)
	}
	tiny, err := s.benchFold(ctx, benchHour+3600, d/10, 20)
	if err != nil {
		return nil, err
	}
	month, err := s.benchMonth(ctx, 10)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"hour": hour, "tiny_hour": tiny, "month": month}
	if out["compaction"], err = s.benchCompaction(ctx, benchHour+7200); err != nil {
		return nil, err
	}
	if out["compacted_hour"], err = s.benchFold(ctx, benchHour+7200, d/10, 3); err != nil {
		return nil, err
	}
	if hour["in_parts"], err = s.benchParts(ctx, benchHour, 2, 4); err != nil {
		return nil, err
	}
	out["compacted_hour"].(map[string]any)["in_parts"], err = s.benchParts(ctx, benchHour+7200, 2, 4)
	return out, err
}

// benchParts folds one hour in parts, one after the other, and tells what each of them and the merge took: the median of some rounds.
func (s *system) benchParts(ctx context.Context, hour int64, parts ...int) (out []map[string]any, err error) {
	const rounds = 5
	for _, n := range parts {
		took, cpu := make([][]float64, n+1), make([][]float64, n+1)
		kept := 0
		for range rounds {
			k, used, began := -1, processCPU(), time.Now()
			note := func(next int) {
				if k >= 0 {
					took[k], cpu[k] = append(took[k], time.Since(began).Seconds()), append(cpu[k], (processCPU()-used).Seconds())
				}
				runtime.GC() // what is left of one is not the work of the next
				k, used, began = next, processCPU(), time.Now()
			}
			if kept, err = s.batch.MeasureParts(ctx, hour, n, note); err != nil {
				return nil, err
			}
			note(0)
		}
		seconds, used, total := make([]float64, n), make([]float64, n), median(cpu[n])
		for k := range seconds {
			seconds[k], used[k] = median(took[k]), median(cpu[k])
			total += used[k]
		}
		out = append(out, map[string]any{"parts": n, "seconds": seconds, "slowest_seconds": slices.Max(seconds), "merge_seconds": median(took[n]),
			"part_cpu_seconds": used, "slowest_cpu_seconds": slices.Max(used), "merge_cpu_seconds": median(cpu[n]), "cpu_seconds": total, "kept_bytes": kept})
	}
	return out, nil
}

// benchCompaction compacts an hour, as hxp lake compact does; what a run before has compacted gives no figures.
func (s *system) benchCompaction(ctx context.Context, hour int64) (map[string]any, error) {
	debug.FreeOSMemory()
	resetPeakMemory()
	cpu := processCPU()
	from := time.Unix(hour, 0)
	done, err := s.lake.Compact(ctx, s.store, lake.CompactOptions{From: from, To: from.Add(time.Hour), Budget: s.set.lake.CompactBytes})
	if err != nil || len(done) == 0 {
		return nil, err
	}
	c, used := done[0], processCPU()-cpu
	out := map[string]any{"rows": c.RowsBefore, "rows_after": c.RowsAfter, "files": c.FilesBefore, "files_after": c.FilesAfter, "bytes": c.BytesBefore, "bytes_after": c.BytesAfter,
		"seconds": c.Took.Seconds(), "rows_per_second": float64(c.RowsBefore) / c.Took.Seconds(), "cpu_us_per_row": used.Seconds() / float64(c.RowsBefore) * 1e6}
	if peak, ok := peakMemory(); ok {
		out["peak_rss_mb"] = float64(peak) / 1e6
	}
	return out, nil
}

// benchMonth makes a month anew from its days, which are up to date, by runs of the monthly DAG. The days are of one busy hour
// each: the sketches of all models are about as large as they get.
func (s *system) benchMonth(ctx context.Context, rounds int) (map[string]any, error) {
	end := benchMonth.AddDate(0, 1, 0)
	if _, err := s.benchRun(ctx, "hxp_daily_aggregation", "daily_aggregation", benchMonth, end); err != nil {
		return nil, err
	}
	var ms []float64
	for range rounds {
		took, err := s.benchRun(ctx, "hxp_monthly_aggregation", "monthly_aggregation", benchMonth, end)
		if err != nil {
			return nil, err
		}
		ms = append(ms, took.Seconds()*1000)
	}
	days, _, err := s.store.Rows(ctx, "daily", agg.ByModel, benchMonth, end, agg.AllModels, 0, "")
	return map[string]any{"days": len(days), "ms": median(ms), "rounds": rounds}, err
}

// benchRun runs one task of a DAG and returns how long it took.
func (s *system) benchRun(ctx context.Context, dag, task string, start, end time.Time) (time.Duration, error) {
	run, _, err := s.batch.Trigger(ctx, agg.RunRequest{DagID: dag, TaskID: task, Start: &start, End: &end})
	for err == nil && !run.State.Final() {
		if err = pause(ctx); err == nil {
			run, err = s.batch.RunByID(ctx, run.ID)
		}
	}
	switch {
	case err != nil:
		return 0, err
	case run.State != agg.RunSuccess:
		return 0, fmt.Errorf("the run of %s is %s: %s", dag, run.State, run.Error)
	}
	return run.EndedAt.Sub(*run.StartedAt), nil
}

// benchFold folds one hour for as long as d and tells how long a fold took.
func (s *system) benchFold(ctx context.Context, hour int64, d time.Duration, atLeast int) (map[string]any, error) {
	debug.FreeOSMemory()
	resetPeakMemory()
	var took, cpu []float64
	out := map[string]any{}
	// The first fold is not among the others: the process is cold, and in a fresh lake the service may fold the hour by itself.
	for began := time.Now(); len(took) <= atLeast || time.Since(began) < d; {
		before, start := processCPU(), time.Now()
		f, err := s.batch.FoldHour(ctx, hour)
		if err != nil {
			return nil, err
		}
		took, cpu = append(took, time.Since(start).Seconds()), append(cpu, (processCPU()-before).Seconds())
		out["rows"], out["events"], out["models"], out["files"] = f.Rows, f.Events, f.Models, f.Files
	}
	out["first_seconds"], out["first_cpu_seconds"] = took[0], cpu[0]
	took, cpu = took[1:], cpu[1:]
	if peak, ok := peakMemory(); ok {
		out["peak_rss_mb"] = float64(peak) / 1e6
	}
	out["rounds"], out["seconds"], out["seconds_min"], out["cpu_seconds"] = len(took), median(took), slices.Min(took), median(cpu)
	return out, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// makeBenchHours fills the lake, unless a run before has left it: an hour of so many requests in eight files, with one
// in a thousand delivered again, some of them across files as after a rebalance; one of a third of that, to be compacted; one
// of a hundred; and one of 20,000 at most for each day of a month.
func (s *system) makeBenchHours(ctx context.Context, rows int) error {
	have, err := s.store.Files(ctx, event.LakeFilter{FromHour: benchMonth.Unix(), ToHour: benchHour + 10800})
	if err != nil || len(have) > 0 {
		return err
	}
	g := newHourTraffic()
	for _, hour := range []struct {
		start int64
		rows  int
	}{{benchHour, rows}, {benchHour + 7200, min(benchCompactRows, rows/3)}} {
		g.before = nil
		for file := range benchHourFiles {
			tp := event.TopicPartition{TopicID: strings.Repeat("be", 16), Topic: event.LLMRequest.Topic(), Partition: int32(file)}
			if _, err := s.lake.Import(ctx, s.store, tp, g.file(hour.start, file, benchHourFiles, hour.rows/benchHourFiles, 1000)); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	tp := event.TopicPartition{TopicID: strings.Repeat("7e", 16), Topic: event.LLMRequest.Topic()}
	if _, err = s.lake.Import(ctx, s.store, tp, newHourTraffic().file(benchHour+3600, 0, 1, benchTinyEvents, 0)); err != nil {
		return err
	}
	for day := benchMonth; day.Before(benchMonth.AddDate(0, 1, 0)); day = day.AddDate(0, 0, 1) {
		if _, err := s.lake.Import(ctx, s.store, tp, g.file(day.Unix(), 0, 1, min(benchDayEvents, rows/100), 0)); err != nil {
			return err
		}
	}
	return nil
}

// hourTraffic makes the requests of an hour as a busy gateway sends them: models of unequal weight, users and prompts with long
// tails, a few errors. The same every time.
type hourTraffic struct {
	rng     *rand.Rand
	seeds   *rand.PCG // of rng: what an event says follows from the seed of its delivery
	users   []float64 // cumulated shares
	tenants []int
	before  []delivery // the first half of the file before
	e       event.Event
}

// delivery is an event that may be delivered again, in full.
type delivery struct{ seed, time uint64 }

// hourModels have a weight, milliseconds for each token, and nano-USD for each token.
var hourModels = [benchHourModels]struct {
	name                 string
	weight, speed, price float64
}{
	{"llama-4-70b", 18, 22, 900}, {"llama-4-8b", 14, 7, 200}, {"qwen3-32b", 12, 14, 500}, {"qwen3-235b-a22b", 9, 26, 1400},
	{"mistral-large-3", 8, 24, 1200}, {"mistral-small-4", 8, 9, 300}, {"gemma-4-27b", 7, 13, 500}, {"deepseek-v4", 7, 28, 1600},
	{"phi-5-mini", 6, 5, 100}, {"gpt-oss-120b", 5, 20, 800}, {"gpt-oss-20b", 4, 8, 250}, {"granite-5-8b", 2, 6, 150},
}

func newHourTraffic() *hourTraffic {
	const users, tenants = 50_000, 200
	g := &hourTraffic{seeds: rand.NewPCG(7, 7), users: make([]float64, users), tenants: make([]int, users)}
	g.rng = rand.New(g.seeds)
	sum := 0.0
	for i := range g.users {
		sum += math.Pow(float64(i+1), -0.9)
		g.users[i], g.tenants[i] = sum, g.rng.IntN(tenants)
	}
	return g
}

// file returns the n requests of one of some files of an hour, of which one in repeated (0: none) was delivered before.
func (g *hourTraffic) file(hour int64, file, files, n, repeated int) iter.Seq2[*event.Event, int64] {
	from, span := hour*1e6+int64(file)*3600e6/int64(files), 3600e6/int64(files)
	rng := rand.New(rand.NewPCG(uint64(from), uint64(n)))
	times := make([]int64, n)
	for i := range times {
		times[i] = from + rng.Int64N(span)
	}
	slices.Sort(times)
	return func(yield func(*event.Event, int64) bool) {
		half := make([]delivery, 0, n/2)
		for i, t := range times {
			d := delivery{rng.Uint64(), uint64(t)}
			switch repeat := repeated > 0 && rng.IntN(repeated) == 0; {
			case i < n/2 && repeat && len(g.before) > 0 && rng.IntN(4) == 0:
				d = g.before[rng.IntN(len(g.before))]
			case i >= n/2 && repeat:
				d = half[rng.IntN(len(half))]
			}
			if i < n/2 {
				half = append(half, d)
			}
			g.fill(d)
			if !yield(&g.e, t+rng.Int64N(2e6)) {
				return
			}
		}
		g.before = half
	}
}

// fill makes the event of a delivery.
func (g *hourTraffic) fill(d delivery) {
	r, e := g.rng, &g.e
	g.seeds.Seed(d.seed, d.time)
	e.Reset()
	e.ID, e.Source, e.Kind, e.Time, e.HasTime = g.uuid7(int64(d.time)/1000), "gateway", event.LLMRequest, int64(d.time), true
	pick := r.Float64() * 100
	m := 0
	for pick -= hourModels[0].weight; pick >= 0 && m < benchHourModels-1; pick -= hourModels[m].weight {
		m++
	}
	model := &hourModels[m]
	user, _ := slices.BinarySearch(g.users, r.Float64()*g.users[len(g.users)-1])
	e.SetText(event.Model, model.name)
	e.SetText(event.UserID, fmt.Sprintf("user-%06d", user))
	e.SetText(event.Tenant, fmt.Sprintf("tenant-%03d", g.tenants[user]))
	e.SetText(event.RequestID, fmt.Sprintf("req_%016x%08x", r.Uint64(), r.Uint32()))
	prompt := math.Floor(g.logNormal(5.9, 1.1, 4, 128_000))
	status, completion, first := 200, math.Floor(g.logNormal(5, .9, 1, 16_000)), g.logNormal(5.2, .55, 0, 1e9)+prompt*.03
	took := first + completion*model.speed*g.logNormal(0, .25, 0, 1e3)
	if p := r.Float64(); p >= .975 {
		completion, first, took = 0, 0, g.logNormal(3.5, .8, 0, 1e9)
		switch {
		case p < .985:
			status = 429
		case p < .992:
			status = 500
		case p < .996:
			status = 503
		default:
			status = 400
		}
	}
	e.SetInt(event.DurationMS, int64(took*1e3)*1e3)
	e.SetInt(event.TTFT, int64(first*1e3)*1e3)
	e.SetInt(event.PromptTokens, int64(prompt))
	e.SetInt(event.CompletionTokens, int64(completion))
	e.SetInt(event.StatusCode, int64(status))
	e.SetInt(event.Cost, int64((prompt+3*completion)*model.price/10)*10)
	e.Settle()
}

func (g *hourTraffic) logNormal(mean, deviation, least, most float64) float64 {
	return min(max(math.Exp(mean+deviation*g.rng.NormFloat64()), least), most)
}

func (g *hourTraffic) uuid7(ms int64) string {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", ms>>16, ms&0xffff, a&0xfff, 0x8000|a>>12&0x3fff, b&0xffffffffffff)
}

// resetPeakMemory makes peakMemory count from now on.
func resetPeakMemory() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) } // best effort: without it the peak is that of the process

// peakMemory returns the most memory in bytes that the process had resident; not ok where the system does not tell.
func peakMemory() (bytes int64, ok bool) { return memory("VmHWM:") }

// residentMemory returns the memory in bytes that the process has resident; not ok where the system does not tell.
func residentMemory() (bytes int64, ok bool) { return memory("VmRSS:") }

func memory(line string) (bytes int64, ok bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(status), line)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10, err == nil
}

// processCPU is the CPU time of the process: it does not depend on what else the machine does as much as the wall clock.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
