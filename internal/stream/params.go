package stream

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// params reads the query of a question and gathers everything that is wrong with it.
type params struct {
	url.Values
	bad []httpx.FieldError
}

func (p *params) refuse(name, format string, args ...any) {
	p.bad = append(p.bad, httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)})
}

// only refuses parameters that are not known.
func (p *params) only(names ...string) {
	for _, e := range httpx.Unknown(p.Values, names...) {
		e.Pointer, e.Detail = "?"+e.Pointer, clip(e.Pointer)+": "+e.Detail
		p.bad = append(p.bad, e)
	}
}

// narrowed refuses parameters that are neither known nor filters.
func (p *params) narrowed(names ...string) {
	p.only(slices.Concat(names, []string{"without", "limit", "cursor"}, dimensionNames())...)
}

// whole reads a whole number within [low, high]; without one it is otherwise.
func (p *params) whole(name, what string, low, high, otherwise int64) int64 {
	v := p.Get(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < low || n > high {
		p.refuse(name, "%s=%q: give %s from %d to %d", name, clip(v), what, low, high)
		return otherwise
	}
	return n
}

// moment reads a time; ok tells whether one was given.
func (p *params) moment(name string) (t time.Time, ok bool) {
	v := p.Get(name)
	if v == "" {
		return t, false
	}
	return p.parseTime(name, v)
}

func (p *params) parseTime(name, v string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		p.refuse(name, "%s=%q: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z", name, clip(v))
		return time.Time{}, false
	}
	return t, true
}

// groupBy reads the dimensions of the groups.
func (p *params) groupBy() (by []string) {
	if p.Get("group_by") == "" {
		return nil
	}
	for dim := range strings.SplitSeq(p.Get("group_by"), ",") {
		if !slices.Contains(dimensionNames(), dim) {
			p.refuse("group_by", "group_by=%q: unknown dimension %q, known are %s", clip(p.Get("group_by")), clip(dim), strings.Join(dimensionNames(), ", "))
		} else if !slices.Contains(by, dim) {
			by = append(by, dim)
		}
	}
	return by
}

// filter reads the values that dimensions must have.
func (p *params) filter() filterOf {
	f := filterOf{}
	for _, dim := range vocabulary {
		if v := p.Get(dim.name); v != "" {
			f[dim.name] = v
		}
	}
	return f
}

// without reads the values that are left out.
func (p *params) without() httpx.LeftOut {
	out, bad := httpx.LeftOutOf(p.Values, dimensionNames())
	p.bad = append(p.bad, bad...)
	return out
}

// filterOf holds, by dimension, the value that a group must have.
type filterOf map[string]string

func (f filterOf) names() []string { return slices.Sorted(maps.Keys(f)) }

// values are those of a set that the filter names.
func (f filterOf) values(s *set) (v values) {
	for name, value := range f {
		v[s.place(name)] = value
	}
	return v
}

// lets tells whether a question counts values of its set.
func (q *question) lets(s *set) func(values) bool {
	want, asked, out := q.filter.values(s), [2]bool{}, [2][]string{}
	for name := range q.filter {
		asked[s.place(name)] = true
	}
	for name, values := range q.without {
		out[s.place(name)] = values
	}
	return func(v values) bool {
		return (!asked[0] || v[0] == want[0]) && (!asked[1] || v[1] == want[1]) && !slices.Contains(out[0], v[0]) && !slices.Contains(out[1], v[1])
	}
}

// plan chooses the set that answers a question: one that has all its dimensions, and as few others as can be.
func (s *Service) plan(p *params, q *question) {
	needs := q.needs()
	q.set = -1
	for i := range s.sets {
		if st := &s.sets[i]; st.covers(needs) && (q.set < 0 || len(st.dims) < len(s.sets[q.set].dims) && len(needs) > 0) {
			q.set = i
		}
	}
	if q.set >= 0 {
		return
	}
	q.set = 0
	name := "group_by"
	switch {
	case len(q.without) > 0:
		name = "without"
	case len(q.groupBy) == 0:
		name = needs[0]
	}
	switch {
	case len(needs) > 2:
		p.refuse(name, "%s: at most two dimensions are kept apart together, in groups, filters and what is left out; ask for two of these %d", strings.Join(needs, " and "), len(needs))
	default:
		are := "is not kept apart"
		if len(needs) == 2 {
			are = "are not kept apart together"
		}
		p.refuse(name, "%s %s here: add %q to event_processing.dimensions (EVENT_PROCESSING_DIMENSIONS); kept are %s", strings.Join(needs, " and "), are, strings.Join(needs, "+"), s.setNames())
	}
	q.groupBy, q.filter, q.without = nil, nil, nil
}

func (s *Service) setNames() string {
	var names []string
	for i := range s.sets {
		names = append(names, s.sets[i].name)
	}
	return strings.Join(names, ", ")
}

// metrics reads a list of names.
func (p *params) metrics(name string, most int) (out []agg.Metric) {
	v := p.Get(name)
	if v == "" {
		p.refuse(name, "%s is missing: name at least one, known are %s and system.NAME", name, strings.Join(agg.MetricNames(), ", "))
		return nil
	}
	list := strings.Split(v, ",")
	if len(list) > most {
		p.refuse(name, "%s: %d names, at most %d", name, len(list), most)
		return nil
	}
	for _, n := range list {
		m, ok := agg.ParseMetric(n)
		if !ok {
			p.refuse(name, "%s=%q: unknown metric %q, known are %s and system.NAME", name, clip(v), clip(n), strings.Join(agg.MetricNames(), ", "))
			continue
		}
		out = append(out, m)
	}
	return out
}

// maxOffset is more than any list has.
const maxOffset = 1 << 30

// page reads limit and cursor.
func (p *params) page() (offset, limit int) {
	limit = int(p.whole("limit", "a number", 1, 1000, 100))
	if v := p.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		n, err2 := strconv.Atoi(string(raw))
		if err != nil || err2 != nil || n < 0 || n > maxOffset {
			p.refuse("cursor", "cursor=%q: give the next_cursor of the page before", clip(v))
		} else {
			offset = n
		}
	}
	return offset, limit
}

// pageOf is a page of a list, and the cursor of what is behind it; nil when nothing is.
func pageOf[T any](list []T, offset, limit int) (page []T, next *string) {
	end := min(offset+limit, len(list))
	if end < len(list) {
		next = cursorAt(end)
	}
	return list[min(offset, end):end], next
}

// cursorAt is the cursor of the page that begins at a place.
func cursorAt(offset int) *string { return httpx.Cursor(strconv.Itoa(offset)) }

func clip(s string) string { return words.Clip(s, 80) }
