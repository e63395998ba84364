package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// The limits of the language.
const (
	MaxBytes     = 1 << 20 // of a file of rules
	MaxRules     = 1000    // in a file, and in an engine
	MaxSteps     = 8       // of a sequence
	MaxWindow    = 24 * time.Hour
	MaxGroups    = 100_000 // for each rule
	MaxGroupBy   = 4       // fields
	MaxTexts     = 32      // labels, annotations
	MaxActions   = 8
	MaxTests     = 100     // for each rule
	MaxEvents    = 100_000 // of a test, repeated ones included
	MaxDistinct  = 10_000  // values that a group of a distinct rule keeps apart
	maxTextBytes = 4096
	maxNameBytes = 128
	maxDepth     = 16
	maxFaults    = 100
)

// Type says what a rule looks for.
type Type string

// The types of rules.
const (
	Threshold Type = "threshold" // a metric over the window against a value
	Rate      Type = "rate"      // a sum for each second of the window, or how fast a mean grows, against a value
	Ratio     Type = "ratio"     // the share of events against a value
	Absence   Type = "absence"   // a key that was seen is silent for the window
	Sequence  Type = "sequence"  // events follow one another
	Distinct  Type = "distinct"  // how many values a field has
	Anomaly   Type = "anomaly"   // a metric against its own past
	BurnRate  Type = "burn_rate" // how fast the error budget of an objective is spent
)

// Types lists all of them.
var Types = []Type{Threshold, Rate, Ratio, Absence, Sequence, Distinct, Anomaly, BurnRate}

// Duration is written as Go writes it, "60s".
type Duration time.Duration

// MarshalJSON is part of json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON is part of json.Unmarshaler.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	t, err := time.ParseDuration(s)
	*d = Duration(t)
	return err
}

// String leaves out the parts that are zero: "1h", not "1h0m0s".
func (d Duration) String() string {
	switch t := time.Duration(d); {
	case t != 0 && t%time.Hour == 0:
		return fmt.Sprintf("%dh", t/time.Hour)
	case t != 0 && t%time.Minute == 0:
		return fmt.Sprintf("%dm", t/time.Minute)
	default:
		return t.String()
	}
}

func (d Duration) seconds() int64 { return int64(time.Duration(d) / time.Second) }

// Rule is one rule as it was written, with the defaults of what was left out.
type Rule struct {
	Name          string            `json:"name"`
	Type          Type              `json:"type"`
	When          string            `json:"when,omitempty"` // CEL; "" = every event
	GroupBy       []string          `json:"group_by,omitempty"`
	Window        Duration          `json:"window,omitempty"`
	For           Duration          `json:"for,omitempty"`
	KeepFiringFor Duration          `json:"keep_firing_for,omitempty"`
	Severity      string            `json:"severity"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	Mode          string            `json:"mode"`
	Actions       []Action          `json:"actions,omitempty"`
	Metric        string            `json:"metric,omitempty"`
	Op            string            `json:"op,omitempty"`
	Value         *float64          `json:"value,omitempty"`
	Of            string            `json:"of,omitempty"`
	MinCount      int64             `json:"min_count,omitempty"`
	Steps         []string          `json:"steps,omitempty"`
	Within        Duration          `json:"within,omitempty"`
	Good          string            `json:"good,omitempty"`
	Objective     float64           `json:"objective,omitempty"`
	Period        Duration          `json:"period,omitempty"`
	Field         string            `json:"field,omitempty"`
	Baseline      Duration          `json:"baseline,omitempty"`
	Factor        float64           `json:"factor,omitempty"`
	MaxGroups     int               `json:"max_groups,omitempty"`
	Tests         []Test            `json:"tests,omitempty"`

	SLO  *SLO `json:"-"` // the objective that it watches over, as it was written; nil for a rule that was written as such
	Line int  `json:"-"` // where it begins in its file
}

// Action is what a rule asks for when it fires.
type Action struct {
	Type   string            `json:"type"`
	Target string            `json:"target,omitempty"`
	With   map[string]string `json:"with,omitempty"`
}

// Version tells rules apart that decide differently or say something else: state is kept and decisions are known by it. Tests do
// not count.
func (r *Rule) Version() string {
	bare := *r
	bare.Tests = nil
	text, err := json.Marshal(&bare)
	if err != nil {
		panic("rule: " + err.Error()) // only finite numbers and texts are decoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Fault is one thing that is wrong with a file of rules.
type Fault struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole file
	Line    int    `json:"line"`    // from 1; 0 when the fault has no place
	Detail  string `json:"detail"`
}

func (f Fault) Error() string {
	text := f.Detail
	if f.Pointer != "" {
		text = f.Pointer + ": " + text
	}
	if f.Line > 0 {
		text = fmt.Sprintf("line %d: %s", f.Line, text)
	}
	return text
}

// In tells where a fault is, as FILE:LINE, and what it is.
func (f Fault) In(file string) (where, what string) {
	where, what = file, f.Detail
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", file, f.Line)
	}
	if f.Pointer != "" {
		what = f.Pointer + ": " + what
	}
	return where, what
}
