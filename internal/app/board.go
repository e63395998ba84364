package app

import (
	"net/http"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
)

func (s *system) buildBoard(name string) (run.Service, error) {
	log := s.log.With("service", name)
	h, err := dashboard.New(name, s.hub, dashboard.Config{Environment: s.set.serve.Environment, Version: Version, Links: s.allURLs, Services: s.boardServices(),
		Dimensions: s.set.stream.DimensionNames(), TraceURL: s.set.traceURL, Range: s.anyRange(), Gate: s.boardGate(), Sessions: s.sessions, Log: log})
	if err != nil {
		return nil, err
	}
	return s.listen(name, h)
}

// boardServices are what the boards ask, by name.
func (s *system) boardServices() map[string]http.Handler {
	services := map[string]http.Handler{dashboard.Self: s.self()}
	for _, name := range []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler} {
		services[name] = s.passTo(name)
	}
	if !s.set.findings {
		services[BatchProcessingAPI] = withoutFindings(services[BatchProcessingAPI])
	}
	return services
}

// withoutFindings answers as the batch service does for what is switched off there.
func withoutFindings(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/business-intelligence/") {
			httpx.Problem(w, r, http.StatusConflict, "findings are not shown on the boards (business_intelligence.dashboards_enabled)")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// self answers what the boards ask of the process that serves them.
func (s *system) self() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /configuration", func(w http.ResponseWriter, _ *http.Request) {
		httpx.JSON(w, http.StatusOK, map[string]any{"version": Version, "values": s.inForce()})
	})
	mux.Handle("POST /self-test", newSelfTest(s.reach, s.via, s.speakFor))
	return mux
}
