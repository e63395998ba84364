package rule

import (
	"encoding/json"

	"github.com/hxp-enterprise/hxp/internal/event"
)

type object = map[string]any

// Schema writes the JSON Schema of a file of rules, from the table that the decoder reads by.
func Schema() []byte {
	rule, slo := schemaOf(keys), schemaOf(sloKeys)
	var byType, byIndicator []object
	for _, t := range Types {
		byType = append(byType, conditionsOf(t))
	}
	for i := range indicators {
		byIndicator = append(byIndicator, indicators[i].schema())
	}
	rule["allOf"], slo["allOf"] = byType, byIndicator
	slo["oneOf"] = []object{
		{"required": []string{"indicator"}, "properties": object{"good": false}},
		{"required": []string{"good"}, "properties": object{"limit": false}},
	}
	many := func(of string) object {
		return object{"type": "array", "minItems": 1, "maxItems": MaxRules, "items": object{"$ref": "#/$defs/" + of}}
	}
	both := object{
		"type": "object", "properties": object{"slos": many("slo"), "rules": many("rule")}, "minProperties": 1, "additionalProperties": false,
	}
	text, err := json.MarshalIndent(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Rules and objectives of hxp",
		"oneOf":   []object{{"$ref": "#/$defs/rule"}, many("rule"), {"$ref": "#/$defs/file"}},
		"$defs":   object{"rule": rule, "slo": slo, "file": both},
	}, "", "  ")
	if err != nil {
		panic("rule: " + err.Error()) // texts and numbers
	}
	return append(text, '\n')
}

// schemaOf describes an object that has keys, without what depends on the value of one of them.
func schemaOf(keys []key) object {
	properties, required := object{}, []string{}
	for i := range keys {
		k := &keys[i]
		property := k.shape.schema()
		property["description"] = k.doc
		properties[k.name] = property
		if k.required && k.types == nil {
			required = append(required, k.name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// schema says which limit an indicator asks for.
func (x *indicator) schema() object {
	then := object{"properties": object{"limit": false}}
	if x.limited {
		then = object{"required": []string{"limit"}, "properties": object{"limit": object{"minimum": x.min, "maximum": x.max}}}
	}
	return object{"if": object{"properties": object{"indicator": object{"const": x.name}}, "required": []string{"indicator"}}, "then": then}
}

// conditionsOf says which keys a type asks for and which it has not.
func conditionsOf(t Type) object {
	required, without := []string{}, object{}
	for i := range keys {
		switch k := &keys[i]; {
		case k.types == nil:
		case !k.has(t):
			without[k.name] = false
		case k.required:
			required = append(required, k.name)
		}
	}
	return object{"if": object{"properties": object{"type": object{"const": t}}}, "then": object{"required": required, "properties": without}}
}

const durationPattern = `^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$`

func (s shape) schema() object {
	switch s.kind {
	case "enum":
		return object{"type": "string", "enum": s.enum}
	case "enums":
		return object{"type": "array", "minItems": 1, "maxItems": s.most, "uniqueItems": true, "items": object{"enum": s.enum}}
	case "cels":
		return object{"type": "array", "minItems": 1, "maxItems": s.most, "items": cel.schema()}
	case "duration":
		return object{"type": "string", "pattern": durationPattern, "examples": []string{"60s", "5m"}}
	case "number":
		lower := map[bool]string{true: "exclusiveMinimum", false: "minimum"}[s.above]
		return object{"type": "number", lower: s.min, "maximum": s.max}
	case "count":
		return object{"type": "integer", "minimum": s.min, "maximum": s.max}
	case "texts":
		return object{"type": "object", "maxProperties": s.most, "additionalProperties": object{"type": "string", "maxLength": maxTextBytes}}
	case "metric":
		return object{"type": "string", "anyOf": []object{{"enum": metricNames}, {"pattern": `^system\..+$`}}}
	case "actions":
		return list(s.most, object{"type": enumOf(actions), "target": object{"type": "string"}, "with": texts.schema()}, "type")
	case "tests":
		return testSchema(s.most)
	}
	most := maxTextBytes
	if s.most > 0 {
		most = s.most
	}
	return object{"type": "string", "minLength": 1, "maxLength": most}
}

func enumOf(values []string) object { return object{"type": "string", "enum": values} }

// list is a list of objects that have these keys and no others.
func list(most int, properties object, required ...string) object {
	return object{"type": "array", "maxItems": most, "items": object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}}
}

func testSchema(most int) object {
	var kinds []string
	for _, k := range event.Kinds {
		kinds = append(kinds, k.String())
	}
	span := duration.schema()
	events := list(MaxRules, object{
		"at": span, "every": span, "count": object{"type": "integer", "minimum": 1, "maximum": MaxEvents},
		"event_type": enumOf(kinds), "data": object{"type": "object"},
	}, "at", "event_type")
	expect := list(MaxRules, object{
		"key": object{"type": "object", "maxProperties": MaxGroupBy, "additionalProperties": object{"type": "string"}}, "severity": enumOf(severities),
		"fires_by": span, "resolves_by": span, "value": object{"type": "number"},
	})
	expect["items"].(object)["required"] = []string{}
	return list(most, object{"name": object{"type": "string"}, "events": events, "until": span, "expect": expect}, "name", "events", "expect")
}
