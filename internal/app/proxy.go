package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// passTo passes requests of a page on to a service: the one of this process, or where the configuration says that it listens.
// The mux in front has refused writes of other sites by then, so what tells where the page came from goes no further.
func (s *system) passTo(name string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to, err := url.Parse(s.reach(name))
			if err != nil {
				to = &url.URL{Scheme: s.set.tls.Scheme(), Host: s.set.addr(name)}
			}
			r.SetURL(to) // the host of the request becomes that of the service
			for _, header := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Cookie"} {
				r.Out.Header.Del(header)
			}
			r.Out.Header.Set(httpx.ForwardedFor, httpx.From(r.In))
			if s.sessions != nil && s.serverOf(name) == nil { // another process knows nothing of what this one says of somebody
				if token := s.sessions.Token(r.In); token != "" {
					r.Out.Header.Set("Authorization", "Bearer "+token)
				}
			}
			s.speakFor(auth.From(r.In.Context()), r.Out.Header)
		},
		Transport: s.via,
		ErrorLog:  slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // nobody is there to hear it
			}
			httpx.Problem(w, r, http.StatusBadGateway, fmt.Sprintf("%s does not answer at %s: %v", name, s.shown(name), err))
		},
	}
}
