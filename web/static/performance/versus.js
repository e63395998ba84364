// Models, or versions of prompts, side by side.
import { sums } from "../ask.js";
import { el } from "../dom.js";
import { count, ms, percent, si, text } from "../format.js";
import { value } from "../pick.js";
import { place, modelColor } from "../palette.js";

const columns = [
  ["Requests", (s) => s.requests, count], ["Errors", (s) => s.error_rate, percent], ["TTFT p50", (s) => s.ttft_ms.p50, ms], ["TTFT p95", (s) => s.ttft_ms.p95, ms], ["Per token p50", (s) => s.tpot_ms.p50, ms], ["Per token p95", (s) => s.tpot_ms.p95, ms],
  ["p50", (s) => s.latency_ms.p50, ms], ["p95", (s) => s.latency_ms.p95, ms], ["p99", (s) => s.latency_ms.p99, ms], ["Decode/s", (s, seconds) => s.tokens.completion / seconds, si],
];

const asked = (view, end, more, signal) => { const { from, to } = view.span(); return sums("/analytics", { window: Math.max(1, Math.round(to - from)), at: new Date(Math.ceil(end) * 1000).toISOString(), ...view.narrow, ...more }, signal); };

export const versus = (by, view, signal) => asked(view, view.span().to, { group_by: by, limit: 20 }, signal);

// earlier is the same of the span before, without groups; null where nobody remembers it, and where requests began in the midst of it: that is no measure.
export async function earlier(view, signal) {
  const { from, to } = view.span(), length = to - from;
  try {
    const [whole, first] = await Promise.all([asked(view, from, {}, signal), asked(view, from - 0.9 * length, { window: Math.max(1, Math.round(length / 10)) }, signal)]);
    return first.overall.requests ? whole : null;
  } catch (e) {
    if (e.name === "AbortError") throw e;
    return null;
  }
}

export function showVersus(node, by, a, view) {
  const groups = a.groups.filter((g) => g.key[by] !== null && g.stats.requests > 0 && view.lets(g.key));
  if (by === "model") place(groups.map((g) => g.key.model));
  const best = columns.map(([, of]) => Math.min(...groups.map((g) => of(g.stats, a.window.seconds) ?? Infinity)));
  node.replaceChildren(el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "left" }, by === "model" ? "Model" : "Prompt version"), ...columns.map(([n]) => el("th", { scope: "col" }, n)))),
    el("tbody", {}, ...(groups.length ? groups.map((g) => {
      const dot = el("span", { class: "dot", "aria-hidden": "true" });
      dot.style.setProperty("--c", modelColor(g.key[by]));
      return el("tr", {}, el("th", { scope: "row", class: "left" }, value({ view }, by, g.key[by], dot, el("span", { class: "model-name" }, g.key[by]))),
        ...columns.map(([n, of, format], i) => { const v = of(g.stats, a.window.seconds); return el("td", { class: groups.length > 1 && i > 0 && i < 9 && v === best[i] ? "best" : "" }, text(format(v))); }));
    }) : [el("tr", { class: "none" }, el("td", { colspan: String(columns.length + 1) }, a.groups.length ? "Everything that was counted in this range is left out" : "Nothing was counted in this range"))])));
}
