package alerts

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// States are those that can be asked for.
var States = []string{string(Pending), string(Firing), string(Resolved)}

// Mount adds the endpoints. anomaly tells which rules compare a metric with its own past.
func (b *Book) Mount(m *httpx.Mux, anomaly func(rule string) (metric string, ok bool)) {
	b.mountAnomalies(m, anomaly)
	m.HandleFunc("GET /alerts", b.getAlerts, httpx.Doc("Lists alerts, those that began last first: one for each rule, key and episode. What retention removed from hxp-alerts is gone."), httpx.KeepsTenantsApart(), httpx.Paging(),
		httpx.Query("state", "pending, firing, resolved, or several of them separated by commas"), httpx.Query("rule", "only alerts of this rule", httpx.Text(0, maxID)),
		httpx.Query("severity", "info, warning, critical, or several of them separated by commas"), httpx.Query("since", "RFC 3339: only alerts that began at this time or later"),
		httpx.Query("until", "RFC 3339: only alerts that began before this time"), httpx.Query("on_since", "RFC 3339: only alerts that were on at this time or later, whenever they began"),
		httpx.Answer("200", "the alerts", answer{}))
	m.HandleFunc("GET /alerts/{id}", b.getAlert, httpx.Doc("Shows one alert."), httpx.KeepsTenantsApart(), httpx.Answer("200", "the alert", Alert{}), httpx.Answer("404", "there is no such alert"))
}

// next is the cursor behind a page.
func next(list []*Alert, more bool) *string {
	if !more {
		return nil
	}
	last := list[len(list)-1]
	return httpx.Cursor(fmt.Sprintf("%d %s", last.StartsAt.UnixMicro(), last.ID))
}

type answer struct {
	Alerts []*Alert `json:"alerts"`
	Next   *string  `json:"next_cursor"`
}

func (b *Book) getAlerts(w http.ResponseWriter, r *http.Request) {
	page, bad := httpx.PageOf(r)
	var want Wanted
	if bad == nil {
		want, bad = wanted(r, page)
	}
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	out := answer{Alerts: []*Alert{}}
	if tenant := auth.Tenant(r.Context()); tenant != "" {
		want.Match = func(a *Alert) bool { return a.Tenant() == tenant }
	}
	list, more := b.List(want, page.Limit)
	out.Alerts = append(out.Alerts, list...)
	out.Next = next(list, more)
	httpx.JSON(w, http.StatusOK, out)
}

func (b *Book) getAlert(w http.ResponseWriter, r *http.Request) {
	a, tenant := b.Find(r.PathValue("id")), auth.Tenant(r.Context())
	if a == nil || tenant != "" && a.Tenant() != tenant {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no alert %.80q", r.PathValue("id")))
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// wanted reads what is asked for.
func wanted(r *http.Request, page httpx.Page) (w Wanted, bad *httpx.FieldError) {
	q := r.URL.Query()
	for _, name := range []string{"rule", "metric", "model"} {
		if n := utf8.RuneCountInString(q.Get(name)); n > maxID {
			return w, &httpx.FieldError{Pointer: "?" + name, Code: "too_long", Detail: fmt.Sprintf("%s has %d characters; at most %d are taken", name, n, maxID)}
		}
	}
	w.Rule = q.Get("rule")
	list, bad := words(r, "state", States)
	if bad != nil {
		return w, bad
	}
	for _, s := range list {
		w.States = append(w.States, State(s))
	}
	if w.Severities, bad = words(r, "severity", severities); bad != nil {
		return w, bad
	}
	if w.Since, bad = moment(q, "since"); bad != nil {
		return w, bad
	}
	if w.On, bad = moment(q, "on_since"); bad != nil {
		return w, bad
	}
	until, bad := moment(q, "until")
	if bad != nil {
		return w, bad
	}
	if !until.IsZero() {
		w.Before = &Mark{StartsAt: until}
	}
	if page.After != "" {
		at, id, ok := strings.Cut(page.After, " ")
		micros, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return w, &httpx.FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: "cursor: it was not given by this list"}
		}
		if at := time.UnixMicro(micros); until.IsZero() || at.Before(until) {
			w.Before = &Mark{at, id}
		}
	}
	return w, nil
}

// moment reads a parameter that is a time; zero when it is absent.
func moment(q url.Values, name string) (time.Time, *httpx.FieldError) {
	s := q.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, &httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf("%s=%.40q: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z", name, s)}
	}
	return t, nil
}

// words reads a parameter of words separated by commas; nil when it is absent.
func words(r *http.Request, name string, known []string) ([]string, *httpx.FieldError) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return nil, nil
	}
	list := strings.Split(v, ",")
	for _, word := range list {
		if !slices.Contains(known, word) {
			return nil, &httpx.FieldError{Pointer: "?" + name, Code: "unknown", Detail: fmt.Sprintf("%s=%.60q: %.40q is none of %s", name, v, word, strings.Join(known, ", "))}
		}
	}
	return list, nil
}
