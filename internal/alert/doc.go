// Package alert is the way out to machines: it answers alerts with guarded changes of the systems around hxp, and keeps an account
// of them that cannot be changed unseen.
//
// In come the decisions of rules (hxp-alerts, as JSON), commands of people over HTTP, and the log of everything that was done
// (hxp-responses, one partition, kept for ever). Out go records of that log, and calls of configured targets.
//
// Promised: the state is the fold of the log, so a restart forgets nothing, and any number of instances act as one: a change is
// made by the one whose claim stands first in the log. No alert is answered twice, no change is made twice blindly, everything
// that was changed has a lease, and each record is chained to the one before it by sha256. Nothing follows from an alert whose
// cause is older than a minute, so a replay of history moves nothing.
//
// On failure: without brokers nothing is done, since nothing could be recorded; changes that are in place stay until the brokers
// are back. A target that does not answer is looked at again, and what nobody is sure of is taken back. A log that is not as it
// was written turns the kill switch on until a person has looked.
//
// respond decides (pure, and the machine that acts), target speaks to systems.
package alert
