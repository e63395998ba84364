// Package join brings together what belongs to one request: the request itself, feedback and business events, found by request
// id. It has no clock and does no I/O: time is the arrival time that it is given.
//
// In come events (Table.Feed) and records that were written before (Table.Absorb). Out come records (Table.Take): one when a
// request is complete or its window has passed, and one more whenever a part comes later. A record is the union of all parts
// that are known; nothing new, no record.
//
// Promised is that in whatever order, however often and with whatever restarts in between the same events come, the union of
// all records of a request holds each of its parts once. Memory is bounded: when it is full the oldest request is closed early,
// its record goes out, and it is forgotten. A part that comes after that begins a record of its own, which the batch half joins.
//
// table.go is the table, parts.go the memory of the parts, record.go the form in which records are written, view.go what is
// shown of them.
package join
