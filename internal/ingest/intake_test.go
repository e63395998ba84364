package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// unread is a control log that is never read to its end.
type unread struct{ Commands }

func (unread) Settled(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Who sends events while the routes cannot be read is told to come again, and does not hold memory until he goes away.
func TestRoutesThatCannotBeReadDoNotHoldSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(Defaults(), &written{}, nil, telemetry.NewRegistry())
		api.Routing = Routing{route.NewTable(), unread{}}
		err := api.Take(context.Background(), []event.Event{{Kind: event.LLMRequest, ID: "1"}})
		if no, ok := errors.AsType[*refusal](err); !ok || no.status != 503 || no.retry == 0 {
			t.Errorf("%v", err)
		}
		if used := api.gate.used.Load(); used != 0 {
			t.Errorf("%d bytes are still held", used)
		}
	})
}
