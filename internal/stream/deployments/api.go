package deployments

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type answer struct {
	Deployments []*Deployment `json:"deployments"`
	Next        *string       `json:"next_cursor"`
}

// Mount adds the question.
func (b *Book) Mount(m *httpx.Mux) {
	m.HandleFunc("GET /deployments", b.get, httpx.Doc("Lists what was put to work, the newest first: deployments that a business event of the type deploy, deployment, release, rollout or rollback told of, and models and versions of prompts that were seen for the first time."), httpx.Paging(),
		httpx.Query("since", "RFC 3339: only those of this time or later"), httpx.Query("until", "RFC 3339: only those before this time"), httpx.Query("model", "only those of this model, or of none"),
		httpx.Answer("200", "the deployments", answer{}))
}

func (b *Book) get(w http.ResponseWriter, r *http.Request) {
	page, bad := httpx.PageOf(r)
	since, wrong := moment(r, "since")
	until, wrong2 := moment(r, "until")
	for _, x := range []*httpx.FieldError{bad, wrong, wrong2} {
		if x != nil {
			httpx.Problem(w, r, http.StatusBadRequest, x.Detail, *x)
			return
		}
	}
	var before *mark
	if !until.IsZero() {
		before = &mark{at: until}
	}
	if page.After != "" {
		at, id, ok := strings.Cut(page.After, " ")
		micros, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			bad := httpx.FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: "cursor: it was not given by this list"}
			httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, bad)
			return
		}
		if t := time.UnixMicro(micros); until.IsZero() || t.Before(until) {
			before = &mark{t, id}
		}
	}
	list, more := b.list(since, before, r.URL.Query().Get("model"), page.Limit)
	out := answer{Deployments: append([]*Deployment{}, list...)}
	if more {
		last := list[len(list)-1]
		out.Next = httpx.Cursor(fmt.Sprintf("%d %s", last.At.UnixMicro(), last.ID))
	}
	httpx.JSON(w, http.StatusOK, out)
}

func moment(r *http.Request, name string) (time.Time, *httpx.FieldError) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, &httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf("%s=%.40q: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z", name, s)}
	}
	return t, nil
}
