package e2e

import "testing"

// TestRealSystemPage looks at the system board as an operator does: sees the pipeline carry traffic, runs the self-test, looks a setting up.
func TestRealSystemPage(t *testing.T) {
	var h *instance
	begin := func(t *testing.T) string {
		h = start(t, "127.0.0.1:0", "--demo", "--rate", "50")
		return h.url("system") + "/"
	}
	lookAt(t, "the system board in a browser", "system", begin, func(p *page) {
		p.shown("filled", `document.querySelector("#bar .pill").textContent === "All services are well" && document.getElementById("live").dataset.state === "live" && document.querySelectorAll("#charts .plot").length === 4 && document.querySelectorAll("#map .place").length === 10
			&& /[1-9]/.test(document.querySelector(".at-topics-stream strong").textContent) && document.querySelectorAll("#services .service").length === 5
			&& document.querySelectorAll("#partitions tbody tr").length === 12 && document.querySelectorAll("#scheduler tbody tr").length === 4 && document.querySelectorAll("#topics tbody tr").length >= 10`)
		p.press("#bar", "Self-test")
		p.shown("self-test", `document.querySelector("dialog .outcome")?.dataset.state === "good" && document.querySelectorAll("dialog .steps li").length === 9`)
		p.press("dialog", "✕")
		p.press("#bar", "Configuration")
		p.do(`{ const i = document.querySelector("dialog input[type=search]"); i.value = "kafka-api.service.port"; i.dispatchEvent(new Event("input")); true }`)
		p.shown("setting", `document.querySelectorAll("dialog .setting").length === 1 && document.querySelector("dialog .setting-value").textContent === "0"`)
	})
}
