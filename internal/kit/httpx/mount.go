package httpx

import (
	"html/template"
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

// Mount adds the endpoints that every service has: /health, /health/live, /health/ready, /metrics, /openapi.json, /docs. They
// describe all routes of the mux, also those added later.
func Mount(m *Mux, s Service, h *Health, reg *telemetry.Registry) {
	status := []Option{Answer("200", "healthy or degraded"), Answer("503", "unhealthy")}
	m.HandleFunc("GET /health", h.serve, append(status, Doc("Health of the service and of what it depends on."))...)
	m.HandleFunc("GET /health/live", h.live, Doc("Answers while the process lives."))
	m.HandleFunc("GET /health/ready", h.readiness, append(status, Doc("Whether the service should get requests."))...)
	m.Handle("GET /metrics", reg.Handler(), Doc("Metrics in the formats of Prometheus."))
	m.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		JSON(w, http.StatusOK, openapi(s, m.Routes()))
	}, Doc("This description as OpenAPI 3.1."))
	m.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_ = docsPage.Execute(w, docs{s.title(), s.version(), s.Description, m.Routes()})
	}, Doc("This description as a page."))
}

type docs struct {
	Title, Version, Description string
	Routes                      []Route
}

// Statuses is what the template calls.
func (r Route) Statuses() []string { return r.statuses() }

var docsPage = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Title}}</title>
<style>
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h1 small{font-weight:400;opacity:.6;font-size:.5em}
section{border-top:1px solid #8884;padding:.6rem 0}
h2{font:600 1rem ui-monospace,monospace;margin:0;overflow-wrap:anywhere}
b{display:inline-block;min-width:4.5rem;color:#06c}
@media(prefers-color-scheme:dark){b{color:#6bf}}
p{margin:.2rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.4rem 0 0 4.5rem;font-size:.9rem}
dt{font-family:ui-monospace,monospace}dd{margin:0}
</style></head><body>
<h1>{{.Title}} <small>{{.Version}}</small></h1>
{{with .Description}}<p>{{.}}</p>{{end}}
<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>
{{range .Routes}}{{if and .Method (not .Hidden)}}<section><h2><b>{{.Method}}</b>{{.Path}}</h2>{{with .Summary}}<p>{{.}}</p>{{end}}
{{if or .Params .Body .Answers}}<dl>{{range .Params}}<dt>{{.Name}}</dt><dd>{{.Doc}} ({{.In}})</dd>{{end}}{{with .Body}}<dt>body</dt><dd>{{.}}</dd>{{end}}{{$a := .Answers}}{{range .Statuses}}<dt>{{.}}</dt><dd>{{index $a .}}</dd>{{end}}</dl>{{end}}
</section>{{end}}{{end}}
</body></html>
`))
