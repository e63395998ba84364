package stream

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// dimension is something by which events are told apart.
type dimension struct {
	name string
	of   func(*event.Event) string // "" = the event names none
}

func field(f event.Field) dimension {
	return dimension{event.Catalogue[f].Name, func(e *event.Event) string { return e.Text(f) }}
}

// vocabulary holds every dimension that groups and filters may name.
var vocabulary = []dimension{
	field(event.Model), field(event.Tenant), field(event.UserID), field(event.SessionID), field(event.Operation), field(event.Endpoint), field(event.Host),
	field(event.ErrorType), field(event.FinishReason), field(event.UsageSource), field(event.Thumbs), field(event.BusinessEventType),
	{"source", func(e *event.Event) string { return e.Source }},
	{"event_type", func(e *event.Event) string { return e.Kind.String() }},
	{"status_class", statusClass},
	{"streaming", streaming},
	{"gpu", gpu},
	{"prompt_version", func(e *event.Event) string { return noted(e, `"prompt_version"`) }},
}

var statusClasses = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

func statusClass(e *event.Event) string {
	if class := e.Int(event.StatusCode) / 100; class >= 1 && int(class) < len(statusClasses) {
		return statusClasses[class]
	}
	return ""
}

func streaming(e *event.Event) string {
	if !e.Has(event.Streaming) {
		return ""
	}
	return strconv.FormatBool(e.Bool(event.Streaming))
}

// gpu is a card, behind the machine that it is in: exporters number those of each machine from 0.
func gpu(e *event.Event) string {
	card := noted(e, `"gpu"`)
	if host := e.Text(event.Host); card != "" && host != "" {
		return host + "/" + card
	}
	return card
}

func dimensionNames() (names []string) {
	for _, d := range vocabulary {
		names = append(names, d.name)
	}
	return names
}

// set is one or two dimensions by which the windows tell events apart. Each set has groups of its own, so that a further one costs its
// own groups and not a multiple of the others'.
type set struct {
	name   string // of the dimensions, in their order, joined by +
	dims   []dimension
	budget int // of one dimension: values told apart by a lane; of two: pairs
}

// firstSet is always there. What it is limited by are max_models and max_tenants.
var firstSet = set{name: "model+tenant", dims: vocabulary[:2]}

const (
	maxSets   = 16
	maxBudget = 100_000
)

// sets are the first set and those that are configured, with what is wrong with them.
func (c *Config) sets() ([]set, error) {
	all, wrong := []set{firstSet}, []error(nil)
	for _, text := range c.Dimensions {
		s, err := parseSet(text, c.DimensionValues)
		switch {
		case err != nil:
		case slices.ContainsFunc(all[1:], func(o set) bool { return o.name == s.name }):
			err = fmt.Errorf("%q is there twice", clip(text))
		case len(all) > maxSets:
			err = fmt.Errorf("%q is too much: at most %d are kept apart beside model and tenant", clip(text), maxSets)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("dimensions: %w", err))
			continue
		}
		all = append(all, s)
	}
	return all, errors.Join(wrong...)
}

// DimensionNames are the configured sets of dimensions by name, alone or in pairs joined by +.
func (c *Config) DimensionNames() (names []string) {
	all, _ := c.sets() // Validate has refused what is wrong with them
	for _, s := range all[1:] {
		names = append(names, s.name)
	}
	return names
}

// Validate refuses dimensions and actions that nobody knows.
func (c *Config) Validate() error {
	_, err := c.sets()
	return errors.Join(err, c.checkActions())
}

// parseSet reads NAME or NAME+NAME, and :BUDGET behind it.
func parseSet(text string, budget int) (set, error) {
	list, number, given := strings.Cut(strings.TrimSpace(text), ":")
	if given {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxBudget {
			return set{}, fmt.Errorf("%q: behind the colon stands how many values are told apart, from 1 to %d", clip(text), maxBudget)
		}
		budget = n
	}
	names := strings.Split(list, "+")
	if len(names) > 2 {
		return set{}, fmt.Errorf("%q: at most two dimensions are kept apart together, because their values multiply", clip(text))
	}
	s := set{budget: budget}
	for _, name := range names {
		i := slices.IndexFunc(vocabulary, func(d dimension) bool { return d.name == name })
		if i < 0 {
			return set{}, fmt.Errorf("%q: unknown dimension %q, known are %s", clip(text), clip(name), strings.Join(dimensionNames(), ", "))
		}
		s.dims = append(s.dims, vocabulary[i])
	}
	if len(names) == 2 && names[0] == names[1] {
		return set{}, fmt.Errorf("%q names the same dimension twice", clip(text))
	}
	if s.name = strings.Join(names, "+"); s.covers([]string{"model"}) && len(names) == 1 || s.covers([]string{"tenant"}) && (len(names) == 1 || s.covers([]string{"model"})) {
		return set{}, fmt.Errorf("%q: models and tenants are always kept apart; their budgets are max_models and max_tenants", clip(text))
	}
	return s, nil
}

// place is where a set has a dimension, -1 when it has not.
func (s *set) place(name string) int {
	return slices.IndexFunc(s.dims, func(d dimension) bool { return d.name == name })
}

// covers tells whether a set has all of some dimensions.
func (s *set) covers(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return s.place(name) < 0 })
}

// which are the sums of a set that tell some dimensions apart.
func (s *set) which(names []string) who {
	if len(names) == len(s.dims) {
		return 0
	}
	w := byNone
	for _, name := range names {
		w = byFirst << s.place(name)
	}
	return w
}

// valuesOf are those of an event.
func (s *set) valuesOf(e *event.Event) (v values) {
	for i := range s.dims {
		v[i] = s.dims[i].of(e)
	}
	return v
}
