// Package jsonschema compares documents of JSON Schema (draft 4 to 2020-12): it tells whether everything that one accepts is
// accepted by another. It validates no instances.
//
// In: the texts of two schemas. Out: the reasons why the reader might refuse what the writer accepts; none = it never does.
//
// Promised: the answer "none" is a proof, by structure, for all keywords that restrict; the formats, which most validators only
// note, are passed over. A "oneOf" of the reader counts as an "anyOf", as registries do. Where structure does not decide (not,
// if, patterns that differ) the answer errs on the side of a reason. Time is bounded by the size of the schemas and a budget.
//
// On failure: Parse says what is not a JSON Schema, and where.
package jsonschema
