package tap

import (
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/sdk"
)

type caught struct{ event sdk.Event }

func (c *caught) Emit(e sdk.Event) error {
	c.event = e
	return nil
}

// Whoever is named in a call is treated before the producer, and so the disk, has it.
func TestCallsAreTreated(t *testing.T) {
	p, err := event.PrivacyRules{Hash: []string{"user_id"}, Mask: []string{"tenant"}, Drop: []string{"session_id"}, HashKey: "env:X"}.Compile("sixteen bytes or more")
	if err != nil {
		t.Fatal(err)
	}
	for _, rules := range []*event.Privacy{p, nil} {
		var to caught
		if err := (discreet{&to, rules}).Emit(sdk.Event{Type: sdk.LLMRequest, Data: sdk.Request{UserID: "jane", Tenant: "acme", SessionID: "s", Model: "m"}}); err != nil {
			t.Fatal(err)
		}
		r := to.event.Data.(sdk.Request)
		want := sdk.Request{UserID: "jane", Tenant: "acme", SessionID: "s", Model: "m"}
		if rules != nil {
			want = sdk.Request{UserID: p.Hash("jane"), Tenant: "a***", Model: "m"}
		}
		if r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}
