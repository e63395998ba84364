// Package prom reads what Prometheus' world writes, and makes system metrics of it.
//
// In come samples: the text formats of an exporter (Prometheus 0.0.4 and OpenMetrics 1.0, Parse) or the bodies of remote
// write (versions 1 and 2, DecodeWrite). A Batch joins the samples of one reading to events, one for each source, host,
// model and GPU. Tables say what the families of vLLM, DCGM, node exporter, LiteLLM and others are called in hxp; Names of
// the configuration come before them; what nobody names goes under its own name, within a budget.
//
// Gauges are taken as they are. Counters become rates, histograms become sums, counts, means and quantiles of what was
// observed since the reading before; State remembers that one, and notices when a counter began again.
//
// Promised: whatever comes, memory is bounded by the limits given, no number is invented (no rate without two readings, no
// ratio without both sides, NaN and staleness marks count for nothing), the same reading gives events with the same ids,
// and what a budget leaves out is counted.
package prom
