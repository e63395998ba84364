// Objectives: how much of each error budget is left, how fast it burns, and when it will be gone.
import { el, setText } from "../dom.js";
import { many, ms, percent, span, text, usd } from "../format.js";
import { about } from "../marks.js";
import { value } from "../pick.js";
import { exhaustion, rate, seconds, state } from "./budget.js";

const names = { availability: "Availability", ttft: "Time to first token", inter_token: "Inter-token time", latency: "Latency", cost: "Cost per request", satisfaction: "Satisfaction" };
const most = 8;
const limitOf = (s) => (s.limit === undefined || s.limit === null ? "" : `at most ${text(s.indicator === "cost" ? usd(s.limit) : s.indicator === "satisfaction" ? [String(s.limit), ""] : ms(s.limit))}`);

export class SLOs {
  constructor(node, note, view) { Object.assign(this, { node, note, view, rows: new Map() }); }

  // table tells of all objectives, those too for which there is no room.
  table() {
    const share = (v) => (v === null ? "–" : text(percent(v))), pace = (s, n) => { const v = rate(s, n); return v === null ? "–" : v.toFixed(2); };
    return {
      columns: ["objective", "of", "limit", "good", "total", "share", "wanted", "budget left", "burns, 1 h", "burns, 6 h"],
      rows: (this.list ?? []).map((s) => [names[s.indicator] ?? s.name, about(s.key) || "everything", limitOf(s), s.good, s.total, share(s.total ? s.good / s.total : null), share(s.objective), share(s.budget.remaining_ratio), pace(s, 3600), pace(s, 21_600)]),
    };
  }

  say(words) { this.list = []; this.rows.clear(); this.node.replaceChildren(el("p", { class: "wait" }, words)); }

  // list are those of what is shown, of so many.
  show(list, all) {
    if (!list.length) { this.say(all ? "No objective is of what is shown." : "No objective has counted anything yet."); return; }
    this.list = list;
    const worst = { bad: 0, warn: 1, good: 2 }, sorted = [...list].sort((a, b) => worst[state(a)] - worst[state(b)] || a.budget.remaining_ratio - b.budget.remaining_ratio || (a.name + about(a.key) < b.name + about(b.key) ? -1 : 1));
    const shown = sorted.slice(0, most), keys = shown.map((s) => `${s.name} ${about(s.key)}`);
    setText(this.note, list.length > most ? `the ${most} closest to their limit of ${many(list.length)}` : "counted over the period of each budget");
    if ([...this.rows.keys()].join("|") !== keys.join("|")) {
      this.rows = new Map(keys.map((k, i) => [k, this.#card(shown[i])]));
      this.node.replaceChildren(...[...this.rows.values()].map((r) => r.node));
    }
    shown.forEach((s, i) => this.#fill(this.rows.get(keys[i]), s));
  }

  // Whose an objective is: the value of one dimension can be chosen.
  #key(key) {
    const [[dimension, name] = [], ...more] = Object.entries(key ?? {}).filter(([, v]) => v), words = about(key) || "everything";
    return el("span", { class: "slo-key", title: words }, dimension && !more.length ? value({ view: this.view }, dimension, name, el("span", { class: "name-text" }, words)) : words);
  }

  #card(s) {
    const r = { share: el("span", { class: "slo-share" }), left: el("span", { class: "slo-left" }), fill: el("span", { class: "budget-fill" }), burn: el("span"), end: el("span", { class: "slo-end" }) };
    r.bar = el("div", { class: "budget", role: "meter", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": `Error budget left, ${s.name} ${about(s.key)}` }, r.fill);
    r.node = el("article", { class: "slo" }, el("header", {}, el("h3", { title: s.rule }, names[s.indicator] ?? s.name), this.#key(s.key), r.share),
      r.bar, el("footer", {}, r.left, r.burn, r.end));
    return r;
  }

  #fill(r, s) {
    const left = s.budget.remaining_ratio, gone = exhaustion(s, seconds(s.period));
    const burn = (n) => { const v = rate(s, n); return v === null ? "–" : `${v >= 9.95 ? Math.round(v) : v.toFixed(1)}×`; };
    r.node.dataset.state = state(s);
    r.node.title = [limitOf(s), `${many(s.good)} of ${many(s.total)} good; ${many(s.budget.bad)} of ${many(Math.floor(s.budget.allowed))} allowed failures are spent`].filter(Boolean).join("; ");
    setText(r.share, s.total ? `${text(percent(s.good / s.total))} of ${text(percent(s.objective))}` : `– of ${text(percent(s.objective))}`);
    setText(r.left, left <= 0 ? "Budget spent" : `${text(percent(left))} left`);
    r.fill.style.width = `${Math.max(0, Math.min(1, left)) * 100}%`;
    r.bar.setAttribute("aria-valuenow", String(Math.round(Math.max(0, Math.min(1, left)) * 100)));
    setText(r.burn, `burns ${burn(3600)} · ${burn(21_600)}`);
    r.burn.title = "Over the last hour and the last six; 1× spends the budget exactly over its window";
    setText(r.end, gone === null ? "" : gone < 1 ? "" : gone > 30 * 86_400 ? "lasts" : `gone in ${span(gone)}`);
  }
}
