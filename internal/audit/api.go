package audit

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the questions.
func (l *Log) Mount(m *httpx.Mux) {
	away := httpx.Answer("503", "the audit log cannot be read now, see Retry-After")
	m.HandleFunc("GET /audit", l.getAudit, httpx.Needs(httpx.Admin), httpx.Doc("Who changed what, in the order of the log. Each record has the sha256 of the one before; hash is that of the canonical JSON of everything else in the record."),
		httpx.Paging(), httpx.Query("who", "only changes of this principal, as records name him"), httpx.Query("since", "RFC 3339: only changes of this time or later"), httpx.Answer("200", "the records", list{}), away)
	m.HandleFunc("GET /audit/verify", l.getProof, httpx.Needs(httpx.Admin), httpx.Doc("Reads the whole audit log of changes and proves the chain."), httpx.Answer("200", "what was found", Proof{}), away)
}

// list is a page of the log. The records stand as they were written, so that anybody can prove their hashes.
type list struct {
	Audit []json.RawMessage `json:"audit"`
	Next  *string           `json:"next_cursor"`
}

// Proof is what a proof of the log found.
type Proof struct {
	Valid   bool    `json:"valid"`
	Records int     `json:"records"` // that are chained
	Head    *string `json:"head"`    // hash of the last one; keep it elsewhere to notice a log that was cut or replaced
	Late    int     `json:"late"`    // records of writers that another one outran; they do not count
	Flaws   []Flaw  `json:"faults"`  // the first 100 places at which the log is not as it was written
}

// Flaw is one of them.
type Flaw chain.Fault

// readLimit bounds a question.
const readLimit = 30 * time.Second

// reading lets a few questions read the log at the same time; it answers by itself when it is not ok.
func (l *Log) reading(w http.ResponseWriter, r *http.Request) (ctx context.Context, done func(), ok bool) {
	ctx, stop := context.WithTimeout(r.Context(), readLimit)
	select {
	case l.reads <- struct{}{}:
		return ctx, func() { <-l.reads; stop() }, true
	case <-ctx.Done():
		stop()
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "too many read the audit log now")
		return nil, nil, false
	}
}

func (l *Log) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	l.log.Warn("the audit log of changes cannot be read", "error", err)
	httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "the audit log cannot be read now; try again")
}

func (l *Log) getAudit(w http.ResponseWriter, r *http.Request) {
	page, bad := httpx.PageOf(r)
	from, err := int64(0), error(nil)
	if bad == nil && page.After != "" {
		if from, err = strconv.ParseInt(page.After, 10, 64); err != nil || from < 0 {
			bad = &httpx.FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: "cursor: it was not given by this list"}
		}
	}
	who, since := r.URL.Query().Get("who"), time.Time{}
	if s := r.URL.Query().Get("since"); s != "" && bad == nil {
		if since, err = time.Parse(time.RFC3339, s); err != nil {
			bad = &httpx.FieldError{Pointer: "?since", Code: "invalid", Detail: "since: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z"}
		}
	}
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	ctx, done, ok := l.reading(w, r)
	if !ok {
		return
	}
	defer done()
	out, more, passed := list{Audit: []json.RawMessage{}}, false, l.passed()
	next, err := l.Scan(ctx, from, func(offset int64, value []byte) bool {
		var rec Record
		if _, void := slices.BinarySearch(passed, offset); void || json.Unmarshal(value, &rec) != nil || who != "" && rec.Who != who || rec.At.Before(since) {
			return true
		}
		if more = len(out.Audit) == page.Limit; !more {
			out.Audit = append(out.Audit, slices.Clone(value))
		}
		return !more
	})
	if err != nil {
		l.failed(w, r, err)
		return
	}
	if more {
		out.Next = httpx.Cursor(strconv.FormatInt(next, 10))
	}
	httpx.JSON(w, http.StatusOK, out)
}

func (l *Log) getProof(w http.ResponseWriter, r *http.Request) {
	ctx, done, ok := l.reading(w, r)
	if !ok {
		return
	}
	defer done()
	var c chain.Chain
	if _, err := l.Scan(ctx, 0, func(offset int64, value []byte) bool {
		take(&c, offset, value)
		return true
	}); err != nil {
		l.failed(w, r, err)
		return
	}
	faults, n := c.Faults()
	v := Proof{Valid: n == 0, Records: c.Records(), Late: len(c.Races()), Flaws: []Flaw{}}
	for _, f := range faults {
		v.Flaws = append(v.Flaws, Flaw(f))
	}
	if head := c.Head(); head != "" {
		v.Head = &head
	}
	httpx.JSON(w, http.StatusOK, v)
}
