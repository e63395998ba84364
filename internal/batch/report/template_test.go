package report

import (
	"bytes"
	"errors"
	"image"
	imagecolor "image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder writes templates.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The template of a report is the one that is named, that has its name, that lists it, that is for all, or the built-in one.
func TestWhichTemplate(t *testing.T) {
	dir := folder(t, map[string]string{"cost.yaml": "paper: letter\n", "brief.yaml": "reports: [daily_summary]\n", "house.yaml": "organisation: ACME\n", "notes.txt": "x"})
	for _, tc := range []struct {
		name string
		kind Kind
		want string
	}{{"", Cost, "cost"}, {"", Daily, "brief"}, {"", Weekly, "house"}, {"house", Daily, "house"}, {"builtin", Cost, ""}} {
		if got, err := FindTemplate(dir, tc.name, tc.kind); err != nil || got.Name() != tc.want {
			t.Errorf("%q for %s: %v, %v", tc.name, tc.kind, got, err)
		}
	}
	if _, err := FindTemplate(dir, "mine", Cost); !errors.Is(err, ErrNoTemplate) || !strings.Contains(err.Error(), "builtin, brief, cost, house") {
		t.Errorf("unknown: %v", err)
	}
	for _, none := range []string{"", filepath.Join(dir, "away")} {
		if got, err := FindTemplate(none, "", Cost); err != nil || got != builtin {
			t.Errorf("no folder %q: %v, %v", none, got, err)
		}
	}
}

// What is wrong with a template is said with file, line and column.
func TestTemplateFaults(t *testing.T) {
	for text, want := range map[string]string{
		"papr: a4\n":                                  `1:1: papr: unknown key`,
		"\npaper: a3\n":                               "2:8: paper: ",
		"sections: [models, models]\n":                "models is named twice",
		"sections: [model]\n":                         "1:12: sections",
		"texts:\n  titel: x\n":                        `there is no text "titel"`,
		"colors:\n  accent: blue\n":                   `"blue" is no colour such as #2057a6`,
		"colors:\n  ink: '#ffffaa'\n":                 "too light",
		"currency: {code: EUR, rate: 0}\n":            `"0" is not a number`,
		"currency: {code: EUR, rate: NaN}\n":          `"NaN" is not a number`,
		"currency: {rate: '0.9'}\n":                   "a US dollar is one US dollar",
		"currency: {code: euro}\n":                    "three capital letters",
		"logo: ../logo.png\n":                         "lies beside the template",
		"logo: none.png\n":                            "no such file",
		"locale: xx-XX\n":                             "locale",
		"reports: [daily]\n":                          "reports",
		"a: [\n":                                      "this is no YAML",
		"title: " + strings.Repeat("x", 2<<20) + "\n": "larger than",
	} {
		_, err := FindTemplate(folder(t, map[string]string{"house.yaml": text}), "house", Daily)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "house") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := FindTemplate(folder(t, map[string]string{"My Template.yaml": ""}), "", Daily); err == nil || !strings.Contains(err.Error(), "1 to 32 of a-z") {
		t.Errorf("a bad name: %v", err)
	}
}

// A template changes order, words, numbers, colours and paper; the data stay as they are.
func TestTemplateIsFollowed(t *testing.T) {
	dir := folder(t, map[string]string{"house.yaml": `organisation: ACME plc
paper: letter
locale: de-DE
currency: {code: EUR, symbol: "€", rate: "0.5"}
colors: {accent: "#6a1b9a"}
sections: [cost, models]
texts:
  title: Bericht
  intro: Vertraulich.
  footer: ACME intern
  cost: Kosten
  requests: Anfragen
`})
	tpl, err := FindTemplate(dir, "house", Monthly)
	if err != nil {
		t.Fatal(err)
	}
	s := sample(Monthly, 1)
	plain, data := render(t, s, CSV), render(t, s, JSON)
	s.Template = tpl
	if !bytes.Equal(render(t, s, CSV), plain) {
		t.Error("the template changes the CSV")
	}
	if got := render(t, s, JSON); bytes.Equal(got, data) || !bytes.Contains(got, []byte(`"value": 850.8`)) {
		t.Error("the JSON does not have the texts of the template, or not the dollars of the data")
	}
	pages := words(t, render(t, s, PDF))
	if len(pages) != 3 {
		t.Errorf("%d pages, want page one, cost and models, and the last", len(pages))
	}
	for _, want := range []string{"ACME plc", "Bericht", "Juni 2025", "Vertraulich.", "Anfragen", "691.754", "425,43\u00a0€", "ACME intern"} {
		if !strings.Contains(pages[0], want) {
			t.Errorf("page one lacks %q:\n%s", want, pages[0])
		}
	}
	if cost, models := strings.Index(pages[1], "Kosten"), strings.Index(pages[1], "Models"); cost < 0 || models < cost {
		t.Errorf("page two:\n%s", pages[1])
	}
	if last := pages[len(pages)-1]; !strings.Contains(last, "1 USD = 0.5 EUR") || !strings.Contains(last, "template house") {
		t.Errorf("the last page:\n%s", last)
	}
}

// Numbers and days are written as at the place.
func TestLocales(t *testing.T) {
	for name, want := range map[string][3]string{
		"en-US": {"$1,234.50", "1,234,567", "2 Jun 2025"}, "en-GB": {"$1,234.50", "1,234,567", "2 Jun 2025"}, "de-DE": {"1.234,50\u00a0$", "1.234.567", "2. Juni 2025"},
		"de-CH": {"$1’234.50", "1’234’567", "2. Juni 2025"}, "fr-FR": {"1\u00a0234,50\u00a0$", "1\u00a0234\u00a0567", "2 juin 2025"}, "es-ES": {"1.234,50\u00a0$", "1.234.567", "2 jun 2025"},
		"it-IT": {"1.234,50\u00a0$", "1.234.567", "2 giu 2025"}, "nl-NL": {"$1.234,50", "1.234.567", "2 juni 2025"},
	} {
		tpl := *builtin
		tpl.Locale = name
		st := styleOf(&tpl)
		if got := [3]string{st.money(new(1234.5)), st.count(1234567), st.date(day0, st.day)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(locales) != 8 {
		t.Errorf("%d places", len(locales))
	}
}

// A logo is a PNG that the PDF library can read, whatever is in the file.
func FuzzLogo(f *testing.F) {
	f.Add(samplePNG())
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkPNG(b) != nil {
			return
		}
		if w, h := logoSize(b); w < 1 || h < 1 || w > maxLogoSide || h > maxLogoSide {
			t.Errorf("%v × %v", w, h)
		}
	})
}

func TestLogo(t *testing.T) {
	picture := samplePNG()
	if err := checkPNG(picture); err != nil {
		t.Fatal(err)
	}
	for n := range picture {
		if err := checkPNG(picture[:n]); err == nil {
			t.Errorf("cut after %d bytes it is taken", n)
		}
	}
	interlaced := slices.Clone(picture)
	interlaced[28] = 1
	if checkPNG(interlaced) == nil {
		t.Error("an interlaced one is taken")
	}
	dir := folder(t, map[string]string{"house.yaml": "logo: logo.png\n", "logo.png": string(picture)})
	tpl, err := FindTemplate(dir, "house", Daily)
	if err != nil {
		t.Fatal(err)
	}
	s := sample(Daily, 1)
	s.Template = tpl
	if b := render(t, s, PDF); !bytes.Contains(b, []byte("/Subtype /Image")) || !bytes.Equal(b, render(t, s, PDF)) {
		t.Error("the logo is not in the PDF, or not the same each time")
	}
}

// samplePNG is a small picture.
func samplePNG() []byte {
	m := image.NewRGBA(image.Rect(0, 0, 40, 12))
	for x := range 40 {
		for y := range 12 {
			m.Set(x, y, imagecolor.RGBA{uint8(6 * x), 40, uint8(20 * y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}
