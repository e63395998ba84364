package retention

import (
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	clocks "github.com/hxp-enterprise/hxp/internal/kit/clock"
)

// States of a plan.
const (
	Planned = "planned" // a dry run ends so
	Running = "running"
	Done    = "done"
	Failed  = "failed" // or refused as a whole: nothing was moved
)

// What is done with an object.
const (
	Archive = "archive" // copied, then removed
	Delete  = "delete"  // removed without a copy: archival is switched off
	Keep    = "keep"
)

// Plan says what leaves and why, and in the end what left.
type Plan struct {
	ID        string               `json:"plan_id"`
	Kind      string               `json:"kind"`              // cleanup
	Origin    string               `json:"origin"`            // manual, daily
	Machine   string               `json:"machine,omitempty"` // that made it: it sees the reports of its own folder
	DryRun    bool                 `json:"dry_run"`
	Force     bool                 `json:"force"`
	State     string               `json:"state"`
	Archive   string               `json:"archive,omitempty"` // where the copies go
	CreatedAt time.Time            `json:"created_at"`
	EndedAt   *time.Time           `json:"ended_at,omitempty"`
	Cutoffs   map[string]time.Time `json:"cutoffs"` // what ended before is old, by class
	Items     []Item               `json:"items"`   // what is old
	Totals    Totals               `json:"totals"`
	Refused   []Refusal            `json:"refused"`
	// Postponed is the number of old hours, days and reports that were too many for one plan. The next one takes them.
	Postponed int    `json:"postponed,omitempty"`
	Error     string `json:"error,omitempty"`
}

// Item is one old object: a file of the lake, a day of hourly aggregates, a report.
type Item struct {
	Class  string    `json:"class"`
	Path   string    `json:"path"`
	ID     string    `json:"id,omitempty"`     // of a report
	SHA256 string    `json:"sha256,omitempty"` // of the document that the plan saw, of a report
	Period time.Time `json:"period"`           // start of it
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
}

// Totals count objects. Kept is everything else that there is, young or old.
type Totals struct {
	Archived   int64 `json:"archived"`
	Deleted    int64 `json:"deleted"`
	Kept       int64 `json:"kept"`
	BytesFreed int64 `json:"bytes_freed"`
}

// Refusal is why something old does not leave.
type Refusal struct {
	Class  string     `json:"class,omitempty"`  // "" = all
	Period *time.Time `json:"period,omitempty"` // nil = the whole class
	Code   string     `json:"code"`
	Reason string     `json:"reason"`
}

// Codes of refusals.
const (
	noProof = "no_proof" // of a period: its aggregate does not stand for its raw events, or the coarser one not for it
	moved   = "changed"  // of a period: it changed while the plan was carried out
	tooMuch = "too_much" // of a plan: more than a quarter of a class
	clock   = "clock"    // of a plan: a clock is in doubt
)

// whole tells whether a refusal stops the plan.
func (r *Refusal) whole() bool { return r.Code == tooMuch || r.Code == clock }

// State is all that a plan is made of.
type State struct {
	Now      time.Time                 // by the clock of this machine
	Clock    time.Time                 // by that of the database
	Doubt    time.Duration             // by how much the clock of this machine was set forward lately
	Holdings map[string]event.Holdings // by class
	Old      []Group                   // by class and time
	Holds    []event.Hold
}

// Group is objects of one period that leave together or stay together.
type Group struct {
	Class      string
	Start, End time.Time
	Objects    []Object
	Written    time.Time // when the last of it came
	Unproved   string    // why it must stay, "" = nothing speaks against its leaving
	Busy       string    // why it stays for now
}

// Object is one that may leave.
type Object struct {
	Path        string
	ID, SHA256  string // of a report
	Rows, Bytes int64
}

// Order is what was asked for.
type Order struct {
	DryRun, Force, Daily bool
	Own                  bool // reports that lie on this machine alone
}

// Limits of a plan.
const (
	freshFor  = 24 * time.Hour // the daily run leaves alone what came so lately
	behind    = 24 * time.Hour // the clock may be so far behind the newest event
	apart     = time.Hour      // and so far from that of the database
	fraction  = 4              // one part of so many of a class may leave without force
	maxGroups = 10_000         // old groups that one plan deals with
)

