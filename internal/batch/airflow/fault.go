package airflow

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// fault is an error answer in Airflow's shape: detail is a sentence, an object, or the list of what is wrong with the request.
type fault struct {
	status int
	detail any
	retry  time.Duration
}

func (f *fault) Error() string {
	if s, ok := f.detail.(string); ok {
		return s
	}
	b, _ := json.Marshal(f.detail)
	return string(b)
}

func refuse(status int, detail any) *fault { return &fault{status: status, detail: detail} }

// flaw is one thing that is wrong with a request, as pydantic tells it.
type flaw struct {
	Type  string `json:"type"`
	Loc   []any  `json:"loc"`
	Msg   string `json:"msg"`
	Input any    `json:"input"`
	Ctx   any    `json:"ctx,omitempty"`
}

// flaws collects what is wrong with one part of a request: "query", "path" or "body".
type flaws struct {
	part string
	list []flaw
}

func (f *flaws) add(name, kind, msg string, input, ctx any) {
	loc := []any{f.part}
	if name != "" {
		loc = append(loc, name)
	}
	f.list = append(f.list, flaw{kind, loc, msg, input, ctx})
}

// err is the refusal; nil when nothing is wrong.
func (f *flaws) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, f.list)
}

// oneOf says which words are possible: 'a', 'b' or 'c'.
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + w + "'"
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// refusals gives the refusals of the scheduler their statuses.
var refusals = map[agg.RefusalKind]int{
	agg.RefusedInvalid: http.StatusUnprocessableEntity, agg.RefusedUnknownDAG: http.StatusNotFound, agg.RefusedNotFound: http.StatusNotFound,
	agg.RefusedConflict: http.StatusConflict, agg.RefusedDisabled: http.StatusConflict, agg.RefusedUnavailable: http.StatusServiceUnavailable,
	agg.RefusedNotYet: http.StatusNotImplemented,
}

// asFault gives an error of the scheduler its status; nil when it is a failure of ours.
func asFault(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	r, ok := errors.AsType[*agg.Refusal](err)
	if !ok {
		return nil
	}
	f := refuse(refusals[r.Kind], r.Detail)
	if f.status == http.StatusServiceUnavailable {
		f.retry = 5 * time.Second
	}
	return f
}

// fail answers with an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := asFault(err)
	if f == nil {
		if r.Context().Err() != nil {
			return // nobody listens
		}
		a.log.Error("request failed", "path", r.URL.Path, "request_id", httpx.RequestID(r.Context()), "err", err)
		if httpx.FullDisk(w, r, err) {
			return
		}
		f = refuse(http.StatusInternalServerError, "The request could not be answered; the log of the service says why under request id "+httpx.RequestID(r.Context()))
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	httpx.JSON(w, f.status, map[string]any{"detail": f.detail})
}
