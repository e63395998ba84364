package cost

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Limits of one document of prices.
const (
	MaxBytes  = 8 << 20 // LiteLLM's whole list has about 1 MB
	maxPrices = 10_000
	maxFields = 200 // of one price
	maxTiers  = 8
	maxName   = 256 // bytes of the name of a model
	maxFaults = 100
)

// Fault says what is wrong with a document, and where.
type Fault struct{ Pointer, Code, Detail string }

// Faults are all that is wrong with a document.
type Faults []Fault

func (f Faults) Error() string {
	s := make([]string, len(f))
	for i, x := range f {
		s[i] = strings.TrimSpace(x.Pointer + " " + x.Detail)
	}
	return strings.Join(s, "; ")
}

// Document is prices as people write them.
type Document struct {
	Prices   []*Price
	Warnings []string // costs that stand there and that no request is rated by
}

// Read reads {"prices": [{"model", "effective_from", "input_cost_per_token", …}]}, or LiteLLM's list {NAME: {"input_cost_per_token", …}}
// whose prices hold from otherwise on. Either way the fields have LiteLLM's names and its unit, USD for one token. The error is Faults.
func Read(text []byte, otherwise time.Time) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, Faults{{"", "too_large", fmt.Sprintf("the document has %d bytes; at most %d are read", len(text), MaxBytes)}}
	}
	top, err := members(text)
	if err != nil {
		return nil, Faults{{"", "json", "the document cannot be read: " + err.Error()}}
	}
	r := reader{doc: &Document{}, seen: map[string]bool{}, unused: map[string]int{}}
	if list, ok := top["prices"]; ok && bytes.HasPrefix(bytes.TrimLeft(list, " \t\r\n"), []byte("[")) {
		r.list(top, list)
	} else if !otherwise.IsZero() {
		r.liteLLM(top, otherwise)
	} else {
		r.fault("/prices", "required", `give a list: {"prices": [{"model": …, "effective_from": …, "input_cost_per_token": …}]}; LiteLLM's list needs the time from which its prices hold`)
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	for _, name := range slices.Sorted(maps.Keys(r.unused)) {
		r.doc.Warnings = append(r.doc.Warnings, fmt.Sprintf("%s (%d prices) is not used: no request is rated by it", name, r.unused[name]))
	}
	return r.doc, nil
}

// members reads an object, and nothing behind it.
func members(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var m map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	if m == nil {
		return nil, errors.New("null is no object")
	}
	return m, nil
}

type reader struct {
	doc    *Document
	seen   map[string]bool
	unused map[string]int
	theirs bool // the list is LiteLLM's, which gets new fields every week
	faults Faults
}

func (r *reader) fault(pointer, code, format string, args ...any) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, Fault{pointer, code, fmt.Sprintf(format, args...)})
	}
}

func (r *reader) list(top map[string]json.RawMessage, list json.RawMessage) {
	for name := range top {
		if name != "prices" {
			r.fault("/"+escape(name), "unknown_field", "unknown field; a document has prices alone")
		}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		r.fault("/prices", "json", "%s", err)
		return
	}
	switch {
	case len(items) == 0:
		r.fault("/prices", "required", "the list is empty")
	case len(items) > maxPrices:
		r.fault("/prices", "too_many", "%d prices; at most %d at a time", len(items), maxPrices)
		return
	}
	for i, item := range items {
		at := "/prices/" + strconv.Itoa(i)
		fields, err := members(item)
		if err != nil {
			r.fault(at, "json", "a price is an object: %s", err)
			continue
		}
		model := r.text(at+"/model", fields["model"], "the name of the model, as its requests have it")
		from := r.time(at+"/effective_from", fields["effective_from"])
		r.price(at, model, from, fields)
	}
}

// sampleSpec is the entry of LiteLLM's list that explains the others.
const sampleSpec = "sample_spec"

func (r *reader) liteLLM(top map[string]json.RawMessage, from time.Time) {
	r.theirs = true
	if len(top) > maxPrices {
		r.fault("", "too_many", "%d models; at most %d at a time", len(top), maxPrices)
		return
	}
	for _, model := range slices.Sorted(maps.Keys(top)) {
		if model == sampleSpec {
			continue
		}
		at := "/" + escape(model)
		fields, err := members(top[model])
		switch {
		case err != nil:
			r.fault(at, "json", "a price is an object: %s", err)
		case model == "":
			r.fault(at, "required", "a price of a model without a name")
		case priced(fields):
			r.price(at, model, from, fields)
		}
	}
}

// priced tells whether an entry has a price that requests are rated by; LiteLLM's list has many models without.
func priced(fields map[string]json.RawMessage) bool {
	for name := range fields {
		if _, known := (&Price{}).rate(name); known {
			return true
		}
	}
	return false
}

func (r *reader) text(at string, raw json.RawMessage, what string) (s string) {
	switch {
	case raw == nil:
		r.fault(at, "required", "missing: %s", what)
	case json.Unmarshal(raw, &s) != nil || s == "":
		r.fault(at, "type", "%s is no text: %s", clip(raw), what)
	}
	return s
}

func (r *reader) time(at string, raw json.RawMessage) time.Time {
	s := r.text(at, raw, "the time from which the price holds, such as 2026-03-01T00:00:00Z")
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Year() < 1970 || t.Year() > 2200 {
				r.fault(at, "out_of_range", "%q is not between 1970 and 2200", s)
			}
			return t.UTC()
		}
	}
	r.fault(at, "bad_timestamp", "%.80q is not an RFC 3339 time such as 2026-03-01T00:00:00Z", s)
	return time.Time{}
}

