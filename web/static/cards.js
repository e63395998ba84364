// The key figures: now, against the minute before, with a small picture of the range.
import { el, figure, setText } from "./dom.js";
import { count, ms, percent, score, si, text, usd } from "./format.js";
import { coarse, ratio } from "./series.js";
import { spark } from "./spark.js";

// better: which way is good, "up", "down" or none. note: what the number covers.
const cards = [
  { name: "Requests", note: "per second", format: si, now: (s) => s.rates.requests_per_second, was: (s) => rate(s.recent.previous.requests, s), is: (s) => rate(s.recent.overall.requests, s), line: (h) => h.of("requests") },
  { name: "Error rate", note: "last minute", better: "down", format: percent, alarm: (v) => (v >= 0.05 ? "bad" : v >= 0.02 ? "warn" : ""), now: (s) => s.recent.overall.error_rate, was: (s) => s.recent.previous.error_rate, points: true, line: (h) => ratio(h.of("errors"), h.of("requests")) },
  { name: "Latency p95", note: "last minute", better: "down", format: ms, now: (s) => s.recent.overall.latency_ms?.p95, was: (s) => s.recent.previous.latency_ms?.p95, line: (h) => h.of("latency_ms.p95") },
  { name: "TTFT p95", note: "last minute", better: "down", format: ms, now: (s) => s.recent.overall.ttft_ms?.p95, was: (s) => s.recent.previous.ttft_ms?.p95, line: (h) => h.of("ttft_ms.p95") },
  { name: "Tokens", note: "per second", format: si, now: (s) => s.rates.prompt_tokens_per_second + s.rates.completion_tokens_per_second, is: (s) => rate(s.recent.overall.tokens.total, s), was: (s) => rate(s.recent.previous.tokens.total, s), line: (h) => h.of("tokens.prompt").map((v, i) => (v === null ? null : v + (h.of("tokens.completion")[i] ?? 0))) },
  { name: "Satisfaction", note: "of 5", format: score, now: (s) => s.overall.feedback.satisfaction, count: (s) => s.overall.feedback.count, line: (h) => coarse(h.of("feedback.satisfaction"), 6), zero: false },
  { name: "Cost", note: "per hour", format: usd, now: (s) => perHour(s.recent.overall, s), was: (s) => perHour(s.recent.previous, s), line: (h) => h.of("cost_usd") },
];

const rate = (n, s) => n / s.recent.seconds;
const perHour = (stats, s) => (typeof stats.cost_usd === "number" ? stats.cost_usd * 3600 / s.recent.seconds : null);

export class Cards {
  constructor(node) {
    this.items = cards.map((card) => {
      const note = el("span", { class: "note" }, card.note), value = figure(), change = el("span", { class: "change" }), line = spark(160, 34, { area: true, className: "spark card-spark" });
      const box = el("article", { class: "card" },
        el("h2", {}, card.name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, note, change), line);
      node.append(box);
      return { card, box, value, change, line, note };
    });
  }

  // state is the live one, or one of a whole range (whole), which is told against the range before.
  show(state, history, range) {
    const from = history.times.findIndex((t) => t >= range.from);
    const before = history.times.at(-1) + history.step - 2 * state.recent.seconds; // the minute before must be a whole one
    const comparable = state.whole ? state.recent.previous.requests > 0 : history.begins <= before;
    for (const { card, box, value, change, line, note } of this.items) {
      setText(note, state.whole && card.note === "last minute" ? "this range" : card.note);
      const v = card.now(state) ?? null;
      value.show(card.format(v));
      box.dataset.alarm = v === null ? "" : card.alarm?.(v) ?? "";
      this.#change(card, state, v, change, comparable);
      const whole = card.line(history), values = whole.slice(Math.floor(Math.max(from, 0) * whole.length / history.times.length));
      line.show(coarse(values, Math.ceil(values.length / 90)), { zero: card.zero });
    }
  }

  #change(card, state, v, node, comparable) {
    if (card.count) { setText(node, `${text(count(card.count(state)))} ratings`); node.title = "in the last minutes"; return; }
    const enough = Math.min(state.recent.overall.requests, state.recent.previous.requests) >= 50; // fewer say little
    tellChange(node, comparable ? card.was(state) : null, card.is ? card.is(state) : v, { ...card, enough });
    node.title = state.whole ? "against the same length before" : "against the minute before";
  }
}

// tellChange says in a node how a number differs from what it was: in percent, or, of shares, in points. What is over tenfold is told as no more than that, or a number of nearly nothing before would not fit. better: which way is good, "up" or "down"; enough: it
// stands on enough for that to be said.
export function tellChange(node, was, is, { points, better, enough }) {
  if (typeof was !== "number" || typeof is !== "number" || (!was && !points)) { setText(node, ""); return; }
  const by = points ? (is - was) * 100 : (is - was) / was * 100, size = Math.abs(by), small = points ? size < 0.05 : size < 1;
  setText(node, small ? "steady" : `${by > 0 ? "▲" : "▼"} ${size >= 1000 ? "> 999" : size >= 9.95 ? Math.round(size) : size.toFixed(1)}${points ? "\u2009pt" : "\u2009%"}`);
  node.className = `change${!better || !enough || size < (points ? 0.5 : 10) ? "" : (by < 0) === (better === "down") ? " good" : " worse"}`;
}
