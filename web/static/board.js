// What every board is made of: the view in the address, the bar, the keys, the stream, and charts over any span of time.
import { shared } from "./chart.js";
import { openChanged } from "./changed.js";
import { config } from "./config.js";
import { el, setText } from "./dom.js";
import { Frame, lifetime, load, rangeURL } from "./frame.js";
import { between } from "./format.js";
import { listen } from "./keys.js";
import { addMenu, copy, curl } from "./panel.js";
import { Stream } from "./stream.js";
import { TopBar } from "./topbar.js";
import { explain as reason, holding, query } from "./ask.js";
import { View, offered } from "./view.js";

const stepOf = (s) => (s % 86_400 === 0 ? `${s / 86_400} d` : s % 3600 === 0 ? `${s / 3600} h` : s % 60 === 0 ? `${s / 60} min` : `${s} s`);

const calm = matchMedia("(prefers-reduced-motion: reduce)");
export const STREAMED = 900; // seconds that the stream itself carries

export class Board extends EventTarget {
  // o: {wish?: what GET /range is asked for, load?: what asks instead, topics?, otherwise?: seconds shown at first, days?: see View, filters?: dimensions, compare?, search?, health?, ready(board)?: a frame that the
  // stream already gives instead of asking, or null}. Dispatches "frame" when numbers came and "tick" when time or view moved on.
  constructor(o) {
    super();
    this.o = o;
    this.charts = [];
    this.frame = this.earlier = null;
    this.topics = new Set(o.topics ?? ["metrics"]);
    this.stream = new Stream(() => `/stream?${query({ topics: [...this.topics].join(), model: this.view?.filters.model ?? new URLSearchParams(location.search).get("model") })}`);
    this.view = new View(() => this.stream.now, o.otherwise, o.days);
    this.bar = new TopBar(document.getElementById("bar"), this.view, { filters: o.filters ?? ["model", "tenant"], compare: o.compare, search: o.search, health: o.health, stream: this.stream });
    listen(this.view, this.bar);
    this.#learn();
    this.note = el("div", { class: "zoomed", role: "status", hidden: true });
    this.grain = el("p", { class: "zoomed", hidden: true });
    this.lack = el("p", { class: "zoomed held", role: "status", hidden: true });
    this.bar.stale.after(this.note, this.grain, this.lack);
    shared.brushed = ({ from, to, metric }) => { this.metric = metric; this.view.set({ from, to }); };
    this.view.addEventListener("change", ({ detail }) => {
      if (detail.includes("filters")) { this.stream.open(); this.#offer(); }
      if (detail.some((what) => what !== "zone")) { holding.why.clear(); this.refresh(); } // the way back changes everything at once
      if (detail.includes("without")) this.#leave();
      this.#note();
      this.draw();
    });
    this.stream.addEventListener("state", () => { if (this.view.live || !this.frame) this.draw(); }); // news change nothing in a picture that is held, or of the past
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { this.refresh(); this.draw(); } });
    holding.changed = () => this.#lack();
    shared.left = (dimension, told, off) => this.view.leave(dimension, [...new Set([...(this.view.without[dimension] ?? []).filter((n) => !told.includes(n)), ...off])]);
    this.#leave();
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
    this.#note();
  }

  // Learns what the windows keep apart. Where nobody answers, the next look at the board asks again.
  async #learn() {
    try {
      ({ dimensions: this.kept } = await config());
      this.#offer();
    } catch { /* then every filter is offered */ }
  }

  // Offers only filters that the windows can answer together with what is asked for anyway.
  #offer() {
    const { o, bar, kept, view } = this;
    if (kept) bar.o.filters = offered(kept, [...Object.keys(view.filters), ...(o.wish?.by ? [o.wish.by] : [])], o.filters);
  }

  // Leaves out of the charts what is left out.
  #leave() {
    for (const c of this.charts) this.#leaveIn(c);
    this.#lack();
  }

  // Says which sums hold what is left out nevertheless, and why.
  #lack() {
    const why = [...new Set(holding.why.values())];
    this.lack.hidden = !why.length;
    this.lack.title = why.join("\n");
    setText(this.lack, why.length ? `Some sums hold still what is left out: ${why[0]}.` : "");
  }

  #leaveIn(chart) {
    const off = this.view.without[chart.spec.apart] ?? [];
    if (chart.spec.apart && [...chart.off].join("\n") !== off.join("\n")) chart.leave(new Set(off));
  }

  // add puts a chart with its menu under the board's care. own: {frame, earlier?, wish, query?()} of a chart that shows another frame than the board's; without one it waits.
  add(chart, own) {
    chart.own = own;
    this.charts.push(chart);
    this.#leaveIn(chart);
    chart.open = addMenu({
      title: chart.spec.title, unit: chart.spec.unit, head: chart.head, explain: chart.spec.explain && { error: "Percentiles are within 1 % of the exact ones; counts, sums and means are exact.", fresh: "Live numbers come every second, past ones with each refresh of the board. Hatched: not complete yet.", ...chart.spec.explain },
      table: () => chart.spec.table?.(chart) ?? chart.table(), canvas: () => chart.plot?.ctx.canvas, link: () => this.view.link(), call: () => curl(rangeURL(chart.own?.wish ?? this.o.wish, chart.own?.query?.() ?? this.view.query())),
    });
    return chart;
  }

  // The span on the screen. Where nothing is older, it begins with what there is.
  get span() {
    const { view, frame } = this, s = view.span();
    if (view.from !== null) return s;
    const step = frame?.step ?? 5, end = this.#streamed ? s.to - step : s.to, by = this.#pace, to = Math.floor(end / by) * by;
    const begins = view.range <= STREAMED ? Math.min(frame?.begins ?? -Infinity, to - Math.min(60, view.range)) - step : -Infinity; // a new installation is no empty picture with a rim
    return { from: Math.max(to - view.range, begins), to };
  }

  // How many seconds the pictures of now move at a time: one, or those of a pixel where they are fewer.
  get #pace() {
    const { range } = this.view;
    if (calm.matches) return this.frame?.step ?? 5;
    return range > STREAMED ? Math.max(1, Math.floor(range / 1800)) : Math.min(1, Math.max(0.1, range / Math.max(...this.charts.map((c) => c.width))));
  }

  // Moves the pictures on between two ticks.
  #glide() {
    clearTimeout(this.gliding);
    const by = this.#pace;
    if (!this.#streamed || !this.view.live || by === 1 || document.hidden) return;
    this.gliding = setTimeout(() => requestAnimationFrame(() => {
      const { span } = this;
      for (const c of this.charts) if (!c.own && !c.unseen) c.move(span);
      this.#glide();
    }), by * 1000);
  }

  // Asks for what the view shows; while it is live, again and again.
  async refresh() {
    clearTimeout(this.again);
    this.running?.abort();
    const { signal } = this.running = new AbortController(), { view } = this, key = JSON.stringify(view.filters), get = this.o.load ?? load;
    if (!this.kept) this.#learn();
    if (document.hidden || !this.o.wish) return;
    if (this.frame && key !== this.narrowed) this.failed("", true);
    try {
      const ready = this.o.ready?.(this) ?? null;
      this.#streamed = ready !== null;
      const frame = ready ?? await get(this.o.wish, view, { signal }), { offset } = view;
      let earlier = null, lack = "";
      try {
        if (offset) earlier = { offset, history: await get({ ...this.o.wish, step: frame.step, points: undefined }, view, { before: offset, signal }) };
      } catch (e) {
        if (e.name === "AbortError") throw e;
        lack = reason(e);
      }
      Object.assign(this, { frame, earlier, narrowed: key });
      this.failed(lack, false, "What it is compared with");
      this.dispatchEvent(new Event("frame"));
    } catch (e) {
      if (e.name === "AbortError") return;
      this.failed(reason(e), key !== this.narrowed);
    }
    this.draw();
    if (view.live) this.again = setTimeout(() => this.refresh(), this.#streamed ? 15_000 : lifetime(this.frame?.step ?? 5));
  }
  #streamed = false;

  // Tells what went wrong. Numbers of other filters than those that are chosen are not shown under them, nor while theirs are on the way.
  failed(text, other = false, what = "This span") {
    if (other) this.frame = this.earlier = this.narrowed = null;
    for (const n of document.querySelectorAll("#cards, #charts, #board > .stack, .of-view")) n.classList.toggle("withheld", other);
    this.problem ??= (() => { const n = el("p", { class: "notice", role: "alert", hidden: true }); this.note.after(n); return n; })();
    this.problem.hidden = !text;
    setText(this.problem, text && `${what} cannot be shown now: ${text}`);
  }

  // Draws once with the next frame of the screen, however often it is called.
  draw() {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => {
      if (document.hidden) return;
      const ready = this.o.ready?.(this) ?? null;
      if (ready) {
        this.frame = ready;
        if (!this.#streamed) { this.narrowed = JSON.stringify(this.view.filters); this.refresh(); } // nobody waits for an answer any more, nor is told that it failed
      }
      this.dispatchEvent(new Event("tick"));
      this.#tellGrain();
      if (!this.frame) return;
      const { span } = this;
      this.#glide();
      for (const c of this.charts) {
        const { frame, earlier } = c.own ?? this;
        if (frame) c.show(frame, span, earlier);
      }
    });
  }

  // Says where the charts are coarser than the span could be.
  #tellGrain() {
    const { frame, grain } = this, coarse = frame !== null && frame.step > (frame.wished ?? frame.step);
    grain.hidden = !coarse;
    if (coarse) setText(grain, `One point is ${stepOf(frame.step)}: steps of ${stepOf(frame.wished)} are no longer told apart in this span.`);
  }

  // What can be done about a span that somebody chose.
  #note() {
    const { view } = this;
    this.note.hidden = view.from === null;
    if (view.from === null) return;
    this.note.replaceChildren(el("span", {}, between(view.from, view.to)), el("button", { class: "button small", type: "button", onclick: () => openChanged(view.span(), view, this.metric) }, "What changed?"),
      el("button", { class: "button small", type: "button", onclick: () => history.back() }, "Back"), el("button", { class: "button small", type: "button", onclick: () => view.set({ range: view.range }) }, "Go live"));
  }
}

export { Frame, copy };
