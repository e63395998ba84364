package httpx

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// An answer that is no page is nothing to look at: whatever a browser takes it for, it may load nothing, be framed by nobody, and tell nobody
// where it was. Pages set what they need in place of this.
const barePolicy = "default-src 'none'; frame-ancestors 'none'"

// One slice for all answers: each of these headers is set anew or not at all, and never added to.
var (
	bareCSP      = []string{barePolicy}
	bareSniff    = []string{"nosniff"}
	bareFrame    = []string{"DENY"}
	bareReferrer = []string{"no-referrer"}
)

// bare sets the headers that every answer begins with, where nobody outside has set a policy of his own: a mux of pages has.
func bare(h http.Header) {
	if h["Content-Security-Policy"] != nil {
		return
	}
	h["Content-Security-Policy"], h["X-Content-Type-Options"], h["X-Frame-Options"], h["Referrer-Policy"] = bareCSP, bareSniff, bareFrame, bareReferrer
}

// StyleHash lets a policy (style-src) allow the one style sheet that a page has in it, and no other.
func StyleHash(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
