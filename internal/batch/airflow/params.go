package airflow

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a page, those of Airflow.
const (
	defaultLimit = 50
	maxLimit     = 100
)

// params are the query parameters of a request. Unknown ones are left alone, as Airflow does.
type params struct {
	flaws
	values url.Values
}

func paramsOf(r *http.Request) *params {
	return &params{flaws: flaws{part: "query"}, values: r.URL.Query()}
}

func (p *params) number(name string, least, fallback int) int {
	text := p.values.Get(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		p.add(name, "int_parsing", "Input should be a valid integer, unable to parse string as an integer", text, nil)
		return fallback
	case n < least:
		p.add(name, "greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %d", least), text, map[string]int{"ge": least})
		return fallback
	}
	return n
}

func (p *params) flag(name string) (value, given bool) {
	text := p.values.Get(name)
	switch strings.ToLower(text) {
	case "":
		return false, false
	case "true", "1", "yes", "on", "t", "y":
		return true, true
	case "false", "0", "no", "off", "f", "n":
		return false, true
	}
	p.add(name, "bool_parsing", "Input should be a valid boolean, unable to interpret input", text, nil)
	return false, false
}

func (p *params) time(name string) *time.Time {
	text := p.values.Get(name)
	if text == "" {
		return nil
	}
	t, err := parseTime(strings.ReplaceAll(text, " ", "+")) // a raw "+" of a zone arrives as a blank
	if err != nil {
		t, err = parseTime(text)
	}
	if err != nil {
		p.add(name, "datetime_from_date_parsing", "Input should be a valid datetime or date, "+err.Error(), text, map[string]string{"error": err.Error()})
		return nil
	}
	return &t
}

// list is a parameter that may be given more than once.
func (p *params) list(name string) []string {
	return slices.DeleteFunc(slices.Clone(p.values[name]), func(s string) bool { return s == "" })
}

// page is a part of a list.
type page struct{ limit, offset int }

func (p *params) page() page {
	return page{min(p.number("limit", 0, defaultLimit), maxLimit), p.number("offset", 0, 0)}
}

// cut is one page of a list that is in memory.
func cut[T any](all []T, p page) []T {
	from := min(p.offset, len(all))
	return append([]T{}, all[from:min(from+p.limit, len(all))]...)
}

// sortKey is one key of an order.
type sortKey struct {
	field string
	desc  bool
}

// order reads keys such as "-run_after". Airflow answers 400, not 422, for an unknown one.
func order(keys []string, known ...string) ([]sortKey, error) {
	var out []sortKey
	for _, list := range keys {
		for key := range strings.SplitSeq(list, ",") {
			name, desc := strings.CutPrefix(strings.TrimSpace(key), "-")
			if !slices.Contains(known, name) {
				return nil, refuse(http.StatusBadRequest, fmt.Sprintf("Ordering with '%s' is disallowed or the attribute does not exist on the model", name))
			}
			out = append(out, sortKey{name, desc})
		}
	}
	return out, nil
}

// bound keeps what compares with a time. What has no such time is left out.
type bound struct {
	field, op string
	at        time.Time
}

var (
	boundFields = []string{"end_date", "logical_date", "run_after", "start_date"}
	comparisons = []string{"_gte", "_gt", "_lte", "_lt"}
)

// bounds collects what times says under names such as run_after_gte.
func bounds(times func(name string) *time.Time) (out []bound) {
	for _, field := range boundFields {
		for _, op := range comparisons {
			if t := times(field + op); t != nil {
				out = append(out, bound{field, op, *t})
			}
		}
	}
	return out
}

func (b bound) holds(t *time.Time) bool {
	if t == nil {
		return false
	}
	c := t.Compare(b.at)
	switch b.op {
	case "_gte":
		return c >= 0
	case "_gt":
		return c > 0
	case "_lte":
		return c <= 0
	default:
		return c < 0
	}
}

// like is a pattern of Airflow: a part of the text without regard to case, with % for anything and | for or.
type like []*regexp.Regexp

func likeOf(pattern string) like {
	var l like
	if pattern == "" || pattern == "~" {
		return nil
	}
	for part := range strings.SplitSeq(pattern, "|") {
		text := strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(part))
		l = append(l, regexp.MustCompile("(?is)"+text)) // quoted, so it compiles
	}
	return l
}

func (l like) matches(s string) bool {
	return l == nil || slices.ContainsFunc(l, func(re *regexp.Regexp) bool { return re.MatchString(s) })
}
