package httpx

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestLeftOut(t *testing.T) {
	known := []string{"model", "tenant"}
	many := strings.Repeat("without=model:m&", mostLeftOut)
	for query, want := range map[string]LeftOut{
		"":        {},
		"model=a": {},
		"without=model:a&without=model:b&without=model:a&without=tenant:x:y": {"model": {"a", "b"}, "tenant": {"x:y"}},
		"without=model:": {"model": {""}},
		many:             {"model": {"m"}},
		"without=model:" + strings.Repeat("m", longestLeftOut): {"model": {strings.Repeat("m", longestLeftOut)}},
	} {
		v, _ := url.ParseQuery(query)
		if got, bad := LeftOutOf(v, known); len(bad) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%.80s: %v %v, want %v", query, got, bad, want)
		}
	}
	for query, want := range map[string]string{
		"without=":               "give DIMENSION:VALUE",
		"without=model":          "give DIMENSION:VALUE",
		"without=colour:a":       "one of model, tenant",
		many + "without=model:n": "at most 50",
		"without=model:" + strings.Repeat("m", longestLeftOut+1): "at most 512",
	} {
		v, _ := url.ParseQuery(query)
		if _, bad := LeftOutOf(v, known); len(bad) != 1 || bad[0].Pointer != "?without" || !strings.Contains(bad[0].Detail, want) {
			t.Errorf("%.80s: %v, want %q", query, bad, want)
		}
	}
}
