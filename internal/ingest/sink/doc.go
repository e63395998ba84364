// Package sink is where replayed and simulated events leave for hxp: straight to the topics, or over HTTP through the
// kafka-api.
//
// In come Items, encoded events with the place they were read from. Out go records on the topics, and what became of each
// item to a Report. Promised: an item is reported exactly once, as sent only after the broker acknowledged it with
// acks=all, as a duplicate or refused only when the way in said so. Send blocks while too much is under way, so memory
// stays bounded. On failure (the other side is gone, the context ends) Send or Flush return the error and what was not
// acknowledged is not reported.
package sink
