// Package tap is a reverse proxy that stands before an OpenAI-compatible server and tells the bus of each call.
//
// In comes HTTP/1.1 and HTTP/2 without TLS, on any path; it goes to the upstream as it came, and the answer goes back as it
// came: streams piece by piece, trailers, informational answers, upgrades, compressed bodies. Out goes one llm_request
// event for each call that sdk.Observer knows, by an sdk.Producer with its spill on disk, onto llm-requests.
//
// Promised: no byte of a body and no header changes, except for what HTTP keeps between two neighbours (Connection, Host and
// the like); X-Request-Id is added where a request or an answer has none. A call never waits for the bus, nor for the disk:
// its event goes into a bounded queue, from there to the spill, from there to the topics in order, and what finds no place
// is dropped and counted. An event keeps its id, so a second delivery counts once. Prompts, answers and keys are neither
// kept nor logged. The memory of a stream is bounded whatever passes.
//
// On failure of the bus, at the start too, everything passes and events wait. On failure of the upstream the client gets 502
// or 504 with an error in OpenAI's form; an answer that breaks off breaks off for the client too. When told to stop, it takes
// no new connections, lets streams end within a limit, brings the events away or to the disk, and returns.
package tap
