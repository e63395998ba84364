// Package bus is the client side of the topics. It is the one home of the Kafka client library: rooms say bus.Message,
// Producer and Reader and never import the library itself.
//
// In: messages to write (Producer), offsets to read from (Reader), wishes about topics (EnsureTopics, CreateTopic, AlterTopic)
// and groups (PlanReset, Reset).
//
// Out: acknowledged partitions and offsets, batches of messages with the bounds of their partition, descriptions of topics and
// groups, and whether the brokers answer at all (Pulse).
//
// Promised: a message that Send reports as written is written by all in-sync replicas (acks=all), and the library's own
// retries write it once (idempotent producer). Messages with the same key go to the partition to which Kafka's own clients
// would send them. The time of a message is the moment of writing, never the time of the event in it. A Reader hands out
// every message of its partitions once and in order, from exactly the offset it was given; when that offset is no longer
// (or not yet) in the log it says so with ErrOutOfRange and waits for Seek: it never jumps by itself.
//
// A Replica applies the records of one log in their order from the start. It promises that a state fed by it is the same in every
// instance, survives restarts of everything, and is built anew when the topic is made anew. The ControlLog is the one of small
// commands, with a state for each prefix of keys. A Tail reads a whole topic for a Book, in the order of each partition.
//
// On failure: a broker that is away is waited for, inside, as long as the context allows; a moved leader is followed. An
// error for which Retryable is true means "later"; another one means "not like this", RefusedError with the broker's reason, and
// ErrAccess means that somebody has to mend a setting or a right first: Connect then gives up at once and says which. After a
// failed Send a message may still have been written (the acknowledgement was lost), so whoever sends it again must be able to
// recognise it.
package bus
