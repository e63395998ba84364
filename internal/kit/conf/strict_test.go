package conf

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type shout string

func (s *shout) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("say something")
	}
	*s = shout(strings.ToUpper(string(text)))
	return nil
}

type paper struct {
	Name  string            `json:"name"`
	Loud  shout             `json:"loud"`
	Count int               `json:"count"`
	On    *bool             `json:"on"`
	Pairs map[string]string `json:"pairs"`
	Parts []paper           `json:"parts"`
	Inner *paper            `json:"inner"`
}

func TestDecodeReadsYAMLAndJSON(t *testing.T) {
	yes := true
	want := paper{Name: "a", Loud: "HEY", Count: 3, On: &yes, Pairs: map[string]string{"k": "1"}, Parts: []paper{{Name: "b"}}, Inner: &paper{Name: "c"}}
	for _, text := range []string{
		"name: a\nloud: hey\ncount: 3\non: true\npairs: {k: 1}\nparts:\n- name: b\ninner:\n  name: c\n",
		`{"name":"a","loud":"hey","count":3,"on":true,"pairs":{"k":"1"},"parts":[{"name":"b"}],"inner":{"name":"c"}}`,
	} {
		var got paper
		if faults := Decode([]byte(text), &got); faults != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", text, got, faults)
		}
	}
}

func TestDecodeSaysWhatIsWrongAndWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "0  it is empty",
		"name: [":                         "neither YAML nor JSON",
		"- a":                             "1  an object",
		"nam: a":                          `1 /nam there is no such key; did you mean "name"?`,
		"name: a\nname: b":                "2 /name the key stands twice",
		"name: {a: b}":                    "1 /name a text belongs here",
		"count: x":                        "1 /count a whole number",
		"on: 1":                           "1 /on true or false",
		"loud: ''":                        "1 /loud say something",
		"parts: {}":                       "1 /parts a list",
		"parts:\n- name: a\n- on: maybe":  "3 /parts/1/on true or false",
		"pairs: {a: [1]}":                 "1 /pairs/a a text",
		"name: &x a":                      "anchors and aliases",
		"name: a\n---\nname: b":           "second document",
		"pairs: {a/b: true}":              "1 /pairs/a~1b a text",
		strings.Repeat("inner: {", 40):    "neither",
		strings.Repeat("x", 2*(1<<20)):    "more than 1048576 bytes",
		"inner: " + nested(40) + "\n":     "levels deep",
		"name: a\ninner: {<<: {name: b}}": "no plain text",
	} {
		var got []string
		for _, f := range Decode([]byte(text), &paper{}) {
			got = append(got, fmt.Sprint(f.Line, " ", f.Pointer, " ", f.Detail))
		}
		if all := strings.Join(got, "\n"); len(got) == 0 || !strings.Contains(all, want) {
			t.Errorf("%.60q: %q, want %q", text, all, want)
		}
	}
}

func nested(n int) string { return strings.Repeat("{inner: ", n) + "{}" + strings.Repeat("}", n) }

// Whatever is sent, Decode returns, and either fills the struct or says why not.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: a", `{"parts":[{"on":true}]}`, "a: &x [*x]", "? [a]\n: b", "pairs: {~: 1}", "inner: {<<: {a: b}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p paper
		for _, fault := range Decode(data, &p) {
			if fault.Detail == "" {
				t.Error("a fault says nothing")
			}
		}
	})
}
