package rule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// snapshotForm is counted up when older snapshots can no longer be read.
const snapshotForm = 1

type savedEngine struct {
	Form  int         `json:"form"`
	Now   int64       `json:"now"`
	At    int64       `json:"at"`
	Rules []savedRule `json:"rules"`
}

type savedRule struct {
	Name    string       `json:"name"`
	Version string       `json:"version"`
	Groups  []savedGroup `json:"groups,omitempty"`
	Held    []savedHeld  `json:"held,omitempty"`
}

type savedGroup struct {
	Key      []byte         `json:"key"`
	First    int64          `json:"first"`
	Steps    []savedStep    `json:"steps,omitempty"`
	Runs     []savedRun     `json:"runs,omitempty"`
	Samples  []savedSample  `json:"samples,omitempty"`
	Episodes []savedEpisode `json:"episodes,omitempty"`
}

type savedStep struct {
	At     int64    `json:"at"`
	Tally  tally    `json:"tally"`
	Last   int64    `json:"last,omitempty"`
	Spread []byte   `json:"spread,omitempty"` // a cell of agg
	Values []string `json:"values,omitempty"`
}

type savedRun struct {
	Live  bool     `json:"live"`
	First int64    `json:"first"`
	Last  int64    `json:"last"`
	IDs   []string `json:"ids,omitempty"`
}

type savedSample struct {
	At    int64             `json:"at"`
	Texts [len(told)]string `json:"texts"`
}

type savedEpisode struct {
	State     State    `json:"state,omitempty"`
	Start     int64    `json:"start,omitempty"`
	Held      int64    `json:"held,omitempty"`
	Value     float64  `json:"value,omitempty"`
	Threshold float64  `json:"threshold,omitempty"`
	From      int64    `json:"from,omitempty"`
	To        int64    `json:"to,omitempty"`
	IDs       []string `json:"ids,omitempty"`
}

type savedHeld struct {
	At       int64    `json:"at"`
	Position Position `json:"position"`
	Mask     uint8    `json:"mask"`
	Key      []byte   `json:"key"`
	Request  string   `json:"request,omitempty"`
}

// Export writes what g knows, for Import.
func (g *Engine) Export() ([]byte, error) {
	out := savedEngine{Form: snapshotForm, Now: g.now, At: g.at}
	for _, r := range g.rules {
		saved := savedRule{Name: r.Name, Version: r.version}
		for _, group := range r.all {
			saved.Groups = append(saved.Groups, group.save())
		}
		for _, h := range r.held {
			saved.Held = append(saved.Held, savedHeld{h.at, h.position, h.mask, []byte(h.key), h.request})
		}
		out.Rules = append(out.Rules, saved)
	}
	return json.Marshal(out)
}

func (g *group) save() savedGroup {
	out := savedGroup{Key: []byte(g.key), First: g.first}
	for i := range g.steps {
		out.Steps = append(out.Steps, g.steps[i].save())
	}
	for _, r := range g.runs {
		out.Runs = append(out.Runs, savedRun{r.live, r.first, r.last, r.ids})
	}
	for _, s := range g.samples {
		out.Samples = append(out.Samples, savedSample{s.at, s.texts})
	}
	for _, p := range g.episodes {
		x := p.reading
		out.Episodes = append(out.Episodes, savedEpisode{p.state, p.start, p.held, x.value, x.threshold, x.from, x.to, x.ids})
	}
	return out
}

func (s *step) save() savedStep {
	out := savedStep{At: s.at, Tally: s.tally, Last: s.last}
	if s.spread != nil { // the field of the cell does not matter: it is only the wrapping
		c := agg.Cell{Events: s.spread.Count(), Requests: s.spread.Count(), Latency: *s.spread}
		out.Spread = c.Append(nil)
	}
	for v := range s.values {
		out.Values = append(out.Values, v)
	}
	slices.Sort(out.Values)
	return out
}

