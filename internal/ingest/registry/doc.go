// Package registry is a registry of schemas that clients of the Confluent Schema Registry can use: JSON Schema and Avro, by
// subject and version, with the rules of compatibility.
//
// In: requests on the registry's paths, and commands from the control log. Out: ids and versions, verdicts, and for readers of
// topics the JSON text of records that were written with a schema (the wire format: a zero byte, the id, the payload).
//
// Promised: every instance gives a schema the same id and the same version, over restarts of everything. The id follows from
// the schema itself (31 bits of its SHA-256; the next free one when that is taken by another), so a registry that was lost and
// filled again gives the old ids again, and an id that was never given is not met by chance. An id is never taken back:
// records outlive the subjects that they were written under. A schema is taken only if it fits the rules as they stand when it
// is taken: the instance that was asked compares, and the command counts only if nothing has changed in the meantime. So the
// history can be applied again by any later version, whatever it would say of a schema today.
//
// On failure: an answer in the registry's words, with its error codes. When the brokers are away, 503 (error code 50003); the
// command may have been taken, and asking again finds it.
package registry
