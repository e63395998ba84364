// Events as they happen. It listens only while it is looked at.
import { query } from "../ask.js";
import { el, setText } from "../dom.js";
import { clock, ms, text } from "../format.js";
import { addMenu } from "../panel.js";
import { openRequest } from "../request.js";

const kept = 120, shown = 40, waiting = "No event has come since this board was opened.";

export class Tail {
  constructor(node, board) {
    Object.assign(this, { node, board, ring: [], rows: [], seen: 0, held: false, wish: "" });
    this.list = el("ol", { class: "tail-list", "aria-label": "Newest events first" });
    this.rate = el("span", { class: "unit" });
    this.pause = el("button", { class: "button small", type: "button", "aria-pressed": "false", onclick: () => this.#hold() }, "Pause");
    const input = el("input", { type: "search", placeholder: "Filter: model, tenant, error, id", "aria-label": "Filter events" });
    input.addEventListener("input", () => { this.wish = input.value.trim().toLowerCase(); this.#draw(true); });
    const head = el("header", { class: "panel-head" }, el("h2", {}, "Events"), this.rate, el("span", { class: "panel-tools" }, input, this.pause));
    node.append(head, this.list);
    addMenu({
      title: "Events", unit: `the newest ${kept}, as they fit the filter`, head, link: () => board.view.link(), call: () => `curl -N '${location.origin}/stream?${query({ topics: "events", model: board.view.filters.model })}'`, table: () => this.#table(),
      explain: { what: "Events as they come, while this panel is looked at; those of the model that is chosen. The filter looks at everything that a line is made of.", fresh: "At once; more than 1,000 a second are thinned out." },
    });
    this.list.append(this.none = el("li", { class: "tail-none" }, waiting));
    new IntersectionObserver(([e]) => { this.visible = e.isIntersecting; this.#follow(); }).observe(node);
    board.stream.addEventListener("hello", () => { node.hidden = !board.stream.offers.includes("events"); this.#follow(); });
    board.view.addEventListener("change", () => this.#draw(true));
    board.stream.addEventListener("happening", ({ detail: { topic, message } }) => { if (topic === "events") this.#take(message.data); });
  }

  #follow() {
    clearInterval(this.timer);
    if (this.visible) this.timer = setInterval(() => this.#draw(), 400);
    const { board } = this, want = this.visible && !this.node.hidden && board.stream.offers.includes("events"), has = board.topics.has("events");
    if (want === has) return;
    if (want) board.topics.add("events"); else board.topics.delete("events");
    board.stream.open();
  }

  #hold() {
    this.held = !this.held;
    this.pause.setAttribute("aria-pressed", String(this.held));
    setText(this.pause, this.held ? "Go on" : "Pause");
  }

  #take(e) {
    this.seen++;
    if (this.held || !e) return;
    const d = e.data ?? {}, line = [e.event_type, d.model, d.tenant, d.user_id, d.request_id, d.error_type, d.host, e.source].filter(Boolean).join(" ").toLowerCase();
    this.ring.unshift({ e, d, line });
    this.ring.length = Math.min(this.ring.length, kept);
    this.changed = true;
  }

  #draw(now = false) {
    if (document.hidden || !this.visible) return;
    const t = performance.now();
    if (t - (this.counted ?? 0) > 2000) { if (this.counted) setText(this.rate, `${((this.seen / (t - this.counted)) * 1000).toFixed(1)} per second`); this.seen = 0; this.counted = t; }
    if (!this.changed && !now) return;
    this.changed = false;
    const some = this.#fitting().slice(0, shown);
    this.none.hidden = some.length > 0;
    setText(this.none, this.ring.length ? "No event of those that came fits." : waiting);
    while (this.rows.length < some.length) { const r = this.#row(); this.rows.push(r); this.list.append(r.node); }
    this.rows.forEach((r, i) => { r.node.hidden = i >= some.length; if (some[i]) this.#fill(r, some[i]); });
  }

  #table() {
    const fields = ["model", "tenant", "request_id", "success", "error_type", "duration_ms", "ttft_ms", "prompt_tokens", "completion_tokens"];
    return { columns: ["timestamp", "event_type", "source", ...fields], rows: this.#fitting().map(({ e, d }) => [e.timestamp, e.event_type, e.source, ...fields.map((f) => String(d[f] ?? ""))]) };
  }

  #fitting() { return this.ring.filter((r) => (!this.wish || r.line.includes(this.wish)) && this.board.view.lets(r.d)); }

  #row() {
    const r = { time: el("time"), kind: el("span", { class: "tail-kind" }), who: el("button", { class: "link", type: "button" }), what: el("span", { class: "tail-what" }) };
    r.who.addEventListener("click", () => { if (r.id) openRequest(r.id); });
    r.node = el("li", {}, r.time, r.kind, r.who, r.what);
    return r;
  }

  #fill(r, { e, d }) {
    const bad = d.success === false;
    r.id = d.request_id;
    r.node.dataset.state = bad ? "bad" : "";
    setText(r.time, clock(Date.parse(e.timestamp) / 1000));
    setText(r.kind, e.event_type.replace("_", " "));
    setText(r.who, d.model ?? d.host ?? d.request_id ?? e.source ?? "–");
    r.who.disabled = !r.id;
    const tokens = (d.prompt_tokens ?? 0) + (d.completion_tokens ?? 0);
    setText(r.what, [bad ? d.error_type ?? "failed" : "", typeof d.duration_ms === "number" ? text(ms(d.duration_ms)) : "", tokens ? `${tokens} tokens` : "", d.tenant ?? "", typeof d.satisfaction_score === "number" ? `score ${d.satisfaction_score}` : "", d.business_event_type ?? ""].filter(Boolean).join(" · "));
  }
}
