// Package plan is the configuration of notifications: who hears of what, when, and how, in Alertmanager's vocabulary.
//
// In comes a document of YAML or JSON; out comes either a Plan that can be asked where an alert goes, or everything that is wrong with
// the document, each fault with its place. A Plan does not change, and reads no clock: times are parameters.
//
// Beyond Alertmanager's vocabulary a route can have escalate, a receiver limits and console_configs, a webhook signing_secret, and
// templates are texts by name rather than files. What is secret is not in the document: it names where the secret is, env:NAME or
// file:PATH, so that the document can be shown, kept and put again as it is. Addresses may hold a secret in their query nevertheless; it
// is kept and not shown, and such an address has to be written in full again.
package plan
