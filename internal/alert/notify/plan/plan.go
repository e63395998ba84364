package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Plan is a configuration that can be asked.
type Plan struct {
	ResolveTimeout time.Duration
	Root           *Node
	Inhibits       []InhibitRule
	document       []byte
	shown          []byte
	secrets        []named
	global         Global // as it was written
	targets        map[string]*Target
	names          []string // of the targets, as they stand in the document
}

// Node is a route with everything that it has from those above.
type Node struct {
	Key          string // as Alertmanager writes it into groupKey
	Index        int    // among all routes
	Target       *Target
	GroupBy      []string
	GroupAll     bool // every set of labels is a group
	Wait         time.Duration
	Interval     time.Duration
	Repeat       time.Duration
	Steps        []Step
	matchers     label.Matchers
	goOn         bool
	mute, active []namedSpans
	kids         []*Node
}

// namedSpans are the spans of time_intervals that a route names.
type namedSpans struct {
	name  string
	spans []span
}

// Step is an escalation.
type Step struct {
	After  time.Duration
	Target *Target
}

// InhibitRule is an inhibition that can be asked.
type InhibitRule struct {
	Source, Target label.Matchers
	Equal          []string
}

// Target is a receiver with its ways.
type Target struct {
	Name      string
	Ways      []*Way
	PerMinute int
	PerDay    int // 0 = no bound
}

// The limits of a document.
const (
	maxRoutes    = 1000
	maxRouteDeep = 16
	maxReceivers = 500
	maxWays      = 50
	perMinute    = 600
)

// Target is the receiver of a name, nil when there is none.
func (p *Plan) Target(name string) *Target { return p.targets[name] }

// Names are the names of the receivers.
func (p *Plan) Names() []string { return p.names }

// Document is what was configured, as JSON, to be kept.
func (p *Plan) Document() []byte { return p.document }

// Shown is the document for people: of addresses it does not show path and query, in which there may be a secret.
func (p *Plan) Shown() []byte { return p.shown }

// named is a place in the document that says where a secret is.
type named struct{ at, where string }

// note keeps where a secret is that the document names.
func (p *Plan) note(where, at string) {
	if where != "" && !written(where) {
		p.secrets = append(p.secrets, named{at, where})
	}
}

// Refused are the places of the document that name secrets which a check refuses.
func (p *Plan) Refused(check func(where string) error) (faults []conf.DocumentFault) {
	for _, s := range p.secrets {
		if err := check(s.where); err != nil {
			faults = append(faults, conf.DocumentFault{Pointer: s.at, Detail: err.Error()})
		}
	}
	return faults
}

// Way finds a way by its id.
func (p *Plan) Way(id string) *Way {
	for _, t := range p.targets {
		for _, w := range t.Ways {
			if w.ID == id {
				return w
			}
		}
	}
	return nil
}

// Routes are the routes that an alert takes.
func (p *Plan) Routes(l label.Set) []*Node { return p.Root.match(l) }

func (r *Node) match(l label.Set) []*Node {
	if !r.matchers.Match(l) {
		return nil
	}
	var all []*Node
	for _, kid := range r.kids {
		found := kid.match(l)
		all = append(all, found...)
		if found != nil && !kid.goOn {
			break
		}
	}
	if all == nil {
		all = []*Node{r}
	}
	return all
}

// GroupLabels are the labels of an alert by which the route gathers.
func (r *Node) GroupLabels(l label.Set) label.Set {
	out := label.Set{}
	if r.GroupAll {
		maps.Copy(out, l)
		return out
	}
	for _, name := range r.GroupBy {
		if v, ok := l[name]; ok {
			out[name] = v
		}
	}
	return out
}

// Quiet tells whether the route says nothing at a time: within its mute times, or outside of its active ones.
func (r *Node) Quiet(now time.Time) bool { return len(r.MutedBy(now)) > 0 }

// MutedBy are the names of the times for which the route says nothing: the mute ones that hold, or all active ones where none does.
func (r *Node) MutedBy(now time.Time) []string {
	within := func(list []namedSpans) (names []string) {
		for _, t := range list {
			if slices.ContainsFunc(t.spans, func(s span) bool { return s.holds(now) }) {
				names = append(names, t.name)
			}
		}
		return names
	}
	out := within(r.mute)
	if len(r.active) > 0 && within(r.active) == nil {
		for _, t := range r.active {
			out = append(out, t.name)
		}
	}
	return out
}

// reader checks a document.
type reader struct {
	config *Config
	plan   *Plan
	was    *Plan // before the change
	faults []conf.DocumentFault
	times  map[string][]span
	texts  tmpl.Set
	routes int
}

func (r *reader) wrong(at, format string, args ...any) {
	if len(r.faults) < 20 {
		r.faults = append(r.faults, conf.DocumentFault{Pointer: at, Detail: fmt.Sprintf(format, args...)})
	}
}

// Parse reads a document. Either the plan is there, or what is wrong.
func Parse(document []byte) (*Plan, []conf.DocumentFault) { return (&Plan{}).Change(document) }

