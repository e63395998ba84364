package rule

import (
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/expr"
)

// compiled is a rule made ready, with all groups that it keeps.
type compiled struct {
	Rule
	version string
	when    int   // condition, -1 = every event
	of      int   // condition of ratio and burn_rate
	steps   []int // conditions of a sequence
	metric  metric
	fields  []event.Field // of group_by
	field   event.Field   // of distinct

	window, width, reach int64 // seconds: of the window, of a step, of what a group keeps
	every                int64 // seconds from one look to the next

	groups map[string]*group
	all    []*group // the same, in the order of their coming but for those that left
	held   []held   // of a sequence: events that wait for their turn
}

// conditions are the expressions of all rules, each once: rules that ask the same share the answer for an event.
type conditions struct {
	list   []*condition
	byText map[string]int
	event  uint64 // number of the event that is looked at
}

type condition struct {
	expr  *expr.Expr
	event uint64 // for which the answer holds
	yes   bool
}

func (c *conditions) add(text string) (int, error) {
	if text == "" {
		return -1, nil
	}
	if i, ok := c.byText[text]; ok {
		return i, nil
	}
	x, err := expr.Compile(text)
	if err != nil {
		return 0, err
	}
	c.list = append(c.list, &condition{expr: x})
	c.byText[text] = len(c.list) - 1
	return len(c.list) - 1, nil
}

// holds tells whether condition i holds of e, the event that next was called for.
func (c *conditions) holds(i int, e *event.Event) bool {
	if i < 0 {
		return true
	}
	x := c.list[i]
	if x.event != c.event {
		x.event = c.event
		x.yes, _ = x.expr.Matches(e) // what fails is no match
	}
	return x.yes
}

// compile makes a rule ready that Decode has checked.
func compile(r Rule, conditions *conditions) (*compiled, error) {
	c := &compiled{Rule: r, version: r.Version(), groups: map[string]*group{}, of: -1}
	var err error
	add := func(text string) int {
		i, fault := conditions.add(text)
		if fault != nil && err == nil {
			err = fmt.Errorf("rule %s: %w", r.Name, fault)
		}
		return i
	}
	c.when = add(r.When)
	c.of = add(r.Of + r.Good)
	for _, s := range r.Steps {
		c.steps = append(c.steps, add(s))
	}
	if r.Metric != "" {
		m, fault := parseMetric(r.Metric)
		if fault != "" {
			return nil, fmt.Errorf("rule %s: %s", r.Name, fault)
		}
		c.metric = m
	}
	for _, name := range r.GroupBy {
		c.fields = append(c.fields, fieldOf[name])
	}
	c.field = fieldOf[r.Field]
	c.measure()
	return c, err
}

// measure chooses the steps: of one second as long as they are few, wider ones where each costs more or there would be many.
func (c *compiled) measure() {
	c.window, c.every = c.Window.seconds(), 1
	c.width = max(1, (c.window+3599)/3600)
	switch {
	case c.Type == BurnRate:
		c.width, c.every, c.reach = 10, 10, longest+60 // minutes, once they are over
	case c.Type == Sequence:
		c.window = c.Within.seconds()
	case c.Type == Distinct || c.Type == Anomaly || c.metric.spread:
		c.width = max(1, (c.window+59)/60)
	}
	if c.Type == BurnRate {
		return
	}
	c.every = c.width
	c.window = (c.window + c.width - 1) / c.width * c.width
	c.reach = c.window + (c.Baseline.seconds()+c.width-1)/c.width*c.width
	if c.Type == Absence {
		c.width, c.every, c.window = 1, 1, c.Window.seconds()
		c.reach = int64(max(forgetAfter, 2*time.Duration(c.Window)) / time.Second)
	}
}

// forgetAfter is how long a silent key stays known.
const forgetAfter = 24 * time.Hour
