// Package past answers the dashboards' questions about any span of time, from minutes to a year, with one endpoint.
//
// In come the live panes and the stored hours and days, through small interfaces; out goes a series of equal steps, their number
// bounded, for everything that a filter lets through and for the busiest values of a dimension, and on request how durations are
// distributed in each step.
//
// Promised: a step that lies on whole hours says what GET /aggregations says of them, as soon as these were made from everything that is
// there; every other step says what GET /analytics says of it. Each step names its source and how complete it is, as the watermark, the
// events that the store knows of and the windows of the question's dimensions tell. Nothing that is not known is 0.
//
// On failure: without a store, or when it does not answer, the panes answer alone. A question that waits too long is refused with 503.
package past
