// Package scrape reads the metrics of other systems at intervals: vLLM, the DCGM exporter, node exporter, LiteLLM, anything
// that Prometheus could read.
//
// In come targets of the configuration. Out go system metrics, one event for each target, host, model and GPU of a reading,
// through the Intake that the caller gives, which is the same road that events take that come by HTTP.
//
// Promised: one target at fault harms no other; a reading is bounded in time, bytes and series; a target that does not answer
// is asked less often, up to five minutes apart; a redirect to another host is not followed, so no token goes astray; a
// reading that failed, or came too late to be written before the next is due, writes nothing.
//
// Readings happen on a grid of the clock that depends on interval and name alone. Event ids follow from target and place on
// the grid, so several instances of kafka-api may read the same targets: what the second one brings is a duplicate.
package scrape
