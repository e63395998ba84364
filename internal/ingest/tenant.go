package ingest

import (
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// bind makes the event that was just read one of the tenant that its sender is bound to. It refuses what is of another tenant, and what is
// nobody's: machines serve all tenants, and whoever could bring their metrics could make any of them look busy or idle.
func (b *batch) bind(limits event.Limits) *event.Invalid {
	e := &b.e
	if e.Kind == event.SystemMetric {
		return &event.Invalid{Code: event.CodeTenant, Pointer: "/event_type", Detail: fmt.Sprintf("system metrics belong to no tenant, and this token is bound to %q; bring them with one that is not", b.tenant)}
	}
	switch of := e.Text(event.Tenant); of {
	case b.tenant:
		return nil
	case "":
		kept := limits.Privacy.Text(event.Tenant, b.tenant)
		if kept == "" { // tenants are dropped here
			return nil
		}
		e.SetText(event.Tenant, kept)
		return limits.Fits(e)
	default:
		return &event.Invalid{Code: event.CodeTenant, Pointer: "/data/tenant", Detail: fmt.Sprintf("the event is of tenant %.80q, and this token is bound to %q", of, b.tenant)}
	}
}
