// What changed and what could be saved: statements of the batch API, each with the numbers behind it.
import { el } from "../dom.js";
import { many, moment, span } from "../format.js";
import { Told, limits, money, notice, number } from "./words.js";

const first = 6;
const kinds = { level_shift: "change", drift: "trend", lost_tenant: "lost tenant", unit_cost_change: "price", weekly_pattern: "pattern", daily_pattern: "pattern", cheaper_model: "saving" };
const kindOf = (f) => kinds[f.kind] ?? f.kind.replaceAll("_", " ");

// found tells of an anomaly in the live numbers of a model as of a finding.
export function found(a) {
  const [from, to] = [a.starts_at, a.ends_at].map((t) => t && Date.parse(t) / 1000);
  return { kind: "anomaly", at: a.starts_at, text: `${a.annotations?.summary ?? `${a.metric} of ${a.key?.model ?? "all models"} was not as usual`}; ${to ? `for ${span(to - from)} from ${moment(from, 60)} on` : `since ${moment(from, 60)}`}.`, evidence: { value: a.value, usual: a.threshold, ...(a.confidence === null ? {} : { confidence: a.confidence }) } };
}

// ranked are the findings of all answers, each once: what happened, the newest first, then patterns, then savings, the largest first.
export function ranked(answers) {
  const once = new Map(answers.flatMap((a) => a.findings).map((f) => [f.text, f]));
  const rank = (f) => (f.saving_usd_month ? 2 : f.at ? 0 : 1);
  return [...once.values()].sort((a, b) => rank(a) - rank(b) || (b.saving_usd_month ?? 0) - (a.saving_usd_month ?? 0) || Date.parse(b.at ?? 0) - Date.parse(a.at ?? 0));
}

export class Findings extends Told {
  table() { return { columns: ["kind", "since", "what", "saving_usd_month"], rows: ranked(this.answers ?? []).map((f) => [kindOf(f), f.at, f.text, f.saving_usd_month]) }; }

  // whole: these are all answers that there will be.
  show(answers, whole, shown = first) {
    this.answers = answers;
    const all = ranked(answers), few = limits(answers.flatMap((a) => a.limits ?? []));
    if (!all.length && !whole) return;
    if (!all.length) { this.node.replaceChildren(notice(nothing(answers)), ...few); return; }
    this.node.replaceChildren(el("ul", { class: "finding-list" }, ...all.slice(0, shown).map(finding)),
      ...(all.length > shown ? [el("p", { class: "more-rows" }, el("button", { class: "button", type: "button", onclick: () => this.show(answers, whole, all.length) }, `Show ${many(all.length - shown)} more`))] : []), ...(whole ? few : [el("p", { class: "wait" }, "Looking for more…")]));
  }
}

const least = 10 * 24; // hours with data that a change is told from

// nothing says why there is no finding: where changes cannot be told yet, that none were found would be too much said.
export function nothing(answers) {
  if (answers.every((a) => a.hours_with_data === undefined)) return "No number was out of the ordinary. Changes are told from whole days: choose ten days or more.";
  const hours = Math.max(...answers.map((a) => a.hours_with_data ?? 0));
  if (hours >= least) return "Nothing changed notably, and no saving was found.";
  const had = hours === 0 ? "No hour of this period has data" : hours === 1 ? "One hour of this period has data" : `${many(hours)} hours of this period have data`;
  return `${had}, too few to tell a change by: that takes ten days.${hours ? " No saving was found." : ""}`;
}

function finding(f) {
  const evidence = Object.entries(f.evidence ?? {});
  return el("li", {},
    el("span", { class: "badge", "data-state": f.saving_usd_month ? "good" : f.at ? "warn" : undefined }, kindOf(f)),
    el("div", { class: "finding-text" }, el("p", {}, f.text),
      ...(evidence.length ? [el("details", { class: "evidence" }, el("summary", {}, "The numbers behind it"), el("dl", { class: "facts small" }, ...evidence.flatMap(([k, v]) => [el("dt", {}, k.replaceAll("_", " ")), el("dd", {}, typeof v === "number" ? number(v) : typeof v === "object" ? JSON.stringify(v) : String(v))])))] : [])),
    el("span", { class: "finding-size" }, f.saving_usd_month ? `${money(f.saving_usd_month)} a month` : ""));
}
