package prom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Name says what one family, or all of a pattern, is called; an element of metric_names in kafka-api.yaml.
type Name struct {
	Match   string            `yaml:"match" doc:"Name of a family of metrics; * stands for any text. The first element that matches counts, and comes before what is built in."`
	Keep    bool              `yaml:"keep" default:"true" doc:"false leaves the family out."`
	Name    string            `yaml:"name" doc:"Name of the number in the event; its own when empty. The names of the catalogue, such as cpu_usage, are allowed."`
	As      string            `yaml:"as" default:"auto" enum:"auto,value,rate,increase,mean,quantiles" doc:"value: as it is; rate: increase a second; increase: since the reading before; mean, quantiles: of a histogram. auto goes by the type: gauges are values, counters rates, histograms increases of sum and count."`
	Combine string            `yaml:"combine" default:"auto" enum:"auto,sum,mean,max,min" doc:"How several series of one host, model and GPU become one number. auto: rates and increases add up, values are averaged."`
	Scale   float64           `yaml:"scale" default:"1" doc:"Factor from the unit of the exporter to the wanted one."`
	Where   map[string]string `yaml:"where" doc:"Labels that a series must have to count."`
}

// Validate reports what is wrong with one element.
func (n Name) Validate() error {
	var errs []error
	if n.Match == "" {
		errs = append(errs, errors.New("match: write the name of a family, or a pattern with *"))
	}
	if n.Name != "" && (n.Name != sanitise(n.Name) || len(n.Name) > maxOwnName) {
		errs = append(errs, fmt.Errorf("name: %q is none that an event takes: up to %d letters, digits and _, no field that holds text or belongs to another kind", n.Name, maxOwnName))
	}
	if n.Scale == 0 {
		errs = append(errs, errors.New("scale: 0 makes everything 0; leave the family out with keep: false"))
	}
	return errors.Join(errs...)
}

// Names are compiled rules: those of the configuration before the built-in tables, then families under their own names.
type Names struct {
	list []namedRule
}

type namedRule struct {
	Name
	rule rule
}

// NewNames compiles valid elements.
func NewNames(list []Name) *Names {
	n := &Names{}
	for _, e := range list {
		n.list = append(n.list, namedRule{e, e.rule()})
	}
	return n
}

var (
	hows  = map[string]how{"value": asValue, "rate": asRate, "increase": asIncrease, "mean": asMean, "quantiles": asSummary}
	folds = map[string]fold{"sum": sum, "mean": mean, "max": highest, "min": lowest}
)

func (n Name) rule() rule {
	r := rule{as: n.Name, how: hows[n.As], fold: folds[n.Combine], scale: n.Scale}
	if where := n.Where; len(where) > 0 {
		r.only = func(s *Sample) bool {
			for name, value := range where {
				if s.label(name) != value {
					return false
				}
			}
			return true
		}
	}
	return r
}

// noise begins the names of families about the exporter itself and about how it was read, silent ends those that are no
// measurements: labels as a series, and when a counter began. Whoever wants one of them names it.
var noise = []string{"go_", "python_", "promhttp_", "process_", "scrape_", "net_conntrack_", "node_scrape_", "node_exporter_", "ALERTS"}
var silent = []string{"_info", "_created"}

func quiet(family string) bool {
	return begins(family, noise) ||
		slices.ContainsFunc(silent, func(p string) bool { return strings.HasSuffix(family, p) })
}

// rules finds what becomes of a family.
func (n *Names) rules(family string, typ Type) []rule {
	for i := range n.list {
		if e := &n.list[i]; glob(e.Match, family) {
			if !e.Keep {
				return nil
			}
			return []rule{e.rule.settled(family, typ)}
		}
	}
	if rules, ok := known[family]; ok {
		return rules
	}
	if typ == Info || quiet(family) {
		return nil
	}
	own := rule{own: true}
	return []rule{own.settled(family, typ)}
}

// settled fills in what a rule leaves to the family and its type.
func (r rule) settled(family string, typ Type) rule {
	if r.how == byType {
		switch typ {
		case Counter:
			r.how = asRate
		case Histogram, Summary:
			r.how = asIncrease
		default:
			r.how = asValue
		}
	}
	if r.as == "" {
		r.as = ownName(family, r.how)
	}
	if r.fold == byKind {
		r.fold = sum
		if r.how == asValue {
			r.fold = mean
		}
	}
	return r
}

// maxOwnName is the longest name that the windows keep, less the endings that are put to it.
const maxOwnName = 112

// ownName is the family's name with what an event does not take replaced. A rate says so.
func ownName(family string, h how) string {
	if h == asValue {
		return sanitise(cutText(family, maxOwnName))
	}
	name := strings.TrimSuffix(family, "_total")
	if h == asRate {
		return sanitise(cutText(name, maxOwnName-len("_per_second")) + "_per_second")
	}
	return sanitise(cutText(name, maxOwnName))
}

// sanitise replaces every character but letters, digits and _. A name that means something else in an event gets an ending.
func sanitise(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9') {
			b[i] = '_'
		}
	}
	if name := string(b); !taken[name] {
		return name
	}
	return string(b) + "_value"
}

// taken are the names of the envelope and of all fields that are no number of a system metric.
var taken = func() map[string]bool {
	t := map[string]bool{"": true}
	for _, name := range []string{"event_id", "event_type", "timestamp", "source", "schema_version", "correlation_id", "data", "metadata", "gpu", "gpu_model", "gpu_uuid"} {
		t[name] = true
	}
	for i := range event.Catalogue {
		s := &event.Catalogue[i]
		t[s.Name] = true
		for _, a := range s.Aliases {
			t[a.Name] = true
		}
	}
	for name := range fields {
		t[name] = false
	}
	return t
}()

// glob tells whether a pattern, in which * stands for any text, matches all of s.
func glob(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}
