package audit

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/chain/desk"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the questions.
func (l *Log) Mount(m *httpx.Mux) {
	d := &desk.Desk{Log: l, Passed: l.passed, Follow: follow, Failed: l.failed, Places: make(chan struct{}, 2)}
	away := httpx.Answer("503", "the audit log cannot be read now, see Retry-After")
	m.HandleFunc("GET /audit", func(w http.ResponseWriter, r *http.Request) {
		if keep := wanted(w, r); keep != nil {
			d.List(w, r, http.StatusBadRequest, keep)
		}
	}, httpx.Needs(httpx.Admin), httpx.Doc("Who changed what, in the order of the log. Each record has the sha256 of the one before; hash is that of the canonical JSON of everything else in the record."),
		httpx.Paging(), httpx.Query("who", "only changes of this principal, as records name him"), httpx.Query("since", "RFC 3339: only changes of this time or later"), httpx.Answer("200", "the records", desk.Page{}), away)
	m.HandleFunc("GET /audit/verify", d.Prove, httpx.Needs(httpx.Admin), httpx.Doc("Reads the whole audit log of changes and proves the chain."), httpx.Answer("200", "what was found", chain.Proof{}), away)
}

func follow() (*chain.Chain, func(int64, []byte)) {
	c := &chain.Chain{}
	return c, func(offset int64, value []byte) { take(c, offset, value) }
}

func (l *Log) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	l.log.Warn("the audit log of changes cannot be read", "error", err)
	httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "the audit log cannot be read now; try again")
}

// wanted reads which records are asked for; it answers itself, and is nil, when that cannot be read.
func wanted(w http.ResponseWriter, r *http.Request) func(value []byte) bool {
	who, since := r.URL.Query().Get("who"), time.Time{}
	if s := r.URL.Query().Get("since"); s != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, s); err != nil {
			const detail = "since: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z"
			httpx.Problem(w, r, http.StatusBadRequest, detail, httpx.FieldError{Pointer: "?since", Code: "invalid", Detail: detail})
			return nil
		}
	}
	return func(value []byte) bool {
		var rec Record
		return json.Unmarshal(value, &rec) == nil && (who == "" || rec.Who == who) && !rec.At.Before(since)
	}
}
