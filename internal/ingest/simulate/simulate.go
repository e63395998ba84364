package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Scenario says how the traffic behaves over time.
type Scenario string

// The scenarios. Diurnal has a quiet night and weekend, incident a model that fails for a few minutes each half hour, drift a latency
// that grows by a third each hour up to four times its start.
const (
	Steady   Scenario = "steady"
	Diurnal  Scenario = "diurnal"
	Incident Scenario = "incident"
	Drift    Scenario = "drift"
)

// Scenarios lists all.
var Scenarios = []Scenario{Steady, Diurnal, Incident, Drift}

var failures = []struct {
	share  float64
	status int64
	kind   string
}{{.45, 429, "rate_limit"}, {.30, 500, "server_error"}, {.20, 504, "timeout"}, {.05, 400, "context_length"}}

// Generator makes events in order of time. Not for concurrent use.
type Generator struct {
	profile Profile
	rnd     *rand.Rand
	start   time.Time
	next    time.Time // of the next request's arrival
	sampled time.Time // of the next metrics
	waiting queue     // events that become known later: ends of requests, feedback, business events
	serial  uint64
	load    [16]float64 // by host: decayed busy time
	carries [16]float64 // by host: how many requests at a time it serves before others wait
	work    [16]work    // by host: of the successful requests since the last sample
	prefix  string
	tenants []string
	users   []string
	weight  float64        // of all models
	free    []*event.Event // told and forgotten, to be used again
}

// New makes a generator whose first event comes after start.
func New(seed int64, p Profile, start time.Time) *Generator {
	p = p.withDefaults()
	g := &Generator{profile: p, rnd: rand.New(rand.NewPCG(uint64(seed), 0x68787031)), start: start, next: start, sampled: start}
	g.prefix = fmt.Sprintf("sim-%x-%x", uint64(seed), start.UnixMilli())
	g.tenants = []string{"acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "tyrell", "cyberdyne", "soylent", "oscorp", "wonka"}
	for i := range p.Models {
		g.weight += p.Models[i].Weight
	}
	for i := range p.Models {
		g.carries[i%p.Hosts] += spare * p.busiest() * p.Models[i].Weight / g.weight * p.Models[i].takes()
	}
	for i := range p.Users {
		g.users = append(g.users, fmt.Sprintf("user-%03d", i))
	}
	return g
}

// work is what some requests were for an engine.
type work struct {
	requests, prompt, cached, completion float64
	queue, prefill, decode               float64 // ms
}

// timed is an event that is to be told at a time: when the request ended, when the user answered.
type timed struct {
	at    time.Time
	order uint64 // of making; decides between equal times
	e     *event.Event
}

func (t *timed) before(o *timed) bool {
	return t.at.Before(o.at) || t.at.Equal(o.at) && t.order < o.order
}

// queue is a binary heap, the earliest first. container/heap would put each element into an interface.
type queue []timed

func (q *queue) push(t timed) {
	h := append(*q, t)
	i := len(h) - 1
	for up := (i - 1) / 2; i > 0 && t.before(&h[up]); up = (i - 1) / 2 {
		h[i], i = h[up], up
	}
	h[i] = t
	*q = h
}

func (q *queue) pop() *event.Event {
	h := *q
	first, last := h[0].e, h[len(h)-1]
	h[len(h)-1] = timed{}
	h = h[:len(h)-1]
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(&h[down]) {
			down++
		}
		if !h[down].before(&last) {
			break
		}
		h[i], i = h[down], down
	}
	if len(h) > 0 {
		h[i] = last
	}
	*q = h
	return first
}

// later keeps an event until it is to be told.
func (g *Generator) later(at time.Time, e *event.Event) {
	g.waiting.push(timed{at, g.serial, e})
}

