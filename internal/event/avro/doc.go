// Package avro reads Apache Avro as far as a registry and the readers of topics need it: schemas, binary values, and whether
// one schema can read what another one wrote.
//
// In: the text of a schema (Parse), or one binary value and the schema that it was written with. Out: a Schema, the value as
// JSON, the list of reasons why a schema cannot read another.
//
// Promised: whatever comes in, time and memory are bounded: by MaxSchemaDepth and MaxSchemaTypes for schemas, by MaxDepth and
// MaxJSON for values. A value is read to its last byte or refused. Nothing here keeps state or blocks.
//
// On failure: Parse says what is wrong and where; a value that does not fit its schema is a *Fault with a JSON pointer.
//
// As JSON a union is its value without a wrapper; bytes and fixed are base64; an enum is its symbol. Of the logical types the
// timestamps in UTC become RFC 3339, date becomes its text, decimal a number with all its digits; others stay what carries them.
package avro
