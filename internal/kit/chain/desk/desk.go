// Package desk answers questions about a chained log over HTTP: what stands in it, and whether it is as it was written.
//
// Out go the records as they were written, so that anybody can prove their hashes. A few questions read the log at the same time; others wait, and
// are told to come back.
package desk

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

// Log is where the records are.
type Log interface {
	// Scan gives records from an offset on to see, until it says that it has enough or the log ends. It returns the offset from which to go on.
	Scan(ctx context.Context, from int64, see func(offset int64, value []byte) (more bool)) (next int64, err error)
}

// Desk is where the questions about one log are answered.
type Desk struct {
	Log    Log
	Passed func() []int64 // offsets of records that do not count, in order
	// Follow makes a chain that has seen nothing, and what takes records into it.
	Follow func() (*chain.Chain, func(offset int64, value []byte))
	Failed func(http.ResponseWriter, *http.Request, error) // answers when the log cannot be read
	Places chan struct{}                                   // as many as questions may read the log at the same time
}

// Page is a page of the log.
type Page struct {
	Audit []json.RawMessage `json:"audit"`
	Next  *string           `json:"next_cursor"`
}

// limit bounds a question.
const limit = 30 * time.Second

// reading answers by itself when it is not ok.
func (d *Desk) reading(w http.ResponseWriter, r *http.Request) (ctx context.Context, done func(), ok bool) {
	ctx, stop := context.WithTimeout(r.Context(), limit)
	select {
	case d.Places <- struct{}{}:
		return ctx, func() { <-d.Places; stop() }, true
	case <-ctx.Done():
		stop()
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "too many read the audit log now")
		return nil, nil, false
	}
}

// List answers with a page of the records that keep chooses, nil for all. A wrong limit or cursor is answered with the status wrong.
func (d *Desk) List(w http.ResponseWriter, r *http.Request, wrong int, keep func(value []byte) bool) {
	page, bad := httpx.PageOf(r)
	from, err := int64(0), error(nil)
	if bad == nil && page.After != "" {
		if from, err = strconv.ParseInt(page.After, 10, 64); err != nil || from < 0 {
			bad = &httpx.FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: "cursor: it was not given by this list"}
		}
	}
	if bad != nil {
		httpx.Problem(w, r, wrong, bad.Detail, *bad)
		return
	}
	ctx, done, ok := d.reading(w, r)
	if !ok {
		return
	}
	defer done()
	out, more, passed := Page{Audit: []json.RawMessage{}}, false, d.Passed()
	next, err := d.Log.Scan(ctx, from, func(offset int64, value []byte) bool {
		if _, void := slices.BinarySearch(passed, offset); void || keep != nil && !keep(value) {
			return true
		}
		if more = len(out.Audit) == page.Limit; !more {
			out.Audit = append(out.Audit, slices.Clone(value))
		}
		return !more
	})
	if err != nil {
		d.Failed(w, r, err)
		return
	}
	if more {
		out.Next = httpx.Cursor(strconv.FormatInt(next, 10))
	}
	httpx.JSON(w, http.StatusOK, out)
}

// Prove reads the whole log and answers with a chain.Proof.
func (d *Desk) Prove(w http.ResponseWriter, r *http.Request) {
	ctx, done, ok := d.reading(w, r)
	if !ok {
		return
	}
	defer done()
	c, take := d.Follow()
	if _, err := d.Log.Scan(ctx, 0, func(offset int64, value []byte) bool {
		take(offset, value)
		return true
	}); err != nil {
		d.Failed(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, c.Proof())
}
