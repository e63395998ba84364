package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
)

// dialect is how one path speaks: how a body is told apart into items and how the outcome is told. Everything between is the
// same road for all: limits, duplicates, dead letters, the write.
type dialect interface {
	// split finds the items of a body; the body stays valid until the request ends.
	split(a *API, r *http.Request, b *batch, body []byte) *refusal
	answer(a *API, w http.ResponseWriter, r *http.Request, b *batch)
	// refuse answers without taking anything.
	refuse(w http.ResponseWriter, r *http.Request, no *refusal)
}

// receiver is the handler of a path.
func (a *API) receiver(d dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		defer func() { a.metrics.duration.Observe(time.Since(began).Seconds()) }()
		if no := a.full(); no != nil {
			a.refuse(w, r, d, no)
			return
		}
		in, no := a.read(r)
		if no != nil {
			a.refuse(w, r, d, no)
			return
		}
		defer in.release()
		b := batches.Get().(*batch)
		defer a.finish(b)
		b.key, b.principal = r.Header.Get("Idempotency-Key"), a.principal(r)
		b.contentType = r.Header.Get("Content-Type")
		if no = d.split(a, r, b, in.bytes); no == nil {
			b.results = len(b.spans) <= maxListed || r.URL.RawQuery != "" && r.URL.Query().Get("results") == "all"
			no = a.acceptFrom(r.Context(), w, r, b)
		}
		if no != nil {
			a.refuse(w, r, d, no)
			return
		}
		d.answer(a, w, r, b)
	}
}

// full says why nothing can be written, if so.
func (a *API) full() *refusal {
	if a.pulse != nil && a.held == nil {
		if err := a.pulse.Away(); err != nil {
			return &refusal{status: http.StatusServiceUnavailable, detail: "nothing can be written now: " + err.Error(), retry: 1}
		}
	}
	if a.Overfull != nil {
		if full, why := a.Overfull(); full {
			return &refusal{status: http.StatusServiceUnavailable, detail: "nothing can be written now: " + why, retry: 5}
		}
	}
	return nil
}

// accept decides about the items of a batch, writes what is to be written and waits until all of it is acknowledged.
func (a *API) accept(ctx context.Context, b *batch) *refusal {
	if no := a.charge(b, itemBytes*int64(len(b.spans))); no != nil {
		return no
	}
	if err := a.routesSettled(ctx); err != nil {
		return a.writeFailed(err)
	}
	if no := a.prepare(b); no != nil {
		return no
	}
	if no := a.meterTenants(b); no != nil {
		return no
	}
	// A sender that goes away does not take back what is half written; the filter wants to know the outcome.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.settings().Timeout+time.Second)
	defer cancel()
	if err := a.write(ctx, b); err != nil {
		a.returnTenants(b)
		return a.writeFailed(err)
	}
	return nil
}

// acceptFrom is accept on the account of who sent the request: what is not taken in the end is not counted.
func (a *API) acceptFrom(ctx context.Context, w http.ResponseWriter, r *http.Request, b *batch) *refusal {
	b.sender, b.tenant = a.senderOf(r), auth.Tenant(ctx)
	if treated := a.settings().Event.Privacy.Text(event.Tenant, b.tenant); treated != "" { // as the tenants of events are
		b.tenant = treated
	}
	n := len(b.spans)
	if no := a.meter(w, r, n); no != nil {
		return no
	}
	no := a.accept(ctx, b)
	if no != nil && a.quotas.On() {
		a.quotas.GiveBack(b.sender, n, a.now())
	}
	return no
}

// routesSettled waits out the moment in which the routes are being read again.
func (a *API) routesSettled(ctx context.Context) error {
	if a.Routing.Commands == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.settings().Timeout)
	defer cancel()
	return a.Routing.Commands.Settled(ctx)
}

// itemBytes is about what an item takes beside its place in the body, until it is written: a body of the smallest events is a
// small one and still takes much.
const itemBytes = 512

// charge asks the gate for memory that a batch takes beside its body; it goes back when the batch ends.
func (a *API) charge(b *batch, bytes int64) *refusal {
	if !a.gate.take(bytes) {
		return a.readFailed(errFull)
	}
	b.held += bytes
	return nil
}

// finish ends a request: what it claimed and did not settle, because it was refused or panicked, is anybody's again.
func (a *API) finish(b *batch) {
	if !b.settled {
		for i := range b.items {
			if it := &b.items[i]; it.claim {
				a.filter.settle(it.ident, false, place{})
			}
		}
	}
	a.gate.give(b.held)
	b.recycle()
}

// writeFailed is the one place that turns errors of the bus into answers.
func (a *API) writeFailed(err error) *refusal {
	switch {
	case bus.Retryable(err), errors.Is(err, bus.ErrAccess), errors.Is(err, bus.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, errOther):
		a.log.Warn("events were not written", "error", err)
		return &refusal{status: http.StatusServiceUnavailable, detail: "the brokers did not acknowledge everything; send the same body again, what was written of it is not counted twice", retry: 1}
	}
	a.log.Error("events were not written", "error", err)
	return &refusal{status: http.StatusInternalServerError, detail: "the brokers refused the events: " + err.Error()}
}

// refuse answers in the words of the dialect, without taking anything, and deals with a body that nobody read.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, d dialect, no *refusal) {
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	unread := r.ContentLength < 0 || r.ContentLength > 256<<10 // what the server itself would read to the end is not ours to care for
	if unread && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).EnableFullDuplex() // answer before the body is read
	}
	d.refuse(w, r, no)
	if unread && r.ProtoMajor == 1 {
		linger(w, r)
	}
}
