// Package auth says who sends a request and what he may do.
//
// In come requests with credentials; out goes the Principal, in the context of the request. An Authenticator turns one kind of credential into
// a principal: Keyring the tokens of a file (hxp_ID_SECRET, as Authorization: Bearer), Voucher what this process itself says for somebody when
// it passes a request on. Gate asks its authenticators in turn and is the httpx.Guard of every service.
//
// Promised: without a credential that holds nobody passes, except where a route is open; a token says what its scopes say and no more; who is
// bound to a tenant sees that tenant or gets 403, also from routes that nobody thought of. Secrets have 256 bits, so they need no slow hash and
// no limit of guesses: the file holds their sha256 and is compared in constant time. A wrong token costs one hash and leaves no state.
//
// The file of tokens appears whole and is followed while it changes, within a few seconds. A file that cannot be read leaves what was known in
// force, with an error in the log; a file that is gone leaves nobody in force.
package auth