// price reads the rates of one model.
func (r *reader) price(at, model string, from time.Time, fields map[string]json.RawMessage) {
	p := &Price{Model: model, Effective: from.UnixMicro()}
	switch key := fmt.Sprintf("%s\x00%d", model, p.Effective); {
	case len(model) > maxName:
		r.fault(at+"/model", "too_long", "a name of %d bytes; at most %d", len(model), maxName)
	case len(fields) > maxFields:
		r.fault(at, "too_many", "%d fields; at most %d", len(fields), maxFields)
		return
	case model != "" && r.seen[key]:
		r.fault(at, "duplicate", "%.80q has another price from %s on in this document", model, from.Format(time.RFC3339))
	default:
		r.seen[key] = true
	}
	before := len(r.faults)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		r.field(at, p, name, fields[name])
	}
	if len(r.faults) > before {
		return
	}
	sorting.By(p.Tiers, func(a, b Tier) int { return cmp.Compare(a.Above, b.Above) })
	if p.Rates == (Rates{}) && p.Request == nil {
		r.fault(at, "required", "no price: give input_cost_per_token and output_cost_per_token, 0 for what is free")
	}
	for _, b := range beside {
		if part, all := b[0], b[1]; p.Rates[part] != nil && p.Rates[all] == nil {
			r.fault(at+"/"+rateNames[part], "required", "a price of a part of the tokens needs %s, which the others cost", rateNames[all])
		}
	}
	r.doc.Prices = append(r.doc.Prices, p)
}

// beside are the parts that are never all there is, with what the others are. Audio and images may be: models that draw have no other price
// for what they answer.
var beside = [][2]Sort{{Cached, Input}, {Written, Input}, {Written1h, Input}, {Reasoning, Output}}

func (r *reader) field(at string, p *Price, name string, raw json.RawMessage) {
	to, known := p.rate(name)
	null := string(raw) == "null"
	switch {
	case known && !null:
		var n json.Number
		if raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
			r.fault(at+"/"+escape(name), "type", "%s is no number of USD for one token", clip(raw))
			return
		}
		v, err := parsePico(n.String())
		if err != nil {
			r.fault(at+"/"+escape(name), "out_of_range", "%s", err)
			return
		}
		if to == nil {
			r.fault(at+"/"+escape(name), "too_many", "more than %d tiers", maxTiers)
			return
		}
		*to = &v
	case known || null:
	case otherCosts.MatchString(name), r.theirs && strings.Contains(name, "cost"):
		r.unused[name]++
	case strings.Contains(name, "cost"):
		r.fault(at+"/"+escape(name), "unknown_field", "no price that is known; %s (each also with _above_128k_tokens and the like) and input_cost_per_request are", strings.Join(rateNames[:], ", "))
	}
}

var (
	tierName = regexp.MustCompile(`^(.+)_above_([1-9][0-9]{0,5})k_tokens$`)
	// otherCosts are LiteLLM's prices of what an event does not count.
	otherCosts = regexp.MustCompile(`cache_creation|_batches|_flex|_priority|_per_(audio|image|video|character|second|pixel|page|query|session|gb|vector)|search_context|code_interpreter|file_search|vector_store|computer_use|ocr|annotation|citation|tool_use|_above_1hr|per_session`)
)

// rate finds the place of a price by its name; to is nil when there are too many tiers.
func (p *Price) rate(name string) (to **Pico, known bool) {
	rates, above := &p.Rates, int64(0)
	if m := tierName.FindStringSubmatch(name); m != nil {
		n, _ := strconv.ParseInt(m[2], 10, 64) // six digits
		name, above = m[1], n*1000
		if _, known := (&Price{}).rate(name); !known || name == "input_cost_per_request" {
			return nil, false
		}
		i := slices.IndexFunc(p.Tiers, func(t Tier) bool { return t.Above == above })
		if i < 0 {
			if i = len(p.Tiers); i == maxTiers {
				return nil, true
			}
			p.Tiers = append(p.Tiers, Tier{Above: above})
		}
		rates = &p.Tiers[i].Rates
	}
	if i := slices.Index(rateNames[:], name); i >= 0 {
		return &rates[i], true
	}
	if name == "input_cost_per_request" {
		return &p.Request, true
	}
	return nil, false
}

// fields are the prices of p by name.
func (p *Price) fields() map[string]Pico {
	out := map[string]Pico{}
	put := func(r *Rates, suffix string) {
		for i, v := range r {
			if v != nil {
				out[rateNames[i]+suffix] = *v
			}
		}
	}
	put(&p.Rates, "")
	for i := range p.Tiers {
		put(&p.Tiers[i].Rates, fmt.Sprintf("_above_%dk_tokens", p.Tiers[i].Above/1000))
	}
	if p.Request != nil {
		out["input_cost_per_request"] = *p.Request
	}
	return out
}

// MarshalJSON writes p as Read reads it, with known_from and version beside.
func (p *Price) MarshalJSON() ([]byte, error) {
	out := map[string]any{"model": p.Model, "effective_from": p.EffectiveFrom().Format(time.RFC3339Nano)}
	for name, v := range p.fields() {
		out[name] = v
	}
	if p.Known != 0 {
		out["known_from"], out["version"] = p.KnownFrom().Format(time.RFC3339Nano), p.Version()
	}
	return json.Marshal(out) // in the order of names
}

// Version names a version of a price: the same everywhere, another one whenever anything of it is.
func (p *Price) Version() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00%d", p.Model, p.Effective, p.Known)
	fields := p.fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(h, "\x00%s=%d", name, fields[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func escape(name string) string {
	if len(name) > 80 {
		name = strings.ToValidUTF8(name[:80], "") + "…"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func clip(raw []byte) string {
	return words.Clip(string(raw), 80)
}
