package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/expr"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (a *API) mountRoutes(m *httpx.Mux) {
	away := httpx.Answer("503", "the brokers cannot be asked now, see Retry-After")
	m.HandleFunc("GET /routes", a.getRoutes, httpx.Doc("Lists the routes of events to further topics."),
		httpx.Query("limit", "items of a page, 1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before"),
		httpx.Answer("200", "the routes", routeList{}), httpx.Answer("400", "wrong limit or cursor"))
	m.HandleFunc("GET /routes/{name}", a.getRoute, httpx.Doc("Shows one route."),
		httpx.Answer("200", "the route", route.Route{}), httpx.Answer("404", "no such route"))
	m.HandleFunc("PUT /routes/{name}", a.putRoute,
		httpx.Doc("Sets a route: events for which the CEL expression `when` is true are copied or moved to the topic `to`. `tests` are tried before it is taken."),
		httpx.Body("application/json"), httpx.Answer("200", "the route is changed", route.Route{}), httpx.Answer("201", "the route is new", route.Route{}),
		httpx.Answer("400", "the body cannot be read"), httpx.Answer("409", "there are too many routes"), httpx.Answer("413", "too large"),
		httpx.Answer("415", "another content type"), httpx.Answer("422", "the definition is wrong, a test fails, or the topic is not there"), away)
	m.HandleFunc("DELETE /routes/{name}", a.deleteRoute, httpx.Doc("Takes a route away."),
		httpx.Answer("204", "it is gone"), httpx.Answer("404", "no such route"), away)
	m.HandleFunc("POST /routes/test", a.testRoute, httpx.Needs(httpx.Read), httpx.Doc("Says for which of the given events a CEL expression is true, and changes nothing."),
		httpx.Body("application/json"), httpx.Answer("200", "one verdict for each event", routeVerdicts{}), httpx.Answer("400", "the body cannot be read"),
		httpx.Answer("413", "too large"), httpx.Answer("415", "another content type"), httpx.Answer("422", "the expression or an event is wrong"))
}

// routeList is the answer of GET /routes.
type routeList struct {
	Routes []*route.Route `json:"routes"`
	Next   *string        `json:"next_cursor"`
}

// routeVerdicts is the answer of POST /routes/test.
type routeVerdicts struct {
	Results  []routeVerdict `json:"results"`
	Warnings []string       `json:"warnings"`
}

type routeVerdict struct {
	Matches bool    `json:"matches"`
	Error   *string `json:"error"` // why it could not be told, which is no match
}

func (a *API) getRoutes(w http.ResponseWriter, r *http.Request) {
	p, err := paging(r)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	out := routeList{Routes: []*route.Route{}}
	for _, x := range a.Routing.Routes.All() {
		if x.Name <= p.after {
			continue
		}
		if len(out.Routes) == p.limit {
			out.Next = cursor(out.Routes[p.limit-1].Name)
			break
		}
		out.Routes = append(out.Routes, x)
	}
	httpx.JSON(w, http.StatusOK, out)
}

func (a *API) getRoute(w http.ResponseWriter, r *http.Request) {
	if x := a.Routing.Routes.Find(r.PathValue("name")); x != nil {
		httpx.JSON(w, http.StatusOK, x)
		return
	}
	noRoute(w, r)
}

func noRoute(w http.ResponseWriter, r *http.Request) {
	httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no route %q", clip(r.PathValue("name"))))
}

func (a *API) putRoute(w http.ResponseWriter, r *http.Request) {
	body, ok := small(w, r)
	if !ok {
		return
	}
	x, err := route.Parse(r.PathValue("name"), body)
	if err != nil {
		badRoute(w, r, err)
		return
	}
	if !a.topicIsThere(w, r, x.To) {
		return
	}
	before := a.Routing.Routes.Find(x.Name)
	text, err := json.Marshal(x)
	if err != nil {
		httpx.Problem(w, r, http.StatusInternalServerError, err.Error())
		return
	}
	if !a.command(w, r, x.Name, text) {
		return
	}
	put := a.Routing.Routes.Find(x.Name)
	httpx.Changed(r.Context(), before, put)
	switch {
	case put == nil:
		httpx.Problem(w, r, http.StatusConflict, fmt.Sprintf("there are %d routes already, more are not taken; delete one", route.Max))
	case before != nil:
		httpx.JSON(w, http.StatusOK, put)
	default:
		w.Header().Set("Location", "/routes/"+x.Name)
		httpx.JSON(w, http.StatusCreated, put)
	}
}

