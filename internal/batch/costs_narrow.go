package batch

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// costNames are the parts that a question about costs can be narrowed by; the others tell when.
var costNames = slices.DeleteFunc(slices.Clone(CostParts), func(part string) bool { return slices.Contains(cost.Times, part) })

// narrow says which requests a question about costs is about.
type narrow struct {
	only    map[string]string // by part: the one value
	without httpx.LeftOut
}

func narrowing(q *query) narrow {
	n := narrow{only: map[string]string{}}
	for _, part := range costNames {
		v := q.values.Get(part)
		switch {
		case v == "" && q.values.Has(part):
			q.bad(part, "required", "name one, or leave %s out", part)
		case len(v) > 512:
			q.bad(part, "too_long", "%d bytes; at most 512", len(v))
		case v != "":
			n.only[part] = v
		}
	}
	var bad []httpx.FieldError
	n.without, bad = httpx.LeftOutOf(q.values, costNames)
	q.errs = append(q.errs, bad...)
	return n
}

// many are the parts that may have more values than a table keeps lines of.
var many = []string{agg.ByUser, "session_id", "key"}

// into lets a question tell apart what it is narrowed by. Lines of a user among many are kept alone, and so is what is asked for by users; else those
// of a model or a tenant stand in a table that answers for the next one as well.
func (n *narrow) into(q *costQuery) {
	parts := map[string]bool{}
	for part := range n.only {
		parts[part] = true
	}
	for part := range n.without {
		parts[part] = true
	}
	q.narrow = slices.Sorted(maps.Keys(parts)) // the order of a map is chance, and a table is found again by its parts
	by := slices.DeleteFunc(slices.Clone(q.by), func(part string) bool { return parts[part] })
	q.by = append(by, q.narrow...)
	alone := many
	if slices.ContainsFunc(q.by, func(part string) bool { return slices.Contains(many, part) }) {
		alone = slices.Concat(many, slices.Sorted(maps.Keys(n.only)))
	}
	for _, part := range alone {
		if v, asked := n.only[part]; asked {
			q.by = append(slices.DeleteFunc(q.by, func(p string) bool { return p == part }), part)
			q.only = []string{v}
			return
		}
	}
}

// lets tells whether requests with a value of a part count.
func (n *narrow) lets(part, value string) bool {
	v, alone := n.only[part]
	return (!alone || value == v) && !n.without.Has(part, value)
}

// of takes the lines that count, by some parts, from a table that tells all apart. It refuses where nobody knows whether something counts.
func (n *narrow) of(t *cost.Table, by []string) (*cost.Table, error) {
	if t.Untold > 0 {
		return nil, cannotNarrow("from", "raw events of this time have left, and their hours tell them by one of %v alone, and the busiest values alone; ask for a later time, or for one of them", agg.Dimensions)
	}
	if t.Beyond && len(n.only) > 0 {
		return nil, cannotNarrow("group_by", "there are more than %d lines, and what is asked for may be among those that count together; ask for a shorter time, or by less", cost.MaxGroups)
	}
	for _, part := range slices.Sorted(maps.Keys(n.without)) {
		if n.without.Has(part, agg.Others) {
			continue
		}
		if requests := t.Together(n.lets, part); requests > 0 {
			return nil, cannotNarrow("without", "%s %q cannot be left out exactly: %d requests count together as %s, and it may be among them; leave %s:%s out as well, or ask for a shorter time",
				part, n.without[part][0], requests, agg.Others, part, agg.Others)
		}
	}
	return t.Only(n.lets, by), nil
}

func cannotNarrow(field, format string, args ...any) error {
	return &agg.Refusal{Kind: agg.RefusedInvalid, Detail: "not all requests are told apart as the question needs it", Fields: []agg.FieldFault{{Field: field, Code: "untold", Detail: fmt.Sprintf(format, args...)}}}
}
