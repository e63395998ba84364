package tap

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// adminHandler serves health and metrics on a port of their own: every path of the other one belongs to the upstream.
func (t *Tap) adminHandler(reg *telemetry.Registry) http.Handler {
	health := httpx.NewHealth("tap", t.cfg.Version)
	health.Add("events", func(context.Context) httpx.Check { return t.check() })
	mux := httpx.NewMux(t.log, nil)
	httpx.Mount(mux, httpx.Service{Name: "tap", Version: t.cfg.Version, Description: "Health and metrics of a gateway tap."}, health, reg)
	return mux
}

// check is never unhealthy: a tap whose events wait or are lost still has to proxy.
func (t *Tap) check() httpx.Check {
	s := t.producer.Stats()
	switch waiting := uint64(s.Queued) + s.Spill.Records; {
	case s.Dropped+s.Spill.Lost > 0:
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("%d events were dropped; make the bus reachable or give the spill more room (--spill-bytes)", s.Dropped+s.Spill.Lost)}
	case s.LastError != "":
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("%d events wait, requests pass: %s", waiting, s.LastError)}
	default:
		return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("%d events delivered, %d wait", s.Delivered, waiting)}
	}
}