func (a *API) deleteRoute(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	before := a.Routing.Routes.Find(name)
	if before == nil {
		noRoute(w, r)
		return
	}
	if a.command(w, r, name, nil) {
		httpx.Changed(r.Context(), before, nil)
		w.WriteHeader(http.StatusNoContent)
	}
}

// command tells all instances of a change and waits until it holds here; it answers itself when that fails.
func (a *API) command(w http.ResponseWriter, r *http.Request, name string, text []byte) bool {
	ctx, cancel := context.WithTimeout(r.Context(), a.settings().Timeout)
	defer cancel()
	offset, err := a.Routing.Commands.Append(ctx, route.Prefix+name, text)
	if err == nil {
		err = a.Routing.Commands.WaitFor(ctx, offset)
	}
	if err != nil {
		a.unavailable(w, r, err)
	}
	return err == nil
}

// topicIsThere answers itself when the topic of a route is not.
func (a *API) topicIsThere(w http.ResponseWriter, r *http.Request, topic string) bool {
	ctx, cancel := a.asking(r.Context())
	defer cancel()
	infos, err := a.bus.Describe(ctx, topic)
	switch {
	case errors.Is(err, bus.ErrUnknownTopic), err == nil && len(infos) == 0:
		badRoute(w, r, &route.Fault{Pointer: "/to", Code: "topic", Detail: fmt.Sprintf("there is no topic %q; create it by POST /topics first", topic)})
	case err != nil:
		a.unavailable(w, r, err)
	default:
		return true
	}
	return false
}

func badRoute(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusUnprocessableEntity
	var f *route.Fault
	if !errors.As(err, &f) {
		httpx.Problem(w, r, status, err.Error())
		return
	}
	if f.Code == "json" {
		status = http.StatusBadRequest
	}
	httpx.Problem(w, r, status, f.Detail, httpx.FieldError{Pointer: f.Pointer, Code: f.Code, Detail: f.Detail})
}

// maxTried is the number of events that one test may bring.
const maxTried = 1000

func (a *API) testRoute(w http.ResponseWriter, r *http.Request) {
	body, ok := small(w, r)
	if !ok {
		return
	}
	var in struct {
		When   string            `json:"when"`
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		badRoute(w, r, &route.Fault{Code: "json", Detail: "the body cannot be read: " + err.Error()})
		return
	}
	x, err := expr.Compile(in.When)
	switch {
	case err != nil:
		badRoute(w, r, &route.Fault{Pointer: "/when", Code: "cel", Detail: err.Error()})
		return
	case len(in.Events) > maxTried:
		badRoute(w, r, &route.Fault{Pointer: "/events", Code: "count", Detail: fmt.Sprintf("at most %d events", maxTried)})
		return
	}
	out := routeVerdicts{make([]routeVerdict, len(in.Events)), append([]string{}, x.Strange()...)}
	for i, raw := range in.Events {
		d := event.Decoder{Limits: a.settings().Event}
		var e event.Event
		if bad := d.Decode(raw, nil, &e); bad != nil {
			badRoute(w, r, &route.Fault{Pointer: fmt.Sprintf("/events/%d%s", i, bad.Pointer), Code: bad.Code, Detail: bad.Detail})
			return
		}
		ok, err := x.Matches(&e)
		if out.Results[i].Matches = ok; err != nil {
			out.Results[i].Error = new(err.Error())
		}
	}
	httpx.JSON(w, http.StatusOK, out)
}

// small reads a body of JSON that a person writes; it answers itself when there is none.
func small(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	const limit = 1 << 20
	if mediaTypeOf(r.Header.Get("Content-Type")) != jsonBody {
		httpx.Problem(w, r, http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type %q is not supported; use application/json", clip(r.Header.Get("Content-Type"))))
		return nil, false
	}
	body, bad := httpx.ReadBody(w, r, limit)
	if bad != nil {
		bad.Answer(w, r)
	}
	return body, bad == nil
}
