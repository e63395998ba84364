package rule

import (
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/expr"
)

// Program is a set of rules made ready. It never changes, so folders of any goroutine and the engine share one.
type Program struct {
	rules      []*compiled
	versions   []string // of the rules
	conditions []*expr.Expr
	index      index
	sets       [][]event.Field // the distinct group_by
}

// Has tells whether a rule of a version is among those of p.
func (p *Program) Has(version string) bool { return slices.Contains(p.versions, version) }

// compiled is a rule made ready.
type compiled struct {
	Rule
	version string
	when    int   // condition, -1 = every event
	of      int   // condition of ratio and burn_rate
	steps   []int // conditions of a sequence
	metric  metric
	set     int           // of group_by among those of the program
	fields  []event.Field // of group_by
	field   event.Field   // of distinct

	window, width, reach int64 // seconds: of the window, of a step, of what a group keeps
	period               int64 // seconds of the budget of an objective
	every                int64 // seconds from one look to the next
	age                  int64 // seconds: an event that is older when it arrives lies in no window
	early                bool  // it may fire between two looks
	instant              bool  // each event that it is about is all that it waits for
}

// Compile makes rules ready that Decode gave.
func Compile(rules []Rule) (*Program, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d rules are too many; at most %d are taken", len(rules), MaxRules)
	}
	p := &Program{}
	byText := map[string]int{}
	for _, r := range rules {
		c, err := p.compile(r, byText)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		p.rules, p.versions = append(p.rules, c), append(p.versions, c.version)
	}
	p.index = newIndex(p.rules, p.conditions)
	return p, nil
}

func (p *Program) compile(r Rule, byText map[string]int) (*compiled, error) {
	c := &compiled{Rule: r, version: r.Version(), of: -1}
	var err error
	condition := func(text string) int {
		i, fault := p.condition(text, byText)
		if fault != nil && err == nil {
			err = fault
		}
		return i
	}
	c.when = condition(r.When)
	c.of = condition(r.Of + r.Good)
	for _, s := range r.Steps {
		c.steps = append(c.steps, condition(s))
	}
	if r.Metric != "" {
		m, fault := parseMetric(r.Metric)
		if fault != "" {
			return nil, fmt.Errorf("%s", fault)
		}
		c.metric = m
	}
	for _, name := range r.GroupBy {
		c.fields = append(c.fields, fieldOf[name])
	}
	c.set = slices.IndexFunc(p.sets, func(fields []event.Field) bool { return slices.Equal(fields, c.fields) })
	if c.set < 0 {
		c.set = len(p.sets)
		p.sets = append(p.sets, c.fields)
	}
	c.field = fieldOf[r.Field]
	c.measure()
	return c, err
}

// condition finds or compiles an expression: rules that ask the same share the answer for an event.
func (p *Program) condition(text string, byText map[string]int) (int, error) {
	if text == "" {
		return -1, nil
	}
	if i, ok := byText[text]; ok {
		return i, nil
	}
	x, err := expr.Compile(text)
	if err != nil {
		return 0, err
	}
	p.conditions = append(p.conditions, x)
	byText[text] = len(p.conditions) - 1
	return len(p.conditions) - 1, nil
}

// measure chooses the steps: of one second as long as they are few, wider ones where each costs more or there would be many.
func (c *compiled) measure() {
	c.window, c.every = c.Window.seconds(), 1
	c.width = max(1, (c.window+3599)/3600)
	c.early = c.Op == ">" || c.Op == ">="
	switch {
	case c.Type == BurnRate:
		c.width, c.every, c.reach, c.early = 10, 10, longest+60, true // minutes, once they are over
		c.age = c.reach
		if c.period = c.Period.seconds(); c.period == 0 {
			c.period = defaultPeriod
		}
		return
	case c.Type == Sequence:
		c.window, c.early, c.instant = c.Within.seconds(), true, len(c.Steps) == 1
	case c.Type == Distinct || c.Type == Anomaly || c.grows() || c.metric.spread:
		c.width = max(1, (c.window+59)/60)
	}
	c.every = c.width
	c.window = (c.window + c.width - 1) / c.width * c.width
	c.reach = c.window + (c.Baseline.seconds()+c.width-1)/c.width*c.width
	c.age = c.reach
	if c.Type == Absence {
		c.width, c.every, c.window = 1, 1, c.Window.seconds()
		c.reach = int64(max(forgetAfter, 2*time.Duration(c.Window)) / time.Second)
		c.age = c.window
	}
}

// forgetAfter is how long a silent key stays known.
const forgetAfter = 24 * time.Hour
