// Package simulate makes believable traffic of an LLM server: requests of four models whose latency follows from time to
// first token and length, tenants and users of very different weight, a daily rhythm, errors of the usual kinds, feedback
// that depends on how the request went, business events that follow some of them, and the metrics of GPUs and hosts under
// that load. In comes a seed, a rate and a span of time; out come events in order of time, the same for the same seed.
package simulate
