// What went wrong, and numbers that this board alone needs, as a person reads them.
import { Refused, explain } from "../ask.js";
import { el } from "../dom.js";
import { NONE, text, usd } from "../format.js";

// whatFailed says why a part of the page has nothing to show. A service without the path is one that cannot do it yet.
export function whatFailed(e, subject) {
  if (!(e instanceof Refused)) return explain(e);
  if (e.status === 404 && e.body?.detail?.startsWith("no such path")) return `This version of hxp does not tell ${subject} yet.`;
  if (e.status === 409) return `Switched off: ${e.message}`;
  if (e.status === 501) return `Not in this version: ${e.message}`;
  const more = (e.body?.errors ?? []).map((x) => x.detail).filter((d) => d && !e.message.includes(d));
  return [e.message, ...more].join(": ");
}

// canWait tells whether asking again later may help.
export const canWait = (e) => e instanceof Refused && (e.status === 0 || e.status === 502 || e.status === 503);

// notice is a sentence in place of content, with a way to try again where that may help, or to do something else.
export function notice(words, act, name = "Try again") {
  return el("div", { class: "words" }, el("p", {}, words), ...(act ? [el("button", { class: "button", type: "button", onclick: act }, name)] : []));
}

// Told is a part of the page that waits for an answer, or says why there is none.
export class Told {
  constructor(node) { this.node = node; }

  // wait says that something else is on its way; the same is drawn over when it is there.
  wait(key, words) {
    if (key === this.key) return false;
    this.key = key;
    this.node.replaceChildren(el("p", { class: "wait" }, words));
    return true;
  }

  say(...words) { this.node.replaceChildren(notice(...words)); }
}

// limits says what an answer lacks, and why.
export function limits(all) {
  const told = [...new Set(all.map((l) => `${capital(spokenName(l.what))}: ${l.why}.`))];
  return told.length ? [el("details", { class: "limits" }, el("summary", {}, "What could not be told"), el("ul", {}, ...told.map((l) => el("li", {}, l))))] : [];
}

export const money = (v) => text(usd(v));

// change of a number against the one before: {text, by}; by is relative, or absolute where points are compared.
export function change(is, was, points) {
  if (typeof is !== "number" || typeof was !== "number" || (!points && was <= 0)) return null;
  const by = points ? is - was : (is - was) / was, size = Math.abs(points ? by : by * 100);
  if (size < (points ? 0.005 : 0.05)) return { text: "unchanged", by: 0 };
  const digits = points ? size.toFixed(2) : size >= 9.95 ? Math.round(size).toLocaleString("en") : size.toFixed(1);
  return { text: `${by > 0 ? "▲" : "▼"} ${digits}${points ? "" : "\u2009%"}`, by };
}

// withNumbers puts numbers in place of the names of a formula, the longest first, so that none is taken for the beginning of another.
export function withNumbers(formula, inputs) {
  const names = Object.keys(inputs ?? {}).sort((a, b) => b.length - a.length);
  if (!names.length) return formula;
  const any = new RegExp(`(?<![\\w.])(${names.map((n) => n.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})(?![\\w.])`, "g");
  return formula.replace(any, (n) => number(inputs[n]));
}

export function number(v) {
  if (typeof v !== "number" || !Number.isFinite(v)) return NONE;
  return v.toLocaleString("en", { maximumSignificantDigits: Math.abs(v) >= 1000 ? 6 : 4 });
}

export const days = (n) => `${number(n < 10 ? Math.round(n * 10) / 10 : Math.round(n))} ${n === 1 ? "day" : "days"}`;

const spoken = { requests: "requests", cost_usd: "cost", total_tokens: "tokens", resource_utilization: "utilization", growth_trends: "growth", capacity_forecasts: "forecasts", scaling_recommendations: "recommendations", alerts: "alerts", cpu_usage: "CPU", memory_usage: "memory", gpu_usage: "GPU", gpu_memory_usage: "GPU memory", kv_cache_usage: "KV cache", "ttft_ms.p95": "TTFT p95", ttft_p95_ms: "TTFT p95", latency_p95_ms: "latency p95" };
export const spokenName = (name) => spoken[name] ?? String(name).replaceAll("_", " ");
export const capital = (s) => s.replace(/^./, (c) => c.toUpperCase());
