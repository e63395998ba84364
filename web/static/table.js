// The models, one row each, sorted by any column.
import { el, setText } from "./dom.js";
import { count, ms, percent, score, si, text } from "./format.js";
import { modelColor, modelName } from "./palette.js";
import { value as valueButton } from "./pick.js";
import { coarse } from "./series.js";
import { spark } from "./spark.js";

const columns = [
  { key: "model", name: "Model", left: true },
  { key: "requests", name: "Requests", of: (s) => s.requests, format: count },
  { key: "rps", name: "req/s", of: (s) => s.throughput_rps, format: si },
  { key: "trend", name: "Trend", still: true },
  { key: "errors", name: "Errors", of: (s) => s.error_rate, format: percent },
  { key: "p50", name: "p50", of: (s) => s.latency_ms?.p50, format: ms, title: "latency, half of the requests are faster" },
  { key: "p95", name: "p95", of: (s) => s.latency_ms?.p95, format: ms, title: "latency" },
  { key: "p99", name: "p99", of: (s) => s.latency_ms?.p99, format: ms, title: "latency" },
  { key: "ttft", name: "TTFT p95", of: (s) => s.ttft_ms?.p95, format: ms, title: "time to first token" },
  { key: "tokens", name: "Tokens/s", of: (s, seconds) => s.tokens.total / seconds, format: si, title: "prompt and completion" },
  { key: "score", name: "Satisfaction", of: (s) => s.feedback?.satisfaction, format: score, title: "mean score, 1–5" },
];

export class Table {
  // open: called with the name of a model that was chosen
  constructor(node, view, open) {
    Object.assign(this, { view, open });
    this.sort = { key: "requests", down: true };
    this.rows = new Map();
    this.heads = columns.map((c) => {
      const inner = c.still ? c.name : el("button", { type: "button", title: c.title, onclick: () => this.#sortBy(c.key) }, c.name);
      return el("th", { scope: "col", class: c.left ? "left" : c.still ? "still" : false }, inner);
    });
    this.body = el("tbody");
    this.none = el("tr", { class: "none" }, el("td", { colspan: columns.length }));
    node.append(el("thead", {}, el("tr", {}, ...this.heads)), this.body);
  }

  #sortBy(key) {
    this.sort = { key, down: this.sort.key === key ? !this.sort.down : key !== "model" };
    if (this.state) this.show(this.state, this.history, this.from);
  }

  show(state, history, from) {
    Object.assign(this, { state, history, from });
    this.first = Math.max(0, history.times.findIndex((t) => t >= from));
    const seconds = state.window.seconds, { key, down } = this.sort;
    columns.forEach((c, i) => { if (!c.still) this.heads[i].setAttribute("aria-sort", c.key === key ? (down ? "descending" : "ascending") : "none"); });
    const column = columns.find((c) => c.key === key), all = Object.keys(state.models), names = all.filter((n) => this.view.lets({ model: modelName(n) }));
    const value = (n) => (column.of ? column.of(state.models[n], seconds) ?? -Infinity : n);
    names.sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : a < b ? -1 : 1) * (down ? -1 : 1); });
    for (const [name, row] of this.rows) if (!names.includes(name)) { row.node.remove(); this.rows.delete(name); }
    const busiest = Math.max(1, ...names.map((n) => state.models[n].requests));
    names.forEach((name, i) => {
      const row = this.rows.get(name) ?? this.#row(name);
      this.#fill(row, name, state.models[name], seconds, busiest);
      if (this.body.children[i] !== row.node) this.body.insertBefore(row.node, this.body.children[i] ?? null);
    });
    setText(this.none.firstChild, all.length ? "Every model is left out" : "No model was named in the last minutes");
    if (names.length) this.none.remove();
    else this.body.append(this.none);
  }

  #row(name) {
    const dot = el("span", { class: "dot", "aria-hidden": "true" }), trend = spark(110, 24);
    const cells = columns.map((c) => {
      if (c.key === "model") return el("th", { scope: "row", class: "left" }, valueButton({ view: this.view, title: "What is known of this model", act: () => this.open(name) }, "model", modelName(name), dot, el("span", { class: "model-name" }, modelName(name))));
      if (c.key === "trend") return el("td", { class: "trend" }, trend);
      return el("td");
    });
    const row = { node: el("tr", {}, ...cells), cells, dot, trend };
    this.rows.set(name, row);
    return row;
  }

  #fill(row, name, stats, seconds) {
    const color = modelColor(name);
    row.dot.style.setProperty("--c", color);
    columns.forEach((c, i) => { if (c.of) setText(row.cells[i], text(c.format(c.of(stats, seconds)))); });
    const errors = row.cells[columns.findIndex((c) => c.key === "errors")];
    errors.className = stats.error_rate >= 0.05 ? "bad" : stats.error_rate >= 0.02 ? "warn" : "";
    const trend = this.history.model(name, "requests").slice(this.first);
    row.trend.show(coarse(trend, Math.ceil(trend.length / 60)), { color });
  }
}