// Change reads a document that takes the place of the plan: addresses in it may be written as Shown shows those of the plan.
func (p *Plan) Change(document []byte) (*Plan, []conf.DocumentFault) {
	c := &Config{}
	if faults := conf.Decode(document, c); faults != nil {
		return nil, faults
	}
	r := &reader{config: c, was: p, plan: &Plan{targets: map[string]*Target{}}, times: map[string][]span{}}
	r.global()
	r.intervals("/time_intervals", c.Times)
	r.intervals("/mute_time_intervals", c.MuteTimes)
	var name string
	var err error
	if r.texts, name, err = tmpl.ParseSet(c.Templates); err != nil {
		r.wrong("/templates/"+name, "%v", err)
	}
	r.receivers()
	r.root()
	for i := range c.InhibitRules {
		r.inhibit(&c.InhibitRules[i], "/inhibit_rules/"+strconv.Itoa(i))
	}
	if r.faults != nil {
		return nil, r.faults
	}
	if r.plan.document, err = json.Marshal(c); err == nil {
		mask(c)
		r.plan.shown, err = json.Marshal(c)
	}
	if err != nil {
		return nil, []conf.DocumentFault{{Detail: "it cannot be written as JSON: " + err.Error()}}
	}
	return r.plan, nil
}

func (r *reader) global() {
	g := &r.config.Global
	r.plan.ResolveTimeout = time.Duration(g.ResolveTimeout)
	if g.ResolveTimeout == 0 {
		r.plan.ResolveTimeout = 5 * time.Minute
	}
	for name, err := range map[string]error{"smtp_auth_password_file": g.SMTPPassword.fromFile(&g.SMTPPasswordF), "slack_api_url_file": g.SlackURL.fromFile(&g.SlackURLFile), "telegram_bot_token_file": g.TelegramToken.fromFile(&g.TelegramTokenFl)} {
		if err != nil {
			r.wrong("/global/"+name, "%v", err)
		}
	}
	r.plan.note(string(g.SMTPPassword), "/global/smtp_auth_password")
	r.plan.note(string(g.SlackURL), "/global/slack_api_url")
	r.plan.note(string(g.TelegramToken), "/global/telegram_bot_token")
	if g.PagerDutyURL != "" {
		r.address(&g.PagerDutyURL, []string{r.was.global.PagerDutyURL}, "/global/pagerduty_url")
	}
	if g.TelegramURL != "" {
		r.address(&g.TelegramURL, []string{r.was.global.TelegramURL}, "/global/telegram_api_url")
	}
	r.plan.global = *g
}

func (r *reader) intervals(at string, list []NamedTimes) {
	for i := range list {
		n, here := &list[i], at+"/"+strconv.Itoa(i)
		if _, twice := r.times[n.Name]; n.Name == "" || twice {
			r.wrong(here+"/name", "give each a name of its own")
		}
		spans := []span{}
		for k := range n.Spans {
			s, part, err := spanOf(&n.Spans[k])
			if err != nil {
				r.wrong(here+"/time_intervals/"+strconv.Itoa(k)+"/"+part, "%v", err)
			}
			spans = append(spans, s)
		}
		r.times[n.Name] = spans
	}
}

func (r *reader) root() {
	root := r.config.Route
	if root == nil {
		r.wrong("/route", "there must be a route; everything that no other one takes goes there")
		return
	}
	if root.Receiver == "" {
		r.wrong("/route/receiver", "the first route must have a receiver")
	}
	if len(root.Matchers)+len(root.Match)+len(root.MatchRE) > 0 {
		r.wrong("/route/matchers", "the first route takes everything; put conditions on routes below it")
	}
	if len(root.MuteTimes)+len(root.ActiveTimes) > 0 {
		r.wrong("/route/mute_time_intervals", "the first route is never quiet; put times on routes below it")
	}
	above := &Node{Wait: 30 * time.Second, Interval: 5 * time.Minute, Repeat: 4 * time.Hour}
	r.plan.Root = r.route(root, above, "/route", 0)
	r.plan.Root.Key = "{}"
	r.plan.Root.name()
}

// name gives the routes below their keys.
func (r *Node) name() {
	for _, kid := range r.kids {
		kid.Key = r.Key + "/" + kid.matchers.String()
		kid.name()
	}
}

