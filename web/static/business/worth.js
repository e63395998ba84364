// What requests are worth: the way from a request to a business event, satisfaction by model, and what an accepted answer costs.
import { el } from "../dom.js";
import { count, many, percent, score, text } from "../format.js";
import { modelColor, modelName, place } from "../palette.js";
import { value } from "../pick.js";
import { satisfactionByModel, wilson } from "./series.js";
import { Told, money, notice } from "./words.js";

// funnelOf are the steps from what the parts of the page have found; null is not known. rated is of the windows, which know of feedback before the
// first hour is stored; business is {events, value}, or null where the filters leave none; short: the period is too short for what is known of whole hours.
export function funnelOf(total, accepted, rated, business, short) {
  const sum = (name) => accepted?.models.reduce((all, m) => all + m[name], 0) ?? null, judged = sum("judged"), early = !judged && rated?.ratings > 0;
  const later = short ? "told of a day or more" : early ? "after the first whole hour" : null;
  return [
    { name: "Requests", n: total?.requests ?? null, about: "all of the period" },
    { name: "Answered", n: total ? total.requests - total.errors : null, about: "without an error" },
    { name: "Judged", n: early ? null : judged, about: later ?? "by a user, in the hour of the request" },
    { name: "Accepted", n: early ? null : sum("accepted"), about: later ?? "a thumb up, or 4 or 5 of 5" },
    { name: "Business events", n: business?.events ?? null, about: business ? "joined or not" : "they name no model and no tenant", value: business?.value },
  ];
}

// bars are steps under each other, {name, about, n, said}, each with a bar and what is said of it.
export function bars(steps) {
  const most = Math.max(...steps.map((s) => s.n ?? 0));
  return el("ol", { class: "funnel" }, ...steps.map(({ name, about = "", n, said }) => {
    const bar = el("span", { class: "funnel-bar", "aria-hidden": "true" }, el("span", {}));
    bar.firstChild.style.width = most ? `${Math.max(n ? 0.6 : 0, (100 * (n ?? 0)) / most)}%` : "0";
    return el("li", {}, el("p", {}, el("strong", {}, name), el("span", { class: "unit" }, about), el("span", { class: "funnel-n" }, text(count(n)))), bar, el("p", { class: "unit" }, said));
  }));
}

export class Funnel {
  constructor(node) { this.node = node; }

  show(steps, joins) {
    this.steps = steps;
    if (!steps.some((s) => s.n)) { this.node.replaceChildren(notice("No requests in this period.")); return; }
    this.node.replaceChildren(bars(steps.map((s, i) => {
      const before = steps[i - 1]?.n;
      return { ...s, said: s.value ? `worth ${money(s.value)}` : i && before && s.n !== null && i < 4 ? `${text(percent(s.n / before))} of those before` : "" };
    })), joined(joins));
  }
}

// How far events find their requests, of what the fast path remembers now.
function joined(a) {
  if (!a) return el("p", { class: "method" }, "");
  const s = a.summary, all = s.open + s.complete + s.partial, c = a.completeness;
  if (!all) return el("p", { class: "method" }, "The fast path remembers no request now, so nothing is told of its joins.");
  return el("p", { class: "method" }, `Of ${many(all)} requests that the fast path remembers, ${text(percent(s.with_feedback / all))} have feedback and ${text(percent(s.with_business / all))} a business event. `,
    c.stub === null ? "None is closed yet." : `Complete when they closed: ${text(percent(c.live))}; with what came later: ${text(percent(c.stub))}.`);
}

const at = (v) => `${(100 * (v - 1)) / 4}%`;

export class Satisfaction extends Told {
  constructor(node, view) { super(node); this.view = view; }

  table() { return { columns: ["model", "score", "lowest", "highest", "scores"], rows: (this.models ?? []).map((m) => [m.model, ...[m.score, m.lo, m.hi].map((v) => v.toFixed(3)), m.ratings]) }; }

  // frame has the scores of models; accepted is the answer of /costs/accepted, or null.
  show(frame, accepted) {
    const all = satisfactionByModel(frame), models = this.models = all.filter((m) => this.view.lets({ model: modelName(m.model) })).slice(0, 12);
    if (!models.length) { this.say(!frame.all["feedback.count"] ? "Scores are not told apart by what is chosen." : all.length ? "Every model with scores is left out." : "Nobody has given a score in this period."); return; }
    place(models.map((m) => m.model));
    const of = new Map(accepted?.models.map((m) => [m.model, m]));
    this.node.replaceChildren(el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Satisfaction by model" }, el("table", { class: "score-table" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "name" }, "Model"), el("th", { scope: "col", class: "whisker-cell" }, el("span", { class: "scale", "aria-hidden": "true" }, ...["1", "2", "3", "4", "5"].map((t) => el("span", {}, t))), el("span", { class: "visually-hidden" }, "95 % interval")), ...["Score", "Scores", "Accepted", "Each"].map((t) => el("th", { scope: "col", title: t === "Each" ? "what an accepted answer costs" : false }, t)))),
      el("tbody", {}, ...models.map((m) => line(m, of.get(m.model), this.view))))),
    el("p", { class: "method" }, "The line is where the mean is with 95\u2009%, at its widest; of accepted answers it is Wilson's interval."));
  }
}

function line(m, a, view) {
  const whisker = el("span", { class: "whisker", role: "img", "aria-label": `${text(score(m.lo))} to ${text(score(m.hi))}` }, el("span", { class: "whisker-line" }), el("span", { class: "whisker-dot" }));
  whisker.style.setProperty("--c", modelColor(m.model));
  whisker.children[0].style.left = at(m.lo);
  whisker.children[0].style.right = `calc(100% - ${at(m.hi)})`;
  whisker.children[1].style.left = at(m.score);
  const name = el("span", { class: "name-text" }, modelName(m.model)), share = a && wilson(a.accepted, a.judged);
  return el("tr", {}, el("th", { scope: "row", class: "name", title: m.model }, modelName(m.model) === m.model ? value({ view }, "model", m.model, name) : name), el("td", { class: "whisker-cell" }, whisker), el("td", { class: "strong" }, text(score(m.score))), el("td", {}, text(count(m.ratings))),
    el("td", { title: share ? `${text(percent(share.lo))} to ${text(percent(share.hi))} of ${many(a.judged)}` : false }, share ? text(percent(share.p)) : "–"), el("td", {}, money(a?.cost_usd_per_accepted_answer ?? null)));
}
