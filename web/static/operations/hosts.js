// Models by host, and what the hosts carry. What there is depends on the dimensions that the windows keep apart.
import { ask, query } from "../ask.js";
import { el, setText } from "../dom.js";
import { amount, ms, percent, si, text } from "../format.js";
import { modelName } from "../palette.js";

const columns = [["GPU", "gpu_usage", 100], ["KV cache", "kv_cache_usage", 1], ["GPU memory", "gpu_memory_usage", 100], ["CPU", "cpu_usage", 100], ["Running", "requests_running"], ["Waiting", "requests_waiting"]];
const span = 300; // s

export class Hosts {
  // open: called with a model that was chosen. kept: the dimensions, alone and in pairs joined by +, that the windows keep apart.
  constructor(panel, open) { Object.assign(this, { panel, open, kept: [] }); this.note = panel.querySelector(".unit"); this.table = panel.querySelector("table"); }

  keeps(...names) { return this.kept.some((k) => names.every((n) => k.split("+").includes(n))); }

  async refresh(view) {
    const matrix = this.keeps("model", "host"), { to } = view.span();
    if (!matrix && !this.keeps("host")) {
      this.panel.hidden = false;
      setText(this.note, "Hosts are not told apart here: EVENT_PROCESSING_DIMENSIONS=host shows what each carries, model+host each model on each.");
      return;
    }
    const a = await ask("GET", `/analytics?${query({ window: span, at: new Date(Math.ceil(to) * 1000).toISOString(), group_by: matrix ? "model,host" : "host", model: matrix ? view.filters.model : undefined, limit: 500 })}`);
    setText(this.note, `last ${span / 60} min`);
    const groups = a.groups.filter((g) => g.key.host !== null), hosts = [...new Set(groups.map((g) => g.key.host))].sort();
    if (this.panel.contains(document.activeElement)) return; // never under somebody's hand
    this.table.replaceChildren(...(matrix ? this.#matrix(groups, hosts) : this.#list(groups, hosts)));
  }

  #list(groups, hosts) {
    return [head("Host", columns.map(([n]) => n)), el("tbody", {}, ...hosts.map((h) => {
      const { system } = groups.find((g) => g.key.host === h).stats;
      return el("tr", {}, el("th", { scope: "row", class: "left" }, h), ...columns.map(([, field, of]) => gauge(system[field] ?? null, of)));
    }))];
  }

  #matrix(groups, hosts) {
    const models = [...new Set(groups.map((g) => g.key.model).filter((m) => m !== null))].sort();
    return [head("Model", hosts), el("tbody", {}, ...models.map((m) => el("tr", {}, el("th", { scope: "row", class: "left" }, el("button", { class: "link", type: "button", onclick: () => this.open(m) }, modelName(m))), ...hosts.map((h) => {
      const s = groups.find((g) => g.key.model === m && g.key.host === h)?.stats;
      if (!s?.requests) return el("td", { class: "void" }, "–");
      return el("td", { class: s.error_rate >= 0.05 ? "bad" : s.error_rate >= 0.02 ? "warn" : "", title: `${m} on ${h}: ${text(percent(s.error_rate))} errors` }, `${text(si(s.requests / span))}/s`, el("small", {}, text(ms(s.latency_ms.p95))));
    }))))];
  }
}

const head = (first, names) => el("thead", {}, el("tr", {}, ...[first, ...names].map((n, i) => el("th", { scope: "col", class: i ? false : "left" }, n))));

// A number, with a bar where it has a largest one.
function gauge(v, of) {
  if (v === null) return el("td", { class: "void" }, "–");
  if (!of) return el("td", {}, text(amount(v)));
  const fill = el("span", { class: "gauge-fill" }), part = Math.min(1, v / of);
  fill.style.width = `${part * 100}%`;
  return el("td", { class: part >= 0.95 ? "bad" : part >= 0.85 ? "warn" : "" }, text(percent(v / of)), el("span", { class: "gauge", "aria-hidden": "true" }, fill));
}
