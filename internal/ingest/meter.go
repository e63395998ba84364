package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/ingest/quota"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
)

// meter counts n items of a request for their sender and refuses what is over the policy. The answer tells the sender where
// it stands in any case.
func (a *API) meter(w http.ResponseWriter, r *http.Request, n int) *refusal {
	if !a.quotas.On() {
		return nil
	}
	v := a.quotas.Take(a.senderOf(r), n, a.now())
	v.SetHeaders(w.Header())
	a.tellOf(a.quotas, "sender", a.senderOf(r), &v)
	if v.Exceeded == quota.None {
		return nil
	}
	a.metrics.throttled.WithLabelValues(string(v.Exceeded)).Inc()
	if v.Never {
		return &refusal{status: http.StatusRequestEntityTooLarge,
			detail: fmt.Sprintf("the body holds %d events, more than the %d that this sender may bring in a whole day (UTC); nothing was taken, send it in parts over several days or have the quota raised", n, a.settings().DailyQuota)}
	}
	retry, _ := strconv.Atoi(w.Header().Get("Retry-After"))
	what := fmt.Sprintf("%g events a second", a.settings().RateLimit)
	if v.Exceeded == quota.Day {
		what = fmt.Sprintf("%d events a day (UTC)", a.settings().DailyQuota)
	}
	return &refusal{status: http.StatusTooManyRequests, retry: retry,
		detail: fmt.Sprintf("this sender may bring %s; nothing was taken, send it again after %d s", what, retry)}
}

// kept calls fn with each account that outlives a restart, and its file.
func (a *API) kept(fn func(b *quota.Book, file string) error) (err error) {
	for file, b := range map[string]*quota.Book{a.settings().QuotaFile: a.quotas, a.settings().TenantFile: a.tenants} {
		if b.On() && file != "" {
			err = errors.Join(err, fn(b, file))
		}
	}
	return err
}

// recallQuotas takes in what was brought of the day before; but not into accounts that count already and know it.
func (a *API) recallQuotas(but map[*quota.Book]bool) error {
	return a.kept(func(b *quota.Book, file string) error {
		if but[b] {
			return nil
		}
		return b.Recall(file, a.now())
	})
}

// keepQuotas writes down what was brought, so that a restart gives nobody a new day.
func (a *API) keepQuotas() {
	if err := a.kept(func(b *quota.Book, file string) error { return b.Keep(file, a.now()) }); err != nil {
		a.log.Warn("what senders brought today is not kept on disk", "error", err)
	}
}

// senderOf names who sends: the principal where there is one, else the address.
func (a *API) senderOf(r *http.Request) string {
	if p := a.principal(r); p != "" {
		return p
	}
	return conns.Address(r.RemoteAddr)
}

// principal names who sends, "" where nobody knows.
func (a *API) principal(r *http.Request) string {
	if a.Principal == nil {
		return ""
	}
	return a.Principal(r)
}
