package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRealDeadLettersPage works on the board of the dead letters as a person does: reads a letter, tries a patch, sends it again, then
// chooses a reason and sends all of it again.
func TestRealDeadLettersPage(t *testing.T) {
	var h *instance
	begin := func(t *testing.T) string {
		h = start(t, "127.0.0.1:0")
		return h.url("system") + "/"
	}
	lookAt(t, "the page of the dead letters in a browser", "letters", begin, func(p *page) {
		patch := func(text string) {
			p.do(fmt.Sprintf(`{ const p = document.querySelector("dialog textarea"); p.value = %q; p.dispatchEvent(new Event("input")); true }`, text))
		}
		p.shown("nothing", `document.getElementById("open").textContent === "nothing open"`)
		var lines []string
		for i := range 60 {
			wrong := `"duration_ms":"fast"`
			if i%3 == 0 {
				wrong = `"prompt_tokens":-5`
			}
			lines = append(lines, fmt.Sprintf(`{"event_id":"page-%d","event_type":"llm_request","timestamp":"2026-03-01T10:00:00Z","source":"gateway","data":{"model":"m","request_id":"r-%d",%s}}`, i, i, wrong))
		}
		if status, a := h.post(p.t, []byte(strings.Join(lines, "\n")), nil); a.Rejected != len(lines) {
			p.t.Fatalf("%d %+v", status, a)
		}
		p.shown("list", `document.getElementById("open").textContent === "60 open" && document.querySelectorAll("#letters tbody tr").length === 50 && document.querySelectorAll(".reason").length === 2`)
		p.do(`document.querySelector("#letters tbody tr .open-letter").focus() !== undefined || true`)
		p.do(`[...document.querySelectorAll("#letters tbody tr")].find((r) => r.textContent.includes("wrong_type")).querySelector(".open-letter").click() !== undefined || true`)
		p.shown("letter", `document.querySelector("dialog[open].drawer .payload .at")?.textContent.includes("duration_ms")`)
		p.press("dialog", "Preview")
		p.shown("still bad", `document.querySelector("dialog .outcome")?.dataset.state === "bad"`)
		patch(`{"data":{"duration_ms":90}}`)
		p.press("dialog", "Preview")
		p.shown("preview", `document.querySelector("dialog .outcome")?.dataset.state === "good" && document.querySelector("dialog .outcome pre").textContent.includes('"duration_ms": 90')`)
		p.press("dialog", "Send again")
		p.shown("sent", `document.querySelector("dialog") === null && document.getElementById("open").textContent === "59 open"`)
		p.do(`document.querySelector('.reason[data-code="negative"]').click() !== undefined || true`)
		p.shown("one reason", `document.querySelectorAll("#letters tbody tr").length === 20 && document.querySelector('.reason[data-code="negative"]').ariaPressed === "true"`)
		p.press("#tools", "Send all 20")
		patch(`{"data":{"prompt_tokens":5}}`)
		p.press("dialog", "Send again")
		p.shown("all sent", `document.querySelector("dialog") === null && document.getElementById("open").textContent === "39 open" && document.querySelector("#letters .nothing") !== null`)
		h.caughtUp(p.t, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), 21)
	})
}
