// What the charts of the operations board show.
import { amount, ms, percent, score, si, usd } from "./format.js";
import { OTHER, color, modelColor, modelName, named } from "./palette.js";
import { ratio, stack, trailing } from "./series.js";

// The models of a history, the busiest first, what is left over last.
export function order(history) {
  const sum = (m) => history.model(m, "requests").reduce((a, b) => a + b, 0);
  return Object.keys(history.models).map((m) => [m, m === OTHER ? -1 : sum(m)]).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([m]) => m);
}

const percentOf100 = (v) => percent(v === null || v === undefined ? null : v / 100);

export const specs = [
  {
    title: "Requests", unit: "per second, by model", wide: true, format: si, needsSome: true, empty: "No requests in this range",
    lines(h, off) {
      const models = order(h), rows = models.map((m) => h.model(m, "requests", 1 / h.step));
      const shown = rows.map((r, i) => (off?.has(modelName(models[i])) ? r.map(() => 0) : r));
      const sums = stack(shown);
      return models.map((m, i) => ({ name: modelName(m), color: modelColor(m), values: sums[i], shown: rows[i], stacked: true, width: 1.4 }));
    },
  },
  {
    title: "Errors", unit: "share of requests over 30 s, by model", format: percent, empty: "No requests in this range",
    lines: (h) => order(h).map((m) => ({ name: modelName(m), color: modelColor(m), values: ratio(trailing(h.model(m, "errors"), 6), trailing(h.model(m, "requests"), 6)) })),
  },
  {
    title: "Latency", unit: "whole request", format: ms, empty: "No successful requests in this range",
    lines: (h) => [
      { name: "p50", color: color(named.blue), values: h.of("latency_ms.p50"), area: true },
      { name: "p95", color: color(named.amber), values: h.of("latency_ms.p95") },
      { name: "p99", color: color(named.red), values: h.of("latency_ms.p99"), width: 1.3, dash: [4, 3] },
    ],
  },
  {
    title: "Time to first token", unit: "TTFT", format: ms, empty: "No time to first token in this range",
    lines: (h) => [
      { name: "p50", color: color(named.blue), values: h.of("ttft_ms.p50"), area: true },
      { name: "p95", color: color(named.amber), values: h.of("ttft_ms.p95") },
    ],
  },
  {
    title: "Tokens", unit: "per second", format: si, needsSome: true, empty: "No tokens in this range",
    lines: (h) => [
      { name: "prompt", color: color(named.violet), values: h.of("tokens.prompt", 1 / h.step), area: true },
      { name: "completion", color: color(named.green), values: h.of("tokens.completion", 1 / h.step), area: true },
    ],
  },
  {
    title: "Satisfaction", unit: "mean score, 1–5, last minute", format: score, axis: (v) => [v.toFixed(1), ""], steps: [0.1, 0.2, 0.5, 1], zero: false, empty: "No feedback in this range",
    lines: (h) => [{ name: "score", color: color(named.green), values: moving(h, "feedback.satisfaction", "feedback.count", 12), area: true }],
  },
  {
    title: "Feedback", unit: "thumbs per minute", format: amount, needsSome: true, empty: "No thumbs in this range",
    lines: (h) => [
      { name: "up", color: color(named.green), values: moving(h, "feedback.thumbs_up", null, 12), area: true },
      { name: "down", color: color(named.red), values: moving(h, "feedback.thumbs_down", null, 12), dash: [5, 3] },
    ],
  },
  {
    title: "Cost", unit: "per hour, of priced requests", format: usd, empty: "No priced requests in this range",
    lines: (h) => [{ name: "cost", color: color(named.pink), values: moving(h, "cost_usd", null, 12).map((v, i) => (h.of("cost_usd")[i] === null ? null : v * 60)), area: true }],
  },
  {
    title: "GPU", unit: "mean of all hosts", format: percentOf100, top: 100, empty: "No system metrics in this range",
    lines: (h) => [
      { name: "busy", color: color(named.blue), values: h.gauge("gpu_usage"), area: true },
      { name: "memory", color: color(named.pink), values: h.gauge("gpu_memory_usage") },
      { name: "KV cache", color: color(named.amber), values: h.gauge("kv_cache_usage", 100), dash: [5, 3] },
    ],
  },
  {
    title: "Host", unit: "mean of all hosts", format: percentOf100, top: 100, empty: "No system metrics in this range",
    lines: (h) => [
      { name: "CPU", color: color(named.blue), values: h.gauge("cpu_usage"), area: true },
      { name: "memory", color: color(named.pink), values: h.gauge("memory_usage") },
    ],
  },
  {
    title: "Engine queue", unit: "requests, mean of all hosts", format: amount, empty: "No system metrics in this range",
    lines: (h) => [
      { name: "running", color: color(named.blue), values: h.gauge("requests_running"), area: true },
      { name: "waiting", color: color(named.red), values: h.gauge("requests_waiting") },
    ],
  },
];

// A column over the last n steps: the mean weighted by another column, or the sum.
function moving(h, column, weight, n) {
  const values = h.of(column), weights = weight ? h.of(weight) : null;
  return values.map((_, i) => {
    if (i < n - 1) return null;
    let sum = 0, all = 0;
    for (let k = Math.max(0, i - n + 1); k <= i; k++) {
      if (values[k] === null) continue;
      const w = weights ? weights[k] ?? 0 : 1;
      sum += values[k] * w;
      all += w;
    }
    return weights ? (all ? sum / all : null) : sum;
  });
}