// Due calls fn with every event that is known by then, in order. An event's own time is never after the moment at which it
// is told; it is used again afterwards, so fn must not keep it.
func (g *Generator) Due(now time.Time, fn func(*event.Event)) {
	for {
		at := g.next
		if g.sampled.Before(at) {
			at = g.sampled
		}
		if len(g.waiting) > 0 && !g.waiting[0].at.After(at) && !g.waiting[0].at.After(now) {
			e := g.waiting.pop()
			fn(e)
			g.free = append(g.free, e)
			continue
		}
		if at.After(now) {
			return
		}
		if at == g.sampled {
			g.metrics(at)
			g.sampled = at.Add(sampling)
			continue
		}
		g.request(at)
		g.next = at.Add(time.Duration(g.rnd.ExpFloat64() / g.rate(at) * float64(time.Second)))
	}
}

// rate is how many requests a second arrive at a time.
func (g *Generator) rate(at time.Time) float64 {
	r := g.profile.Rate
	wave := 1 + .12*math.Sin(2*math.Pi*at.Sub(g.start).Seconds()/97)
	if g.profile.Scenario == Diurnal {
		hour := float64(at.UTC().Hour()) + float64(at.UTC().Minute())/60
		wave *= 1 + swing*math.Sin(2*math.Pi*(hour-9)/24)
		if day := at.UTC().Weekday(); day == time.Saturday || day == time.Sunday {
			wave *= .55
		}
	}
	return r * wave
}

func (g *Generator) logNormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*g.rnd.NormFloat64())
}

func (g *Generator) id(kind string) string {
	g.serial++
	return g.prefix + "-" + kind + "-" + strconv.FormatUint(g.serial, 10)
}

// pick chooses a model by weight and tells its place in the profile.
func (g *Generator) pick() (*Model, int) {
	x := g.rnd.Float64() * g.weight
	for i := range g.profile.Models {
		m := &g.profile.Models[i]
		if x -= m.Weight; x < 0 {
			return m, i
		}
	}
	return &g.profile.Models[0], 0
}

// skewed picks below n, small numbers much more often: a few tenants and users make most of the traffic.
func (g *Generator) skewed(n int) int {
	return int(math.Pow(g.rnd.Float64(), 2.2) * float64(n))
}

func (g *Generator) newEvent(k event.Kind, at time.Time, kind string) *event.Event {
	var e *event.Event
	if n := len(g.free); n > 0 {
		e, g.free = g.free[n-1], g.free[:n-1]
		e.Reset()
	} else {
		e = new(event.Event)
	}
	e.ID, e.Source, e.SchemaVersion, e.Kind, e.Time, e.HasTime = g.id(kind), "hxp-simulate", "1.0", k, at.UnixMicro(), true
	return e
}