func (r *reader) route(c *Route, above *Node, at string, deep int) *Node {
	out := &Node{Index: r.routes, Target: above.Target, GroupBy: above.GroupBy, GroupAll: above.GroupAll, Wait: above.Wait, Interval: above.Interval, Repeat: above.Repeat, Steps: above.Steps, goOn: c.Continue}
	if r.routes++; r.routes > maxRoutes || deep > maxRouteDeep {
		r.wrong(at, "there are more than %d routes, or they lie more than %d deep", maxRoutes, maxRouteDeep)
		return out
	}
	if c.Receiver != "" {
		out.Target = r.target(c.Receiver, at+"/receiver")
	}
	r.grouping(c, out, at)
	for _, d := range []struct {
		name string
		from *Duration
		to   *time.Duration
		zero bool
	}{{"group_wait", c.GroupWait, &out.Wait, true}, {"group_interval", c.GroupInterval, &out.Interval, false}, {"repeat_interval", c.RepeatInterval, &out.Repeat, false}} {
		if d.from == nil {
			continue
		}
		if *d.to = time.Duration(*d.from); *d.to == 0 && !d.zero {
			r.wrong(at+"/"+d.name, "it must be longer than zero")
		}
	}
	out.matchers = r.conditions(&c.Matchers, &c.Match, &c.MatchRE, at+"/matchers")
	out.mute, out.active = r.named(c.MuteTimes, at+"/mute_time_intervals"), r.named(c.ActiveTimes, at+"/active_time_intervals")
	if c.Escalate != nil {
		out.Steps = nil
		for i, e := range c.Escalate {
			here := at + "/escalate/" + strconv.Itoa(i)
			if e.After <= 0 {
				r.wrong(here+"/after", "say after which time, such as 15m")
			}
			out.Steps = append(out.Steps, Step{time.Duration(e.After), r.target(e.Receiver, here+"/receiver")})
		}
	}
	for i := range c.Routes {
		out.kids = append(out.kids, r.route(&c.Routes[i], out, at+"/routes/"+strconv.Itoa(i), deep+1))
	}
	return out
}

func (r *reader) grouping(c *Route, out *Node, at string) {
	if c.GroupBy == nil {
		return
	}
	out.GroupBy, out.GroupAll = c.GroupBy, slices.Contains(c.GroupBy, "...")
	if out.GroupAll && len(c.GroupBy) > 1 {
		r.wrong(at+"/group_by", "... stands for all labels; leave the others out")
	}
	if len(slices.Compact(slices.Sorted(slices.Values(c.GroupBy)))) < len(c.GroupBy) || slices.Contains(c.GroupBy, "") {
		r.wrong(at+"/group_by", "each label stands there once, and has a name")
	}
}

func (r *reader) named(names []string, at string) (out []namedSpans) {
	for i, name := range names {
		spans, ok := r.times[name]
		if !ok {
			r.wrong(at+"/"+strconv.Itoa(i), "there is no %q under time_intervals%s", name, words.DidYouMean(name, slices.Collect(maps.Keys(r.times))))
		}
		out = append(out, namedSpans{name, spans})
	}
	return out
}

func (r *reader) target(name, at string) *Target {
	t := r.plan.targets[name]
	if t == nil {
		r.wrong(at, "there is no receiver %q%s", name, words.DidYouMean(name, r.plan.names))
	}
	return t
}

// conditions reads matchers. The older forms are written as matchers into the document.
func (r *reader) conditions(list *[]string, match, re *map[string]string, at string) (out label.Matchers) {
	for _, old := range []struct {
		op   string
		from *map[string]string
	}{{"=", match}, {"=~", re}} {
		for _, name := range slices.Sorted(maps.Keys(*old.from)) {
			*list = append(*list, strconv.Quote(name)+old.op+strconv.Quote((*old.from)[name]))
		}
		*old.from = nil
	}
	for i, text := range *list {
		ms, err := label.Parse(text)
		if err != nil {
			r.wrong(at+"/"+strconv.Itoa(i), "%v", err)
		}
		out = append(out, ms...)
	}
	return out
}

func (r *reader) inhibit(c *Inhibit, at string) {
	rule := InhibitRule{Equal: c.Equal,
		Source: r.conditions(&c.SourceMatchers, &c.SourceMatch, &c.SourceMatchRE, at+"/source_matchers"),
		Target: r.conditions(&c.TargetMatchers, &c.TargetMatch, &c.TargetMatchRE, at+"/target_matchers")}
	if len(r.plan.Inhibits) > maxRoutes {
		r.wrong(at, "there are more than %d inhibitions", maxRoutes)
		return
	}
	r.plan.Inhibits = append(r.plan.Inhibits, rule)
}

func (r *reader) receivers() {
	if len(r.config.Receivers) > maxReceivers {
		r.wrong("/receivers", "there are more than %d", maxReceivers)
		return
	}
	for i := range r.config.Receivers {
		c, at := &r.config.Receivers[i], "/receivers/"+strconv.Itoa(i)
		switch {
		case c.Name == "" || len(c.Name) > 256 || strings.ContainsAny(c.Name, "\r\n\x00"):
			r.wrong(at+"/name", "give the receiver a name of at most 256 bytes")
			continue
		case r.plan.targets[c.Name] != nil:
			r.wrong(at+"/name", "there is another receiver %q", c.Name)
			continue
		}
		t := &Target{Name: c.Name, PerMinute: c.Limits.PerMinute, PerDay: c.Limits.PerDay}
		if t.PerMinute == 0 {
			t.PerMinute = perMinute
		}
		if t.PerMinute < 0 || t.PerDay < 0 || t.PerMinute > 1_000_000 || t.PerDay > 1_000_000 {
			r.wrong(at+"/limits", "numbers of messages are from 1 to 1000000")
		}
		r.plan.targets[c.Name] = t
		r.plan.names = append(r.plan.names, c.Name)
		r.ways(c, t, at)
		if len(t.Ways) > maxWays {
			r.wrong(at, "it has more than %d ways and addresses", maxWays)
		}
	}
}
