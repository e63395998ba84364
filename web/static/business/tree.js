// The cost tree: tenant, feature, model, version of the prompt, each a branch that opens.
import { el } from "../dom.js";
import { count, many, percent, text } from "../format.js";
import { leftOut, value } from "../pick.js";
import { dimensions } from "../view.js";
import { tree } from "./series.js";
import { money, notice } from "./words.js";

export const parts = ["tenant", "feature", "model", "prompt_version"];
const nobody = { tenant: "no tenant named", feature: "no feature named", model: "no model named", prompt_version: "no prompt version named" };
const shown = 40; // branches of one level

export const choices = ["tenant", "model", "user_id"]; // what the page can be narrowed to
const nameOf = (b) => b.value || nobody[b.part];

// opened are the paths of branches that stay open when the tree is drawn anew.
export function costTree({ groups, total, next_cursor: more }, view, opened) {
  const roots = tree(groups, parts);
  if (!roots.length) return [notice("No requests in this period.")];
  if (roots.length === 1) opened.add(`/${nameOf(roots[0])}`);
  const out = groups.some((g) => !view.lets(Object.fromEntries(parts.map((p) => [p, g.key[p] || nobody[p]]))));
  return [el("div", { class: "tree" }, ...level(roots, { view, opened, total: total.cost_usd, most: roots[0].cost_usd ?? 0 }, "")),
    el("p", { class: "method" }, more ? "These are the dearest branches; the CSV has all." : out ? "The branches and what is left out add up to the total." : "The branches add up to the total.")];
}

function level(all, o, path) {
  const branches = all.filter((b) => o.view.lets({ [b.part]: nameOf(b) })), rest = branches.length - shown;
  return [...branches.slice(0, shown).map((b) => branch(b, o, `${path}/${nameOf(b)}`)), ...(rest > 0 ? [el("p", { class: "method" }, `${many(rest)} smaller ones are not shown.`)] : [])];
}

// A branch is a row: its mark opens it, and so does a click on the row; its name chooses for the whole board.
function branch(b, o, path) {
  const { view, opened, total, most } = o, name = nameOf(b), some = b.children.length > 0, words = el("span", { class: "name-text" }, name);
  const bar = el("span", { class: "bar-line", "aria-hidden": "true" }, el("span", { class: "bar-part" }));
  bar.firstChild.style.width = most ? `${(100 * (b.cost_usd ?? 0)) / most}%` : "0";
  const twist = el("button", { class: "twist", type: "button", "aria-label": `What ${name} is made of`, "aria-expanded": String(opened.has(path)) }), twigs = some && el("div", { class: "twigs", hidden: !opened.has(path) }, ...level(b.children, o, path));
  const toggle = () => {
    twigs.hidden = !twigs.hidden;
    twist.setAttribute("aria-expanded", String(!twigs.hidden));
    if (twigs.hidden) opened.delete(path); else opened.add(path);
  };
  const click = (e) => { if (!e.target.closest(".link") && !(dimensions.includes(b.part) && leftOut(view, b.part, name, e)) && some) toggle(); };
  const row = el("div", { class: `branch${some ? "" : " leaf"}`, onclick: click }, el("span", { class: b.value ? "branch-name" : "branch-name quiet", title: name }, ...(some ? [twist] : []), b.value && choices.includes(b.part) ? value({ view }, b.part, name, words) : words),
    el("span", { class: "branch-part" }, b.part.replace("_", " ")), bar, el("span", { class: "branch-n" }, `${text(count(b.requests))} requests`), el("span", { class: "branch-share" }, total && b.cost_usd !== null ? text(percent(b.cost_usd / total)) : ""), el("strong", {}, b.cost_usd === null ? "not priced" : money(b.cost_usd)));
  return some ? el("div", {}, row, twigs) : row;
}
