// The slowest of the newest requests, each with its joined record.
import { ask, query } from "../ask.js";
import { el } from "../dom.js";
import { clock, many, ms, text } from "../format.js";
import { openRequest } from "../request.js";

const looked = 1000, shown = 15;

export async function slowest(view, signal) {
  const { from, to } = view.span(), a = await ask("GET", `/correlations?${query({ model: view.filters.model, since: new Date(from * 1000).toISOString(), limit: looked })}`, undefined, signal);
  const some = a.correlations.filter((c) => typeof c.request?.duration_ms === "number" && Date.parse(c.request.timestamp) / 1000 <= to && (!view.filters.tenant || c.request.tenant === view.filters.tenant));
  return { of: some.length, list: some.sort((x, y) => y.request.duration_ms - x.request.duration_ms).slice(0, shown) };
}

export function showSlowest(node, { list }) {
  const longest = list[0]?.request.duration_ms ?? 1, none = el("tr", { class: "none" }, el("td", { colspan: "7" }, "No request with a duration is remembered from this range"));
  node.replaceChildren(el("thead", {}, el("tr", {}, ...["Request", "When", "Model", "First token and decode", "Whole", "Tokens", "Outcome"].map((h, i) => el("th", { scope: "col", class: i === 0 || i === 3 ? "left" : false }, h)))),
    el("tbody", {}, ...(list.length ? list.map((c) => row(c, longest)) : [none])));
}

function row(c, longest) {
  const d = c.request, first = Math.min(d.ttft_ms ?? 0, d.duration_ms), part = (name, v) => { const b = el("span", { class: `phase ${name}` }); b.style.width = `${(v / longest) * 100}%`; return b; };
  return el("tr", {}, el("th", { scope: "row", class: "left" }, el("button", { class: "link", type: "button", title: c.request_id, onclick: () => openRequest(c.request_id) }, el("span", { class: "model-name" }, c.request_id))),
    el("td", {}, clock(Date.parse(c.request.timestamp) / 1000)), el("td", {}, d.model ?? "–"), el("td", { class: "left phase-cell", "aria-hidden": "true" }, el("span", { class: "phase-row" }, part("prefill", first), part("decode", d.duration_ms - first))),
    el("td", {}, text(ms(d.duration_ms))), el("td", {}, many((d.prompt_tokens ?? 0) + (d.completion_tokens ?? 0))), el("td", { class: d.success === false ? "bad" : "" }, d.success === false ? d.error_type ?? "failed" : d.success ? "ok" : "–"));
}
