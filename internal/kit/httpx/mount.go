package httpx

import (
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Service is what the common endpoints tell about a service.
type Service struct {
	Name        string // "kafka-api"
	Title       string // for people; Name when empty
	Version     string
	Description string
}

func (s Service) title() string {
	if s.Title != "" {
		return s.Title
	}
	return "hxp " + s.Name
}

func (s Service) version() string {
	if s.Version != "" {
		return s.Version
	}
	return "dev"
}

// Mount adds the endpoints that every service has: /health, /health/live, /health/ready, /metrics, /debug/pprof, /openapi.json, /docs. They
// describe all routes of the mux, also those added later.
func Mount(m *Mux, s Service, h *Health, reg *telemetry.Registry) {
	status := []Option{Answer("200", "healthy or degraded", HealthBody{}), Answer("503", "unhealthy", HealthBody{})}
	m.HandleFunc("GET /health", h.serve, append(status, Doc("Health of the service and of what it depends on."))...)
	m.HandleFunc("GET /health/live", h.live, Doc("Answers while the process lives."), Answer("200", "it does", HealthBody{}))
	m.HandleFunc("GET /health/ready", h.readiness, append(status, Doc("Whether the service should get requests."))...)
	m.Handle("GET /metrics", reg.Handler(), Doc("Metrics in the formats of Prometheus."), AnswerAs("200", "application/openmetrics-text", ""), AnswerAs("200", "text/plain", "the metrics"))
	MountProfiles(m)
	m.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		JSON(w, http.StatusOK, openapi(s, m.Routes()))
	}, Doc("This description as OpenAPI 3.1."), SameForEveryTenant(), Answer("200", "the description", Schema{"type": "object", "required": []string{"openapi", "info", "paths"}}))
	m.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		serveDocs(w, s, m.Routes())
	}, Doc("This description as a page."), SameForEveryTenant(), AnswerAs("200", "text/html", "the page"))
}
