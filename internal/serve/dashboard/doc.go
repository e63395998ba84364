// Package dashboard serves the boards: one handler for each, with its page, the files that the page loads, and the live
// stream, all on one origin.
//
// In come GET requests; out go files of package web and, through the hub, event streams. Promised: nothing is loaded from
// another host, no page has inline script or style, and the policy sent with every answer forbids both. Files carry an ETag
// of their content, so that a browser asks and gets 304. On failure: an unknown path is 404 as problem+json.
package dashboard
