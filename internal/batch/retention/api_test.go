package retention

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// unreadable are plans of which none can be read.
type unreadable struct{ store }

type store = Plans

func (unreadable) Plan(context.Context, string) (event.RetentionPlan, error) {
	return event.RetentionPlan{}, errors.New("the database is away")
}

// TestAPlanThatCannotBeShownIsAudited: it is begun all the same.
func TestAPlanThatCannotBeShownIsAudited(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s := &Service{deps: Deps{Plans: unreadable{}, NotFound: errors.New("nothing")}, log: log}
	m := httpx.NewMux(log, nil)
	var told []string
	m.Watch(func(_ *http.Request, c httpx.Change) { told = append(told, string(c.After)) })
	m.HandleFunc("POST /plans", func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, "p1", nil) })
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("POST", "/plans", nil))
	if w.Code != http.StatusInternalServerError || len(told) != 1 || told[0] != `{"id":"p1"}` {
		t.Errorf("%d, told %q", w.Code, told)
	}
}
