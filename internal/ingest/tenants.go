package ingest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/quota"
)

// countTenant notes whose new event the one in b.e is, where tenants have quotas.
func (a *API) countTenant(b *batch) {
	if !a.tenants.On() {
		return
	}
	if b.tenants == nil {
		b.tenants = map[string]*int{}
	}
	tenant := b.e.Text(event.Tenant) // it shares the memory of the body, which others have later; an assignment would keep it as the key
	if n := b.tenants[tenant]; n != nil {
		*n++
	} else if tenant != "" {
		b.tenants[strings.Clone(tenant)] = new(1)
	}
}

// meterTenants counts the new events of a batch for their tenants and refuses all of them when one tenant is over its quota. Events without
// a tenant are on the account of their sender alone.
func (a *API) meterTenants(b *batch) *refusal {
	var taken []string
	for _, name := range slices.Sorted(maps.Keys(b.tenants)) {
		n := *b.tenants[name]
		v := a.tenants.Take(name, n, a.now())
		a.tellOf(a.tenants, "tenant", name, &v)
		if v.Exceeded == quota.None {
			taken = append(taken, name)
			continue
		}
		for _, t := range taken {
			a.tenants.GiveBack(t, *b.tenants[t], a.now())
		}
		b.tenants = nil
		a.metrics.throttled.WithLabelValues("tenant_" + string(v.Exceeded)).Inc()
		return a.tenantOver(name, n, &v)
	}
	return nil
}

func (a *API) tenantOver(name string, n int, v *quota.Verdict) *refusal {
	if v.Never {
		return &refusal{status: http.StatusRequestEntityTooLarge,
			detail: fmt.Sprintf("the body holds %d events of tenant %q, more than the %d that it may bring in a whole day (UTC); nothing was taken", n, clip(name), a.settings().TenantQuota)}
	}
	what := fmt.Sprintf("%g events a second", a.settings().TenantRate)
	if v.Exceeded == quota.Day {
		what = fmt.Sprintf("%d events a day (UTC)", a.settings().TenantQuota)
	}
	retry := v.RetryAfter()
	return &refusal{status: http.StatusTooManyRequests, retry: retry,
		detail: fmt.Sprintf("tenant %q may bring %s; nothing was taken, send it again after %d s", clip(name), what, retry)}
}

// returnTenants gives back what was counted for events that were not taken after all.
func (a *API) returnTenants(b *batch) {
	for name, n := range b.tenants {
		a.tenants.GiveBack(name, *n, a.now())
	}
}

// KnowTenants says which tenants have an account of their own however many names are brought. Call it before the first request.
func (a *API) KnowTenants(known func(name string) bool) { a.tenants.Known = known }
