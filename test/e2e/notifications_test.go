package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// hooks is a receiver that writes down under which ids it was told of which alerts. before and after, when set, are called around the
// answer to a message.
type hooks struct {
	*httptest.Server
	mu            sync.Mutex
	ids           map[string]map[string]bool
	before, after func()
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{ids: map[string]map[string]bool{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			GroupLabels map[string]string `json:"groupLabels"`
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		name, before, after := m.GroupLabels["alertname"], h.before, h.after
		if h.ids[name] == nil {
			h.ids[name] = map[string]bool{}
		}
		h.ids[name][r.Header.Get("webhook-id")] = true
		h.before, h.after = nil, nil
		h.mu.Unlock()
		if before != nil {
			before()
		}
		w.WriteHeader(http.StatusNoContent)
		if after != nil {
			_ = http.NewResponseController(w).Flush() // the answer is on its way
			after()
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// arm sets what happens around the next message.
func (h *hooks) arm(before, after func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

// postAlerts sends alerts as Prometheus does. They may be lost where hxp is killed, which closes killed.
func postAlerts(t *testing.T, h *instance, killed <-chan struct{}, names ...string) {
	t.Helper()
	var list []any
	for _, name := range names {
		list = append(list, map[string]any{"labels": map[string]string{"alertname": name}})
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(h.url("data-streaming-api")+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	select {
	case <-killed: // hxp was killed meanwhile
	case <-time.After(30 * time.Second):
		t.Errorf("alerts were not taken: %v", err)
	}
}

// Each message is made once, wherever hxp is killed: while alerts come, before anything of them is sent, while a receiver has a message
// and has not answered, and when it has. HXP_KILLS sets how often.
func TestNotificationsOverKills(t *testing.T) {
	t.Parallel()
	kills := 8
	if text := os.Getenv("HXP_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	sink := newHooks(t)
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "HXP_WEBHOOK_ALLOW=127.0.0.0/8")
	h.up(t)
	config := fmt.Sprintf(`{"route":{"receiver":"sink","group_by":["alertname"],"group_wait":"0s","group_interval":"1s","repeat_interval":"1d"},"receivers":[{"name":"sink","webhook_configs":[{"url":%q}]}],"global":{"resolve_timeout":"1d"}}`, sink.URL)
	req, err := http.NewRequest(http.MethodPut, h.url("data-streaming-api")+"/notifications/config", bytes.NewReader([]byte(config)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	var all []string
	for i := range kills {
		name, killed := fmt.Sprint("K", i), make(chan struct{})
		all = append(all, name)
		kill := func() { h.kill(); close(killed) }
		switch i % 4 {
		case 0: // before anything is sent, or about then
			postAlerts(t, h, nil, name)
			kill()
		case 1: // the receiver has it and has not answered
			sink.arm(kill, nil)
			postAlerts(t, h, killed, name)
			<-killed
		case 2: // it has answered, and nobody may have noted it
			sink.arm(nil, kill)
			postAlerts(t, h, killed, name)
			<-killed
		case 3: // while alerts come
			go kill()
			postAlerts(t, h, killed, name)
			<-killed
		}
		h.up(t)
	}
	postAlerts(t, h, nil, all...) // as senders do
	eventually(t, time.Minute, "one message of each alert, and all of them sent", func() bool {
		var list struct {
			Notifications []struct {
				Status string `json:"status"`
			} `json:"notifications"`
		}
		resp, err := http.Get(h.url("data-streaming-api") + "/notifications?limit=1000")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		if json.NewDecoder(resp.Body).Decode(&list) != nil || len(list.Notifications) != kills {
			return false
		}
		for _, n := range list.Notifications {
			if n.Status != "sent" {
				return false
			}
		}
		return true
	})
	sink.mu.Lock()
	defer sink.mu.Unlock()
	for _, name := range all {
		if len(sink.ids[name]) != 1 {
			t.Errorf("%s was told under %d ids", name, len(sink.ids[name]))
		}
	}
}
