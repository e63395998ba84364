// Own GPUs: what each pool costs, how much of it was used, and what its tokens cost fully loaded. Shown where a pool is configured.
import { el } from "../dom.js";
import { many, percent, text } from "../format.js";
import { value } from "../pick.js";
import { money } from "./words.js";

export class Own {
  constructor(panel, node, view) { Object.assign(this, { panel, node, view }); }

  // answer is that of /costs/self-hosted, or null.
  show(answer) {
    const pools = this.pools = answer?.pools ?? [];
    this.panel.hidden = pools.length === 0;
    this.node.replaceChildren(...pools.map((p) => pool(p, this.view)));
  }

  table() {
    const all = ["capital_usd", "power_usd", "host_usd", "cost_usd", "idle_usd", "utilization"], each = ["loaded_usd", "loaded_usd_per_million_tokens", "usd_per_million_input_tokens", "usd_per_million_output_tokens"];
    return { columns: ["pool", "gpus", "hours", ...all, "model", ...each], rows: this.pools.flatMap((p) => (p.models.length ? p.models : [{}]).map((m) => [p.name, p.gpus, p.hours, ...all.map((k) => p[k]), m.model, ...each.map((k) => m[k])])) };
  }
}

function pool(p, view) {
  const parts = [["Capital", p.capital_usd], ["Power", p.power_usd], ["Hosts", p.host_usd]].filter(([, v]) => v > 0);
  return el("section", { class: "pool" },
    el("p", { class: "pool-head" }, el("strong", {}, p.name), el("span", { class: "unit" }, `${many(p.gpus)} GPUs, ${many(p.hours)} h`), el("strong", { class: "pool-cost" }, money(p.cost_usd))),
    el("p", { class: "unit" }, [...parts.map(([name, v]) => `${name} ${money(v)}`), p.utilization === null ? "no sample tells how busy they were" : `${text(percent(p.utilization))} busy, ${money(p.idle_usd)} idle`].join(" · ")),
    el("table", { class: "use-table" },
      el("thead", {}, el("tr", {}, ...["Model", "Loaded", "Per million tokens", "In", "Out"].map((t, i) => el("th", { scope: "col", class: i ? false : "left-cell" }, t)))),
      el("tbody", {}, ...p.models.map((m) => el("tr", {}, el("th", { scope: "row", class: "left-cell", title: m.model }, value({ view }, "model", m.model, el("span", { class: "name-text" }, m.model))), ...[m.loaded_usd, m.loaded_usd_per_million_tokens, m.usd_per_million_input_tokens, m.usd_per_million_output_tokens].map((v) => el("td", {}, money(v))))))));
}
