package batch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// priceDoc describes a price; those of tiers, such as input_cost_per_token_above_128k_tokens, stand beside.
var priceDoc = httpx.Schema{"type": "object", "required": []string{"model", "effective_from"}, "properties": map[string]any{
	"model": httpx.Schema{"type": "string"}, "effective_from": httpx.Time(), "known_from": httpx.Time(), "version": httpx.Schema{"type": "string"},
	"input_cost_per_token": httpx.Schema{"type": "number"}, "output_cost_per_token": httpx.Schema{"type": "number"}, "cache_read_input_token_cost": httpx.Schema{"type": "number"},
	"output_cost_per_reasoning_token": httpx.Schema{"type": "number"}, "input_cost_per_request": httpx.Schema{"type": "number"},
	"cache_creation_input_token_cost": httpx.Schema{"type": "number"}, "cache_creation_input_token_cost_above_1hr": httpx.Schema{"type": "number"},
	"input_cost_per_audio_token": httpx.Schema{"type": "number"}, "output_cost_per_audio_token": httpx.Schema{"type": "number"},
	"input_cost_per_image_token": httpx.Schema{"type": "number"}, "output_cost_per_image_token": httpx.Schema{"type": "number"}}}

var pricesDoc = httpx.Schema{"type": "object", "required": []string{"prices"}, "properties": map[string]any{"prices": httpx.Schema{"type": "array", "items": priceDoc}}}

func (s *Service) mountPrices(m *httpx.Mux, limit, cursor httpx.Option) {
	m.HandleFunc("GET /prices", s.getPrices, httpx.Doc("The price book, by model and the time from which a price holds."), httpx.Query("model", "Prices of one model alone."),
		httpx.Query("history", "true: also what was replaced, with the moment from which each version counted."), limit, cursor, httpx.Answer("200", "The prices, in USD for one token.", pricesDoc),
		httpx.Answer("422", "A parameter cannot be used; errors says which."))
	m.HandleFunc("PUT /prices", s.putPrices, httpx.Doc("Adds prices, or replaces those of the same model and effective_from. They rate requests that arrive once this is answered; what a request cost before stays."),
		httpx.Body("application/json"), httpx.Answer("200", "The prices as they are now, and how many of them are new or others.", pricesDoc),
		httpx.Answer("413", "The body is too large."), httpx.Answer("422", "A price cannot be used; errors says which and why. Nothing is taken."), httpx.Answer("503", "The brokers cannot be reached."))
}

func (s *Service) getPrices(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("model", "history", "limit", "cursor")
	limit, history := q.limit(), q.choice("history", "false", "true", "false") == "true"
	after, err := base64.RawURLEncoding.DecodeString(q.values.Get("cursor"))
	if err != nil {
		q.bad("cursor", "bad_cursor", "take it from next_cursor, unchanged")
	}
	if q.refused(w, r) {
		return
	}
	page, next := []*cost.Price{}, ""
	for _, p := range s.deps.Prices.Versions(q.values.Get("model"), history) {
		if bookmark(p) <= string(after) {
			continue
		}
		if len(page) == limit {
			next = base64.RawURLEncoding.EncodeToString([]byte(bookmark(page[limit-1])))
			break
		}
		page = append(page, p)
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"prices": page, "next_cursor": cursorOf(next)})
}

// bookmark is where a price stands in the list.
func bookmark(p *cost.Price) string {
	return fmt.Sprintf("%s\x00%020d\x00%020d", p.Model, uint64(p.Effective), p.Known)
}

// putWithin bounds the time until the brokers have taken prices.
const putWithin = 10 * time.Second

