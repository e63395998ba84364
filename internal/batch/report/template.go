package report

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

// Template says what a report shows and how it looks. Every field has a default, so the empty file is the built-in template.
type Template struct {
	Reports      []string          `yaml:"reports" enum:"hourly_summary,daily_summary,weekly_summary,monthly_summary,business_intelligence,monthly_business_intelligence,capacity_analysis,cost,test" doc:"Reports that it is for when none is named; all when empty."`
	Organisation string            `yaml:"organisation" default:"HXP-Enterprise LLM Server" doc:"Name at the head of page one."`
	Logo         string            `yaml:"logo" doc:"PNG beside the template, in place of the name at the head of page one."`
	Paper        string            `yaml:"paper" default:"a4" enum:"a4,letter" doc:"Size of the pages."`
	Locale       string            `yaml:"locale" default:"en-US" enum:"en-US,en-GB,de-DE,de-CH,fr-FR,es-ES,it-IT,nl-NL" doc:"How numbers and days are written."`
	Currency     Currency          `yaml:"currency" doc:"Money in the texts; data stay in US dollars."`
	Colors       Colors            `yaml:"colors" doc:"Colours, each as #rrggbb."`
	Sections     []string          `yaml:"sections" enum:"trends,findings,savings,models,tenants,people,users,endpoints,cost,own,budgets,quality,satisfaction,incidents,capacity,growth,forecast,recommendations,saturation,phases,lacking,periods" doc:"Sections behind page one, in this order; those of the report in their own order when empty. The last page, coverage and definitions, is always there."`
	Texts        map[string]string `yaml:"texts" doc:"Texts in place of the built-in ones, by name: title, intro, footer, the name of a section for its heading, NAME.about for the line below it, and the key of a headline number (requests, error_rate, latency_p95_ms, user_satisfaction, cost_usd) for its label."`

	name string
	logo []byte
}

// Currency is the money that readers count in.
type Currency struct {
	Code   string  `yaml:"code" default:"USD" doc:"Three letters."`
	Symbol string  `yaml:"symbol" default:"$" doc:"Sign beside the amounts."`
	Rate   string  `yaml:"rate" default:"1" doc:"How much of it one US dollar is, as a decimal number. A fixed rate: the report names it."`
	rate   float64 // of Rate, 0 = 1
}

// Colors are the colours of a template.
type Colors struct {
	Accent string `yaml:"accent" default:"#2057a6" doc:"Bars, lines, and the rule at the head of page one."`
	Ink    string `yaml:"ink" default:"#1c2530" doc:"Text."`
	Good   string `yaml:"good" default:"#187a48" doc:"A change for the better."`
	Bad    string `yaml:"bad" default:"#ba3428" doc:"A change for the worse, and failures."`
}

// sections are the names that a template may order.
var sections = []string{"trends", "findings", "savings", "models", "tenants", "people", "users", "endpoints", "cost", "own", "budgets", "quality", "satisfaction", "incidents", "capacity", "growth", "forecast", "recommendations", "saturation", "phases", "lacking", "periods"}

// headlineKeys are the keys of the five numbers.
var headlineKeys = []string{"requests", "error_rate", "latency_p95_ms", "user_satisfaction", "cost_usd"}

// Limits of what a template holds.
const (
	maxTemplateText = 2000
	maxLogo         = 256 << 10
	maxTemplates    = 200
	maxLogoSide     = 2048
)

var (
	hexColor     = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	templateName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
)

// Validate reports what is wrong beyond types and choices.
func (t *Template) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range t.Sections {
		if seen[s] {
			errs = append(errs, fmt.Errorf("sections: %s is named twice", s))
		}
		seen[s] = true
	}
	known := []string{"title", "intro", "footer"}
	known = append(known, headlineKeys...)
	for _, s := range sections {
		known = append(known, s, s+".about")
	}
	for _, key := range slices.Sorted(maps.Keys(t.Texts)) {
		switch text := t.Texts[key]; {
		case !slices.Contains(known, key):
			errs = append(errs, fmt.Errorf("texts: there is no text %q; the names are %s", key, strings.Join(known, ", ")))
		case len(text) > maxTemplateText:
			errs = append(errs, fmt.Errorf("texts: %s has %d bytes; at most %d have room", key, len(text), maxTemplateText))
		}
	}
	if len(t.Organisation) > 80 {
		errs = append(errs, fmt.Errorf("organisation: %d bytes; at most 80 have room", len(t.Organisation)))
	}
	if t.Logo != "" && (t.Logo != filepath.Base(t.Logo) || !strings.HasSuffix(strings.ToLower(t.Logo), ".png")) {
		errs = append(errs, fmt.Errorf("logo: %q: name a .png that lies beside the template", t.Logo))
	}
	return errors.Join(errs...)
}

