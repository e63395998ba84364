// Package store keeps what must be answered by SQL: how far the lake has come and which files it has (the manifest), the
// aggregates with the cells they were made from, and the runs of the batch.
//
// In come the calls of the lake, the batch and the APIs; each method is one transaction. Out go plain values of event and agg.
//
// Promised: a call that returned nil survives a killed process. With SQLite it need not survive a power cut: the write-ahead
// log is synced at checkpoints only, because everything in here can be made again from the topics and the Parquet files. A
// read that spans several tables (HourSnapshot) sees one moment. Writers of one store queue up behind each other; readers
// never wait for them.
//
// On failure a call changes nothing and says which of its steps failed. Two processes on one file are safe, slower, and wait
// for each other up to ten seconds.
package store