// request makes a request that arrives at a time; it is told when it ends.
func (g *Generator) request(at time.Time) {
	m, place := g.pick()
	e := g.newEvent(event.LLMRequest, at, "req")
	id := e.ID
	tenant, user := g.tenants[g.skewed(len(g.tenants))], g.users[g.skewed(len(g.users))]
	e.CorrelationID = id
	e.SetText(event.Model, m.Name)
	e.SetText(event.RequestID, id)
	e.SetText(event.Tenant, tenant)
	e.SetText(event.UserID, user)
	session := user + "-" + strconv.FormatInt(at.Unix()/1800, 10)
	e.SetText(event.SessionID, session)
	e.SetText(event.Operation, "chat")
	e.SetText(event.Endpoint, "/v1/chat/completions")
	e.SetBool(event.Streaming, g.rnd.Float64() < .8)
	prompt := math.Min(math.Max(g.logNormal(m.PromptTokens, .8), 1), 32000)
	completion := math.Min(math.Max(g.logNormal(m.CompletionTokens, .7), 1), maxCompletion)
	slow, failing := g.stress(m, at)
	ttft := g.logNormal(m.TTFT*(.4+.6*prompt/1000), .35) * slow
	tpot := g.logNormal(m.TPOT, .18) * (1 + (slow-1)/2)
	queue := g.logNormal(4, 1) * slow * slow
	took := ttft + queue + tpot*completion
	failed := g.rnd.Float64() < failing
	if failed {
		took, completion = g.fail(e), 0
		e.SetText(event.UsageSource, "none")
	} else {
		e.SetBool(event.Success, true)
		e.SetInt(event.StatusCode, 200)
		e.SetText(event.FinishReason, choose(completion >= maxCompletion, "length", "stop"))
		e.SetInt(event.TTFT, int64((ttft+queue)*1e6))
		e.SetInt(event.TPOT, int64(tpot*1e6))
		e.SetInt(event.CachedTokens, int64(prompt*.3*g.rnd.Float64()))
		e.SetText(event.UsageSource, "reported")
		e.SetInt(event.Cost, int64(prompt*m.PromptUSD*1e3+completion*m.CompletionUSD*1e3))
		w := &g.work[place%g.profile.Hosts]
		w.requests++
		w.prompt, w.cached, w.completion = w.prompt+prompt, w.cached+float64(e.Int(event.CachedTokens)), w.completion+completion
		w.queue, w.prefill, w.decode = w.queue+queue, w.prefill+ttft, w.decode+tpot*completion
	}
	e.SetInt(event.Queue, int64(queue*1e6))
	e.SetInt(event.DurationMS, int64(took*1e6))
	e.SetInt(event.PromptTokens, int64(prompt))
	e.SetInt(event.CompletionTokens, int64(completion))
	e.Settle()
	end := at.Add(time.Duration(took * 1e6))
	e.Time = end.UnixMicro() // a gateway writes its record when the answer is complete
	g.load[place%g.profile.Hosts] += took / 1000
	g.later(end, e)
	g.follow(m, id, tenant, user, session, end, took, completion, failed)
}

// stress is what the scenario does to a model at a time: a factor on its latency and its share of failures.
func (g *Generator) stress(m *Model, at time.Time) (slow, failing float64) {
	slow, failing = 1, m.ErrorRate
	since := at.Sub(g.start)
	switch g.profile.Scenario {
	case Incident:
		if into := since % (30 * time.Minute); m.Name == g.profile.Models[0].Name && into > 5*time.Minute && into < 9*time.Minute {
			return 3.5, .35
		}
	case Drift:
		slow += min(since.Hours()/3, 3)
	}
	return slow, failing
}

// fail makes e a failed request and returns how long it took, in ms.
func (g *Generator) fail(e *event.Event) (took float64) {
	x := g.rnd.Float64()
	f := failures[0]
	for _, f = range failures {
		if x -= f.share; x < 0 {
			break
		}
	}
	e.SetBool(event.Success, false)
	e.SetInt(event.StatusCode, f.status)
	e.SetText(event.ErrorType, f.kind)
	e.SetInt(event.Cost, 0) // as gateways say of what failed
	if f.kind == "timeout" {
		return 30_000
	}
	return g.logNormal(40, .8)
}

// follow makes what comes after some requests: a rating that depends on how it went, and a business event.
func (g *Generator) follow(m *Model, id, tenant, user, session string, end time.Time, took, completion float64, failed bool) {
	chance := .07
	if failed {
		chance = .12
	}
	if g.rnd.Float64() < chance {
		at := end.Add(time.Duration(g.logNormal(9, .9) * float64(time.Second)))
		e := g.newEvent(event.UserFeedback, at, "fb")
		score := 4.6 - took/14_000 + .5*g.rnd.NormFloat64()
		if failed {
			score = 1.6 + .6*g.rnd.NormFloat64()
		}
		score = math.Round(min(max(score, 1), 5))
		e.CorrelationID = id
		e.SetText(event.RequestID, id)
		e.SetText(event.Model, m.Name)
		e.SetText(event.UserID, user)
		e.SetText(event.SessionID, session)
		e.SetText(event.Tenant, tenant)
		e.SetFloat(event.SatisfactionScore, score)
		e.SetText(event.Thumbs, choose(score >= 3, "up", "down"))
		g.later(at, e)
	}
	if !failed && g.rnd.Float64() < .03 {
		at := end.Add(time.Duration(g.logNormal(20, .8) * float64(time.Second)))
		e := g.newEvent(event.BusinessEvent, at, "biz")
		e.CorrelationID = id
		e.SetText(event.RequestID, id)
		e.SetText(event.Model, m.Name)
		e.SetText(event.SessionID, session)
		e.SetText(event.Tenant, tenant)
		e.SetText(event.BusinessEventType, []string{"ticket_solved", "order", "document_written", "lead"}[g.rnd.IntN(4)])
		e.SetInt(event.BusinessValue, int64(math.Round(g.logNormal(6, .9)*100))*1e7)
		g.later(at, e)
	}
}

