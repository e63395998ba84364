// Where the time of requests goes, by the length of their prompt: waiting in the queue, prefill until the first token, decode after it.
import { ask, query } from "../ask.js";
import { el, refill } from "../dom.js";
import { many, ms, text } from "../format.js";
import { at, bands } from "./quantiles.js";
import { within } from "./slowest.js";

const sampled = 1000; // requests

export async function phases(view, band, signal) {
  const { correlations } = await ask("GET", `/correlations?${query({ ...within(view, band), order: "sample", limit: sampled })}`, undefined, signal);
  return correlations.map(({ request: r, engine }) => r && { ...r, queue_ms: r.queue_ms ?? engine?.queue_ms }).filter((r) => r?.success === true && r.ttft_ms >= 0 && r.duration_ms >= r.ttft_ms && view.lets(r));
}

const waits = (r) => r.queue_ms >= 0 && r.queue_ms <= r.ttft_ms;
const mean = (list, of) => list.reduce((sum, r) => sum + of(r), 0) / list.length;

// What requests are made of in the mean. queue is null where few tell it; then prefill holds it.
function split(list) {
  const told = list.filter(waits), some = told.length * 2 >= list.length ? told : list, queue = some === told && told.length ? mean(told, (r) => r.queue_ms) : null;
  return { n: list.length, queue, prefill: mean(some, (r) => r.ttft_ms) - (queue ?? 0), decode: mean(some, (r) => r.duration_ms - r.ttft_ms) };
}

export function showPhases(node, requests) {
  const rows = [["all", 0, Infinity], ...bands].map(([name, low, high]) => [name, requests.filter((r) => low === 0 && high === Infinity || r.prompt_tokens >= low && r.prompt_tokens < high)]).filter(([, list]) => list.length).map(([name, list]) => ({ name, list, ...split(list) }));
  const longest = Math.max(...rows.map((r) => (r.queue ?? 0) + r.prefill + r.decode)), queued = rows.some((r) => r.queue !== null), key = (kind, name) => [el("span", { class: `phase-key ${kind}`, "aria-hidden": "true" }), name];
  const columns = [["Prompt tokens"], ["Mean request"], ["Requests"], ...(queued ? [key("queue", "Queue"), key("prefill", "Prefill")] : [key("prefill", "Queue and prefill")]), key("decode", "Decode"), ["First token p95"], ["Per token p50"]];
  refill(node, el("thead", {}, el("tr", {}, ...columns.map((h, i) => el("th", { scope: "col", class: i < 2 ? "left" : false }, ...h)))),
    el("tbody", {}, ...(rows.length ? rows.map((r) => row(r, longest, queued)) : [el("tr", { class: "none" }, el("td", { colspan: String(columns.length) }, "No successful request with a time to first token is remembered from this range: those with a request_id are"))])));
  return queued || !rows.length ? "" : "; nobody tells how long they waited: engines that trace over OTLP do, and events with queue_ms";
}

function row({ name, list, n, queue, prefill, decode }, longest, queued) {
  const bar = (kind, v) => { const b = el("span", { class: `phase ${kind}` }); b.style.width = `${(v / longest) * 100}%`; return b; }, rising = (field) => list.map((r) => r[field]).filter((v) => v >= 0).sort((a, b) => a - b), time = (v) => el("td", {}, text(ms(v))), quantile = (field, q) => { const all = rising(field); return time(all.length ? at(all, q) : null); };
  return el("tr", {}, el("th", { scope: "row", class: "left" }, name), el("td", { class: "left phase-cell", "aria-hidden": "true" }, el("span", { class: "phase-row" }, ...[["queue", queue], ["prefill", prefill], ["decode", decode]].filter(([, v]) => v > 0).map(([k, v]) => bar(k, v)))),
    el("td", {}, many(n)), ...(queued ? [time(queue)] : []), time(prefill), time(decode), quantile("ttft_ms", 0.95), quantile("tpot_ms", 0.5));
}
