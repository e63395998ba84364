// Package replay reads real trace files and sends them as events.
//
// In come files in the formats of the catalogue (formats.go), plain, gzipped or zstd-compressed, told apart by content and
// never by name. Out go events to a sink, a line for each row that was refused, and one summary.
//
// Promised: a row becomes the same event whenever, under whatever name and however compressed it is replayed, for its id is
// made from the unpacked content of the whole file and the row's number; so replaying twice adds nothing. Times and
// durations are taken from the decimal digits of the file, never through floating point: times are cut to microseconds, so
// that no row moves into the next second, durations are rounded to nanoseconds. A file is read once in full before its
// first row is sent, so a damaged archive sends nothing.
//
// On failure of a row it is refused with file, line and reason and the others go on. On failure of the sink or on an
// interrupt the run ends; the summary counts what was acknowledged by then.
package replay
