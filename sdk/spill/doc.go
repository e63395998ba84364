// Package spill is a queue on disk for one consumer: what could not be delivered yet waits there, in order, and survives the end of the process.
//
// In come records by Append; out they go by Peek, oldest first, and they stay until Ack says that they arrived. One folder
// belongs to one Queue of one process.
//
// Promised: a record whose Append returned nil was synced to the disk and is peeked until it is acknowledged, whatever happens
// to the process in between. The position moves after the delivery, so after a crash the last records may be peeked again: give
// them identities. Records never change their order and never come damaged; each carries a checksum and its place in the queue.
// The disk that the queue takes is bounded by MaxBytes.
//
// On failure: an Append that would pass the bound takes nothing and returns ErrFull; one that the disk refuses takes nothing
// and returns the cause; Stats counts the records of both. What the disk damaged afterwards is left out and counted in
// Stats.Lost. A lost position means that records which are still there come again.
//
// On the disk: segments named by the number of their first record, and one file with the position. A segment begins with
// eight bytes that name the format and its version and the number of the first record; each record is its length, a CRC-32C
// over number, length and bytes, and the bytes. Integers are little-endian. A segment is only appended to, and never after
// its process has ended: the next process begins another one, so a torn tail stays a tail.
package spill
