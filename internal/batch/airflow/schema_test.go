package airflow

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// capturedAPI is the description that a real Airflow serves of its API. It is not part of the repository.
const capturedAPI = "../../../../shared/data/captured/airflow3-openapi.json"

type object = map[string]any

// description is what a real Airflow says of its API.
type description struct{ doc object }

func captured(t *testing.T) *description {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(capturedAPI))
	if err != nil {
		t.Skipf("the API description of a real Airflow is not at hand: %v", err)
	}
	var d description
	if err := json.Unmarshal(data, &d.doc); err != nil {
		t.Fatal(err)
	}
	return &d
}

var pathParameter = regexp.MustCompile(`\\\{[^}]*\\\}`)

// answer finds the schema of an answer in the description; nil when the operation has none.
func (d *description) answer(t *testing.T, method, path string, status int) any {
	t.Helper()
	var found object
	best := -1
	for template, operations := range d.doc["paths"].(object) {
		re := regexp.MustCompile("^" + pathParameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$")
		if fixed := -strings.Count(template, "{"); re.MatchString(path) && (found == nil || fixed > best) {
			found, best = operations.(object), fixed
		}
	}
	if found == nil {
		t.Errorf("%s: a real Airflow has no such path", path)
		return nil
	}
	op, ok := found[strings.ToLower(method)].(object)
	if !ok {
		t.Errorf("%s %s: a real Airflow has no such operation", method, path)
		return nil
	}
	response, ok := op["responses"].(object)[fmt.Sprint(status)].(object)
	if !ok {
		if status < 400 {
			t.Errorf("%s %s: a real Airflow does not answer %d", method, path, status)
		}
		return nil
	}
	content, _ := response["content"].(object)
	media, _ := content["application/json"].(object)
	return media["schema"]
}

// check returns what is wrong with a value by a schema. Beyond the schema, every property that it knows must be there: Airflow sends all.
func (d *description) check(schema, value any, at string) []string {
	s, ok := schema.(object)
	if !ok {
		return nil
	}
	if ref, ok := s["$ref"].(string); ok {
		var target any = d.doc
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			target = target.(object)[part]
		}
		return d.check(target, value, at)
	}
	if any := append(list(s["anyOf"]), list(s["oneOf"])...); len(any) > 0 {
		var nearest []string
		for i, option := range any {
			wrong := d.check(option, value, at)
			if len(wrong) == 0 {
				return nil
			}
			if i == 0 || len(wrong) < len(nearest) {
				nearest = wrong
			}
		}
		return append(nearest, at+": fits none of anyOf")
	}
	if words := list(s["enum"]); len(words) > 0 && !slices.Contains(words, value) {
		return []string{fmt.Sprintf("%s: %v is none of %v", at, value, words)}
	}
	return d.checkType(s, value, at)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func (d *description) checkType(s object, value any, at string) (wrong []string) {
	bad := func() []string {
		return []string{fmt.Sprintf("%s: %T(%v) where %v belongs", at, value, value, s["type"])}
	}
	switch s["type"] {
	case "null":
		if value != nil {
			return bad()
		}
	case "string":
		text, ok := value.(string)
		if !ok {
			return bad()
		}
		if s["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				return []string{at + ": " + err.Error()}
			}
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return bad()
		}
	case "integer", "number":
		if n, ok := value.(float64); !ok || s["type"] == "integer" && n != math.Trunc(n) {
			return bad()
		}
	case "array":
		items, ok := value.([]any)
		if !ok {
			return bad()
		}
		for i, item := range items {
			wrong = append(wrong, d.check(s["items"], item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "object":
		return d.checkObject(s, value, at)
	}
	return wrong
}

func (d *description) checkObject(s object, value any, at string) (wrong []string) {
	o, ok := value.(object)
	if !ok {
		return []string{fmt.Sprintf("%s: %T where an object belongs", at, value)}
	}
	properties, _ := s["properties"].(object)
	for name, property := range properties {
		v, there := o[name]
		// What Airflow itself leaves out are fields of a log line and the context of a flaw.
		if optional := strings.HasPrefix(at, "$.content[") || name == "ctx"; !there && !optional {
			wrong = append(wrong, fmt.Sprintf("%s.%s: missing", at, name))
		} else if there {
			wrong = append(wrong, d.check(property, v, at+"."+name)...)
		}
	}
	return wrong
}
