package httpx_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type wish struct {
	On     *bool   `json:"on"`
	Reason string  `json:"reason"`
	Count  int     `json:"count"`
	Share  float64 `json:"share"`
}

func TestDecodeBody(t *testing.T) {
	for _, c := range []struct {
		name, body string
		rule       httpx.BodyRule
		status     int // 0 = taken
		pointer    string
		detail     string
	}{
		{"object", `{"on":true}`, httpx.Strict, 0, "", ""},
		{"blanks around", " {\"on\":true}\n", httpx.Strict, 0, "", ""},
		{"nothing", "", httpx.Strict, 400, "", "it is empty"},
		{"nothing, optional", " ", httpx.Optional, 0, "", ""},
		{"unknown field", `{"off":true}`, httpx.Strict, 422, "/off", "no such field"},
		{"unknown field, lenient", `{"off":true}`, httpx.Lenient, 0, "", ""},
		{"optional is strict", `{"off":true}`, httpx.Optional, 422, "/off", "no such field"},
		{"both", ``, httpx.Optional | httpx.Lenient, 0, "", ""},
		{"wrong type", `{"on":"yes"}`, httpx.Strict, 422, "/on", "must be true or false, not a string"},
		{"no whole number", `{"count":1.5}`, httpx.Strict, 422, "/count", "must be a whole number"},
		{"no number", `{"share":"1"}`, httpx.Strict, 422, "/share", "must be a number, not a string"},
		{"array", `[]`, httpx.Strict, 400, "", "not a JSON object but an array"},
		{"no JSON", `{"on":`, httpx.Strict, 400, "", "not a JSON object"},
		{"two objects", `{}{}`, httpx.Strict, 400, "", "something follows"},
		{"a bracket that closes nothing", `{}}`, httpx.Strict, 400, "", "something follows"},
		{"large", `{"reason":"` + strings.Repeat("x", 100) + `"}`, httpx.Strict, 413, "", "more than 64 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v wish
			bad := httpx.DecodeBody(httptest.NewRecorder(), httptest.NewRequest("PUT", "/", strings.NewReader(c.body)), 64, &v, c.rule)
			if c.status == 0 {
				if bad != nil {
					t.Fatalf("refused: %+v", bad)
				}
				return
			}
			if bad == nil {
				t.Fatalf("taken: %+v", v)
			}
			pointer := ""
			if len(bad.Errors) > 0 {
				pointer = bad.Errors[0].Pointer
			}
			if bad.Status != c.status || pointer != c.pointer || !strings.Contains(bad.Detail, c.detail) {
				t.Errorf("%d at %q: %s", bad.Status, pointer, bad.Detail)
			}
		})
	}
}

func FuzzDecodeBody(f *testing.F) {
	for _, text := range []string{"", "{}", `{"on":true,"reason":"r","by":null}`, `{"on":"x"}`, "[", "{}{}", "{}}", "null}", "\x00", `{"reason":` + strings.Repeat("[", 5000)} {
		f.Add(text, 0)
		f.Add(text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, rule int) {
		var v wish
		bad := httpx.DecodeBody(httptest.NewRecorder(), httptest.NewRequest("PUT", "/", strings.NewReader(text)), 1<<16, &v, httpx.BodyRule(rule))
		if bad == nil && strings.TrimSpace(text) != "" && !json.Valid([]byte(text)) {
			t.Errorf("taken: %q", text)
		}
		if bad != nil && (bad.Status < 400 || bad.Status > 499 || bad.Detail == "") {
			t.Errorf("%+v", bad)
		}
	})
}
