// Package conns bounds how many connections the network may hold open.
//
// In come the addresses of connections; out comes a place for each, until there is none left in all or for its network. A Limit may have
// several listeners, which share its places; Listener is the door of one, which counts and turns away by itself.
//
// Promised: who is turned away costs no more than the moment in which he is told so, and at most leavingAtOnce are told at the same time; the
// log has a line for it every few seconds at most, however many come. This machine has no bound of its own: a proxy on it brings everybody.
package conns
