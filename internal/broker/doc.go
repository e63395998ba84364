// Package broker is the embedded default of the bus: a Kafka-protocol broker in this process, for those who run no Apache
// Kafka. In comes the Kafka protocol on one listener, loopback unless told otherwise; out go acknowledged, durable records.
//
// The engine is franz-go's kfake, which is fast and made for tests. What makes it fit for more stands in this package: every
// frame is checked before the engine sees it (guard.go), settings that would start the engine's own cleaning are refused
// (control.go), retention is our own and never passes what a reader still needs (retention.go), and a folder belongs to one
// process at a time. An acknowledged record survives a killed process, not a power cut, unless SyncWrites is set.
//
// On failure: a client that breaks the protocol loses its connection and is counted; a full broker says so by Overfull, so
// that the way in answers 503 instead of losing what was not read yet.
package broker
