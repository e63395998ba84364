package alert

import (
	"context"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Check tells health of what somebody should look at.
func (s *Service) Check(context.Context) httpx.Check {
	var faults, stuck, inPlace int
	s.machine.Look(func(b *respond.Book) {
		_, faults = b.Faults()
		for _, r := range b.Open() {
			if r.InPlace() {
				inPlace++
			}
			if r.InPlace() && r.Tries > 0 {
				stuck++
			}
		}
	})
	switch {
	case faults > 0:
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the audit log is not as it was written in %d places; GET /responses/audit/verify says where", faults)}
	case stuck > 0:
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("%d changes cannot be taken back; GET /responses?state=failed says why", stuck)}
	case s.switchState().On:
		return httpx.Check{Status: httpx.Healthy, Detail: "the kill switch is on: " + s.switchState().Reason}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("%d changes are in place", inPlace)}
}
