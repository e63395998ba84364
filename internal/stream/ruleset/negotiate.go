package ruleset

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	typeJSON = "application/json"
	typeYAML = "application/yaml"
	none     = ""
)

// yamlTypes are the names under which YAML goes; RFC 9512 has the first.
var yamlTypes = []string{typeYAML, "application/x-yaml", "text/yaml", "text/x-yaml"}

// form tells whether a body is JSON or YAML, by its media type. Without one it is YAML, which JSON is as well.
func form(contentType string) string {
	if contentType == "" {
		return typeYAML
	}
	t, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return none
	case t == typeJSON:
		return typeJSON
	case slices.Contains(yamlTypes, t):
		return typeYAML
	}
	return none
}

// preferred tells in which form an answer is wanted, none when neither is taken.
func preferred(accept []string) string {
	ranges := strings.Join(accept, ",")
	if strings.TrimSpace(ranges) == "" {
		return typeJSON
	}
	var likesJSON, likesYAML float64
	for one := range strings.SplitSeq(ranges, ",") {
		t, params, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if t == typeJSON || t == "application/*" || t == "*/*" {
			likesJSON = max(likesJSON, q)
		}
		if slices.Contains(yamlTypes, t) || t == "text/*" || t == "application/*" || t == "*/*" {
			likesYAML = max(likesYAML, q)
		}
	}
	switch {
	case likesYAML > likesJSON:
		return typeYAML
	case likesJSON > 0:
		return typeJSON
	}
	return none
}

// tag is the ETag of a rule in a form.
func tag(etag, form string) string {
	if form == typeYAML {
		etag += "-yaml"
	}
	return quoted(etag)
}

func quoted(etag string) string { return `"` + etag + `"` }

// tags splits the entity tags of a condition.
func tags(headers []string) (out []string) {
	for _, h := range headers {
		for one := range strings.SplitSeq(h, ",") {
			out = append(out, strings.TrimSpace(one))
		}
	}
	return out
}

// conditions are what a write asks of the rule that is there.
type conditions struct{ match, noneMatch []string }

func conditionsOf(r *http.Request) conditions {
	return conditions{tags(r.Header.Values("If-Match")), tags(r.Header.Values("If-None-Match"))}
}

func (c conditions) any() bool { return c.match != nil || c.noneMatch != nil }

// hold tells whether a write may go on; e is nil when there is no rule.
func (c conditions) hold(e *entry) bool {
	is := func(list []string, weak bool) bool {
		if e == nil {
			return false
		}
		return slices.ContainsFunc(list, func(t string) bool {
			if weak {
				t = strings.TrimPrefix(t, "W/")
			}
			return t == "*" || t == tag(e.etag, typeJSON) || t == tag(e.etag, typeYAML)
		})
	}
	return (c.match == nil || is(c.match, false)) && (c.noneMatch == nil || !is(c.noneMatch, true))
}
