package stream

import (
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

// dimensions are what groups and filters may name.
var dimensions = []string{"model", "tenant"}

// of is the value of a dimension in a key.
func of(k agg.Key, dimension string) string {
	if dimension == "tenant" {
		return k.Tenant
	}
	return k.Model
}

// params reads the query of a question and gathers everything that is wrong with it.
type params struct {
	url.Values
	bad []httpx.FieldError
}

func (p *params) refuse(name, format string, args ...any) {
	p.bad = append(p.bad, httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)})
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
		if !slices.Contains(dimensions, dim) {
			p.refuse("group_by", "group_by=%q: unknown dimension %q, known are %s", clip(p.Get("group_by")), clip(dim), strings.Join(dimensions, " and "))
		} else if !slices.Contains(by, dim) {
			by = append(by, dim)
		}
	}
	return by
}

// filter reads the values that dimensions must have.
func (p *params) filter() filterOf {
	f := filterOf{}
	for _, dim := range dimensions {
		if v := p.Get(dim); v != "" {
			f[dim] = v
		}
	}
	return f
}

// filterOf holds, by dimension, the value that a key must have.
type filterOf map[string]string

func (f filterOf) lets(k agg.Key) bool {
	for dim, v := range f {
		if of(k, dim) != v {
			return false
		}
	}
	return true
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

// page reads limit and cursor.
func (p *params) page() (offset, limit int) {
	limit = int(p.whole("limit", "a number", 1, 1000, 100))
	if v := p.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		n, err2 := strconv.Atoi(string(raw))
		if err != nil || err2 != nil || n < 0 {
			p.refuse("cursor", "cursor=%q: give the next_cursor of the page before", clip(v))
		} else {
			offset = n
		}
	}
	return offset, limit
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
