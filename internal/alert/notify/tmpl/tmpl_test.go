package tmpl

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func example() *Data {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Data{Version: "4", Status: Firing, Receiver: "ops", GroupLabels: map[string]string{"alertname": "Slow"}, CommonLabels: map[string]string{"alertname": "Slow", "service.name": "gw", "team": "a"},
		CommonAnnotations: map[string]string{"summary": "it is slow"}, ExternalURL: "http://hxp", Alerts: []Alert{
			{Status: Firing, Labels: map[string]string{"model": "m1"}, Annotations: map[string]string{"summary": "m1 is slow"}, StartsAt: at},
			{Status: Resolved, Labels: map[string]string{"model": "m2"}, StartsAt: at, EndsAt: at.Add(time.Minute)},
		}}
}

func TestTemplates(t *testing.T) {
	set, _, err := ParseSet(map[string]string{"who": "{{ .CommonLabels.team }}!", "loop": `{{ template "loop" . }}`, "one": `{{ .Labels.model }}`})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"plain":                                            "plain",
		"{{ .Status | toUpper }}":                          "FIRING",
		"{{ .CommonLabels.alertname }}":                    "Slow",
		`{{ index .CommonLabels "service.name" }}`:         "gw",
		"{{ .CommonLabels.absent }}":                       "",
		"{{ len .Alerts }}/{{ len .Alerts.Firing }}":       "2/1",
		"{{ range .Alerts }}{{ .Labels.model }} {{ end }}": "m1 m2 ",
		"{{ range .Alerts.Resolved }}{{ .Labels.model }} {{ .StartsAt }}-{{ .EndsAt }}{{ end }}":       "m2 2026-03-01T12:00:00Z-2026-03-01T12:01:00Z",
		"{{ range .Alerts.Firing }}{{ if .EndsAt }}over{{ else }}open{{ end }}{{ end }}":               "open",
		"{{ range .GroupLabels.Values }}{{ . }}{{ end }}":                                              "Slow",
		"{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }},{{ end }}":                      "alertname=Slow,service.name=gw,team=a,",
		`{{ if eq .Status "resolved" }}a{{ else if .CommonAnnotations.summary }}b{{ else }}c{{ end }}`: "b",
		`{{ if and .Status (not .CommonLabels.x) }}yes{{ end }}`:                                       "yes",
		`{{ range .Alerts }}{{ range .Labels.Names }}{{ . }}@{{ $.Receiver }} {{ end }}{{ end }}`:      "model@ops model@ops ",
		"a {{- .Receiver -}} b":                              "aopsb",
		"a{{/* a remark }} */}}b":                            "ab",
		`{{ template "who" . }}`:                             "a!",
		`{{ range .Alerts }}{{ template "one" . }}{{ end }}`: "m1m2",
		`{{ .CommonLabels.x | default "none" }}`:             "none",
		`{{ or .CommonLabels.x .Receiver }}`:                 "ops",
		`{{ .GroupLabels.Values | join "," }}`:               "Slow",
		`{{ .Receiver | truncate 4 }}`:                       "ops",
		`{{ "straße ganz lang" | truncate 8 }}`:              "stra…",
		`{{ reReplaceAll "o(.)" "<$1>" .Receiver }}`:         "<p>s",
		`{{ .Receiver | reReplaceAll "^o" "a/" }}`:           "a/ps",
		`{{ .CommonLabels }}`:                                "alertname=Slow, service.name=gw, team=a",
		`{{ "it's" | title }}`:                               "It's",
	} {
		p, err := Parse(text, set)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := p.Execute(example()); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", text, got, want, err)
		}
	}
	endless, err := Parse(`{{ template "loop" . }}`, set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := endless.Execute(example()); !errors.Is(err, errCalls) {
		t.Errorf("endless: %v", err)
	}
}

func TestTemplatesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"a\n{{ .Status": "line 2", "{{ end }}": "ends nothing", "{{ if .Status }}": "no {{ end }}", "{{ if .Status }}{{ else }}{{ else }}{{ end }}": "no {{ end }}", "{{ .Statu }}": `did you mean "Status"`,
		"{{ toUper .Status }}": `did you mean "toUpper"`, "{{ alertname }}": "begins with a point", `{{ template "x" . }}`: `no template "x"`, "{{ define \"x\" }}": "not known here", "{{ .Status | }}": "function must follow",
		"{{ toUpper }}": "takes 1", `{{ "a }}`: "not closed", "{{ (.Status }}": "parenthesis", "{{ $x }}": "variables", "{{ .Status .Receiver }}": "not understood", "{{}}": "value is missing",
		strings.Repeat("{{ if .Status }}", 30): "deep", strings.Repeat("x", maxText+1): "more than", `{{ ` + strings.Repeat("(", 50) + ` }}`: "deep", "{{ 99999999999999999999 }}": "no number",
	} {
		if _, err := Parse(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

// TestReplacingIsBounded: what would come out is known before memory is taken for it.
func TestReplacingIsBounded(t *testing.T) {
	in := strings.Repeat("a", maxOutput-1)
	for pattern, by := range map[string]string{"": strings.Repeat("b", 1<<10), "a+": strings.Repeat("$0", 1<<10)} {
		if most := mostReplaced(regexp.MustCompile(pattern), by, in); most <= 16*maxOutput {
			t.Errorf("%q: reckoned as %d bytes", pattern, most)
		}
		if _, err := replaced(pattern, by, in); !errors.Is(err, errOutput) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	if out, err := replaced("a", "${0}", in); err != nil || out != in {
		t.Errorf("a replacement by the same: %v", err)
	}
}

// A template that is read ends, within bounds.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{ .Status }}", "{{ range .Alerts }}{{ range .Labels.SortedPairs }}{{ .Name }}{{ end }}{{ end }}", "{{- if eq 1 2 -}}x{{ else }}y{{ end }}", "{{/* */}}", `{{ reReplaceAll "" "xxxx" .Receiver }}`, "{{ title \"\xff\" }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text, nil)
		if err != nil {
			return
		}
		if out, err := p.Execute(example()); err == nil && len(out) > 2*maxOutput+maxText {
			t.Errorf("%d bytes", len(out))
		}
	})
}
