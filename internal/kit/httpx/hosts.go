package httpx

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// A server that listens on a loopback address and asks nobody who he is trusts whoever is on this machine. A page of a stranger is there
// too, in a browser: when the name of its own site is made to lead to 127.0.0.1, its scripts talk to this server as if it were their site,
// and no rule about origins sees a difference. Only the Host header does.

// AlsoNamed lets requests under further names in ("hxp.example", without a port), as a proxy on this machine may pass them. They take
// the place of those of before.
func (s *Server) AlsoNamed(names ...string) {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[strings.ToLower(n)] = true
	}
	s.names.Store(&set)
}

// addressed lets those requests through that name this machine, where only this machine is to be served.
func (s *Server) addressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.local && !s.named(r.Host) && !isHealth(r.URL.Path) && !isInside(r) {
			s.log.Debug("request under a foreign name refused", "host", r.Host, "from", r.RemoteAddr)
			bare(w.Header())
			requestID(w, r)
			Problem(w, r, http.StatusForbidden, fmt.Sprintf("the request names the host %q; this service listens for this machine alone and is asked as localhost, as 127.0.0.1, or under a name of the setting allowed_hosts (HXP_ALLOWED_HOSTS)", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named tells whether a Host header means this machine by itself, or one of the names that were let in. Without a Host (HTTP/1.0) it
// is no browser that asks.
func (s *Server) named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == "" || host == "localhost" || isLoopback(host) || (*s.names.Load())[host]
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isHealth tells whether a path says no more than whether the service is well, which balancers ask under any name.
func isHealth(path string) bool {
	return path == "/health" || path == "/healthz" || strings.HasPrefix(path, "/health/")
}
