package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// wellFormed reads HTML that was written as XML, so that a forgotten end or an open quote is found. Void elements are closed for it.
func wellFormed(t *testing.T, page []byte) {
	t.Helper()
	text := string(page)
	for _, void := range []string{`<meta charset="utf-8">`, `<meta name="viewport" content="width=device-width,initial-scale=1">`, `<meta name="viewport" content="width=device-width">`} {
		text = strings.ReplaceAll(text, void, strings.TrimSuffix(void, ">")+"/>")
	}
	d := xml.NewDecoder(strings.NewReader(strings.Replace(text, "<!doctype html>", "", 1)))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%.3000s", err, page)
		}
	}
}

// The pages of every kind are well formed, ask nothing from outside, and run nothing.
func TestPages(t *testing.T) {
	for name, d := range documents() {
		for _, form := range []string{HTML, Mail} {
			page := render(t, d, form)
			wellFormed(t, page)
			for _, no := range []string{"<script", "<img", "<link", "@import", "url(", "{}"} {
				if bytes.Contains(page, []byte(no)) {
					t.Errorf("%s as %s has %q", name, form, no)
				}
			}
			if form == Mail && (bytes.Contains(page, []byte("<svg")) || len(page) > 200<<10) {
				t.Errorf("the mail of %s has %d bytes, or SVG", name, len(page))
			}
			if form == HTML && name != "test" && name != "capacity" && bytes.Count(page, []byte("<svg")) < 2 {
				t.Errorf("the page of %s has %d charts", name, bytes.Count(page, []byte("<svg")))
			}
		}
	}
}

// Names of models, tenants and texts of a template cannot become markup.
func TestPagesEscape(t *testing.T) {
	const evil = `<script>alert("x")</script>' onload='{}&`
	s := sample(Monthly, 1)
	s.Models[0].Model, s.Tenants[0].Model, s.Incidents.Fired[0].Text = evil, evil, evil
	tpl := *builtin
	tpl.Organisation, tpl.Texts = evil, map[string]string{"title": evil, "footer": evil, "intro": evil}
	s.Template = &tpl
	for _, form := range []string{HTML, Mail} {
		page := render(t, s, form)
		wellFormed(t, page)
		if bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("' onload='")) {
			t.Errorf("%s: markup from outside", form)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(`a<b>&"'`)
	f.Add("\x00\u202e\ufffe")
	f.Fuzz(func(t *testing.T, s string) {
		var got strings.Builder
		d := xml.NewDecoder(strings.NewReader(`<a b="` + escape(s) + `">` + escape(s) + `</a>`))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q becomes %q: %v", s, escape(s), err)
			}
			if text, ok := tok.(xml.CharData); ok {
				got.Write(text)
			}
		}
		if strings.ContainsAny(s, "\n\t\r\x00\ufffd") || strings.ContainsRune(s, '\ufffd') {
			return
		}
		if len(got.String()) > len(s) {
			t.Errorf("%q is read as %q", s, got.String())
		}
	})
}
