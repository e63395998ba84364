// Errors over time by what they are: the type that requests name, or the class of their status. Where the windows do not keep these apart, the newest
// failures that are remembered tell them.
import { ask, explain, keeps, query } from "../ask.js";
import { Chart } from "../chart.js";
import { el } from "../dom.js";
import { load } from "../frame.js";
import { si } from "../format.js";
import { color } from "../palette.js";
import { perSecond, stack } from "../series.js";
import { offered } from "../view.js";

const names = { error_type: "Error type", status_class: "Status" };
const none = { error_type: "no type told", status_class: "no status told" }, other = "not remembered";

// remembered tells apart the errors that a frame counts in all. It counts each failure in its step; what they do not account for stands for itself.
async function remembered(frame, view) {
  const left = frame.of("errors").map((v) => v ?? 0), classes = {};
  if (!left.some(Boolean)) return classes;
  keeps(view.filters, ["model", "tenant"], "Classes of errors");
  const { correlations } = await ask("GET", `/correlations?${query({ ...view.query(), without: null, outcome: "failed", limit: 1000 })}`);
  for (const { request: r } of correlations) {
    const i = Math.floor((Date.parse(r.timestamp) / 1000 - frame.times[0]) / frame.step);
    if (!(left[i] > 0) || !view.lets(r)) continue; // of a step that is not shown, or not counted yet
    left[i]--;
    (classes[r.error_type || (r.status_code ? `${Math.floor(r.status_code / 100)}xx` : "")] ??= { errors: frame.times.map(() => 0) }).errors[i]++;
  }
  return { ...classes, [other]: { errors: left } };
}

export class Classes {
  constructor(board) {
    Object.assign(this, { board, by: "error_type", frame: null });
    this.chart = board.add(new Chart({
      title: "Errors by class", unit: "per second", metric: "errors", wide: true, needsSome: true, format: si, empty: "No errors in this range",
      explain: { what: "Requests that failed in each step, divided by its length, by the type of the error that they name, or by the class of their HTTP status. They lie on each other, so the top is all of them. EVENT_PROCESSING_DIMENSIONS=error_type,status_class keeps them apart; without it the newest 1,000 failures that are remembered do, and the rest is told as such." },
      lines: (h, off) => this.#lines(h, off),
    }), this);
    this.choice = el("div", { class: "segments small", role: "group", "aria-label": "Class", hidden: true }, ...Object.entries(names).map(([by, name]) => el("button", { type: "button", "data-by": by, onclick: () => { this.by = by; this.refresh(this.all); } }, name)));
    this.chart.head.querySelector(".unit").after(this.choice);
  }

  get wish() { return this.kept?.length ? { by: this.by, groupMetrics: ["errors"], limit: 12, points: 240 } : { metrics: ["errors"], points: 240 }; }

  // kept: the dimensions, alone and in pairs joined by +, that the windows keep apart.
  async refresh(kept) {
    this.all = kept;
    const { board, chart } = this, { view } = board, can = this.kept = offered(kept, Object.keys(view.filters), Object.keys(names));
    if (!can.includes(this.by)) this.by = can[0] ?? this.by;
    this.choice.hidden = can.length < 2;
    for (const b of this.choice.children) b.setAttribute("aria-pressed", String(b.dataset.by === this.by));
    const key = JSON.stringify([this.by, view.narrow, can.length]);
    if (key !== this.key && this.frame) { this.frame = null; chart.say("…"); } // never those of other filters
    this.key = key;
    try {
      const frame = await load({ ...this.wish, step: board.frame?.step }, view);
      if (!can.length) frame.models = await remembered(frame, view);
      if (key === this.key) this.frame = frame;
    } catch (e) { if (key === this.key && !this.frame) chart.say(explain(e)); }
    board.draw();
  }

  // The classes with the most errors, the most frequent on top. Errors are few, so a step that is not over would only jump.
  #lines(h, off) {
    const sums = Object.fromEntries(Object.keys(h.models).map((m) => [m, h.model(m, "errors").reduce((a, b) => a + b, 0)])), classes = Object.keys(sums).filter((m) => sums[m] > 0).sort((a, b) => sums[b] - sums[a] || (a < b ? -1 : 1)).slice(0, 8);
    const rows = classes.map((m) => perSecond(h, h.model(m, "errors")).map((v, i) => (h.times[i] + h.step > (h.watermark ?? Infinity) ? null : v))), names = classes.map((m) => m || none[this.by]), tops = stack(rows, names, off);
    return classes.map((m, i) => ({ name: names[i], color: color(i + 5), values: tops[i], shown: rows[i], stacked: true, width: 1.4 }));
  }
}
