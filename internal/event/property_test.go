package event

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestReadings makes JSON objects out of the names and the awkward values that occur, and holds both readings to one meaning.
func TestReadings(t *testing.T) {
	var p Parser
	rapid.Check(t, func(r *rapid.T) {
		input := drawPayload(r)
		agreeIn(r, &p, input)
	})
}

// agreeIn is agree under rapid, which must see the failure itself to shrink it.
func agreeIn(r *rapid.T, p *Parser, input string) {
	var fast, slow, again Event
	got, want := p.Parse([]byte(input), &fast), Reference([]byte(input), &slow)
	if (got == nil) != (want == nil) || got != nil && *got != *want || !fast.Equal(&slow) {
		r.Fatalf("of %s\nParse: %v %s\nReference: %v %s", input, got, AppendJSON(nil, &fast), want, AppendJSON(nil, &slow))
	}
	if got != nil {
		return
	}
	text := AppendJSON(nil, &fast)
	if v := p.Parse(text, &again); v != nil || !again.Equal(&fast) || !json.Valid(text) {
		r.Fatalf("of %s\nwrote %s\nread %v %s", input, text, v, AppendJSON(nil, &again))
	}
}

var awkward = []string{`0`, `-0`, `1`, `12.0`, `12.5`, `-3`, `1e3`, `1E+2`, `0.0000005`, `1e400`, `-1e400`, `123456789012345678901`, `1777636800.5`, `1777636800123`,
	`true`, `false`, `null`, `""`, `"x"`, `"a\nb"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud800"`, `"é"`, `"up"`, `"reported"`, `"2026-05-01T12:00:00Z"`, `"2026-13-01T12:00:00Z"`,
	`{}`, `[]`, `{ "a" : [ 1 , "b c" ] }`, `{"a":{"a":null},"a":2}`, `[[[ ]]]`}

func drawPayload(r *rapid.T) string {
	known := make([]string, 0, 64)
	for f := range numFields {
		known = append(known, Catalogue[f].Name)
		for _, a := range Catalogue[f].Aliases {
			known = append(known, a.Name)
		}
	}
	names := append(known, "event_id", "source", "schema_version", "correlation_id", "timestamp", "event_type", "data", "metadata",
		"x", "y", "", `a\"b`, `mod\u0065l`, "ü", "fan_rpm", "business_event_typf", "a_name_of_more_than_twenty_four_bytes")
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})
	var draw func(depth int) string
	draw = func(depth int) string {
		var b strings.Builder
		b.WriteString("{" + space.Draw(r, "space"))
		n := rapid.IntRange(0, 14).Draw(r, "members")
		for i := range n {
			if i > 0 {
				b.WriteString("," + space.Draw(r, "space"))
			}
			name := rapid.SampledFrom(names).Draw(r, "name")
			value := rapid.SampledFrom(awkward).Draw(r, "value")
			if depth == 0 && name == "event_id" || name == "source" {
				value = `"s"`
			}
			fmt.Fprintf(&b, `"%s"%s:%s%s%s`, name, space.Draw(r, "space"), space.Draw(r, "space"), value, space.Draw(r, "space"))
		}
		if depth == 0 {
			parts := []string{fmt.Sprintf(`"event_type":%q`, rapid.SampledFrom(Kinds[:]).Draw(r, "kind"))}
			if rapid.Bool().Draw(r, "canonical") {
				parts = append(parts, `"data":`+draw(1))
			}
			if rapid.Bool().Draw(r, "metadata") {
				parts = append(parts, `"metadata":`+draw(1))
			}
			if n > 0 {
				b.WriteString(",")
			}
			b.WriteString(strings.Join(rapid.Permutation(parts).Draw(r, "parts"), ","))
		}
		b.WriteString("}")
		return b.String()
	}
	return draw(0)
}

