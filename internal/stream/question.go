package stream

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

const maxWindow = 400 * 24 * 3600 // seconds; older panes are gone

// question is a parsed query of GET /analytics.
type question struct {
	span          Span
	widened       bool // the span is wider than the window asked for, whose edges lie within seconds
	model, tenant *string
	groupBy       []string
	limit, offset int
}

// between finds the whole seconds of a window. A given end that lies within a second widens the window outwards; without one
// the window ends with the running second.
func (q *question) between(window int64, end time.Time, given bool) {
	q.span.End = ceilSecond(end)
	q.span.Start = q.span.End - window
	if q.widened = given && end.Nanosecond() > 0; q.widened {
		q.span.Start--
	}
}

// parseQuestion reads the query; now is the end of a window that names none.
func (s *Service) parseQuestion(q url.Values, now time.Time) (question, []httpx.FieldError) {
	var bad []httpx.FieldError
	refuse := func(name, format string, args ...any) {
		bad = append(bad, httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)})
	}
	out := question{limit: 100}
	window := int64(s.cfg.WindowSeconds)
	if v := q.Get("window"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 || n > maxWindow {
			refuse("window", "window=%q: give whole seconds from 1 to %d", v, maxWindow)
		} else {
			window = n
		}
	}
	end, given := now, false
	if v := q.Get("at"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil || t.Year() < 1970 || t.Year() > 9999 {
			refuse("at", "at=%q: give the end of the window as RFC 3339, e.g. 2026-03-01T10:00:00Z", v)
		} else {
			end, given = t, true
		}
	}
	out.between(window, end, given)
	if v := q.Get("group_by"); v != "" {
		for _, dim := range strings.Split(v, ",") {
			if dim != "model" && dim != "tenant" {
				refuse("group_by", "group_by=%q: unknown dimension %q, known are model and tenant", v, dim)
			} else if !slices.Contains(out.groupBy, dim) {
				out.groupBy = append(out.groupBy, dim)
			}
		}
	}
	for name, to := range map[string]**string{"model": &out.model, "tenant": &out.tenant} {
		if q.Has(name) && q.Get(name) != "" {
			*to = new(q.Get(name))
		}
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			refuse("limit", "limit=%q: give a number from 1 to 1000", v)
		} else {
			out.limit = n
		}
	}
	if v := q.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		n, err2 := strconv.Atoi(string(raw))
		if err != nil || err2 != nil || n < 0 {
			refuse("cursor", "cursor=%q: give the next_cursor of the page before", v)
		} else {
			out.offset = n
		}
	}
	return out, bad
}

type keyed struct {
	key  agg.Key
	cell *agg.Cell
}

// group merges the cells that the filters let through: all of them, and by the dimensions asked for, busiest first. What
// names no model or tenant has null in its key, so that the groups add up to the whole.
func (q *question) group(cells map[agg.Key]*agg.Cell) (*agg.Cell, []keyed) {
	overall, by := new(agg.Cell), map[agg.Key]*agg.Cell{}
	for k, c := range cells {
		if q.model != nil && k.Model != *q.model || q.tenant != nil && k.Tenant != *q.tenant {
			continue
		}
		overall.Merge(c)
		if q.groupBy == nil {
			continue
		}
		var gk agg.Key
		if slices.Contains(q.groupBy, "model") {
			gk.Model = k.Model
		}
		if slices.Contains(q.groupBy, "tenant") {
			gk.Tenant = k.Tenant
		}
		if have := by[gk]; have != nil {
			have.Merge(c)
		} else {
			by[gk] = c
		}
	}
	groups := make([]keyed, 0, len(by))
	for k, c := range by {
		groups = append(groups, keyed{k, c})
	}
	slices.SortFunc(groups, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(b.cell.Requests, a.cell.Requests), cmp.Compare(b.cell.Events, a.cell.Events),
			cmp.Compare(a.key.Model, b.key.Model), cmp.Compare(a.key.Tenant, b.key.Tenant))
	})
	return overall, groups
}

func (q *question) key(k agg.Key) map[string]*string {
	out := map[string]*string{}
	for _, dim := range q.groupBy {
		v := k.Model
		if dim == "tenant" {
			v = k.Tenant
		}
		out[dim] = nil
		if v != "" {
			out[dim] = &v
		}
	}
	return out
}
