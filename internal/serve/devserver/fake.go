package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// traffic is a made-up installation: cells by second, filled as time passes.
type traffic struct {
	mu      sync.Mutex
	random  *rand.Rand
	rate    float64 // requests per second
	seconds map[int64]map[string]*agg.Cell
	next    int64 // second that is not filled yet
}

type profile struct {
	name                  string
	share, ms, ttft, fail float64
	happy                 float64
}

var profiles = []profile{
	{"mixtral-8x7b", 0.38, 1150, 210, 0.006, 4.4},
	{"hermes-2", 0.27, 640, 120, 0.011, 4.1},
	{"openchat-3.5", 0.21, 480, 90, 0.008, 4.2},
	{"phi-3-mini", 0.14, 230, 45, 0.004, 3.7},
}

const kept = 1000 // seconds

func newTraffic(rate float64, now time.Time) *traffic {
	return &traffic{random: rand.New(rand.NewPCG(1, 2)), rate: rate, seconds: map[int64]map[string]*agg.Cell{}, next: now.Unix() - kept}
}

// Widen is part of serve.Windows: all seconds are told apart.
func (t *traffic) Widen(from, to time.Time) (time.Time, time.Time) { return from, to }

// Window is part of serve.Windows.
func (t *traffic) Window(from, to time.Time) (*agg.Cell, map[string]*agg.Cell, time.Time, float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for ; t.rate > 0 && t.next <= now.Unix(); t.next++ {
		t.fill(t.next)
		delete(t.seconds, t.next-kept-10)
	}
	all, models := &agg.Cell{}, map[string]*agg.Cell{}
	for s := from.Unix(); s < to.Unix(); s++ {
		for name, c := range t.seconds[s] {
			all.Merge(c)
			if name == "" {
				continue
			}
			if models[name] == nil {
				models[name] = &agg.Cell{}
			}
			models[name].Merge(c)
		}
	}
	return all, models, now.Add(-1800 * time.Millisecond), 1
}

func (t *traffic) fill(second int64) {
	cells := map[string]*agg.Cell{"": {}}
	t.seconds[second] = cells
	wave := 1 + 0.22*math.Sin(float64(second)/95) + 0.1*math.Sin(float64(second)/23)
	trouble := math.Max(0, math.Sin(float64(second%700)/700*math.Pi*2-1.2)-0.86) / 0.14 // comes and goes
	for _, p := range profiles {
		c := &agg.Cell{}
		cells[p.name] = c
		slow := 1 + 0.12*math.Sin(float64(second)/60+p.ms)
		fail := p.fail
		if p.name == "hermes-2" {
			slow, fail = slow*(1+1.1*trouble), fail+0.16*trouble
		}
		n := t.poisson(t.rate * p.share * wave)
		for range n {
			var e event.Event
			e.Kind = event.LLMRequest
			e.SetText(event.Model, p.name)
			e.SetText(event.UserID, fmt.Sprint("u", t.random.IntN(400)))
			ok := t.random.Float64() >= fail
			e.SetBool(event.Success, ok)
			ms := p.ms * slow * math.Exp(t.random.NormFloat64()*0.42)
			e.SetInt(event.DurationMS, int64(ms*1e6))
			e.SetInt(event.TTFT, int64(p.ttft*slow*math.Exp(t.random.NormFloat64()*0.3)*1e6))
			prompt, done := int64(120+t.random.ExpFloat64()*420), int64(20+t.random.ExpFloat64()*160)
			e.SetInt(event.PromptTokens, prompt)
			e.SetInt(event.CompletionTokens, done)
			e.SetInt(event.TotalTokens, prompt+done)
			e.SetInt(event.Cost, prompt*150+done*600)
			c.Add(&e, false)
			if t.random.Float64() < 0.06 {
				var f event.Event
				f.Kind = event.UserFeedback
				f.SetFloat(event.SatisfactionScore, math.Round(min(5, max(1, p.happy-trouble*0.5+t.random.NormFloat64()*0.8))))
				f.SetText(event.Thumbs, map[bool]string{true: "up", false: "down"}[t.random.Float64() < p.happy/5.2])
				c.Add(&f, false)
			}
		}
	}
	if second%5 == 0 {
		for host := range 2 {
			var e event.Event
			e.Kind = event.SystemMetric
			e.SetFloat(event.GPUUsage, min(100, 58*wave+float64(host)*6+t.random.NormFloat64()*2))
			e.SetFloat(event.GPUMemoryUsage, 71+float64(host)*3+t.random.NormFloat64()*0.4)
			e.SetFloat(event.CPUUsage, 34*wave+t.random.NormFloat64()*3)
			e.SetFloat(event.MemoryUsage, 62+t.random.NormFloat64()*0.3)
			e.SetFloat(event.KVCacheUsage, min(1, 0.44*wave+0.2*trouble+t.random.NormFloat64()*0.015))
			e.SetFloat(event.RequestsRunning, math.Round(18*wave))
			e.SetFloat(event.RequestsWaiting, math.Round(2+14*trouble))
			cells[""].Add(&e, false)
		}
	}
}

func (t *traffic) poisson(mean float64) int {
	if mean > 40 {
		return int(max(0, math.Round(mean+math.Sqrt(mean)*t.random.NormFloat64())))
	}
	limit, p, n := math.Exp(-mean), t.random.Float64(), 0
	for ; p > limit; n++ {
		p *= t.random.Float64()
	}
	return n
}
