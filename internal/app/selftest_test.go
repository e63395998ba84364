package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// town stands for the services: an event that comes is counted after it was looked for twice.
type town struct {
	sick    map[string]string // service → its /health
	other   bool              // another message lies where the event should
	lost    func()            // the windows never come to it, and this ends the waiting
	full    bool              // no stream is left
	still   bool              // the stream tells a state and no more
	hung    string            // service that does not answer
	looks   int
	arrived string
}

func (o *town) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.Path, "/")
	service, path, _ := strings.Cut(rest, "/")
	answer := func(status int, format string, a ...any) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, a...)
	}
	switch path {
	case "health":
		if service == o.hung {
			<-r.Context().Done()
			return
		}
		if text := o.sick[service]; text != "" {
			answer(503, "%s", text)
			return
		}
		answer(200, `{"status":"healthy","checks":{"broker":{"status":"healthy","detail":"answers"}}}`)
	case "events":
		body, _ := io.ReadAll(r.Body)
		o.arrived = string(body)
		answer(202, `{"accepted":1,"results":[{"event_id":"e-1","topic":"system-metrics","partition":2,"offset":41}]}`)
	case "topics/system-metrics/messages":
		id := "e-1"
		if o.other {
			id = "e-2"
		}
		answer(200, `{"messages":[{"partition":%s,"offset":%s,"value":{"event_id":"%s"}}]}`, r.URL.Query().Get("partition"), r.URL.Query().Get("offset"), id)
	case "analytics/performance":
		if o.looks++; o.looks > 2 && o.lost == nil {
			answer(200, `{"partitions":[{"topic":"system-metrics","partition":2,"offset":42}]}`)
			return
		}
		if o.looks > 2 {
			o.lost()
		}
		answer(200, `{"partitions":[{"topic":"system-metrics","partition":2,"offset":41},{"topic":"system-metrics","partition":1,"offset":99},{"topic":"llm-requests","partition":2,"offset":99}]}`)
	case "stream/metrics":
		if o.full {
			answer(503, `{}`)
			return
		}
		text := "event: metrics\ndata: {\"type\":\"snapshot\"}\n\n"
		if !o.still {
			text += "event: metrics\ndata: {\"type\":\"update\"}\n\n"
		}
		answer(200, "%s", text)
	default:
		answer(404, `{"detail":"no such path %s"}`, path)
	}
}

func TestSelfTest(t *testing.T) {
	waiting, enough := context.WithCancel(t.Context())
	defer enough()
	for _, tc := range []struct {
		name   string
		town   town
		status string
		last   string // what the last step says
	}{
		{"all is well", town{}, passed, "a state came, and what changed in it"},
		{"a service is degraded", town{sick: map[string]string{BatchProcessingAPI: `{"status":"degraded","checks":{"lake":{"status":"degraded","detail":"it is slow"}}}`}}, degraded, "a state came, and what changed in it"},
		{"a service is unhealthy", town{sick: map[string]string{KafkaAPI: `{"status":"unhealthy","checks":{"broker":{"status":"unhealthy","detail":"gone"}}}`}}, failed, "a state came, and what changed in it"},
		{"a service answers nonsense", town{sick: map[string]string{Scheduler: `<html>`}}, failed, "a state came, and what changed in it"},
		{"another message lies there", town{other: true}, failed, "another message lies at partition 2, offset 41 of system-metrics"},
		{"the windows do not come to it", town{lost: enough}, failed, "the windows have not come to offset 41"},
		{"the stream stands still", town{still: true}, failed, "the stream told a state and did not go on"},
		{"a service hangs", town{hung: Scheduler}, failed, "a state came, and what changed in it"},
		{"no stream is left", town{full: true}, degraded, "all streams are taken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(&tc.town)
			defer srv.Close()
			test := newSelfTest(func(service string) string { return srv.URL + "/" + service }, nil, nil)
			test.pause = time.Millisecond
			if tc.town.hung != "" {
				test.reply = 50 * time.Millisecond
			}
			ctx := t.Context()
			if tc.town.lost != nil {
				ctx = waiting
			}
			w := httptest.NewRecorder()
			test.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/self-test", nil))
			var got SelfTest
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
				t.Fatalf("%d %v %s", w.Code, err, w.Body)
			}
			if last := got.Steps[len(got.Steps)-1]; got.Status != tc.status || !strings.Contains(last.Detail, tc.last) {
				t.Errorf("%s: %+v", got.Status, got.Steps)
			}
			if says := "scheduler has not told its health within 50ms"; tc.town.hung != "" && got.Steps[4].Detail != says {
				t.Errorf("%+v; want %s", got.Steps[4], says)
			}
			if !strings.Contains(tc.town.arrived, `"hxp-self-test"`) || strings.Contains(tc.town.arrived, "llm_request") {
				t.Errorf("what was sent: %s", tc.town.arrived)
			}
		})
	}
}

// TestSelfTestOnceAtATime: a second one is told to wait.
func TestSelfTestOnceAtATime(t *testing.T) {
	test := newSelfTest(func(string) string { return "http://127.0.0.1:1" }, nil, nil)
	test.running.Lock()
	w := httptest.NewRecorder()
	if test.ServeHTTP(w, httptest.NewRequest("POST", "/self-test", nil)); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
