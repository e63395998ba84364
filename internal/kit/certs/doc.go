// Package certs holds the certificates that this process shows and those that it trusts.
//
// In: paths of PEM files. Out: what package crypto/tls needs, for listeners (Keeper) and for clients (Config.Client). Promised: at least TLS
// 1.2; a file that changed is in use for every connection that begins a second later, without a restart; no error or log line holds anything
// of a key. On failure: files that cannot be used stop the start; later they are an error in the log, and those from before stay in use.
package certs
