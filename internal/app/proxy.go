package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// toKafkaAPI passes requests of a page on to kafka-api: the one of this process, or where the configuration says that it listens.
// The mux in front has refused writes of other sites by then, so what tells where the page came from goes no further.
func (s *system) toKafkaAPI() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to, err := url.Parse(s.kafkaAPI())
			if err != nil {
				to = &url.URL{Scheme: "http", Host: s.set.addr(KafkaAPI)}
			}
			r.SetURL(to) // the host of the request becomes that of kafka-api
			for _, name := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Cookie"} {
				r.Out.Header.Del(name)
			}
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // nobody is there to hear it
			}
			httpx.Problem(w, r, http.StatusBadGateway, fmt.Sprintf("kafka-api does not answer at %s: %v", s.kafkaAPI(), err))
		},
	}
}

func (s *system) kafkaAPI() string {
	if here := s.allURLs()[KafkaAPI]; here != "" {
		return here
	}
	return "http://" + s.set.addr(KafkaAPI)
}
