package httpx

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// FieldError is one thing that is wrong with a request.
type FieldError struct {
	Pointer string `json:"pointer,omitempty"` // JSON pointer into the body, or the name of a query parameter
	Code    string `json:"code,omitempty"`    // for machines; one of a closed list
	Detail  string `json:"detail"`            // for people
	Line    int    `json:"line,omitempty"`    // of the body, from 1, where it has lines
}

// ProblemBody is the error answer of RFC 9457.
type ProblemBody struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"` // the path asked for
	Errors   []FieldError `json:"errors,omitempty"`
}

// Problem answers with an error: detail says what, where and how to mend it. Headers set before (Retry-After, Allow) stay.
func Problem(w http.ResponseWriter, r *http.Request, status int, detail string, errs ...FieldError) {
	p := ProblemBody{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: errs}
	if r != nil && r.URL != nil {
		p.Instance = r.URL.EscapedPath()
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	write(w, status, p)
}

// Unavailable answers 503 (or 429) with Retry-After, in whole seconds and at least one.
func Unavailable(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration, detail string) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((retryAfter+time.Second-1)/time.Second))))
	Problem(w, r, status, detail)
}

// FullDisk answers 503 for an error that says that a disk is full (ENOSPC, EDQUOT), and tells whether it did. Nothing was changed then,
// and the same request may succeed later.
func FullDisk(w http.ResponseWriter, r *http.Request, err error) bool {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return false
	}
	Unavailable(w, r, http.StatusServiceUnavailable, fullRetry, "nothing can be stored now, the disk is full: make room and send it again")
	return true
}

// fullRetry is when to ask again on a full disk.
const fullRetry = 30 * time.Second

// JSON answers with v. Numbers that JSON does not know (NaN) are a mistake of the program and give 500.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	write(w, status, v)
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.Header().Set("Content-Type", "application/problem+json")
		status = http.StatusInternalServerError
		body, _ = json.Marshal(ProblemBody{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "the answer cannot be written as JSON: " + err.Error()})
	}
	body = append(body, '\n')
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody to tell
}