func (s *Service) putPrices(w http.ResponseWriter, r *http.Request) {
	text, bad := httpx.ReadBody(w, r, cost.MaxBytes)
	if bad != nil {
		bad.Answer(w, r)
		return
	}
	doc, err := cost.Read(text, time.Time{})
	if err != nil {
		refusePrices(w, r, err)
		return
	}
	fresh := s.deps.Prices.New(doc.Prices)
	if room := s.deps.Prices.Room(); len(fresh) > room {
		httpx.Problem(w, r, http.StatusConflict, fmt.Sprintf("the price book has room for %d more versions, not for %d", room, len(fresh)))
		return
	}
	before := make([]*cost.Price, 0, len(fresh))
	for _, p := range fresh {
		if old := s.deps.Prices.Current(p.Model, p.Effective); old != nil {
			before = append(before, old)
		}
	}
	if err := s.putInBook(r.Context(), fresh); err != nil {
		s.log.Warn("prices were not put", "prices", len(fresh), "err", err)
		w.Header().Set("Retry-After", "1")
		httpx.Problem(w, r, http.StatusServiceUnavailable, "the brokers did not take all prices, so none of them counts; put them again")
		return
	}
	if len(fresh) == 0 {
		httpx.Unchanged(r.Context())
	} else {
		httpx.Changed(r.Context(), before, fresh)
	}
	now := make([]*cost.Price, len(doc.Prices))
	for i, p := range doc.Prices {
		now[i] = s.deps.Prices.Current(p.Model, p.Effective)
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"prices": now, "changed": len(fresh), "warnings": append([]string{}, doc.Warnings...)})
}

func refusePrices(w http.ResponseWriter, r *http.Request, err error) {
	faults, ok := errors.AsType[cost.Faults](err)
	if !ok {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, err.Error())
		return
	}
	errs := make([]httpx.FieldError, len(faults))
	for i, f := range faults {
		errs[i] = httpx.FieldError{Pointer: f.Pointer, Code: f.Code, Detail: f.Detail}
	}
	status := http.StatusUnprocessableEntity
	if faults[0].Code == "json" && faults[0].Pointer == "" {
		status = http.StatusBadRequest
	}
	httpx.Problem(w, r, status, "the prices cannot be used; nothing is taken", errs...)
}

// mostNotice bounds how long before they count prices are told, where brokers are slow.
const mostNotice = 5 * time.Second

// putInBook puts prices into the book and returns when they count. The more slowly the brokers take them, the longer before they count they are
// told: who learns of a price after it counts has rated some requests without it, which others rate with it.
func (s *Service) putInBook(ctx context.Context, prices []*cost.Price) error {
	if len(prices) == 0 {
		return nil
	}
	if s.deps.Commands == nil {
		return errors.New("there is no control log")
	}
	ctx, cancel := context.WithTimeout(ctx, putWithin)
	defer cancel()
	values, err := cost.Offer(prices)
	if err != nil {
		return err
	}
	var offsets []int64
	var slowest time.Duration
	put := func(value []byte) (offset int64, err error) {
		began := s.now()
		if offset, err = s.deps.Commands.Append(ctx, cost.Prefix, value); err == nil {
			err = s.deps.Commands.WaitFor(ctx, offset)
		}
		slowest = max(slowest, s.now().Sub(began))
		return offset, err
	}
	for _, v := range values {
		offset, err := put(v)
		if err != nil {
			return err
		}
		offsets = append(offsets, offset)
	}
	known := s.now().Add(min(max(cost.Notice, 4*slowest), mostNotice))
	value, err := cost.Count(offsets, known)
	if err != nil {
		return err
	}
	if _, err := put(value); err != nil {
		return err
	}
	return s.awaitPrices(ctx, known, len(prices))
}

// awaitPrices waits until prices count.
func (s *Service) awaitPrices(ctx context.Context, known time.Time, prices int) error {
	left := known.Sub(s.now())
	if left < 0 {
		s.log.Warn("prices took longer to put than others were told to wait; requests that arrived meanwhile may be rated without them", "prices", prices, "late", -left)
	}
	t := time.NewTimer(left + time.Millisecond) // the times of records are whole milliseconds
	defer t.Stop()
	select {
	case <-t.C:
		s.log.Info("prices are put", "prices", prices, "known_from", known.UTC())
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
