package dashboard

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
	"github.com/hxp-enterprise/hxp/web"
)

// Config is what the pages tell of the installation.
type Config struct {
	Environment string
	Version     string
	// Dimensions are those that the windows keep apart, alone or in pairs joined by +, beside the model and the tenant.
	Dimensions []string
	// TraceURL leads from a request to its trace, see CheckTraceURL; "" = nowhere.
	TraceURL string
	// Links gives the base URLs of the services by name ("operations", …, "kafka-api"). It is asked for each page, because
	// ports may be free ones. The host in them is replaced by the one that the browser used.
	Links func() map[string]string
	// Services pass requests on to a service, by name. Each board has those paths of them that its page asks; what is of a
	// service without a handler is not there.
	Services map[string]http.Handler
	// Range answers GET /range on every board: any span of time, see package past; nil = it is not there.
	Range http.Handler
	// Gate judges who may see a board; nil = everybody. Each board has its own.
	Gate *auth.Gate
	// Sessions are those of browsers that may; it is there where Gate is.
	Sessions *auth.Sessions
	Log      *slog.Logger // nil = nowhere
}

// ingestService is whose URL the page shows to those who have not sent an event yet.
const ingestService = "kafka-api"

type handler struct {
	cfg   Config
	board Board
	page  layout
	files *files
	// modules are what the script of the board imports.
	modules []string
}

// New makes the handler of a board. hub is what its streams come from.
func New(name string, hub *live.Hub, cfg Config) (http.Handler, error) {
	board, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("dashboard: there is no board %q", name)
	}
	h, err := newHandler(board, cfg)
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	mux := httpx.NewMux(log, nil)
	if cfg.Gate != nil {
		door, err := newDoor(board, cfg)
		if err != nil {
			return nil, err
		}
		mux.Protect(cfg.Gate)
		door.mount(mux)
	}
	same := httpx.SameForEveryTenant() // a page is empty until its numbers come, which are judged by themselves
	mux.HandleFunc("GET /{$}", h.serveBoard, same)
	for _, more := range board.more {
		further, err := newHandler(more, cfg)
		if err != nil {
			return nil, err
		}
		mux.HandleFunc("GET "+more.at, further.serveBoard, same)
	}
	mux.HandleFunc("GET /config.json", h.serveConfig, same)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /static/{path...}", h.files, httpx.Open()) // they are the same in every installation
	if cfg.Range != nil {
		mux.Handle("GET /range", cfg.Range, httpx.TenantIn("tenant"))
	}
	for _, a := range board.asks {
		if service := cfg.Services[a.service]; service != nil {
			for _, pattern := range a.patterns {
				if a.service == Self {
					mux.Handle(pattern, service)
				} else {
					mux.Handle(pattern, service, httpx.JudgedElsewhere())
				}
			}
		}
	}
	for _, name := range board.looks {
		if service := cfg.Services[name]; service != nil {
			under := "/services/" + name
			mux.Handle("GET "+under+"/health", http.StripPrefix(under, service), httpx.JudgedElsewhere())
			mux.Handle("GET "+under+"/metrics", http.StripPrefix(under, service), httpx.JudgedElsewhere())
		}
	}
	hub.MountStreams(mux)
	return secure(mux), nil
}

// MountScheduler adds the page of the scheduler to the mux of its API.
func MountScheduler(mux *httpx.Mux, cfg Config) error {
	h, err := newHandler(scheduler, cfg)
	if err != nil {
		return err
	}
	mux.Handle("GET /{$}", secure(http.HandlerFunc(h.serveBoard)), httpx.Doc("The page of the scheduler: DAGs, runs, logs, backfills."), httpx.Open()) // it asks for a login itself
	mux.Handle("GET /static/{path...}", secure(h.files), httpx.Hidden(), httpx.Open())
	return nil
}

func newHandler(board Board, cfg Config) (*handler, error) {
	page, err := loadLayout(web.FS, board.page)
	if err == nil {
		_, err = page.render(board, nil, nil, "", "", "") // a hole without a value shows now
	}
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	static, err := static()
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	return &handler{cfg: cfg, board: board, page: page, files: static, modules: static.modules(board.Script)}, nil
}

// policy lets a page load from its own origin, send forms there, and nothing else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// tab is a link to a board.
type tab struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	URL     string `json:"url"`
	Current bool   `json:"current"`
}

// links gives the tabs and the URL to send events to, as the browser of r reaches them.
func (h *handler) links(r *http.Request) (tabs []tab, ingest string) {
	urls := map[string]string{}
	if h.cfg.Links != nil {
		urls = h.cfg.Links()
	}
	for _, b := range append(slices.Clone(Boards), scheduler) {
		t := tab{Name: b.Name, Title: b.Title, URL: reach(urls[b.Name], r.Host), Current: b.Name == h.board.Name}
		switch {
		case t.Current:
			t.URL = "/"
		case t.URL == "": // it does not run
			continue
		}
		tabs = append(tabs, t)
	}
	return tabs, reach(urls[ingestService], r.Host)
}

// reach puts the host that a browser used into a base URL, because services tell the address that they listen at.
func reach(base, host string) string {
	u, err := url.Parse(base)
	if base == "" || err != nil || u.Host == "" {
		return ""
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "" {
		return base
	}
	u.Host = net.JoinHostPort(host, u.Port())
	if u.Port() == "" {
		u.Host = host
	}
	return u.String()
}

func (h *handler) serveBoard(w http.ResponseWriter, r *http.Request) {
	tabs, _ := h.links(r)
	page, err := h.page.render(h.board, h.modules, tabs, h.cfg.Environment, h.cfg.Version, auth.Who(r.Context()))
	if err != nil {
		httpx.Problem(w, r, http.StatusInternalServerError, "the page could not be made: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(page))
}

func (h *handler) serveConfig(w http.ResponseWriter, r *http.Request) {
	tabs, ingest := h.links(r)
	w.Header().Set("Cache-Control", "no-store")
	httpx.JSON(w, http.StatusOK, struct {
		Product     string   `json:"product"`
		Version     string   `json:"version"`
		Environment string   `json:"environment"`
		Boards      []tab    `json:"boards"`
		Ingest      string   `json:"ingest,omitempty"`
		Dimensions  []string `json:"dimensions"`
		TraceURL    string   `json:"trace_url,omitempty"`
	}{"hxp", h.cfg.Version, h.cfg.Environment, tabs, ingest, append([]string{"model+tenant"}, h.cfg.Dimensions...), h.cfg.TraceURL})
}
