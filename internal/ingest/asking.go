package ingest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// askWithin bounds a question to the brokers: somebody waits for the answer.
const askWithin = 10 * time.Second

// asking gives a question to the brokers its time. It ends at once when they are away.
func (a *API) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, unguard := a.guard(ctx)
	ctx, cancel := context.WithTimeout(ctx, min(askWithin, a.settings().Timeout))
	return ctx, func() { cancel(); unguard() }
}

func (a *API) guard(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.pulse == nil {
		return context.WithCancel(ctx)
	}
	return a.pulse.Guard(ctx)
}

// asked runs a handler that asks the brokers; an error that is not the caller's is answered 503.
func (a *API) asked(h func(ctx context.Context, w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := a.asking(r.Context())
		defer cancel()
		err := h(ctx, w, r)
		if err == nil {
			return
		}
		if cause := context.Cause(ctx); ctx.Err() != nil && errors.Is(cause, bus.ErrAway) {
			err = cause
		}
		a.failed(w, r, err)
	}
}

// failed is the one place that turns errors of questions and changes into answers.
func (a *API) failed(w http.ResponseWriter, r *http.Request, err error) {
	if bad, ok := errors.AsType[*httpx.Fault](err); ok {
		bad.Answer(w, r)
		return
	}
	no, refused := errors.AsType[*bus.RefusedError](err)
	switch {
	case refused:
		httpx.Problem(w, r, http.StatusUnprocessableEntity, no.Detail)
	case errors.Is(err, bus.ErrUnknownTopic), errors.Is(err, bus.ErrUnknownGroup):
		httpx.Problem(w, r, http.StatusNotFound, err.Error())
	case errors.Is(err, bus.ErrTopicExists), errors.Is(err, bus.ErrGroupBusy):
		httpx.Problem(w, r, http.StatusConflict, err.Error())
	default:
		a.unavailable(w, r, err)
	}
}

// wrong is a fault of one part of the request: a parameter by its name or a part of the body by its pointer.
func wrong(status int, where, code, detail string) error {
	f := httpx.Wrong(where, code, detail)
	f.Status = status
	return f
}

const maxQuestion = 1 << 20 // bytes of the body of a request that is no event

// bodyOf reads a small JSON object into v and refuses what v does not know.
func bodyOf(w http.ResponseWriter, r *http.Request, v any) error {
	if bad := httpx.DecodeBody(w, r, maxQuestion, v, httpx.Strict); bad != nil {
		return bad
	}
	return nil
}

// unavailable answers when the brokers could not be asked.
func (a *API) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	a.log.Warn("the brokers could not be asked", "path", r.URL.Path, "error", err)
	detail := "the brokers cannot be asked now"
	switch {
	case errors.Is(err, bus.ErrAway):
		detail = "the brokers do not answer; what was acknowledged is safe with them"
	case errors.Is(err, bus.ErrAccess):
		detail = err.Error() // says what to mend
	}
	httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, detail)
}

// page is what a list was asked for.
type page struct {
	limit int
	after string // decoded cursor
}

const maxPage = 1000

// paging reads limit and cursor.
func paging(r *http.Request) (page, error) {
	p := page{limit: 100}
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return p, wrong(http.StatusBadRequest, "limit", "out_of_range", fmt.Sprintf("%q is not a number from 1 to %d", clip(s), maxPage))
		}
		p.limit = n
	}
	if s := q.Get("cursor"); s != "" {
		var err error
		if p.after, err = decodeCursor(s); err != nil {
			return p, err
		}
	}
	return p, nil
}

// given refuses parameters that are there without a value.
func given(q url.Values, names ...string) error {
	for _, name := range names {
		if q.Has(name) && q.Get(name) == "" {
			return wrong(http.StatusBadRequest, name, "required", "it has no value; leave it out or give one")
		}
	}
	return nil
}

func decodeCursor(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 {
		return "", errCursor
	}
	return string(b), nil
}

var errCursor = wrong(http.StatusBadRequest, "cursor", "not_a_cursor", "it was not given by this list")

func cursor(after string) *string {
	s := base64.RawURLEncoding.EncodeToString([]byte(after))
	return &s
}

func clip(s string) string { return words.Clip(s, 80) }
