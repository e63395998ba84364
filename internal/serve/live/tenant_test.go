package live

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live/ws"
)

// as is a guard that takes everybody for one principal.
type as struct{ p *auth.Principal }

func (g as) Admit(_ http.ResponseWriter, r *http.Request, _ *httpx.Access) *http.Request {
	return r.WithContext(auth.With(r.Context(), g.p))
}

// tenants starts a hub with topics that tell tenants apart and one that does not, for a principal of acme.
func tenants(t *testing.T, ended chan struct{}) *rig {
	states := func(_ context.Context, now time.Time, f Filter) (State, error) {
		o, err := Tree(map[string]any{"of": f.Tenant})
		return State{Data: o, Watermark: now}, err
	}
	r := &rig{t: t, wire: newCable(), guard: as{&auth.Principal{ID: "t1", Scopes: auth.Of(httpx.Read), Tenant: "acme", Ended: ended}}}
	r.hub = New(Config{SSEMax: 10, WebSocketMax: 10}, slog.New(slog.DiscardHandler), Topic{Name: "metrics", State: states, Tenants: true}, Topic{Name: "health", State: states}, Topic{Name: "news", Tenants: true, Capped: true}, Topic{Name: "notes"})
	r.run()
	return r
}

func TestTenantsHearTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		r := tenants(t, ended)
		c := r.open("/stream", "") // all that it may hear
		if m := c.must("metrics"); m.Data.Data.(map[string]any)["of"] != "acme" {
			t.Errorf("%+v", m)
		}
		now := time.Now()
		tell := func(tenant, text string) Happening {
			data, err := json.Marshal(map[string]string{"text": text})
			if err != nil {
				t.Fatal(err)
			}
			return Happening{Time: now, Model: "m", Tenant: tenant, Data: data}
		}
		var loud []Happening
		for range 3 * PerSecond {
			loud = append(loud, tell("globex", "theirs"))
		}
		r.hub.Tell("news", loud...)
		r.hub.Tell("notes", tell("acme", "of a topic that does not tell tenants apart"))
		r.hub.Tell("news", tell("", "nobody's"), tell("acme", "ours"))
		for {
			m, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if m.Event == "metrics" || m.Comment != "" {
				continue
			}
			if m.Event != "news" || m.Data.Type != "event" || m.Data.Data.(map[string]any)["text"] != "ours" {
				t.Fatalf("%+v", m) // not what others do, nor how much of it was left out
			}
			break
		}
		close(ended)
		for {
			m, err := c.next()
			if err != nil {
				t.Fatalf("the stream ended without a word: %v", err)
			}
			if strings.Contains(m.Comment, "no longer counts") {
				return
			}
		}
	})
}

func TestTopicsOfEverybodyAreNotForTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := tenants(t, nil)
		for _, path := range []string{"/stream?topics=health", "/stream?topics=metrics,notes"} {
			if c := r.open(path, ""); c.resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d", path, c.resp.StatusCode)
			}
		}
		c := r.talk("/ws?topics=metrics")
		c.must("snapshot")
		c.put(ws.Text, `{"type":"subscribe","topics":["health"]}`)
		for {
			m, err := c.next()
			if err != nil || m.Data.Topic == "health" {
				t.Fatalf("%+v %v", m, err)
			}
			if m.Data.Code == codeForbidden {
				break
			}
		}
	})
}

// A loud tenant leaves others their room.
func TestPaceOfTenants(t *testing.T) {
	var p pace
	for range 10 * PerSecond {
		p.take(1, "m", "loud")
	}
	if p.room(1, "m", "loud") || p.take(1, "m", "loud") {
		t.Error("there is room for the loud one")
	}
	if !p.room(1, "m", "quiet") || !p.take(1, "m", "quiet") {
		t.Error("there is no room for the quiet one")
	}
	k := chunk{}
	k.leaveOut(group{"m", "loud"})
	k.leaveOut(group{"m", ""})
	var all, quiet, loud view
	all.make(&k, sse, Filter{})
	quiet.make(&k, sse, Filter{Tenant: "quiet"})
	loud.make(&k, sse, Filter{Tenant: "loud"})
	if all.over != 2 || quiet.over != 0 || loud.over != 1 {
		t.Errorf("%d %d %d are said to be left out", all.over, quiet.over, loud.over)
	}
}
