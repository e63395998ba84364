// Capacity: what to change and why, with the formula and its numbers; how the machines were used; what there is too little data for.
import { el } from "../dom.js";
import { count, ms, percent, si, text } from "../format.js";
import { value } from "../pick.js";
import { spark } from "../spark.js";
import { moment } from "../scheduler/times.js";
import { capital, days, money, notice, number, spokenName, withNumbers } from "./words.js";

export class Capacity {
  constructor(node, note, view) { Object.assign(this, { node, note, view }); }

  wait() { this.node.replaceChildren(el("p", { class: "wait" }, "Looking at the hours…")); }
  say(words, again) { this.note.textContent = ""; this.answer = null; this.node.replaceChildren(notice(words, again)); }

  // table is what was told of each thing, a row for each number.
  table() {
    const a = this.answer, of = (part, whose, all) => Object.entries(all).filter(([, v]) => v !== null && v !== undefined).map(([name, v]) => [part, whose, name, v]);
    return { columns: ["part", "of", "what", "value"], rows: !a ? [] : [
      ...a.scaling_recommendations.flatMap((r) => of("recommendation", `${whole(r.model)}, ${spokenName(r.resource)}`, { now: r.current, recommended: r.recommended, why: r.reason, "bound by": spokenName(r.binding_constraint), "lasts, days": r.exhaustion?.days, "USD a month": r.cost_delta_usd_month, confidence: r.confidence, formula: `${withNumbers(r.formula, r.inputs)} = ${r.recommended}` })),
      ...a.alerts.map((x) => ["alert", x.severity, "text", x.text]),
      ...a.resource_utilization.flatMap((u) => of("use", spokenName(u.resource), { unit: u.unit, mean: u.mean, p95: u.p95, highest: u.max })),
      ...a.growth_trends.flatMap((g) => of("growth", `${whole(g.model)}, ${spokenName(g.metric)}`, { "a day before": g.per_day_before, "a day in the last week": g.per_day, change: g.week_over_week })),
      ...(a.saturation ?? []).flatMap((s) => of("saturation", `${whole(s.model)}, ${spokenName(s.metric)}`, { objective: s.objective, "breaks at, requests a second": s.knee?.load, "at least": s.knee?.lo, "at most": s.knee?.hi, windows: s.points.length })),
      ...a.insufficient_data.flatMap((x) => of("insufficient data", spokenName(x.what), { "days needed": x.need_days, "days there": x.have_days })),
    ] };
  }

  show(a) {
    this.answer = a;
    this.note.textContent = `${days(a.data_days)} with data, as of ${moment(a.generated_at)}`;
    const lacking = lacks(a), changes = a.scaling_recommendations.map((r) => recommendation(r, this.view));
    this.node.replaceChildren(
      ...a.alerts.filter((x) => !a.scaling_recommendations.some((r) => r.reason === x.text)).map(alert), // a card says it already
      ...(changes.length ? [el("div", { class: "changes" }, ...changes)] : lacking.length ? [] : [el("p", { class: "calm" }, "Nothing needs to be changed.")]),
      ...lacking.map((t) => el("p", { class: "lack" }, t)),
      el("div", { class: "uses" }, ...(a.resource_utilization.length ? [utilization(a.resource_utilization)] : []), ...(a.growth_trends.length ? [growth(a.growth_trends, this.view)] : []), ...(a.saturation?.length ? [saturation(a.saturation, this.view)] : [])));
  }
}

const choice = (model, view) => (model === "_all" ? whole(model) : value({ view }, "model", model, el("span", { class: "name-text" }, model)));
const whole = (model) => (model === "_all" ? "all models" : model);

function lacks(a) {
  return [
    ...a.insufficient_data.map((x) => `Insufficient data for ${spokenName(x.what)}: ${x.need_days === 1 ? "1 day is" : `${x.need_days} days are`} needed, there ${x.have_days === 1 ? "is 1" : `are ${x.have_days}`}.`),
    ...(a.not_available?.length ? [`Not in this version: ${a.not_available.map(spokenName).join(", ")}.`] : []),
  ];
}

const alert = (x) => el("p", { class: "alert", role: "alert" }, el("span", { class: "badge", "data-state": x.severity === "critical" ? "bad" : "warn" }, x.severity ?? "alert"), typeof x === "string" ? x : x.text ?? x.reason ?? x.detail ?? x.message ?? JSON.stringify(x));

