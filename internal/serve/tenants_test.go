package serve

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// Each tenant has windows of its own, whatever else is told at the same moment.
func TestMetricsOfTenants(t *testing.T) {
	all, acme := &seconds{}, &seconds{}
	for i := range 5 {
		all.add(noon.Unix()-1, request("a", 10, true))
		if i < 2 {
			acme.add(noon.Unix()-1, request("a", 10, true))
		}
	}
	m := NewMetrics(all, time.Minute)
	if m.Topic().Tenants {
		t.Error("a topic that has no windows of tenants tells them apart")
	}
	if _, err := m.State(context.Background(), noon, live.Filter{Tenant: "acme"}); err == nil {
		t.Error("a tenant is told the state of everybody")
	}
	var asked []string
	m.Of = func(tenant string) Windows {
		asked = append(asked, tenant)
		if tenant == "acme" {
			return acme
		}
		return nothing{}
	}
	if !m.Topic().Tenants {
		t.Error("it does not say that it tells tenants apart")
	}
	for tenant, want := range map[string]int64{"": 5, "acme": 2, "globex": 0} {
		v, _ := look(t, m, noon, live.Filter{Tenant: tenant})
		if got := int64(v.Overall.Requests); got != want {
			t.Errorf("%q has %v requests, not %v", tenant, got, want)
		}
	}
	look(t, m, noon, live.Filter{Tenant: "acme"})
	if len(asked) != 2 {
		t.Errorf("windows were made for %q", asked)
	}
	for i := range maxTenants - 2 {
		look(t, m, noon, live.Filter{Tenant: fmt.Sprint("t", i)})
	}
	if _, err := m.State(context.Background(), noon, live.Filter{Tenant: "more"}); err == nil {
		t.Error("there is no limit")
	}
	look(t, m, noon.Add(2*tenantLeaves), live.Filter{Tenant: "more"}) // nobody listened to the others
	if len(m.tenants) != 1 {
		t.Errorf("%d tenants are remembered", len(m.tenants))
	}
}
