package alert

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Trial is what would become of a response, as POST /responses/{id}/dry-run says it.
type Trial struct {
	At           time.Time       `json:"at"`
	Would        string          `json:"would"` // apply, wait or refuse
	Reason       string          `json:"reason"`
	Rail         *string         `json:"rail"`      // that would refuse it
	WaitsFor     *string         `json:"waits_for"` // response that is changing the target
	Before       json.RawMessage `json:"before"`    // the target as it is; null when it could not be seen
	Takes        *string         `json:"takes"`     // endpoint that would be taken out of its group
	LeaseSeconds *float64        `json:"lease_seconds"`
}

func (s *Service) tryOut(w http.ResponseWriter, r *http.Request) {
	x, err := s.machine.Try(r.Context(), r.PathValue("id"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, trialOf(x))
}

func trialOf(x *respond.Trial) Trial {
	out := Trial{At: x.At, Would: "apply", Reason: "Nothing stands in its way.", Before: x.Before, Takes: orNull(x.Takes), WaitsFor: orNull(x.Waits)}
	if x.Lasting {
		out.LeaseSeconds = new(x.Lease.Seconds())
	}
	switch {
	case x.Refused != nil:
		out.Would, out.Reason, out.Rail = "refuse", x.Refused.Reason, orNull(string(x.Refused.Rail))
	case x.Waits != "":
		out.Would, out.Reason = "wait", "Another response is changing the target at this moment."
	}
	return out
}
