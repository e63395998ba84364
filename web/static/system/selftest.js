// The self-test: one event along the whole road, and what each place says of it.
import { ask, explain } from "../ask.js";
import { el, setText } from "../dom.js";
import { ms, text } from "../format.js";
import { sheet } from "../ui.js";

const words = { passed: "It works", degraded: "It works, but somebody should look", failed: "Something does not work" }, states = { passed: "good", degraded: "warn", failed: "bad" };

export function selfTestSheet() {
  const seen = el("div", { class: "self-test", "aria-live": "polite" }), go = el("button", { class: "button primary", type: "submit" }, "Run it");
  const { form } = sheet("Self-test", el("p", { class: "sheet-text" }, "Asks every service for its health, then sends one event (a system metric of the source hxp-self-test) and follows it to its topic, into the windows and onto the live stream. It is one more event; no request, cost, score or mean changes."), seen, el("div", { class: "form-end" }, go));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    go.disabled = true;
    setText(seen, "Running…");
    try {
      seen.replaceChildren(...outcome(await ask("POST", "/self-test")));
      setText(go, "Run it again");
    } catch (err) {
      seen.replaceChildren(el("p", { class: "form-error", role: "alert" }, explain(err)));
    } finally {
      go.disabled = false;
    }
  });
  form.requestSubmit();
}

function outcome(t) {
  return [
    el("p", { class: "outcome", "data-state": states[t.status] }, words[t.status]),
    el("ol", { class: "steps" }, ...t.steps.map((s) => el("li", {},
      el("span", { class: "state-dot", "data-state": states[s.status], role: "img", "aria-label": s.status }), el("span", {}, el("strong", {}, s.name.replace(/^./, (c) => c.toUpperCase())), el("small", {}, s.detail)), el("span", { class: "unit" }, text(ms(s.ms)))))),
  ];
}