// Machines are bought for the busiest hour of a usual day and half as much again, so nobody waits unless something is wrong.
const (
	spare    = 1.5
	fewest   = 12. // requests at a time that any machine serves
	sampling = 10 * time.Second
	kept     = .2 // of the load, from one sample to the next
)

// metrics tells how busy the hosts are: what their models had to do, smoothed.
func (g *Generator) metrics(at time.Time) {
	for h := range g.profile.Hosts {
		carries := max(g.carries[h], fewest)
		busy := g.load[h] * (1 - kept) / sampling.Seconds() / carries // requests at a time, by Little's law
		g.load[h] *= kept
		gpu := min(18+72*busy/(.3+busy)+2*g.rnd.NormFloat64(), 100)
		e := g.newEvent(event.SystemMetric, at, "host")
		e.SetText(event.Host, fmt.Sprintf("gpu-%02d", h+1))
		e.SetFloat(event.GPUUsage, round1(max(gpu, 2)))
		e.SetFloat(event.GPUMemoryUsage, round1(74+8*busy/(1+busy)+g.rnd.Float64()))
		e.SetFloat(event.CPUUsage, round1(max(12+gpu/4+2*g.rnd.NormFloat64(), 1)))
		e.SetFloat(event.MemoryUsage, round1(48+float64(h)*3+g.rnd.Float64()))
		e.SetFloat(event.DiskUsage, round1(41+float64(h)))
		e.SetFloat(event.KVCacheUsage, math.Round(1000*min(.1+.6*busy, 1))/1000)
		e.SetFloat(event.RequestsRunning, math.Round(min(busy, 1)*carries))
		e.SetFloat(event.RequestsWaiting, math.Round(max(busy-1, 0)*carries))
		e.SetFloat(event.PowerW, math.Round(90+gpu*2.6))
		full := max(.1+.6*busy-1, 0) // of the KV cache that is wanted and not there
		g.work[h].tell(e, full*carries/sampling.Seconds())
		g.work[h] = work{}
		g.later(at, e)
	}
}

// tell puts what an engine counts and measures itself into its sample, under the names that the readers of vLLM's metrics give.
func (w *work) tell(e *event.Event, preemptions float64) {
	add := func(name string, v float64) {
		e.Metrics = append(e.Metrics, event.Metric{Name: name, Value: round1(v)})
	}
	seconds, n := sampling.Seconds(), w.requests
	if n > 0 {
		add("decode_ms_avg", w.decode/n)
		add("engine_queue_ms_avg", w.queue/n)
	}
	add("generation_tokens_per_second", w.completion/seconds)
	add("preemptions_per_second", preemptions)
	if n > 0 {
		add("prefill_ms_avg", w.prefill/n)
	}
	add("prefix_cache_hits_per_second", w.cached/seconds)
	add("prefix_cache_queries_per_second", w.prompt/seconds)
	add("prompt_tokens_per_second", w.prompt/seconds)
}

const maxCompletion = 4000 // tokens; the limit that callers set

func choose(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