// Import takes up what another engine exported, for the rules whose version is the same; the others begin anew. It is called
// before the first event. After an error g is as it was.
func (g *Engine) Import(data []byte) error {
	var in savedEngine
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("read a snapshot of rules: %w", err)
	}
	if in.Form != snapshotForm {
		return fmt.Errorf("the snapshot of rules has form %d, and %d is read", in.Form, snapshotForm)
	}
	if in.At != in.Now/second {
		return fmt.Errorf("the snapshot of rules looked at second %d last, and its time is %d µs", in.At, in.Now)
	}
	loaded := make([]*compiled, len(g.rules))
	for i, r := range g.rules {
		fresh := *r
		fresh.groups, fresh.all, fresh.held = map[string]*group{}, nil, nil
		at := slices.IndexFunc(in.Rules, func(s savedRule) bool { return s.Name == r.Name && s.Version == r.version })
		if at >= 0 {
			if err := fresh.load(&in.Rules[at], in.At); err != nil {
				return fmt.Errorf("snapshot of rule %s: %w", r.Name, err)
			}
		}
		loaded[i] = &fresh
	}
	g.rules, g.now, g.at = loaded, in.Now, in.At
	return nil
}

func (r *compiled) load(in *savedRule, now int64) error {
	if len(in.Groups) > r.MaxGroups+1 || len(in.Held) > maxHeld { // and __other__
		return fmt.Errorf("it has %d groups and %d events, which is too many", len(in.Groups), len(in.Held))
	}
	if now > 0 && in.latest() > now+int64(MaxWindow/time.Second) {
		return errors.New("it knows of events more than a day ahead of its time") // and would keep them for ever
	}
	for i := range in.Groups {
		g, err := r.loadGroup(&in.Groups[i])
		if err != nil {
			return err
		}
		if r.groups[g.key] != nil {
			return errors.New("a group is there twice")
		}
		r.groups[g.key] = g
		r.all = append(r.all, g)
	}
	for _, h := range in.Held {
		if len(valuesOf(string(h.Key))) != len(r.fields) {
			return errors.New("the key of an event does not fit the rule")
		}
		r.held = append(r.held, held{h.At, h.Position, h.Mask, string(h.Key), h.Request})
	}
	return nil
}

// latest is the latest second that the snapshot speaks of.
func (in *savedRule) latest() (at int64) {
	for _, h := range in.Held {
		at = max(at, h.At/second)
	}
	for _, g := range in.Groups {
		for _, s := range g.Steps {
			at = max(at, s.At, s.Last/second)
		}
		for _, r := range g.Runs {
			at = max(at, r.First/second, r.Last/second)
		}
		for _, p := range g.Episodes {
			at = max(at, p.Start, p.Held)
		}
	}
	return at
}

func (r *compiled) loadGroup(in *savedGroup) (*group, error) {
	g := &group{key: string(in.Key), first: in.First}
	g.values = valuesOf(g.key)
	if len(g.values) != len(r.fields) || len(in.Runs) != 0 && len(in.Runs) != len(r.steps) || len(in.Episodes) != len(g.episodes) || len(in.Samples) > samplesKept {
		return nil, errors.New("a group does not fit the rule")
	}
	for i := range in.Steps {
		s, err := in.Steps[i].load()
		if err != nil {
			return nil, err
		}
		if i > 0 && s.at <= in.Steps[i-1].At {
			return nil, errors.New("steps are out of order")
		}
		g.steps = append(g.steps, s)
	}
	for _, x := range in.Runs {
		g.runs = append(g.runs, run{x.Live, x.First, x.Last, x.IDs})
	}
	for _, s := range in.Samples {
		g.samples = append(g.samples, sample{s.At, s.Texts})
	}
	for i, p := range in.Episodes {
		g.episodes[i] = episode{p.State, p.Start, p.Held, reading{p.State != none, p.Value, p.Threshold, p.From, p.To, p.IDs}}
	}
	return g, nil
}

func (in *savedStep) load() (step, error) {
	s := step{at: in.At, tally: in.Tally, last: in.Last}
	if len(in.Spread) > 0 {
		var c agg.Cell
		if rest, err := c.Decode(in.Spread); err != nil || len(rest) > 0 {
			return s, fmt.Errorf("a sketch cannot be read: %w", err)
		}
		s.spread = &c.Latency
	}
	if len(in.Values) > 0 {
		s.values = map[string]struct{}{}
		for _, v := range in.Values {
			s.values[v] = struct{}{}
		}
	}
	return s, nil
}
