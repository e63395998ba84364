package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// calls sends JSON to data-streaming-api and wants 2xx.
func (h *instance) calls(t *testing.T, method, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, h.url("data-streaming-api")+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, said)
	}
}

// TestRealNotificationsPage does on the page what somebody does who is on call: sees what fires and who was told, acknowledges with the keyboard,
// silences after a look at what that holds back, ends the silence, and tries a receiver.
func TestRealNotificationsPage(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the page of notifications in a browser")
	sink := newHooks(t)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer away.Close()
	begin := func(t *testing.T) string {
		h := prepare(t, "127.0.0.1:0")
		h.env = append(h.env, "HXP_WEBHOOK_ALLOW=127.0.0.0/8")
		h.up(t)
		h.calls(t, "PUT", "/notifications/config", json.RawMessage(fmt.Sprintf(`{"route":{"receiver":"chat","group_by":["alertname"],"group_wait":"0s","routes":[
			{"matchers":["team=~\"web|app\""],"receiver":"pager","group_by":["alertname","model"],"escalate":[{"after":"15m","receiver":"chat"}]},{"matchers":["team=\"none\""],"receiver":"lost"}]},
			"receivers":[{"name":"chat","console_configs":[{}]},{"name":"pager","webhook_configs":[{"url":%q}]},{"name":"lost","webhook_configs":[{"url":%q}]}]}`, sink.URL+"/with/a-token", away.URL)))
		var list []any
		for i := range 12 {
			team := []string{"web", "none", "data"}[i%3]
			list = append(list, map[string]any{
				"labels":      map[string]string{"alertname": []string{"TTFTTooHigh", "WorkerAway", "KVCacheNearlyFull"}[i%3], "severity": []string{"critical", "warning"}[i%2], "model": fmt.Sprintf("mixtral-8x7b-%d", i), "team": team},
				"annotations": map[string]string{"summary": "The first token takes 4.2 s where 2 s is the limit, since the deployment of 11:40", "runbook": "https://runbooks.example.org/ttft"},
			})
		}
		h.calls(t, "POST", "/api/v2/alerts", list)
		eventually(t, time.Minute, "messages", func() bool {
			var told struct {
				Notifications []struct{ Status, Error string }
			}
			h.get(t, "data-streaming-api", "/notifications", &told)
			sent, failing := 0, 0
			for _, m := range told.Notifications {
				if m.Status == "sent" {
					sent++
				} else if strings.Contains(m.Error, "503") {
					failing++
				}
			}
			return sent >= 5 && failing > 0
		})
		return h.url("operations") + "/notify"
	}
	lookIn(t, everywhere, "the page of notifications in a browser", "notifications", begin, func(p *page) {
		p.shown("filled", `document.querySelectorAll("#alerts [data-alert]").length === 12 && document.querySelectorAll("#messages .told-row").length >= 6 && document.querySelectorAll("#receivers .told-row").length === 3
			&& document.querySelector("#overall").dataset.state === "bad" && !document.body.textContent.includes("a-token")`)
		p.tidy()
		p.key("?")
		p.shown("help", `[...document.querySelectorAll("dialog[open] dd")].some((n) => n.textContent.includes("Acknowledge"))`)
		p.press("dialog[open]", "✕")
		p.key("j")
		p.do(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true })), true`)
		p.do(`document.querySelector("dialog[open] input[name=by]").value = "Anna", document.querySelector("dialog[open] button[type=submit]").click(), true`)
		p.shown("acknowledged", `document.querySelectorAll('#alerts [data-state="acknowledged"]').length === 1 && document.querySelector('#alerts [data-state="acknowledged"]')?.textContent.includes("acknowledged by Anna")`)
		p.press("#tools", "Silence")
		p.do(`{ const t = document.querySelector("dialog[open] textarea"); t.value = 'team="data"'; t.dispatchEvent(new Event("input")); true }`)
		p.shown("preview", `document.querySelector("dialog[open] .told-fits")?.textContent.includes("holds back 4")`)
		p.do(`document.querySelectorAll("dialog[open] input[type=text]")[1].value = "Maintenance of the data nodes", document.querySelector("dialog[open] button[type=submit]").click(), true`)
		p.shown("silenced", `document.querySelectorAll('#alerts [data-state="silenced"]').length === 4 && document.querySelector('#alerts [data-state="silenced"]')?.textContent.includes("silenced until") && document.querySelectorAll("#silences .told-row").length === 1`)
		p.press("#silences", "End")
		p.press("dialog[open]", "End it")
		p.shown("ended", `document.querySelectorAll('#alerts [data-state="silenced"]').length === 0 && document.querySelector("#silences .told-row") === null`)
		p.do(`document.querySelector('[data-act="Try pager"]').click(), true`)
		p.press("dialog[open]", "Send it")
		p.shown("tried", `document.querySelector("dialog[open] .told-fits")?.textContent.includes("pager/webhook/0: it arrived")`)
		p.press("dialog[open]", "✕")
		p.do(`document.querySelector('[data-act="Try chat"]').click(), true`)
		p.press("dialog[open]", "Show the texts")
		p.shown("texts", `document.querySelector("dialog[open] pre")?.textContent.includes("[FIRING:1] HxpTest")`)
		p.press("dialog[open]", "✕")
		p.press("#message-states", "Waiting")
		p.shown("waiting", `document.querySelectorAll("#messages .told-row").length === 1 && document.querySelector("#messages .told-error")?.textContent.includes("503")`)
	})
}