// Draft makes the plan of a state. It is a function of its arguments and of nothing else; who asks gives it an id.
func Draft(cfg *Config, st *State, o Order) *Plan {
	p := &Plan{Kind: "cleanup", Origin: "manual", DryRun: o.DryRun, Force: o.Force, State: Planned, CreatedAt: st.Clock.UTC(), Cutoffs: cfg.cutoffs(st.Clock),
		Items: []Item{}, Refused: []Refusal{}}
	if o.Daily {
		p.Origin = "daily"
	}
	if why := st.clockDoubt(); why != "" {
		p.Refused = append(p.Refused, Refusal{Code: clock, Reason: why})
	}
	leaving := map[string]event.Holdings{}
	for i := range st.Old[:min(len(st.Old), maxGroups)] {
		g := &st.Old[i]
		action, reason := g.decide(cfg, st, o)
		if g.Unproved != "" && action == Keep && reason == g.Unproved {
			p.Refused = append(p.Refused, Refusal{g.Class, &g.Start, noProof, reason})
		}
		for _, obj := range g.Objects {
			p.Items = append(p.Items, Item{Class: g.Class, Path: obj.Path, ID: obj.ID, SHA256: obj.SHA256, Period: g.Start, Rows: obj.Rows, Bytes: obj.Bytes, Action: action, Reason: reason})
			if action != Keep {
				sum := leaving[g.Class]
				leaving[g.Class] = event.Holdings{Objects: sum.Objects + 1, Rows: sum.Rows + obj.Rows}
			}
		}
	}
	p.Postponed = max(0, len(st.Old)-maxGroups)
	for _, class := range event.Classes {
		if why := excess(class, leaving[class], st.Holdings[class]); why != "" && !o.Force {
			p.Refused = append(p.Refused, Refusal{Class: class, Code: tooMuch, Reason: why})
		}
	}
	p.count(st.Holdings)
	return p
}

// decide says what becomes of a group and why.
func (g *Group) decide(cfg *Config, st *State, o Order) (action, reason string) {
	for i := range st.Holds {
		if h := &st.Holds[i]; h.Touches(g.Class, g.Start, g.End) {
			return Keep, fmt.Sprintf("the legal hold %s keeps it: %s", h.Name, h.Reason)
		}
	}
	switch {
	case o.Daily && st.Clock.Sub(g.Written) < freshFor:
		return Keep, "some of it came within the last day; the daily run leaves it alone, a manual one does not"
	case g.Busy != "":
		return Keep, g.Busy
	case g.Unproved != "":
		return Keep, g.Unproved
	}
	reason = fmt.Sprintf("it ended before the cutoff of %s", cfg.cutoffs(st.Clock)[g.Class].Format(time.RFC3339))
	if cfg.ArchivalEnabled {
		return Archive, reason
	}
	return Delete, reason
}

// clockDoubt says why the clock cannot be trusted: one that is wrong makes everything old, or nothing.
func (st *State) clockDoubt() string {
	newest := time.UnixMicro(st.Holdings[event.ClassRaw].Newest).UTC()
	switch off := st.Now.Sub(st.Clock); {
	case st.Doubt > 0:
		return fmt.Sprintf("the clock of this machine was set forward by %s less than %s ago, so everything may look older than it is; set it back if it is wrong, else wait", st.Doubt.Round(time.Second), clocks.Distrust)
	case off > apart || off < -apart:
		return fmt.Sprintf("the clock of this machine says %s, that of the database %s; set them right", st.Now.UTC().Format(time.RFC3339), st.Clock.UTC().Format(time.RFC3339))
	case st.Clock.Before(newest.Add(-behind)):
		return fmt.Sprintf("the clock says %s, more than a day before the newest event (%s); set it right", st.Clock.UTC().Format(time.RFC3339), newest.Format(time.RFC3339))
	}
	return ""
}

// excess says that more than a quarter of a class would leave: of the rows of raw events, of the days of aggregates, of the reports.
func excess(class string, leaving, all event.Holdings) string {
	part, whole, unit := leaving.Objects, all.Objects, map[string]string{event.ClassAggregated: "days", event.ClassReports: "reports"}[class]
	if class == event.ClassRaw {
		part, whole, unit = leaving.Rows, all.Rows, "rows"
	}
	if part*fraction <= whole {
		return ""
	}
	return fmt.Sprintf("%d of %d %s would leave at once, more than a quarter; look at the plan, then say force", part, whole, unit)
}

// count makes the totals of what the items say.
func (p *Plan) count(holdings map[string]event.Holdings) {
	all := p.Totals.Archived + p.Totals.Deleted + p.Totals.Kept
	if holdings != nil {
		all = 0
		for _, h := range holdings {
			all += h.Objects
		}
	}
	p.Totals = Totals{}
	for i := range p.Items {
		switch it := &p.Items[i]; it.Action {
		case Archive:
			p.Totals.Archived++
			p.Totals.BytesFreed += it.Bytes
		case Delete:
			p.Totals.Deleted++
			p.Totals.BytesFreed += it.Bytes
		}
	}
	p.Totals.Kept = all - p.Totals.Archived - p.Totals.Deleted
}

// stopped tells whether the plan was refused as a whole, and why.
func (p *Plan) stopped() string {
	for i := range p.Refused {
		if p.Refused[i].whole() {
			return p.Refused[i].Reason
		}
	}
	return ""
}
