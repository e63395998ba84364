package httpx

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
)

const maxPage = 1000

// Page is what a list was asked for by Paging.
type Page struct {
	Limit int
	After string // what the cursor says, "" for the first page
}

// PageOf reads limit and cursor of a request. A fault is for an answer 400.
func PageOf(r *http.Request) (Page, *FieldError) {
	p := Page{Limit: 100}
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return p, &FieldError{Pointer: "?limit", Code: "out_of_range", Detail: fmt.Sprintf("limit=%.20q is not a number from 1 to %d", s, maxPage)}
		}
		p.Limit = n
	}
	if s := q.Get("cursor"); s != "" {
		after, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(after) == 0 {
			return p, &FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: "cursor: it was not given by this list"}
		}
		p.After = string(after)
	}
	return p, nil
}

// Cursor makes the next_cursor of a page that ends with something.
func Cursor(after string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(after)))
}
