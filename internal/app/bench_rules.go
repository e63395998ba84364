package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// probeRulesText are rules that fire for each probe: one about single events, one about a window.
const probeRulesText = `
- {name: probe-event, type: sequence, when: 'data.model == "probe"', steps: ['event_type == "llm_request"'], within: 1m, group_by: [request_id], max_groups: 100000}
- {name: probe-window, type: threshold, when: 'data.model == "probe"', metric: requests, op: '>=', value: 1, window: 1m, keep_firing_for: 1m, group_by: [request_id], max_groups: 100000}
`

// ruleProbe measures from the acknowledged write of a probe to the decision of each rule in hxp-alerts.
type ruleProbe struct {
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	acked map[string]time.Time
	fired map[string]map[string]time.Time // by rule and probe
	moved chan struct{}                   // has a token when something fired
}

// probeRules adds the rules to those that run, and reads what they decide.
func (s *system) probeRules(ctx context.Context) (*ruleProbe, error) {
	if err := s.runFiles(probeRulesText); err != nil {
		return nil, err
	}
	logs, err := s.bus.Offsets(ctx, event.TopicAlerts)
	if err != nil {
		return nil, err
	}
	from := map[int32]int64{}
	for p, log := range logs[event.TopicAlerts] {
		from[p] = log.End
	}
	r, err := s.bus.NewReader(map[string]map[int32]int64{event.TopicAlerts: from}, bus.ReaderOptions{})
	if err != nil {
		return nil, err
	}
	p := &ruleProbe{acked: map[string]time.Time{}, fired: map[string]map[string]time.Time{}, moved: make(chan struct{}, 1)}
	ctx, p.stop = context.WithCancel(ctx)
	p.work.Go(func() {
		defer r.Close()
		for {
			fetch, err := r.Poll(ctx)
			if err != nil {
				return
			}
			now := time.Now()
			for _, b := range fetch {
				for _, m := range b.Messages {
					p.take(m.Value, now)
				}
			}
		}
	})
	return p, nil
}

// runFiles adds rules to those of the pack, as though they stood in a file.
func (s *system) runFiles(text string) error {
	rules, faults := rule.Decode([]byte(text))
	if len(faults) > 0 {
		return faults[0]
	}
	var files []ruleset.FileRule
	for _, r := range rules {
		files = append(files, ruleset.FileRule{Rule: r, File: "bench"})
	}
	s.rules.SetFiles(files)
	return nil
}

func (p *ruleProbe) take(value []byte, now time.Time) {
	var d rule.Decision
	if json.Unmarshal(value, &d) != nil || d.State != rule.Firing || d.Key["request_id"] == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fired[d.Rule] == nil {
		p.fired[d.Rule] = map[string]time.Time{}
	}
	p.fired[d.Rule][d.Key["request_id"]] = now
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

func (p *ruleProbe) sent(id string, acked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked[id] = acked
}

// close ends the reading.
func (p *ruleProbe) close() {
	p.stop()
	p.work.Wait()
}

// delays waits until all probes since the last call have fired, and returns by rule how long that took, in milliseconds, the
// shortest first.
func (p *ruleProbe) delays() (map[string][]float64, error) {
	late := time.After(20 * time.Second)
	for {
		out, missing := p.seen()
		if missing == 0 {
			p.mu.Lock()
			clear(p.acked)
			p.mu.Unlock()
			return out, nil
		}
		select {
		case <-p.moved:
		case <-late:
			return nil, fmt.Errorf("%d alerts of probes did not fire within 20 s", missing)
		}
	}
}

func (p *ruleProbe) seen() (out map[string][]float64, missing int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out = map[string][]float64{}
	for _, name := range []string{"probe-event", "probe-window"} {
		for id, acked := range p.acked {
			fired, ok := p.fired[name][id]
			if !ok {
				missing++
			}
			out[name] = append(out[name], max(float64(fired.Sub(acked))/1e6, 0))
		}
		slices.Sort(out[name])
	}
	return out, missing
}
