// The cost tree: tenant, feature, model, version of the prompt, each a branch that opens.
import { el } from "../dom.js";
import { count, many, percent, text } from "../format.js";
import { tree } from "./series.js";
import { money, notice } from "./words.js";

export const parts = ["tenant", "feature", "model", "prompt_version"];
const nobody = { tenant: "no tenant named", feature: "no feature named", model: "no model named", prompt_version: "no prompt version named" };
const shown = 40; // branches of one level

export function costTree({ groups, total, next_cursor: more }) {
  const roots = tree(groups, parts);
  if (!roots.length) return [notice("No requests in this period.")];
  return [el("div", { class: "tree" }, ...level(roots, total.cost_usd, roots[0].cost_usd ?? 0, roots.length === 1)),
    el("p", { class: "method" }, more ? "These are the dearest branches; the CSV has all." : "The branches add up to the total.")];
}

function level(branches, total, most, open = false) {
  const rest = branches.length - shown;
  return [...branches.slice(0, shown).map((b) => branch(b, total, most, open)), ...(rest > 0 ? [el("p", { class: "method" }, `${many(rest)} smaller ones are not shown.`)] : [])];
}

function branch(b, total, most, open) {
  const bar = el("span", { class: "bar-line", "aria-hidden": "true" }, el("span", { class: "bar-part" })), name = b.value || nobody[b.part];
  bar.firstChild.style.width = most ? `${(100 * (b.cost_usd ?? 0)) / most}%` : "0";
  const row = [el("span", { class: b.value ? "branch-name" : "branch-name quiet", title: name }, name), el("span", { class: "branch-part" }, b.part.replace("_", " ")), bar, el("span", { class: "branch-n" }, `${text(count(b.requests))} requests`), el("span", { class: "branch-share" }, total && b.cost_usd !== null ? text(percent(b.cost_usd / total)) : ""), el("strong", {}, b.cost_usd === null ? "not priced" : money(b.cost_usd))];
  if (!b.children.length) return el("div", { class: "branch leaf" }, ...row);
  return el("details", { open }, el("summary", { class: "branch" }, ...row), el("div", { class: "twigs" }, ...level(b.children, total, most)));
}
