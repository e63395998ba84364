package live

import (
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// ticketAnswer is what a browser needs to open one stream.
type ticketAnswer struct {
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires_at"`
}

// MountTickets adds the way to a ticket. tickets is nil where nobody is asked who he is.
func (h *Hub) MountTickets(m *httpx.Mux, tickets *auth.Tickets) {
	m.HandleFunc("POST /streams/tickets", func(w http.ResponseWriter, r *http.Request) {
		p := auth.From(r.Context())
		if tickets == nil || p == nil {
			httpx.Problem(w, r, http.StatusConflict, "authentication is off, so streams ask for no ticket", httpx.FieldError{Code: "disabled", Detail: "open the stream without one"})
			return
		}
		text, until, err := tickets.Issue(p)
		if err != nil {
			httpx.Unavailable(w, r, http.StatusServiceUnavailable, retryAfter, err.Error())
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		httpx.JSON(w, http.StatusCreated, ticketAnswer{text, until.UTC()})
	}, httpx.Needs(httpx.Read), httpx.KeepsTenantsApart(),
		httpx.Doc("Gives a ticket, with which a browser opens one stream, once, within 30 seconds: ?ticket=… at /ws or /stream, also from a page of another origin. The stream may show what the token of this request may."),
		httpx.Answer("201", "the ticket", ticketAnswer{}), httpx.Answer("409", "authentication is off; open the stream without one"), httpx.Answer("503", "too many tickets wait to be used, see Retry-After"))
}

// mayOpen tells whether the page that asks may have a stream: one of this origin, or one that was given a ticket. To the latter a browser
// hands the stream only when it is told so.
func mayOpen(w http.ResponseWriter, r *http.Request) bool {
	p := auth.From(r.Context())
	if p == nil || !p.Ticket {
		return ownOrigin(r)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Vary", "Origin")
	}
	return true
}
