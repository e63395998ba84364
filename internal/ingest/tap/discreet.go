package tap

import (
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/sdk"
)

// discreet treats who is named in a call before the producer has it: what waits may wait on disk.
type discreet struct {
	to      sdk.Emitter
	privacy *event.Privacy
}

// Emit implements sdk.Emitter.
func (d discreet) Emit(e sdk.Event) error {
	if r, ok := e.Data.(sdk.Request); ok {
		for f, text := range map[event.Field]*string{event.UserID: &r.UserID, event.SessionID: &r.SessionID, event.Tenant: &r.Tenant, event.RequestID: &r.RequestID, event.Endpoint: &r.Endpoint, event.Model: &r.Model} {
			*text = d.privacy.Text(f, *text)
		}
		e.Data = r
	}
	return d.to.Emit(e)
}
