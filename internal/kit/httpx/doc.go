// Package httpx is the common part of every HTTP service: the server with its limits, the mux with its manners, errors as
// problem+json, health, and the endpoints that each service has.
//
// In come handlers and health checks; out goes an http.Server run as a run.Service. Promised: a port that is taken fails at
// Listen, before anything else starts; headers are bounded (16 KiB, 10 s); each error has the shape of RFC 9457; a panic of
// a handler is one 500 and one log line; a write that a browser sends from another site is refused; on stop, requests under
// way get 5 s, then their connections are closed and their contexts end. Streams that live as long as the client watch
// Draining and end by themselves.
package httpx