// Validate reports what is wrong with the money.
func (c *Currency) Validate() error {
	var errs []error
	if !currencyCode.MatchString(c.Code) {
		errs = append(errs, fmt.Errorf("code: %q is not three capital letters such as EUR", c.Code))
	}
	if n := len([]rune(c.Symbol)); n < 1 || n > 4 {
		errs = append(errs, fmt.Errorf("symbol: %q: give one to four signs", c.Symbol))
	}
	rate, err := strconv.ParseFloat(c.Rate, 64)
	if err != nil || !(rate >= 1e-6 && rate <= 1e6) {
		errs = append(errs, fmt.Errorf("rate: %q is not a number from 0.000001 to 1000000", c.Rate))
	} else if c.rate = rate; c.Code == "USD" && rate != 1 {
		errs = append(errs, fmt.Errorf("rate: a US dollar is one US dollar; name the code of the money that costs %s", c.Rate))
	}
	return errors.Join(errs...)
}

// Validate reports what is wrong with the colours.
func (c *Colors) Validate() error {
	var errs []error
	for _, v := range []struct{ name, text string }{{"accent", c.Accent}, {"ink", c.Ink}, {"good", c.Good}, {"bad", c.Bad}} {
		if !hexColor.MatchString(v.text) {
			errs = append(errs, fmt.Errorf("%s: %q is no colour such as #2057a6", v.name, v.text))
			continue
		}
		if light(colorOf(v.text)) {
			errs = append(errs, fmt.Errorf("%s: %s is too light to be read on white paper", v.name, v.text))
		}
	}
	return errors.Join(errs...)
}

// colorOf reads #rrggbb.
func colorOf(text string) color {
	n, _ := strconv.ParseUint(strings.TrimPrefix(text, "#"), 16, 32)
	return color{int(n >> 16 & 255), int(n >> 8 & 255), int(n & 255)}
}

// light tells whether text in a colour cannot be read on white.
func light(c color) bool { return 0.299*float64(c.r)+0.587*float64(c.g)+0.114*float64(c.b) > 170 }

// mix puts white into a colour.
func (c color) mix(white float64) color {
	m := func(v int) int { return v + int(float64(255-v)*white+0.5) }
	return color{m(c.r), m(c.g), m(c.b)}
}

// builtin is the template that is used where a folder has none.
var builtin = &Template{Organisation: "HXP-Enterprise LLM Server", Paper: "a4", Locale: "en-US", Currency: Currency{Code: "USD", Symbol: "$", Rate: "1"},
	Colors: Colors{Accent: "#2057a6", Ink: "#1c2530", Good: "#187a48", Bad: "#ba3428"}}

// Name is that of its file, "" for the built-in one.
func (t *Template) Name() string { return t.name }

// text is a text of the template, or the one that is built in.
func (t *Template) text(key, builtin string) string {
	if text, ok := t.Texts[key]; ok {
		return text
	}
	return builtin
}

// order puts sections into the order of the template; it leaves out those that it does not name.
func (t *Template) order(all []section) []section {
	if len(t.Sections) == 0 {
		return all
	}
	var out []section
	for _, name := range t.Sections {
		if i := slices.IndexFunc(all, func(s section) bool { return s.key == name }); i >= 0 {
			out = append(out, all[i])
		}
	}
	return out
}

// ErrNoTemplate is the error of a name that no file has.
var ErrNoTemplate = errors.New("there is no such template")

// FindTemplate returns the template with a name of a folder. Without a name it is the one that has the name of the report, else the
// first by name that is for it, else the built-in one. A fault of a file is an error with its place.
func FindTemplate(dir, name string, k Kind) (*Template, error) {
	if name == "builtin" {
		return builtin, nil
	}
	files, err := templateFiles(dir)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return templateFor(dir, files, k)
	}
	if !slices.Contains(files, name) {
		known := "builtin"
		if len(files) > 0 {
			known += ", " + strings.Join(files, ", ")
		}
		return nil, fmt.Errorf("%w: %q; known are %s", ErrNoTemplate, name, known)
	}
	return readTemplate(dir, name)
}

func templateFor(dir string, files []string, k Kind) (*Template, error) {
	if slices.Contains(files, string(k)) {
		return readTemplate(dir, string(k))
	}
	for _, f := range files {
		if Kind(f).Known() {
			continue // of another report
		}
		t, err := readTemplate(dir, f)
		if err != nil {
			return nil, err
		}
		if len(t.Reports) == 0 || slices.Contains(t.Reports, string(k)) {
			return t, nil
		}
	}
	return builtin, nil
}

// templateFiles are the names of a folder; one that is not there has none.
func templateFiles(dir string) ([]string, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		if !templateName.MatchString(name) {
			return nil, fmt.Errorf("templates: %s: the name of a template is 1 to 32 of a-z, 0-9 and _", filepath.Join(dir, e.Name()))
		}
		names = append(names, name)
	}
	if len(names) > maxTemplates {
		return nil, fmt.Errorf("templates: %s has %d; at most %d are read", dir, len(names), maxTemplates)
	}
	return names, nil
}

func readTemplate(dir, name string) (*Template, error) {
	var root struct {
		Template Template `file:"template"`
	}
	path := filepath.Join(dir, name+".yaml")
	if err := conf.LoadFile(&root, path); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	t := &root.Template
	t.name = name
	if t.Logo == "" {
		return t, nil
	}
	var err error
	if t.logo, err = readLogo(filepath.Join(dir, t.Logo)); err != nil {
		return nil, fmt.Errorf("template %s: logo: %w", name, err)
	}
	return t, nil
}
