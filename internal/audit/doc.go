// Package audit keeps the log of who changed what.
//
// In come changes that services made for somebody; out go records on the topic hxp-audit, each with the sha256 of the one before, and the
// answers to GET /audit and GET /audit/verify. A change is recorded before its answer is sent, as far as the answer fits into the buffer of the
// server. All processes write to one log without a lock: a record counts when it follows the one that counted last, and who was outrun writes
// again (kit/chain).
//
// On failure of the brokers the change stays made, its record is in the log of the process with the reason, and hxp_audit_lost_total counts it.
package audit
