package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// taken is the answer of POST /events and /ingest/…, for its description; answer writes it by hand, for there may be 50,000
// results.
type taken struct {
	Accepted   int         `json:"accepted"`
	Rejected   int         `json:"rejected"`
	Duplicates int         `json:"duplicates"`
	Errors     []itemError `json:"errors"`
	Results    []struct {
		Index     int    `json:"index"`
		EventID   string `json:"event_id"`
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"offset"`
	} `json:"results"`
	Warnings []warning `json:"warnings,omitempty"` // unknown fields of the first event that has some, which are nearly known ones
}

// taking describes a path that answers as POST /events does.
func taking(opts ...httpx.Option) []httpx.Option {
	return refusing(append(opts,
		httpx.Header("Idempotency-Key", "makes the ids of events without one from this key and their index"),
		httpx.Query("results", "all = name the place of every event, not only for bodies of up to 100"),
		httpx.Answer("202", "all taken; duplicates count as taken", taken{}), httpx.Answer("207", "some rejected, each kept in the dead letters", taken{}),
		httpx.Answer("422", "none taken, each kept in the dead letters", taken{}))...)
}

// refusing describes what every path that takes bodies may answer instead.
func refusing(opts ...httpx.Option) []httpx.Option {
	return append(opts, httpx.Needs(httpx.Ingest), httpx.KeepsTenantsApart(), // bodies may come with Content-Encoding gzip or zstd
		httpx.Answer("400", "not readable as a whole, nothing taken"), httpx.Answer("408", "the body stopped coming"),
		httpx.Answer("413", "too large, nothing taken"), httpx.Answer("415", "another content type or encoding"),
		httpx.Answer("429", "too much under way, or more than this sender may bring; see Retry-After"), httpx.Answer("503", "the brokers cannot write now, see Retry-After"))
}

// maxListed bounds errors always, and results unless all are asked for.
const maxListed = 100

// itemError says why an item was rejected.
type itemError struct {
	Index        int    `json:"index"`
	Code         string `json:"code"`
	Pointer      string `json:"pointer"`
	Detail       string `json:"detail"`
	DeadLetterID string `json:"dead_letter_id"`
}

// tally counts what became of the items, for the metrics too.
func (a *API) tally(b *batch) (n [rejected + 1]int) {
	codes := map[string]int{}
	for i := range b.items {
		it := &b.items[i]
		n[it.fate]++
		if it.fate == rejected {
			codes[it.reject.Code]++
		}
	}
	a.count(n, codes)
	return n
}

// errors lists the first items that were rejected.
func (b *batch) errors() []itemError {
	errs := []itemError{}
	for i := range b.items {
		if it := &b.items[i]; it.fate == rejected && len(errs) < maxListed {
			errs = append(errs, itemError{i, it.reject.Code, it.reject.Pointer, it.reject.Detail, it.dead})
		}
	}
	return errs
}

// answer tells what became of each item.
func (a *API) answer(w http.ResponseWriter, b *batch) {
	n := a.tally(b)
	status := http.StatusAccepted
	switch {
	case n[rejected] == 0:
	case n[accepted]+n[duplicate] == 0:
		status = http.StatusUnprocessableEntity
	default:
		status = http.StatusMultiStatus
	}
	out := make([]byte, 0, 256)
	out = strconv.AppendInt(append(out, `{"accepted":`...), int64(n[accepted]), 10)
	out = strconv.AppendInt(append(out, `,"rejected":`...), int64(n[rejected]), 10)
	out = strconv.AppendInt(append(out, `,"duplicates":`...), int64(n[duplicate]), 10)
	out = append(out, `,"errors":`...)
	if n[rejected] == 0 {
		out = append(out, "[]"...)
	} else if list, err := json.Marshal(b.errors()); err == nil { // strings and integers always marshal
		out = append(out, list...)
	}
	out = b.appendResults(append(out, `,"results":`...))
	if len(b.warnings) > 0 {
		if list, err := json.Marshal(b.warnings); err == nil {
			out = append(append(out, `,"warnings":`...), list...)
		}
	}
	out = append(out, "}\n"...)
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(out))}
	w.WriteHeader(status)
	_, _ = w.Write(out) // the sender has gone: nothing is left to tell
}

var jsonType = []string{"application/json"}

func (a *API) count(n [rejected + 1]int, codes map[string]int) {
	a.metrics.accepted.Add(float64(n[accepted]))
	a.metrics.rejected.Add(float64(n[rejected]))
	a.metrics.duplicates.Add(float64(n[duplicate]))
	for code, k := range codes { // event.Codes, a closed set
		a.metrics.reasons.WithLabelValues(code).Add(float64(k))
	}
}

// appendResults lists where the items that were taken lie.
func (b *batch) appendResults(out []byte) []byte {
	out = append(out, '[')
	if !b.results {
		return append(out, ']')
	}
	first := true
	for i := range b.items {
		it := &b.items[i]
		if it.fate == rejected {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = strconv.AppendInt(append(out, `{"index":`...), int64(i), 10)
		out = appendQuoted(append(out, `,"event_id":`...), it.id)
		out = append(append(append(out, `,"topic":"`...), b.topic(it)...), '"')
		if it.place.offset == held { // it waits on our disk
			out = append(out, `,"partition":null,"offset":null}`...)
			continue
		}
		out = strconv.AppendInt(append(out, `,"partition":`...), int64(it.place.partition), 10)
		out = strconv.AppendInt(append(out, `,"offset":`...), it.place.offset, 10)
		out = append(out, '}')
	}
	return append(out, ']')
}

// appendQuoted writes a JSON string.
func appendQuoted(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			q, err := json.Marshal(s)
			if err != nil {
				return append(out, `""`...)
			}
			return append(out, q...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}
