// The slowest of the requests that are remembered, each with its joined record; of a part of the distribution, where one was chosen.
import { ask, keeps, query } from "../ask.js";
import { el, refill } from "../dom.js";
import { clock, many, ms, text } from "../format.js";
import { value } from "../pick.js";
import { openRequest, traceLink, viewer } from "../request.js";

const shown = 15, deep = 300; // how many are asked for where some of them are left out
export const kept = ["model", "tenant", "prompt_version"]; // by which single requests can be chosen
const iso = (t) => new Date(t * 1000).toISOString();

// within are the parameters that choose the requests of a view, or of a band of it: {measure, from, to, low, high}. It throws where a filter cannot be kept.
export const within = (view, band) => {
  const { from, to } = band ?? view.span(), { filters } = view;
  keeps(filters, kept, "Single requests");
  return { ...filters, from: iso(from), to: iso(to), ...(band ? { measure: band.measure, at_least: band.low.toFixed(3), below: band.high.toFixed(3) } : {}) };
};

export async function slowest(view, band, signal) {
  const [a, address] = await Promise.all([ask("GET", `/correlations?${query({ ...within(view, band), order: "slowest", limit: Object.keys(view.without).length ? deep : shown })}`, undefined, signal), viewer()]), { open, complete, partial } = a.summary;
  return { of: open + complete + partial, list: a.correlations.filter((c) => c.request), address };
}

export function showSlowest(node, { list: all, address }, view) {
  const list = all.filter((c) => view.lets(c.request)).slice(0, shown), longest = list[0]?.request.duration_ms ?? 1, none = el("tr", { class: "none" }, el("td", { colspan: "7" }, all.length ? `The ${many(all.length)} slowest requests are all left out` : "No request with a duration is remembered from this range: those with a request_id are"));
  refill(node, el("thead", {}, el("tr", {}, ...["Request", "When", "Model", "First token and decode", "Whole", "Tokens", "Outcome"].map((h, i) => el("th", { scope: "col", class: i === 0 || i === 3 ? "left" : false }, h)))),
    el("tbody", {}, ...(list.length ? list.map((c) => row(c, longest, address, view)) : [none])));
}

function row(c, longest, address, view) {
  const d = c.request, first = Math.min(d.ttft_ms ?? 0, d.duration_ms), part = (name, v) => { const b = el("span", { class: `phase ${name}` }); b.style.width = `${Math.min(100, (v / longest) * 100)}%`; return b; };
  return el("tr", { "data-of": c.request_id }, el("th", { scope: "row", class: "left" }, el("button", { class: "link", type: "button", title: c.request_id, onclick: () => openRequest(c.request_id) }, el("span", { class: "model-name" }, c.request_id)), ...[traceLink(address, d)].filter(Boolean)),
    el("td", {}, clock(Date.parse(c.request.timestamp) / 1000)), el("td", {}, d.model ? value({ view }, "model", d.model, el("span", { class: "model-name" }, d.model)) : "–"), el("td", { class: "left phase-cell", "aria-hidden": "true" }, el("span", { class: "phase-row" }, part("prefill", first), part("decode", d.duration_ms - first))),
    el("td", {}, text(ms(d.duration_ms))), el("td", {}, many((d.prompt_tokens ?? 0) + (d.completion_tokens ?? 0))), el("td", { class: d.success === false ? "bad" : "" }, d.success === false ? d.error_type ?? "failed" : d.success ? "ok" : "–"));
}