// TestRoundTrip: what is written reads back as the same event.
func TestRoundTrip(t *testing.T) {
	var p Parser
	rapid.Check(t, func(r *rapid.T) {
		e := drawEvent(r)
		text := AppendJSON(nil, e)
		var fast, slow Event
		if v := p.Parse(text, &fast); v != nil {
			r.Fatalf("%v: %s", v, text)
		}
		if v := Reference(text, &slow); v != nil {
			r.Fatalf("%v: %s", v, text)
		}
		if !fast.Equal(e) || !slow.Equal(e) || fast.Identity() != e.Identity() || fast.Key() != e.Key() {
			r.Fatalf("wrote %s\n read %s", text, AppendJSON(nil, &fast))
		}
	})
}

// drawEvent makes any settled event that a program may make.
func drawEvent(r *rapid.T) *Event {
	str := func(limit int) string {
		s := rapid.StringN(0, 20, limit).Draw(r, "text")
		return strings.ToValidUTF8(s, "?")
	}
	e := &Event{Kind: rapid.SampledFrom(Kinds[:]).Draw(r, "kind"), ID: str(maxIDText), Source: str(maxText), SchemaVersion: str(maxText), CorrelationID: str(maxIDText)}
	if e.HasTime = rapid.Bool().Draw(r, "timed"); e.HasTime {
		e.Time = rapid.Int64Range(0, maxMicros-1).Draw(r, "time")
	}
	for f := range numFields {
		s := &Catalogue[f]
		if !s.of(e.Kind) || !rapid.Bool().Draw(r, s.Name) {
			continue
		}
		lo, hi := s.limits()
		switch {
		case len(s.Enum) > 0:
			e.SetText(f, rapid.SampledFrom(s.Enum).Draw(r, "enum"))
		case s.Type == Text:
			e.SetText(f, str(f.maxText()))
		case s.Type == Boolean:
			e.SetBool(f, rapid.Bool().Draw(r, "bool"))
		case s.Type == Number:
			e.SetFloat(f, rapid.Float64Range(s.Min, s.Max).Draw(r, "number")+0)
		default:
			e.SetInt(f, rapid.Int64Range(lo, hi).Draw(r, "integer"))
		}
	}
	if e.Kind == SystemMetric {
		for i := range rapid.IntRange(0, 5).Draw(r, "metrics") {
			v := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(r, "metric") + 0
			e.Metrics = append(e.Metrics, Metric{fmt.Sprintf("%d %s", i, str(100)), v})
		}
	}
	if rapid.Bool().Draw(r, "extra") {
		e.Extra = appendMember(e.Extra, "x "+str(50), []byte(`{"a":[1,"b",null]}`))
		e.Extra = appendMember(e.Extra, "y "+str(50), []byte(`"text"`))
	}
	if rapid.Bool().Draw(r, "metadata") {
		e.Metadata = appendMember(e.Metadata, str(50), []byte(`-0.50`))
	}
	e.Settle()
	return e
}

func TestNamesAreFound(t *testing.T) {
	if n := len(names.entries) - 1; n < int(numFields)+len(envelopeNames) {
		t.Fatalf("%d names", n)
	}
	found := func(name string) uint8 {
		data := []byte(`{"` + name + `":1}`)
		list, end := new(scanner).members(data, 1, 1, nil, nil)
		if end == fault {
			t.Fatalf("%s: not read", data)
		}
		return list[0].name
	}
	for f := range numFields {
		s := &Catalogue[f]
		for _, a := range append([]Alias{{s.Name, 1}}, s.Aliases...) {
			i := found(a.Name)
			if i == 0 || Field(names.entries[i].place) != f || pow10[names.entries[i].shift] != pow10[s.Type.digits()]*uint64(a.Scale) {
				t.Errorf("%s: entry %+v", a.Name, names.entries[i])
			}
			for _, other := range []string{a.Name + "x", "x" + a.Name, a.Name[1:], a.Name[:len(a.Name)-1], strings.ToUpper(a.Name), a.Name[:len(a.Name)/2] + "\x7f" + a.Name[len(a.Name)/2+1:]} {
				if !inCatalogue(other) && found(other) != 0 {
					t.Errorf("%q is taken for %s", other, a.Name)
				}
			}
		}
	}
}
