package batch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the batch part of :9101 to a mux.
func (s *Service) Mount(m *httpx.Mux) {
	limit := httpx.Query("limit", "Items a page, 1 to 1000; 100 when not given.")
	cursor := httpx.Query("cursor", "next_cursor of the page before.")
	refused := httpx.Answer("422", "A parameter cannot be used; errors says which.")
	m.HandleFunc("GET /aggregation/status", s.getStatus, httpx.Doc("How the aggregation of each period stands: completed, running, failed, scheduled or disabled."),
		httpx.Answer("200", "The state of each period, and in detail what it stands on.", statusDoc))
	m.HandleFunc("GET /aggregations/{level}", s.getAggregations, httpx.TenantIn("value", "dimension=tenant"), httpx.Doc("Rows of hourly, daily, weekly or monthly aggregations."),
		httpx.Query("from", "Start of the first period, RFC 3339."), httpx.Query("to", "End of the range, exclusive."),
		httpx.Query("model", "A model, _all for the totals (default), * for every row."),
		httpx.Query("dimension", "model (default), tenant, endpoint or user_id: what a row is of. Rows then have that name in place of model."),
		httpx.Query("value", "With another dimension than model: one of its values, __other__ for all that were too many to keep apart, * for every row (default)."),
		httpx.Query("format", "json, or csv or parquet for the whole range without pages."), limit, cursor, httpx.AnswerAs("200", "application/vnd.apache.parquet", ""), httpx.AnswerAs("200", "text/csv", ""), httpx.AnswerAs("200", "application/json", "Rows by time and model.", rowsDoc), refused)
	m.HandleFunc("POST /accuracy/check", s.postAccuracyCheck, httpx.ChangesNothing(), httpx.Doc("Counts hourly rows anew from the raw events and compares them with what is stored. Body: {\"from\", \"to\"}, whole hours."),
		httpx.Body("application/json"), httpx.Answer("200", "How many rows were checked and equal, and every difference by column.", accuracyReport{}),
		httpx.Answer("409", "Hourly aggregation is switched off."), httpx.Answer("422", "The range is empty, too long or not of whole hours."))
	s.mountReports(m, limit, cursor)
	s.mountSchedules(m)
	s.mountForecasts(m)
	s.mountCapacity(m)
	s.mountPrices(m, limit, cursor)
	s.mountCosts(m, limit, cursor)
	s.mountPlans(m)
	s.mountInsight(m)
	s.mountFunnels(m)
	s.mountRuns(m)
}

// Handler serves the batch part of :9101 on a mux of its own.
func (s *Service) Handler() http.Handler {
	m := httpx.NewMux(s.log, nil)
	s.Mount(m)
	return m
}

// Limits of lists.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// query reads parameters and collects what is wrong with them.
type query struct {
	values url.Values
	errs   []httpx.FieldError
}

func (q *query) bad(name, code, format string, args ...any) {
	q.errs = append(q.errs, httpx.FieldError{Pointer: name, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// only refuses parameters that are not known.
func (q *query) only(names ...string) {
	q.errs = append(q.errs, httpx.Unknown(q.values, names...)...)
}

func (q *query) limit() int {
	text := q.values.Get("limit")
	if text == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		q.bad("limit", "out_of_range", "%q is not a number from 1 to %d", text, maxLimit)
		return defaultLimit
	}
	return n
}

// time reads an RFC 3339 time or a date; zero when it is not given.
func (q *query) time(name string) time.Time {
	text := q.values.Get(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	q.bad(name, "bad_timestamp", "%q is not an RFC 3339 time such as 2026-03-01T10:00:00Z", text)
	return time.Time{}
}

func (q *query) choice(name, fallback string, allowed ...string) string {
	text := q.values.Get(name)
	if text == "" {
		return fallback
	}
	for _, a := range allowed {
		if a == text {
			return text
		}
	}
	q.bad(name, "unknown_value", "%q is not one of %s", text, strings.Join(allowed, ", "))
	return fallback
}

// refused answers 422 when something was wrong.
func (q *query) refused(w http.ResponseWriter, r *http.Request) bool {
	if len(q.errs) == 0 {
		return false
	}
	httpx.Problem(w, r, http.StatusUnprocessableEntity, "the request has parameters that cannot be used", q.errs...)
	return true
}

// fail answers for an error of what lies below.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if no, ok := errors.AsType[*agg.Refusal](err); ok {
		s.refuse(w, r, no)
		return
	}
	switch {
	case errors.Is(err, s.deps.NotFound):
		httpx.Problem(w, r, http.StatusNotFound, "there is nothing with this id")
	case errors.Is(err, s.deps.BadCursor):
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the cursor is not one that this list gave",
			httpx.FieldError{Pointer: "cursor", Code: "bad_cursor", Detail: "take it from next_cursor, unchanged"})
	case r.Context().Err() != nil: // nobody listens
	case errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "5")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "not answered in time: "+err.Error())
	case httpx.FullDisk(w, r, err):
		s.log.Error("request failed", "path", r.URL.Path, "err", err)
	default:
		s.log.Error("request failed", "path", r.URL.Path, "err", err)
		httpx.Problem(w, r, http.StatusInternalServerError, "the request could not be answered; the log of the service says why")
	}
}

var refusalStatus = map[agg.RefusalKind]int{
	agg.RefusedInvalid: http.StatusUnprocessableEntity, agg.RefusedUnknownDAG: http.StatusUnprocessableEntity, agg.RefusedNotFound: http.StatusNotFound,
	agg.RefusedConflict: http.StatusConflict, agg.RefusedDisabled: http.StatusConflict, agg.RefusedUnavailable: http.StatusServiceUnavailable,
	agg.RefusedNotYet: http.StatusNotImplemented,
}

// refuse answers for what a caller cannot have.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, no *agg.Refusal) {
	if no.Kind == agg.RefusedUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	errs := make([]httpx.FieldError, 0, len(no.Fields))
	for _, f := range no.Fields {
		errs = append(errs, httpx.FieldError{Pointer: "/" + f.Field, Code: f.Code, Detail: f.Detail})
	}
	httpx.Problem(w, r, refusalStatus[no.Kind], no.Detail, errs...)
}

// cursorOf is null at the end of a list.
func cursorOf(next string) *string {
	if next == "" {
		return nil
	}
	return &next
}
