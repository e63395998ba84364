// One request with everything that belongs to it, as GET /correlations joins it.
import { ask, explain, query } from "./ask.js";
import { config } from "./config.js";
import { el } from "./dom.js";
import { many, moment, ms, text, usd } from "./format.js";
import { facts, sheet } from "./ui.js";

const sum = (...n) => (n.some((v) => typeof v === "number") ? n.reduce((a, b) => a + (b ?? 0), 0) : null);

// viewer is the address of traces that this installation names, "" where it names none.
export const viewer = () => config().then((c) => c.trace_url ?? "", () => "");

// traceOf puts what a request is known by into that address; null where it lacks some of it. Events of OpenTelemetry carry their trace in their id.
export function traceOf(address, { event_id = "", request_id }) {
  const [, trace_id, span_id] = /^([0-9a-f]{32})-([0-9a-f]{16})$/.exec(event_id) ?? [], known = { trace_id, span_id, request_id };
  const holes = /\{(\w+)\}/g, all = [...address.matchAll(holes)].every(([, n]) => known[n]);
  return address && all ? address.replace(holes, (_, n) => encodeURIComponent(known[n])) : null;
}

// traceLink is a link to the trace of a request, or null.
export function traceLink(address, request) {
  const href = request && traceOf(address, request);
  return href && el("a", { href, target: "_blank", rel: "noopener noreferrer" }, "Trace");
}

export async function openRequest(id) {
  const { form } = sheet(`Request ${id}`, el("p", { class: "wait" }, "Looking…"));
  try {
    const [a, address] = await Promise.all([ask("GET", `/correlations?${query({ request_id: id })}`), viewer()]), c = a.correlations[0];
    form.lastChild.remove();
    if (!c) { form.append(el("p", { class: "sheet-text" }, "This request is not known, neither here nor in what was stored lately.")); return; }
    form.append(...record(c, address));
  } catch (e) { form.lastChild.remove(); form.append(el("p", { class: "form-error" }, explain(e))); }
}

// record shows a request; address is that of traces, see viewer.
export function record(c, address) {
  const d = c.request ?? {}, score = c.derived.satisfaction;
  return [
    phases(d),
    facts([
      ["Status", `${c.status}${c.missing.length ? `, without ${c.missing.join(" and ")}` : ""}`], ["When", c.request && moment(Date.parse(c.request.timestamp) / 1000)], ["Model", d.model], ["Tenant", d.tenant], ["User", d.user_id],
      ["Outcome", d.success === false ? `failed${d.error_type ? `: ${d.error_type}` : ""}${d.status_code ? ` (${d.status_code})` : ""}` : d.success === true ? "successful" : null],
      ["Whole", typeof d.duration_ms === "number" ? text(ms(d.duration_ms)) : null], ["First token", typeof d.ttft_ms === "number" ? text(ms(d.ttft_ms)) : null],
      ["Tokens", sum(d.prompt_tokens, d.completion_tokens) === null ? null : `${many(d.prompt_tokens ?? 0)} in, ${many(d.completion_tokens ?? 0)} out`],
      ["Cost", typeof c.derived.cost_usd === "number" ? text(usd(c.derived.cost_usd)) : null], ["Value", typeof c.derived.value_usd === "number" ? text(usd(c.derived.value_usd)) : null], ["Satisfaction", typeof score === "number" ? `${score.toFixed(1)} of 5` : null], ["Elsewhere", traceLink(address, c.request)],
    ]),
    el("details", { class: "raw" }, el("summary", {}, "All of it"), el("pre", { class: "conf", tabindex: "0" }, JSON.stringify(c, null, 2))),
  ];
}

// Where the time of a request went, as a bar: waiting and prefill until the first token, decode after it.
function phases({ duration_ms: all, ttft_ms: first, queue_ms: queue }) {
  if (!(all > 0) || !(first >= 0) || first > all) return "";
  const parts = [["queue", queue > 0 && queue <= first ? queue : 0], [queue > 0 ? "prefill" : "queue and prefill", queue > 0 && queue <= first ? first - queue : first], ["decode", all - first]].filter(([, v]) => v > 0);
  return el("div", { class: "phases", role: "img", "aria-label": parts.map(([n, v]) => `${n} ${text(ms(v))}`).join(", ") }, ...parts.map(([name, v]) => { const b = el("span", { class: `phase ${name === "decode" ? "decode" : name === "queue" ? "queue" : "prefill"}` }, el("span", {}, `${name} ${text(ms(v))}`)); b.style.flexGrow = String(v); return b; }));
}
