// What the charts of the operations board show.
import { amount, ms, percent, percentOf100, score, si } from "./format.js";
import { OTHER, color, modelColor, modelName, named } from "./palette.js";
import { calm, ofSpan, perSecond, ratio, stack, trailing } from "./series.js";

// The models of a history, the busiest first, what is left over last.
export function order(history) {
  const sum = (m) => history.model(m, "requests").reduce((a, b) => a + b, 0);
  return Object.keys(history.models).map((m) => [m, m === OTHER ? -1 : sum(m)]).filter(([, n]) => n !== 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([m]) => m);
}

// What is said where no machine tells of itself.
export const untold = "No machine tells of itself in this range: let hxp read the metrics of engines and cards (scrape in services/kafka-api.yaml)";

export const specs = [
  {
    title: "Requests", unit: "per second, by model", metric: "requests", apart: "model", wide: true, format: si, needsSome: true, empty: "No requests in this range",
    explain: { what: "Requests that began in each step, divided by its length. Models lie on each other, the busiest on top; what is beyond the busiest is told as one." },
    lines(h, off) {
      const models = order(h), rows = models.map((m) => perSecond(h, h.model(m, "requests"))), sums = stack(rows, models.map(modelName), off);
      return models.map((m, i) => ({ name: modelName(m), color: modelColor(m), values: sums[i], shown: rows[i], stacked: true, width: 1.4 }));
    },
  },
  {
    title: "Errors", unit: "share of requests, by model", metric: "errors", apart: "model", format: percent, empty: "No requests in this range",
    explain: { what: "Requests that failed, of all requests, over half a minute or one step, whichever is longer." },
    lines: (h) => order(h).map((m) => ({ name: modelName(m), color: modelColor(m), values: ratio(trailing(h.model(m, "errors"), ofSpan(h, 30)), trailing(h.model(m, "requests"), ofSpan(h, 30))) })),
  },
  {
    title: "Latency", unit: "whole request", metric: "latency_ms.p95", format: ms, empty: "No successful requests in this range",
    explain: { what: "How long successful requests took from the first byte in to the last byte out. p95: 95 of 100 were faster." },
    lines: (h) => [
      { name: "p50", color: color(named.blue), values: h.of("latency_ms.p50"), area: true },
      { name: "p95", color: color(named.amber), values: h.of("latency_ms.p95") },
      { name: "p99", color: color(named.red), values: h.of("latency_ms.p99"), width: 1.3, dash: [4, 3] },
    ],
  },
  {
    title: "Time to first token", unit: "TTFT", metric: "ttft_ms.p95", format: ms, empty: "No time to first token in this range",
    explain: { what: "How long successful requests waited for their first token." },
    lines: (h) => [
      { name: "p50", color: color(named.blue), values: h.of("ttft_ms.p50"), area: true },
      { name: "p95", color: color(named.amber), values: h.of("ttft_ms.p95") },
      { name: "p99", color: color(named.red), values: h.of("ttft_ms.p99"), width: 1.3, dash: [4, 3] },
    ],
  },
  {
    title: "Tokens", unit: "per second", metric: "tokens.total", format: si, needsSome: true, empty: "No tokens in this range",
    explain: { what: "Tokens of the requests that began in each step, divided by its length." },
    lines: (h) => [
      { name: "prompt", color: color(named.violet), values: perSecond(h, h.of("tokens.prompt")), area: true },
      { name: "completion", color: color(named.green), values: perSecond(h, h.of("tokens.completion")), area: true },
    ],
  },
  {
    title: "Engine queue", unit: "requests, mean of all hosts", format: amount, empty: untold,
    explain: { what: "Requests that the engines work on, and those that wait for a place in a batch, as the engines report them." },
    lines: (h) => [
      { name: "running", color: color(named.blue), values: h.gauge("requests_running"), area: true },
      { name: "waiting", color: color(named.red), values: h.gauge("requests_waiting") },
    ],
  },
  {
    title: "GPU", unit: "mean of all hosts", format: percentOf100, top: 100, empty: untold,
    explain: { what: "How busy GPUs are, how full their memory and the KV cache are, as hosts and engines report them." },
    lines: (h) => [
      { name: "busy", color: color(named.blue), values: h.gauge("gpu_usage"), area: true },
      { name: "memory", color: color(named.pink), values: h.gauge("gpu_memory_usage") },
      { name: "KV cache", color: color(named.amber), values: h.gauge("kv_cache_usage", 100), dash: [5, 3] },
    ],
  },
  {
    title: "Satisfaction", unit: "mean score, 1–5", wide: true, format: score, axis: (v) => [v.toFixed(1), ""], steps: [0.1, 0.2, 0.5, 1], zero: false, empty: "No feedback in this range",
    explain: { what: "Mean of the scores that people gave, over a minute or one step, whichever is longer." },
    lines: (h) => [{ name: "score", color: color(named.green), values: calm(h, h.of("feedback.satisfaction"), h.of("feedback.count"), true), area: true }],
  },
];
