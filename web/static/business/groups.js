// Cost by model, tenant or user, the dearest first: a table with bars, running shares and days. What has no price is never shown as 0.
import { el } from "../dom.js";
import { count, many, percent, si, text } from "../format.js";
import { OTHER, modelName } from "../palette.js";
import { value } from "../pick.js";
import { spark } from "../spark.js";
import { pareto, perThousand } from "./series.js";
import { choices, costTree } from "./tree.js";
import { Told, money } from "./words.js";

const nobody = { model: "no model named", tenant: "no tenant named", user_id: "no user named" };
const first = 10;

export const nameOf = (by, key) => (key[by] === null || key[by] === "" ? nobody[by] : key[by] === OTHER ? (by === "model" ? modelName(OTHER) : "all others") : key[by]);

export class Groups extends Told {
  shown = first;

  constructor(node, view) { super(node); Object.assign(this, { view, opened: new Set() }); }

  wait(key) { if (super.wait(key, "Adding up…")) Object.assign(this, { shown: first, told: null }); }

  // answer is that of /costs; more is whether it has pages behind it.
  show(by, answer) {
    this.told = [by, answer];
    if (by === "tree") { this.node.replaceChildren(...costTree(answer, this.view, this.opened)); return; }
    const { total } = answer, groups = answer.groups.filter((g) => this.view.lets({ [by]: nameOf(by, g.key) })), out = answer.groups.length - groups.length, rows = groups.slice(0, this.shown), most = Math.max(...groups.map((g) => g.cost_usd ?? 0), 0), law = out ? null : pareto(groups, total.cost_usd);
    if (!answer.groups.length) { this.say("No requests in this period."); return; }
    Object.assign(this, { by, answer });
    const left = groups.length - rows.length;
    const table = el("table", { class: "cost-table" },
      el("thead", {}, el("tr", {}, ...["", "Days", "Cost", "Share", "Up to here", "Requests", "Per 1,000", "Tokens", "Unpriced"].map((t, i) => el("th", { scope: "col", class: classes[i] }, t || el("span", { class: "visually-hidden" }, by))))),
      el("tbody", {}, ...rows.map((g, i) => this.#row(this.#name(by, g.key), g, total, most, law?.sums[i] ?? null, g.key[by]))),
      el("tfoot", {}, this.#row(el("span", { class: "name-text" }, out ? `Total, with ${many(out)} left out` : "Total"), total, total, 0, null)));
    this.node.replaceChildren(el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-labelledby": "groups-title" }, table), ...this.#law(by, law),
      ...(left || answer.next_cursor ? [el("p", { class: "more-rows" },
        ...(left ? [el("button", { class: "button", type: "button", onclick: () => { this.shown += Math.max(left > 90 ? 90 : left, 0); this.show(by, answer); this.node.querySelector("tbody tr:last-child")?.scrollIntoView({ block: "nearest" }); } }, `Show ${many(Math.min(left, 90))} more`)] : []),
        ...(!left && answer.next_cursor ? [el("span", { class: "unit" }, `These are the dearest ${many(groups.length)}; the CSV has all.`)] : []))] : []));
  }

  // anew shows the same without what is left out now.
  anew() { if (this.told) this.show(...this.told); }

  // days draws the cost of each day beside the groups: {times, groups of /costs by the same and day}.
  days(by, times, groups) {
    const of = new Map();
    for (const g of groups) of.set(g.key[by], of.get(g.key[by]) ?? new Map()).get(g.key[by]).set(Date.parse(`${g.key.day}T00:00:00Z`), g.cost_usd);
    this.lines = { by, of: (key) => of.has(key) && times.map((t) => of.get(key).get(t) ?? 0) };
    if (by === this.by) this.show(by, this.answer);
  }

  #law(by, law) {
    if (!law?.share || law.all < 3) return [];
    const what = { model: "models", tenant: "tenants", user_id: "users" }[by];
    return [el("p", { class: "method" }, `${many(law.few)} of ${many(law.all)} ${what} make ${text(percent(law.share))} of the cost.`)];
  }

  // A name that the whole page can be narrowed to is a button.
  #name(by, key) {
    const name = el("span", { class: "name-text" }, nameOf(by, key));
    return choices.includes(by) && nameOf(by, key) === key[by] ? value({ view: this.view }, by, key[by], name) : name;
  }

  #row(name, g, total, most, upTo, key) {
    const quiet = key === null, values = most && this.lines?.by === this.by ? this.lines.of(key) : null, line = spark(72, 20, { area: true });
    if (values) line.show(values);
    const priced = g.cost_usd !== null, share = priced && total.cost_usd ? g.cost_usd / total.cost_usd : null, each = perThousand(g);
    const bar = el("span", { class: "bar-line", "aria-hidden": "true" }, el("span", { class: "bar-part" }));
    bar.firstChild.style.width = most ? `${(100 * (g.cost_usd ?? 0)) / most}%` : "0";
    return el("tr", {},
      el("th", { scope: "row", class: `name${quiet ? " quiet" : ""}`, title: name.textContent }, name, ...(most ? [bar] : [])),
      el("td", { class: "days-cell" }, ...(most ? [line] : [])),
      el("td", { class: "money" }, priced ? money(g.cost_usd) : g.requests ? el("span", { class: "badge", "data-state": "warn" }, "not priced") : money(null)),
      el("td", { class: "wide-only" }, text(percent(share))),
      el("td", { class: "wide-only upto" }, text(percent(upTo))),
      el("td", {}, text(count(g.requests))),
      el("td", { class: "wide-only" }, money(each)),
      el("td", { class: "wide-only" }, text(si(g.tokens?.total))),
      el("td", { class: g.unpriced_requests ? "unpriced warn" : "unpriced" }, g.unpriced_requests ? text(count(g.unpriced_requests)) : "none"));
  }
}

const classes = ["name", "days-cell", "money", "wide-only", "wide-only", false, "wide-only", "wide-only", "unpriced"];
