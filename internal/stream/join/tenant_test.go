package join

import (
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func partOf(tenant string, k event.Kind, n int) []byte {
	e := part(k, "r", n)
	if tenant != "" {
		e.SetText(event.Tenant, tenant)
	}
	return event.AppendCompact(nil, e)
}

// Parts of several tenants may meet under one request id. Each tenant sees its own, and what names none.
func TestOnly(t *testing.T) {
	whole := Record{Closed: true, Parts: [][]byte{
		partOf("acme", event.LLMRequest, 1), partOf("", event.UserFeedback, 4), partOf("globex", event.UserFeedback, 2), partOf("globex", event.BusinessEvent, 7),
	}}
	if v, about, err := whole.Shown(); err != nil || about.Tenant != "" || len(v.Feedback) != 2 {
		t.Errorf("%+v %+v %v", v, about, err)
	}
	own, ok := whole.Only("acme")
	v, about, err := own.Shown()
	if !ok || err != nil || about != (About{Model: "mr", Tenant: "acme"}) || len(v.Feedback) != 1 || len(v.Business) != 0 || v.Derived.ValueUSD != nil || v.Derived.Satisfaction == nil || *v.Derived.Satisfaction != 5 || v.Status != StatusPartial {
		t.Errorf("%v %+v %+v %v", ok, v, about, err)
	}
	for _, part := range append(v.Feedback, v.Request) {
		if strings.Contains(string(part), "globex") {
			t.Errorf("%s", part)
		}
	}
	if len(whole.Parts) != 4 {
		t.Error("the record was changed")
	}
	if _, ok := whole.Only("initech"); ok {
		t.Error("a tenant that no part names sees what names none")
	}
	nobody := Record{Parts: [][]byte{partOf("", event.LLMRequest, 1)}}
	if _, ok := nobody.Only("acme"); ok {
		t.Error("what names no tenant is a tenant's")
	}
	var stored Stored
	for _, part := range whole.Parts {
		var e event.Event
		if _, err := e.ReadCompact(part); err != nil || !stored.Add(&e) {
			t.Fatal(err)
		}
	}
	if v, err := stored.View("initech"); v != nil || err != nil {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := stored.View("acme"); err != nil || v == nil || len(v.Business) != 0 {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := stored.View(""); err != nil || len(v.Business) != 1 {
		t.Errorf("%+v %v", v, err)
	}
}
