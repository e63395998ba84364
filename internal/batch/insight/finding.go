package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Finding is one statement and the numbers that it stands on.
type Finding struct {
	Kind     string            `json:"kind"`
	Subject  map[string]string `json:"subject"` // {"model": …} or {"tenant": …}; empty = everything
	Metric   string            `json:"metric"`
	At       *time.Time        `json:"at"` // the first day on which it is so; null = all along
	Before   *float64          `json:"before"`
	After    *float64          `json:"after"`
	Text     string            `json:"text"`
	Evidence map[string]any    `json:"evidence"`
	Saving   *agg.USD          `json:"saving_usd_month,omitempty"`
	Risk     string            `json:"risk,omitempty"` // of a saving: low, medium, high or unknown

	p float64 // of being said by chance; 0 = it is no test
}

// FDR is the share of findings that may be false.
const FDR = 0.01

// Report collects what is tested and what is plainly so.
type Report struct {
	Start  time.Time // of the first day
	Steady bool      // changes over time are not looked for

	tests, facts []Finding
}

// test adds what chance may have made.
func (r *Report) test(f Finding, p float64) {
	f.p = p
	r.tests = append(r.tests, f)
}

// Findings are the statements that hold: the largest savings first, then those which chance explains least.
func (r *Report) Findings() []Finding {
	ps := make([]float64, len(r.tests))
	for i := range ps {
		ps[i] = r.tests[i].p
	}
	out := slices.Clone(r.facts)
	for i, yes := range Discoveries(ps, FDR) {
		f := r.tests[i]
		if !yes || f.Kind == "" {
			continue
		}
		f.Evidence["p_value"], f.Evidence["false_discovery_rate"], f.Evidence["tests"] = f.p, FDR, len(ps)
		out = append(out, f)
	}
	sorting.StableBy(out, func(a, b Finding) int {
		return cmp.Or(-cmp.Compare(saving(a), saving(b)), cmp.Compare(a.p, b.p), cmp.Compare(name(a.Subject), name(b.Subject)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Metric, b.Metric))
	})
	return out
}

func saving(f Finding) int64 {
	if f.Saving == nil {
		return -1
	}
	return int64(*f.Saving)
}

// nothing stands for a test whose answer is too small to matter: it counts among the tests, and says nothing.
func (r *Report) nothing(p float64) { r.test(Finding{}, p) }

func (r *Report) day(n int) *time.Time { return new(r.Start.AddDate(0, 0, n)) }

// subject names one value of a dimension, or everything.
func subject(dimension, value string) map[string]string {
	if dimension == "" {
		return map[string]string{}
	}
	return map[string]string{dimension: value}
}

// name is a subject in a sentence.
func name(s map[string]string) string {
	for _, v := range s {
		return v
	}
	return "all together"
}

// short writes a number with three or more significant digits and thousands apart.
func short(x float64) string {
	digits := 0
	if a := math.Abs(x); a > 0 && a < 100 {
		digits = min(9, max(0, 2-int(math.Floor(math.Log10(a)))))
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	whole, part, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if part != "" {
		whole += "." + part
	}
	return whole
}

// percent writes how many more or fewer a ratio is.
func percent(ratio float64) string {
	if ratio >= 1 {
		return fmt.Sprintf("%.0f %% more", (ratio-1)*100)
	}
	return fmt.Sprintf("%.0f %% fewer", (1-ratio)*100)
}
