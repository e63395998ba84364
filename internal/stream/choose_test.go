package stream

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Requests are chosen by what they themselves say.
func TestChosenRequests(t *testing.T) {
	e := request(1_767_225_600, "m") // 2026-01-01
	e.SetInt(event.DurationMS, 250e6)
	e.SetText(event.Tenant, "acme")
	e.Metadata = []byte(`{"prompt_version":"v2"}`)
	for query, want := range map[string]bool{
		"": true, "at_least=250": true, "at_least=250.5": false, "below=250": false, "below=251": true, "at_least=200&below=300": true,
		"from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:01Z": true, "to=2026-01-01T00:00:00Z": false, "from=2026-01-01T00:00:01Z": false,
		"tenant=acme&prompt_version=v2": true, "tenant=other": false, "prompt_version=v1": false, "order=slowest": true, "order=slowest&measure=ttft_ms": false, "measure=ttft_ms": true, "measure=ttft_ms&below=9": false,
		"outcome=failed": false,
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		p := params{Values: v}
		c, needed := p.chosen()
		if got := !needed || c.take(e); len(p.bad) > 0 || got != want {
			t.Errorf("%s: %v %v, want %v", query, got, p.bad, want)
		}
	}
	p := params{Values: url.Values{"outcome": {"failed"}}}
	c, needed := p.chosen()
	if e.SetBool(event.Success, false); !needed || !c.take(e) {
		t.Error("a request that failed is not found by its outcome")
	}
	if e.SetBool(event.Success, true); c.take(e) {
		t.Error("a request that went well is taken for one that failed")
	}
	for _, query := range []string{"order=fastest", "measure=cost", "at_least=-1", "below=NaN", "below=1e13", "outcome=good", "from=now", "to=1960-01-01T00:00:00Z"} {
		v, _ := url.ParseQuery(query)
		if _, bad := parseCorrelationQuery(v); len(bad) != 1 || bad[0].Pointer != "?"+strings.SplitN(query, "=", 2)[0] {
			t.Errorf("%s: %+v", query, bad)
		}
	}
}

// What is listed first: the newest, the slowest and of equal ones the newer, or what the hash of the ids chooses.
func TestOrders(t *testing.T) {
	at := func(first, hash, millis int64) found {
		return found{spot: spot{first, [2]uint64{uint64(hash), 0}}, size: millis * int64(time.Millisecond)}
	}
	for order, want := range map[string][]int64{orderNewest: {3, 2, 1}, orderSlowest: {3, 1, 2}, orderSample: {2, 3, 1}} {
		list := []found{at(1, 9, 70), at(2, 4, 5), at(3, 5, 70)}
		c := &chosen{order: order}
		slices.SortFunc(list, c.compare)
		for i, f := range list {
			if f.first != want[i] {
				t.Errorf("%s: place %d has %d, want %v", order, i, f.first, want)
			}
		}
	}
}
