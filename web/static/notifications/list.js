// What all lists of this page have in common.
import { el, refill } from "../dom.js";
import { moment } from "../format.js";

// draw puts the newest into a list, when it differs from what is shown.
export function draw(node, data, make) {
  const key = JSON.stringify(data);
  if (node.drawn === key) return;
  node.drawn = key;
  refill(node, ...make());
}

export const calm = (words) => el("p", { class: "calm" }, el("span", { class: "tick", "aria-hidden": "true" }, "✓"), el("span", {}, words));
export const at = (iso) => moment(Date.parse(iso) / 1000);
export const time = (iso, words = at(iso)) => el("time", { datetime: iso, title: at(iso) }, words);

// act is a small button of a row; the id finds it again when the list is drawn anew.
export const act = (text, id, label, onclick, kind = "") => el("button", { class: `button small ${kind}`, type: "button", "data-act": `${text} ${id}`, "aria-label": label, onclick }, text);

// labels shows pairs as small words, the name of the alert apart.
export const labels = (set, without = []) => Object.entries(set).filter(([k]) => !without.includes(k)).map(([k, v]) => el("span", { class: "label-pair" }, el("span", {}, k), v));

// links are the annotations that lead somewhere, such as a runbook or a decision.
export const links = (annotations) => Object.entries(annotations).filter(([, v]) => /^https?:\/\/\S+$/.test(v)).map(([k, v]) => el("a", { href: v, target: "_blank", rel: "noopener noreferrer" }, k.replaceAll("_", " ")));
