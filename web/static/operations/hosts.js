// Models by host, and what the hosts carry. What there is depends on the dimensions that the windows keep apart.
import { ask, query } from "../ask.js";
import { el, refill, setText } from "../dom.js";
import { amount, minute, ms, percent, si, text } from "../format.js";
import { modelName } from "../palette.js";
import { leftOut, value } from "../pick.js";
import { offered } from "../view.js";

const columns = [["GPU", "gpu_usage", 100], ["KV cache", "kv_cache_usage", 1], ["GPU memory", "gpu_memory_usage", 100], ["CPU", "cpu_usage", 100], ["Running", "requests_running"], ["Waiting", "requests_waiting"]];
const span = 300; // s

export class Hosts {
  // open: called with a model that was chosen, and a host where it was chosen on one. kept: the dimensions, alone and in pairs joined by +, that the windows keep apart.
  constructor(panel, view, open) { Object.assign(this, { panel, view, open, kept: [] }); this.note = panel.querySelector(".unit"); this.table = panel.querySelector("table"); }

  keeps(...names) { return this.kept.some((k) => names.every((n) => k.split("+").includes(n))); }

  // responses: those that may be in place, see concerns.
  async refresh(responses) {
    const { view } = this, both = this.keeps("model", "host"), { to } = view.span();
    if (!both && !this.keeps("host")) {
      this.panel.hidden = false;
      setText(this.note, "Hosts are not told apart here: EVENT_PROCESSING_DIMENSIONS=host shows what each carries, model+host each model on each.");
      return;
    }
    const a = await ask("GET", `/analytics?${query({ window: span, at: new Date(Math.ceil(to) * 1000).toISOString(), group_by: both ? "model,host" : "host", limit: 500 })}`);
    setText(this.note, `last ${span / 60} min`);
    const groups = a.groups.filter((g) => g.key.host !== null && (!g.key.model || !view.filters.model || g.key.model === view.filters.model) && (!view.filters.host || g.key.host === view.filters.host) && view.lets(g.key)), hosts = [...new Set(groups.map((g) => g.key.host))].sort();
    const matrix = groups.some((g) => g.key.model); // requests name the host that served them
    refill(this.table, ...(matrix ? this.#matrix(groups, hosts, responses.filter((r) => r.in_place)) : this.#list(groups, hosts)));
  }

  // A host is a choice where the windows can narrow what the charts tell by model to it.
  #host(h) {
    const { view } = this;
    return view.filters.host || offered(this.kept, [...Object.keys(view.filters), "model"], ["host"]).length ? value({ view }, "host", h, el("span", { class: "model-name" }, h)) : h;
  }

  #list(groups, hosts) {
    return [head("Host", columns.map(([n]) => n)), el("tbody", {}, ...hosts.map((h) => {
      const { system } = groups.find((g) => g.key.host === h && !g.key.model).stats;
      return el("tr", {}, el("th", { scope: "row", class: "left" }, this.#host(h)), ...columns.map(([, field, of]) => gauge(system?.[field] ?? null, of)));
    }))];
  }

  #matrix(groups, hosts, inPlace) {
    const models = [...new Set(groups.map((g) => g.key.model).filter((m) => m !== null))].sort(), kv = Object.fromEntries(groups.filter((g) => g.key.model === null).map((g) => [g.key.host, g.stats.system?.kv_cache_usage ?? null]));
    return [head("Model", hosts.map((h) => this.#host(h))), el("tbody", {}, ...models.map((m) => el("tr", {}, el("th", { scope: "row", class: "left" }, value({ view: this.view, title: "What is known of this model", act: () => this.open(m) }, "model", modelName(m), el("span", { class: "model-name" }, modelName(m)))), ...hosts.map((h) => {
      const s = groups.find((g) => g.key.model === m && g.key.host === h)?.stats, out = outOfUse(inPlace, m, h);
      if (!s?.requests && !out) return el("td", { class: "void" }, "–");
      const bad = out || s.error_rate >= 0.05 ? "bad" : s.error_rate >= 0.02 ? "warn" : "";
      return el("td", { class: `cell ${bad}`, "data-of": `${m} ${h}`, title: [`${m} on ${h}`, s?.requests ? `${text(percent(s.error_rate))} errors` : "no requests", typeof kv[h] === "number" ? `the KV cache of the host is ${text(percent(kv[h]))} full` : "", out && words(out)].filter(Boolean).join("; ") },
        el("button", { class: "cell-open", type: "button", "data-act": "open", onclick: (e) => { if (!leftOut(this.view, "model", modelName(m), e)) this.open(m, h); } }, ...(s?.requests ? [`${text(si(s.requests / span))}/s`, el("small", {}, `p95 ${text(ms(s.latency_ms.p95))}`)] : [el("small", {}, "idle")])),
        ...(typeof kv[h] === "number" ? [el("small", {}, `KV ${text(percent(kv[h]))}`), bar(kv[h])] : []), ...(out ? [el("span", { class: "badge", "data-state": "bad" }, words(out))] : []));
    }))))];
  }
}

// outOfUse finds a change in place that keeps requests from a model on a host: it names the host, and no other model.
export function outOfUse(inPlace, model, host) {
  return inPlace.find((r) => {
    const said = [r.endpoint, r.target, ...Object.values(r.with ?? {}), ...Object.values(r.key ?? {})], of = r.with?.model ?? r.key?.model;
    return said.includes(host) && (!of || of === model);
  });
}

const names = { cool_down: "cools down", drain: "drained", restart: "restarts" };
const words = (r) => `${names[r.action] ?? r.action}${r.expires_at ? ` until ${minute(Date.parse(r.expires_at) / 1000)}` : ""}`;

const head = (first, names) => el("thead", {}, el("tr", {}, ...[first, ...names].map((n, i) => el("th", { scope: "col", class: i ? false : "left" }, n))));

// A number, with a bar where it has a largest one.
function gauge(v, of) {
  if (v === null) return el("td", { class: "void" }, "–");
  if (!of) return el("td", {}, text(amount(v)));
  const part = Math.min(1, v / of);
  return el("td", { class: level(part) }, text(percent(v / of)), bar(part));
}

const level = (part) => (part >= 0.95 ? "bad" : part >= 0.85 ? "warn" : "");

function bar(part) {
  const fill = el("span", { class: "gauge-fill" });
  fill.style.width = `${Math.min(1, part) * 100}%`;
  return el("span", { class: `gauge ${level(part)}`, "aria-hidden": "true" }, fill);
}
