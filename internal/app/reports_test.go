package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func asked(t *testing.T, h http.HandlerFunc) *Asked {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &Asked{name: BatchProcessingAPI, base: srv.URL}
}

// A report that takes longer than one answer is waited for; one that fails is an error with its reason.
func TestReportIsWaitedFor(t *testing.T) {
	for status, want := range map[string]string{"completed": "", "failed": "the report r is failed: disk full"} {
		looks := 0
		a := asked(t, func(w http.ResponseWriter, r *http.Request) {
			switch looks++; looks {
			case 1:
				httpx.JSON(w, http.StatusAccepted, map[string]any{"id": "r", "status": "queued", "warnings": []string{"no mail"}})
			case 2:
				httpx.JSON(w, http.StatusOK, map[string]any{"id": "r", "status": "running"})
			default:
				httpx.JSON(w, http.StatusOK, map[string]any{"id": "r", "status": status, "error": "disk full"})
			}
		})
		r, err := a.MakeReport(t.Context(), ReportOrder{Type: "test", Format: "json", Start: time.Unix(0, 0), End: time.Unix(3600, 0)})
		if got := fmt.Sprint(err); looks != 3 || r.Status != status || len(r.Warnings) != 1 || err != nil && got != want || err == nil && want != "" {
			t.Errorf("after %d looks: %+v, %v", looks, r, err)
		}
	}
}

func TestReportsAreListedOverPages(t *testing.T) {
	pages := map[string]string{"": `{"reports":[{"id":"a"},{"id":"b"}],"next_cursor":"n"}`, "n": `{"reports":[{"id":"c"}],"next_cursor":null}`}
	a := asked(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, pages[r.URL.Query().Get("cursor")]) })
	if all, err := a.Reports(t.Context(), "", 0); err != nil || len(all) != 3 {
		t.Errorf("%v %v", all, err)
	}
	if two, err := a.Reports(t.Context(), "test", 2); err != nil || len(two) != 2 {
		t.Errorf("%v %v", two, err)
	}
}

// A base URL that is none is told before anything is asked, and one that is needed and missing too.
func TestWhereAServiceIsAsked(t *testing.T) {
	cfg, _, err := LoadConfig(LoadOptions{ConfigDir: none(t)})
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{"http://10.0.0.1:9/": "http://10.0.0.1:9", "": "http://127.0.0.1:9101"} {
		if a, err := Ask(cfg, BatchProcessingAPI, base); err != nil || a.base != want {
			t.Errorf("%q: %+v, %v", base, a, err)
		}
	}
	for _, base := range []string{"10.0.0.1:9", "ftp://x", "http://"} {
		if _, err := Ask(cfg, BatchProcessingAPI, base); err == nil || !strings.Contains(err.Error(), "--url") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// What a service says against a request is the error, in one line.
func TestRefusalsAreReadable(t *testing.T) {
	a := asked(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			http.Error(w, "nothing", http.StatusBadGateway)
			return
		}
		if r.URL.Path == "/closed" {
			detail := "say who you are"
			if r.Header.Get("Authorization") != "" {
				detail = "the token is over"
			}
			httpx.Problem(w, r, http.StatusUnauthorized, detail)
			return
		}
		if r.URL.Path == "/subjects" { // as schema registries refuse
			httpx.JSON(w, http.StatusConflict, map[string]any{"error_code": 409, "message": "not compatible"})
			return
		}
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the period is empty", httpx.FieldError{Pointer: "/period", Detail: "empty"}, httpx.FieldError{Pointer: "/format", Detail: "unknown"})
	})
	for path, want := range map[string]string{"/": "the period is empty; /format: unknown", "/plain": "502 Bad Gateway", "/subjects": "not compatible", "/closed": "say who you are: give a token with HXP_TOKEN, or its file with HXP_TOKEN_FILE or --token-file; `hxp auth token create` makes one"} {
		if _, err := a.Call(t.Context(), "GET", path, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := a.With("Authorization", "Bearer old").Call(t.Context(), "GET", "/closed", nil); err == nil || err.Error() != "the token is over" {
		t.Errorf("a token that is no good: %v", err)
	}
	gone := &Asked{name: BatchProcessingAPI, base: "http://127.0.0.1:1"}
	if _, err := gone.Report(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "is hxp running") {
		t.Errorf("nobody there: %v", err)
	}
}
