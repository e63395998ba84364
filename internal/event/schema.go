package event

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// SchemaVersion is the version of the documents that SchemaOf and EnvelopeSchema make. Released versions lie in api/schemas;
// a change of the catalogue needs the next number.
const SchemaVersion = 1

// jsonObject is a JSON object in the making; encoding/json writes its keys in order.
type jsonObject = map[string]any

// SchemaOf describes the events of a kind as JSON Schema 2020-12, in every form that Parse takes: canonical, flat and bare. It is
// made from the catalogue, as the parser's rules are, and accepts what the parser accepts but for what JSON Schema cannot say: the
// limits under x-limits; texts are measured in bytes and not in characters; values are rounded to nanoseconds and nano-USD before
// they are compared with their limits; times must lie from 1970 to 9999 in UTC, and their days in their months.
func SchemaOf(k Kind) []byte {
	doc := envelopeSchema(k.String(), "hxp event "+k.String(), spellings(k))
	data := dataSchema(k)
	doc["$defs"] = jsonObject{"data": data}
	ref := jsonObject{"$ref": "#/$defs/data"}
	doc["if"] = jsonObject{"required": []string{"data"}, "properties": jsonObject{"data": jsonObject{"type": "object"}}}
	doc["then"] = jsonObject{"properties": jsonObject{"data": ref}}
	doc["else"] = ref // the flat form: the fields stand beside event_type
	doc["x-topic"] = k.Topic()
	return written(doc)
}

// EnvelopeSchema describes what all kinds have around their data.
func EnvelopeSchema() []byte {
	var all []string
	for _, k := range Kinds {
		all = append(all, spellings(k)...)
	}
	return written(envelopeSchema("envelope", "hxp event", all))
}

func written(doc jsonObject) []byte {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // made of maps, texts and numbers
	}
	return append(b, '\n')
}

// spellings are the accepted forms of an event_type, the canonical one first.
func spellings(k Kind) []string {
	s := k.String()
	dashed := strings.ReplaceAll(s, "_", "-")
	return []string{s, s + "s", dashed, dashed + "s"}
}

// rfc3339Pattern is as strict as a pattern can be without counting the days of February.
const rfc3339Pattern = `^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`

func envelopeSchema(name, title string, kinds []string) jsonObject {
	text := func(limit int, doc string) jsonObject {
		return jsonObject{"type": []string{"string", "null"}, "maxLength": limit, "description": doc}
	}
	return jsonObject{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": fmt.Sprintf("urn:hxp:event:%s:%d", name, SchemaVersion), "title": title, "type": "object", "required": []string{"event_type"},
		"description": "One event. A null is as good as absent. Unknown fields are kept.",
		"x-limits":    jsonObject{"bytes": MaxSize, "depth": MaxDepth, "keys": MaxKeys, "metrics": MaxMetrics},
		"properties": jsonObject{
			"event_type":     jsonObject{"type": "string", "enum": kinds, "description": "kind of the event; the first spelling is the canonical one"},
			"event_id":       text(maxIDText, "identity, together with source; made of topic, partition and offset when absent"),
			"source":         text(maxText, "who sent it"),
			"schema_version": text(maxText, "version of the sender's schema, kept as it is"),
			"correlation_id": text(maxIDText, "joins what belongs together"),
			"timestamp": jsonObject{
				"description": "when it happened: RFC 3339, or seconds (up to 1e11) or milliseconds since the epoch; the broker's time when absent",
				"anyOf": []jsonObject{
					{"type": "string", "format": "date-time", "pattern": rfc3339Pattern},
					{"type": "number", "minimum": 0, "exclusiveMaximum": maxMicros / 1000},
					{"type": "null"},
				},
			},
			"data":     jsonObject{"type": []string{"object", "null"}, "description": "fields of the kind"},
			"metadata": jsonObject{"type": []string{"object", "null"}, "description": "anything else, kept as it is"},
		},
	}
}

// dataSchema describes the fields of a kind.
func dataSchema(k Kind) jsonObject {
	props, aliases := jsonObject{}, []jsonObject{}
	for f := range numFields {
		s := &Catalogue[f]
		if k == SystemMetric { // a number under the name of a field is no metric
			for _, name := range s.allNames() {
				props[name] = true
			}
		}
		if !s.of(k) {
			continue
		}
		props[s.Name] = f.schema(1)
		if len(s.Aliases) > 0 {
			aliases = append(aliases, f.aliasSchema(0, s.Name))
		}
	}
	out := jsonObject{"type": "object", "properties": props}
	if len(aliases) > 0 {
		out["allOf"] = aliases
	}
	if k == SystemMetric { // any number under a name of its own is a metric
		out["additionalProperties"] = jsonObject{"minimum": -math.MaxFloat64, "maximum": math.MaxFloat64}
		out["patternProperties"] = jsonObject{fmt.Sprintf("^.{%d,}$", maxMetricName+1): jsonObject{"not": jsonObject{"type": "number"}}}
	}
	return out
}

func (s *Spec) allNames() []string {
	names := []string{s.Name}
	for _, a := range s.Aliases {
		names = append(names, a.Name)
	}
	return names
}

// aliasSchema says that alias i counts only where the name before it has no value; what loses is not read.
func (f Field) aliasSchema(i int, before string) jsonObject {
	s := &Catalogue[f]
	a := s.Aliases[i]
	counts := jsonObject{"properties": jsonObject{a.Name: f.schema(a.Scale)}}
	if i+1 < len(s.Aliases) {
		counts["allOf"] = []jsonObject{f.aliasSchema(i+1, a.Name)}
	}
	return jsonObject{
		"if":   jsonObject{"required": []string{before}, "properties": jsonObject{before: jsonObject{"not": jsonObject{"type": "null"}}}},
		"else": counts,
	}
}

// schema describes the value of a field; scale is that of an alias.
func (f Field) schema(scale int64) jsonObject {
	s := &Catalogue[f]
	out := jsonObject{"description": s.Doc}
	if s.Unit != "" && scale == 1 {
		out["x-unit"] = s.Unit
	}
	if s.Unit == "ms" && scale == 1000 {
		out["x-unit"] = "s"
	}
	switch s.Type {
	case Text:
		out["type"], out["maxLength"] = []string{"string", "null"}, f.maxText()
		if len(s.Enum) > 0 {
			values := make([]any, 0, len(s.Enum)+1)
			for _, v := range s.Enum {
				values = append(values, v)
			}
			out["enum"] = append(values, nil)
		}
		return out
	case Boolean:
		out["type"] = []string{"boolean", "null"}
		return out
	case Integer:
		out["type"] = []string{"integer", "null"}
	default:
		out["type"] = []string{"number", "null"}
	}
	out["minimum"], out["maximum"] = s.Min/float64(scale), s.Max/float64(scale)
	return out
}