function recommendation(r, view) {
  const more = r.recommended > r.current, same = r.recommended === r.current;
  return el("article", { class: "change-card", "data-state": same ? "same" : more ? "more" : "less" },
    el("header", {}, el("h3", {}, r.model === "_all" ? "All models" : choice(r.model, view)), el("span", { class: "unit" }, spokenName(r.resource))),
    el("p", { class: "step" }, el("span", {}, number(r.current)), el("span", { class: "arrow", "aria-label": "to" }, "→"), el("strong", {}, number(r.recommended)), el("span", { class: "step-word" }, same ? "keep" : more ? "add" : "give back")),
    el("p", { class: "reason-why" }, r.reason),
    el("dl", { class: "facts small" }, ...[
      ["Bound by", spokenName(r.binding_constraint)],
      ["Lasts", r.exhaustion?.days === 0 ? "the target is passed already" : r.exhaustion ? `${days(r.exhaustion.days)} (${number(r.exhaustion.lo)} to ${number(r.exhaustion.hi)})` : "no end in sight"],
      ["Cost", typeof r.cost_delta_usd_month === "number" ? `${r.cost_delta_usd_month > 0 ? "+" : ""}${money(r.cost_delta_usd_month)} a month` : "not known: no price of this resource"],
      ["Confidence", typeof r.confidence === "number" ? text(percent(r.confidence)) : r.confidence],
    ].filter(([, v]) => v !== null && v !== undefined && v !== "").flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)])),
    el("details", { class: "formula" }, el("summary", {}, "How it is reckoned"), el("code", {}, r.formula), el("code", {}, `${withNumbers(r.formula, r.inputs)} = ${number(r.recommended)}`)));
}

const part = (v, unit) => (unit === "ratio" ? v : v / 100);

function utilization(list) {
  return el("section", {}, el("h3", {}, "How the machines were used"), el("table", { class: "use-table" },
    el("thead", {}, el("tr", {}, ...["Resource", "Days", "Mean", "p95", "Highest"].map((t, i) => el("th", { scope: "col", class: i < 2 ? "left-cell" : false }, t)))),
    el("tbody", {}, ...list.map((u) => {
      const line = spark(96, 22, { area: true });
      line.show(u.days?.map((d) => d.mean) ?? []);
      const cell = (v, mark) => el("td", { class: mark && part(v, u.unit) >= 0.9 ? "warn" : false }, text(percent(part(v, u.unit))));
      return el("tr", {}, el("th", { scope: "row", class: "left-cell" }, spokenName(u.resource)), el("td", { class: "left-cell" }, line), cell(u.mean), cell(u.p95, true), cell(u.max));
    }))));
}

function growth(list, view) {
  const rows = list.filter((g) => g.per_day || g.per_day_before).sort((a, b) => (a.metric < b.metric ? -1 : a.metric > b.metric ? 1 : b.per_day - a.per_day)).filter((g) => g.metric === "requests").slice(0, 8);
  return el("section", {}, el("h3", {}, "Requests a day, the last week against the week before"), el("table", { class: "use-table growth" },
    el("thead", {}, el("tr", {}, ...["Model", "Days", "Before", "Last week", "Change"].map((t, i) => el("th", { scope: "col", class: i < 2 ? "left-cell" : false }, t)))),
    el("tbody", {}, ...rows.map((g) => {
      const line = spark(96, 22, { area: true });
      line.show(g.days?.map((d) => d.value) ?? []);
      return el("tr", {}, el("th", { scope: "row", class: "left-cell", title: g.model }, choice(g.model, view)), el("td", { class: "left-cell" }, line), el("td", {}, text(count(Math.round(g.per_day_before)))), el("td", {}, text(count(Math.round(g.per_day)))),
        el("td", {}, g.week_over_week === null ? "new" : `${g.week_over_week > 0 ? "+" : ""}${text(percent(g.week_over_week)).replace("-", "\u2212")}`));
    }))));
}

// saturation tells at which load an objective breaks.
function saturation(list, view) {
  const rate = (v) => text(si(v));
  return el("section", {}, el("h3", {}, "Load at which the objective breaks, requests a second"), el("table", { class: "use-table knees" },
    el("thead", {}, el("tr", {}, ...["Model", "Objective", "Breaks at", "Windows"].map((t, i) => el("th", { scope: "col", class: i < 2 ? "left-cell" : false }, t)))),
    el("tbody", {}, ...list.map((s) => el("tr", {},
      el("th", { scope: "row", class: "left-cell", title: s.model }, choice(s.model, view)),
      el("td", { class: "left-cell" }, `${spokenName(s.metric)}${typeof s.objective === "number" ? ` ≤ ${text(ms(s.objective))}` : ""}`),
      el("td", { title: s.knee ? "the largest load that was carried, and the smallest that broke it" : false }, s.knee ? `${rate(s.knee.load)} (${rate(s.knee.lo)} to ${rate(s.knee.hi)})` : s.points.length && s.points.every((p) => !p.good) ? "never met" : "not seen"),
      el("td", {}, text(count(s.points.length))))))));
}
