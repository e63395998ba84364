package httpx

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/inside"
)

// Encrypt lets the server speak TLS and nothing else: whoever speaks HTTP is told so with 400, by net/http. With identified, every request
// needs a client certificate that cfg has verified. Call it before Run.
func (s *Server) Encrypt(cfg *tls.Config, identified bool) {
	s.http.TLSConfig, s.encrypted, s.identified = cfg, true, identified
}

// known lets those requests through that come with a certificate, where one is asked for. It is not left to the handshake: balancers ask for
// the health without one, and whoever forgot his is told so rather than cut off.
func (s *Server) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.identified && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) && !isHealth(r.URL.Path) && !isInside(r) {
			bare(w.Header())
			requestID(w, r)
			Problem(w, r, http.StatusForbidden, "this service asks for a client certificate (mTLS), and the request came without one; use one that an authority of the setting tls.client_ca_file (HXP_TLS_CLIENT_CA_FILE) has signed")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Dial connects to the server from this process, without the network: neither TLS, nor certificates, nor names of hosts are asked for. Who
// asks still has to say who he is where requests must.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) { return s.inside.Dial(ctx) }

type insideKey struct{}

// fromInside marks the requests of connections that Dial made.
func fromInside(ctx context.Context, c net.Conn) context.Context {
	if inside.From(c) {
		return context.WithValue(ctx, insideKey{}, true)
	}
	return ctx
}

func isInside(r *http.Request) bool { return r.Context().Value(insideKey{}) != nil }

// ForwardedFor is the header in which this process, when it passes a request on to another of its services, says where it came from.
const ForwardedFor = "X-Forwarded-For"

// From is the host that sent a request. What a header says of it counts on connections of this process alone.
func From(r *http.Request) string {
	if said := r.Header.Get(ForwardedFor); said != "" && isInside(r) {
		return said
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
