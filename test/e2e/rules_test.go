package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// The rules that a test of kills looks at: of single events, of pairs over two topics, and of a window. What they decide follows
// from what was sent, whenever it came.
var killRules = map[string]string{
	"kill-single": `{"type":"sequence","steps":["event_type == \"llm_request\" && data.success == false"],"within":"10m","keep_firing_for":"24h","group_by":["request_id"],"max_groups":100000}`,
	"kill-pair":   `{"type":"sequence","steps":["event_type == \"llm_request\" && data.success == false","event_type == \"user_feedback\""],"within":"10m","keep_firing_for":"24h","group_by":["request_id"],"max_groups":100000}`,
	"kill-window": `{"type":"threshold","when":"event_type == \"llm_request\"","metric":"errors","op":">","value":20,"window":"24h","keep_firing_for":"24h","group_by":["user_id"],"max_groups":100000}`,
}

// Kills at random moments: each alert fires, and none twice.
func TestRulesOverKills(t *testing.T) {
	kills := 4
	if testing.Short() {
		kills = 2
	}
	rulesOverKills(t, kills)
}

func TestRealRulesOverKills(t *testing.T) {
	need(t, "", "")
	rulesOverKills(t, killCount(t, 12))
}

func rulesOverKills(t *testing.T, kills int) {
	h := start(t, "127.0.0.1:0")
	for name, text := range killRules {
		res, body, err := call("PUT", h.url("event-processing-api")+"/rules/"+name, map[string]string{"Content-Type": "application/json"}, []byte(text))
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("PUT %s: %v %s", name, err, body)
		}
	}
	l := &load{stop: make(chan struct{})}
	var mu sync.Mutex
	users, ids := map[string]bool{}, map[string]bool{}
	for w := range 2 {
		l.wait.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				case <-time.After(20 * time.Millisecond): // what counts here is the kills, not the load
				}
				user := fmt.Sprintf("user-%d-%d", w, n)
				body, mine := outageOf(user, 25)
				if !l.send(h, body) {
					l.lost.Add(1)
					return
				}
				mu.Lock()
				users[user] = true
				for _, id := range mine {
					ids[id] = true
				}
				mu.Unlock()
			}
		})
	}
	done := func() int { mu.Lock(); defer mu.Unlock(); return len(users) }
	r := rand.New(rand.NewPCG(uint64(kills), 7))
	for range kills {
		seen, moment := done(), time.After(time.Duration(200+r.IntN(1500))*time.Millisecond)
		eventually(t, 60*time.Second, "events are acknowledged after a restart", func() bool { return done() > seen })
		<-moment
		h.kill()
		h.up(t)
	}
	close(l.stop)
	l.wait.Wait()
	if n := l.lost.Load(); n > 0 {
		t.Fatalf("%d batches were not acknowledged", n)
	}
	var fired map[string]map[string]int
	want := map[string]map[string]bool{"kill-single": ids, "kill-pair": ids, "kill-window": users}
	eventually(t, 120*time.Second, "every alert fires", func() bool {
		fired = h.fired(t)
		for name, keys := range want {
			if len(fired[name]) < len(keys) {
				return false
			}
		}
		return true
	})
	for name, keys := range want {
		for key, n := range fired[name] {
			if n != 1 || !keys[key] {
				t.Errorf("%s of %s fired %d times, expected: %v", name, key, n, keys[key])
			}
		}
	}
	t.Logf("%d users, %d requests over %d kills", len(users), len(ids), kills)
}

// outageOf is failed requests of a user, and feedback to each, as a body of the kafka-api; and the ids of the requests.
func outageOf(user string, n int) (body []byte, ids []string) {
	var b strings.Builder
	now := time.Now().UTC()
	for i := range n {
		id := fmt.Sprintf("%s-%d", user, i)
		ids = append(ids, id)
		fmt.Fprintf(&b, `{"event_id":"q-%s","event_type":"llm_request","timestamp":%q,"source":"kills","data":{"request_id":%q,"user_id":%q,"model":"m","success":false,"status_code":500}}`+"\n", id, now.Format(time.RFC3339Nano), id, user)
		fmt.Fprintf(&b, `{"event_id":"f-%s","event_type":"user_feedback","timestamp":%q,"source":"kills","data":{"request_id":%q,"thumbs":"down"}}`+"\n", id, now.Add(time.Millisecond).Format(time.RFC3339Nano), id)
	}
	return []byte(b.String()), ids
}

// send sends a body until it is acknowledged, for 60 s after the stop at most.
func (l *load) send(h *instance, body []byte) bool {
	stop, over := l.stop, (<-chan time.Time)(nil)
	for {
		res, _, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/x-ndjson"}, body)
		if err == nil && res.StatusCode == http.StatusAccepted {
			return true
		}
		select {
		case <-stop:
			stop, over = nil, time.After(60*time.Second)
		case <-over:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fired counts, by rule and key, how often the topic of alerts says that one fires.
func (h *instance) fired(t *testing.T) map[string]map[string]int {
	t.Helper()
	out := map[string]map[string]int{}
	for _, m := range h.records(t, event.TopicAlerts) {
		var d struct {
			Rule, State, Version string
			Key                  json.RawMessage
		}
		if err := json.Unmarshal(m.Value, &d); err != nil {
			t.Fatalf("%v in %s", err, m.Value)
		}
		var key map[string]string
		if d.Version == "" || d.State != "firing" || json.Unmarshal(d.Key, &key) != nil {
			continue
		}
		if out[d.Rule] == nil {
			out[d.Rule] = map[string]int{}
		}
		for _, v := range key {
			out[d.Rule][v]++
		}
	}
	return out
}
