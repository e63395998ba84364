// Cost by model, tenant or user: a table with bars. What has no price is never shown as 0.
import { el } from "../dom.js";
import { count, many, percent, si, text } from "../format.js";
import { perThousand } from "./series.js";
import { money, notice } from "./words.js";

const nobody = { model: "no model named", tenant: "no tenant named", user_id: "no user named" };
const first = 10;

export const nameOf = (by, key) => (key[by] === null || key[by] === "" ? nobody[by] : key[by] === "__other__" ? "all others" : key[by]);

export class Groups {
  constructor(node) { this.node = node; this.shown = first; }

  // wait says that another table is on its way; the same one is drawn over when it is there.
  wait(key) {
    if (key === this.key) return;
    Object.assign(this, { key, shown: first });
    this.node.replaceChildren(el("p", { class: "wait" }, "Adding up…"));
  }

  say(words, again) { this.node.replaceChildren(notice(words, again)); }

  // answer is that of /costs; more is whether it has pages behind it.
  show(by, answer) {
    const { groups, total } = answer, rows = groups.slice(0, this.shown), most = Math.max(...groups.map((g) => g.cost_usd ?? 0), 0);
    if (!groups.length) { this.say("No requests in this period."); return; }
    const left = groups.length - rows.length;
    const table = el("table", { class: "cost-table" },
      el("thead", {}, el("tr", {}, ...["", "Cost", "Share", "Requests", "Per 1,000", "Tokens", "Unpriced"].map((t, i) => el("th", { scope: "col", class: classes[i] }, t || el("span", { class: "visually-hidden" }, by))))),
      el("tbody", {}, ...rows.map((g) => this.#row(nameOf(by, g.key), g, total, most, g.key[by] === null))),
      el("tfoot", {}, this.#row("Total", total, total, 0)));
    this.node.replaceChildren(el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-labelledby": "groups-title" }, table),
      ...(left || answer.next_cursor ? [el("p", { class: "more" },
        ...(left ? [el("button", { class: "button", type: "button", onclick: () => { this.shown += Math.max(left > 90 ? 90 : left, 0); this.show(by, answer); this.node.querySelector("tbody tr:last-child")?.scrollIntoView({ block: "nearest" }); } }, `Show ${many(Math.min(left, 90))} more`)] : []),
        ...(!left && answer.next_cursor ? [el("span", { class: "unit" }, `These are the dearest ${many(groups.length)}; the CSV has all.`)] : []))] : []));
  }

  #row(name, g, total, most, quiet = false) {
    const priced = g.cost_usd !== null, share = priced && total.cost_usd ? g.cost_usd / total.cost_usd : null, each = perThousand(g);
    const bar = el("span", { class: "bar-line", "aria-hidden": "true" }, el("span", { class: "bar-part" }));
    bar.firstChild.style.width = most ? `${(100 * (g.cost_usd ?? 0)) / most}%` : "0";
    return el("tr", {},
      el("th", { scope: "row", class: `name${quiet ? " quiet" : ""}`, title: name }, el("span", { class: "name-text" }, name), ...(most ? [bar] : [])),
      el("td", { class: "money" }, priced ? money(g.cost_usd) : g.requests ? el("span", { class: "badge", "data-state": "warn" }, "not priced") : money(null)),
      el("td", { class: "wide-only" }, text(percent(share))),
      el("td", {}, text(count(g.requests))),
      el("td", { class: "wide-only" }, money(each)),
      el("td", { class: "wide-only" }, text(si(g.tokens?.total))),
      el("td", { class: g.unpriced_requests ? "unpriced warn" : "unpriced" }, g.unpriced_requests ? text(count(g.unpriced_requests)) : "none"));
  }
}

const classes = ["name", "money", "wide-only", false, "wide-only", "wide-only", "unpriced"];
