package ruleset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// history writes requests to partitions in turn, one each second from a moment on; those of the second half fail.
func history(t *testing.T, b *bus.Bus, begin time.Time, n int) {
	t.Helper()
	p, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true, DeliveryTimeout: 24 * time.Hour}) // it counts from the stamp
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all []*bus.Message
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Second)
		value := fmt.Appendf(nil, `{"event_id":"e%d","event_type":"llm_request","timestamp":%q,"data":{"model":"m","request_id":"r%d","success":%t}}`, i, at.Format(time.RFC3339Nano), i, i < n/2)
		all = append(all, &bus.Message{Topic: event.LLMRequest.Topic(), Partition: int32(i % 3), Value: value, Timestamp: at})
	}
	again := *all[n-1] // a duplicate, and something that is no event
	all = append(all, &again, &bus.Message{Topic: event.LLMRequest.Topic(), Value: []byte("{"), Timestamp: begin.Add(time.Second)})
	if err := p.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

const failing = `{"name":"failing","type":"ratio","when":"event_type == \"llm_request\"","of":"data.success == false","op":">","value":0.5,"min_count":5,"window":"20s","group_by":["model"]}`

func TestDryRun(t *testing.T) {
	b, _ := bustest.Start(t, event.Topics...)
	begin := time.Now().Add(-2 * time.Hour).Truncate(time.Second).UTC()
	history(t, b, begin, 120)
	r := newRig(t)
	r.mux = mounted(&API{Set: r.set, Commands: r.log, Runner: atOnce{}, Log: quiet, Past: &Past{Bus: b, Lateness: 5 * time.Minute, Disorder: 2 * time.Second, Future: 5 * time.Minute}})
	at := func(seconds int) string {
		return url.QueryEscape(begin.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339))
	}
	run := func(from, to int) (out DryRun) {
		t.Helper()
		w := r.status(200, "POST", "/rules/test?from="+at(from)+"&to="+at(to), failing)
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := run(0, 300)
	if !out.Complete || out.Rules != 1 || out.Records != 122 || out.Skipped != (Skipped{Invalid: 1, Duplicates: 1}) || !out.Until.Equal(begin.Add(300*time.Second)) {
		t.Errorf("%+v", out)
	}
	if len(out.Alerts) != 1 || out.Fired["failing"] != 1 {
		t.Fatalf("%d alerts, %v", len(out.Alerts), out.Fired)
	}
	a := out.Alerts[0]
	fired, over := a.StartsAt.Sub(begin).Seconds(), a.EndsAt.Sub(begin).Seconds()
	if a.Key["model"] != "m" || a.State != "resolved" || fired < 70 || fired > 72 || over < 135 || over > 142 || len(a.RequestIDs) == 0 { // half of 20 s, and until fewer than 5 are left
		t.Errorf("fires after %v s, is over after %v s: %+v", fired, over, a)
	}
	if out := run(0, 60); len(out.Alerts) != 0 || !out.Complete {
		t.Errorf("before it began: %+v", out)
	}
	if out := run(100, 110); len(out.Alerts) != 1 || out.ReadFrom.Equal(out.From) || out.Alerts[0].State != "firing" {
		t.Errorf("in the middle the windows are full at the beginning: %+v", out)
	}
	if out := run(200, 300); len(out.Alerts) != 0 {
		t.Errorf("after it was over: %+v", out.Alerts[0])
	}
	w := r.status(200, "POST", "/rules/test?from="+at(0)+"&to="+at(300), failing, "Accept: application/x-ndjson")
	var kinds []string
	for lines := bufio.NewScanner(bytes.NewReader(w.Body.Bytes())); lines.Scan(); {
		var x map[string]json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		for k := range x {
			kinds = append(kinds, k)
		}
	}
	if got := strings.Join(kinds, " "); !strings.HasPrefix(got, "progress") || !strings.HasSuffix(got, " result") {
		t.Error(got)
	}
	for _, bad := range []string{"from=yesterday", "to=" + at(0), "from=" + at(60) + "&to=" + at(0), "from=" + at(-3*86400) + "&to=" + at(0)} {
		r.status(422, "POST", "/rules/test?"+bad, failing)
	}
}
