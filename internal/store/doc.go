// Package store keeps what must be answered by SQL: how far the lake has come and which files it has (the manifest), the
// aggregates with the cells they were made from, and the runs of the batch.
//
// In come the calls of the lake, the batch and the APIs; each method is one transaction. Out go plain values of event and agg.
//
// Promised: a call that returned nil survives a killed process. With SQLite it need not survive a power cut: the write-ahead
// log is synced at checkpoints only, because everything in here can be made again from the topics and the Parquet files. With
// PostgreSQL it survives what the server is set up for. A read that spans several tables (HourSnapshot) sees one moment.
// Write transactions act as if one ran after the other: in SQLite they do, in PostgreSQL they are serializable and run again
// when they lost. Readers never wait for writers.
//
// On failure a call changes nothing and says which of its steps failed; only when the connection to PostgreSQL breaks during a
// commit is it unknown whether the change holds, so callers look again before they undo anything. A lost server is asked anew
// by each call. Several processes on one database are safe; on one SQLite file they wait for each other up to ten seconds.
package store
