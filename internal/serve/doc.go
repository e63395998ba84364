// Package serve is the way out to screens: live streams (serve/live), the dashboards (serve/dashboard) and the states that
// they show.
//
// In come windows of cells, through the small interface Windows that the stream room meets, and the files of package web. Out
// go the topic "metrics" and pages that fill themselves from it.
//
// Promised: a state is computed once for all who look, and only while somebody looks. What is not known is absent, never 0.
// Every state says up to when it is complete (watermark) and how much of what was written it covers (completeness).
//
// On failure: the windows answer from memory and do not fail; when they are behind, watermark and completeness say so.
// Nothing here is kept over a restart: the history is asked for again.
package serve
