package app

import (
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
)

func (s *system) buildBoard(name string) (run.Service, error) {
	log := s.log.With("service", name)
	services := map[string]http.Handler{dashboard.Self: s.self()}
	for _, service := range []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler} {
		services[service] = s.passTo(service)
	}
	h, err := dashboard.New(name, s.hub, dashboard.Config{Environment: s.set.serve.Environment, Version: Version, Links: s.allURLs, Services: services,
		Dimensions: s.set.stream.DimensionNames(), Range: s.anyRange(), Gate: s.boardGate(), Sessions: s.sessions, Log: log})
	if err != nil {
		return nil, err
	}
	return s.listen(name, h)
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
