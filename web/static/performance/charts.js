// What the charts of the performance board show.
import { ms, percent, si } from "../format.js";
import { color, css, named } from "../palette.js";
import { perSecond, ratio } from "../series.js";

const fan = ["p50", "p75", "p90", "p95", "p99", "p99.9"], shade = { p50: 1, p75: 0.85, p90: 0.7, p95: 0.6, p99: 0.55, "p99.9": 0.45 };

// The opaque colour that lies so far between the surface and a colour, as hex.
function faded(c, part) {
  const of = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)), [a, b] = [of(c), of(css("--surface"))];
  return `#${a.map((v, i) => Math.round(v * part + b[i] * (1 - part)).toString(16).padStart(2, "0")).join("")}`;
}

export const metrics = [
  "requests", "errors", ...fan.map((p) => `latency_ms.${p}`), "ttft_ms.p50", "ttft_ms.p95", "ttft_ms.p99", "tpot_ms.p50", "tpot_ms.p95", "tpot_ms.p99", "tokens.prompt", "tokens.completion", "tokens.cached",
];

export const specs = [
  {
    title: "Percentiles", unit: "whole request", metric: "latency_ms.p95", wide: true, format: ms, empty: "No successful requests in this range",
    explain: { what: "Half of the successful requests were faster than p50, 999 of 1,000 faster than p99.9. A fan that opens means that some suffer while most do not." },
    lines: (h) => fan.map((p, i) => ({ name: p, color: faded(color(named.blue), shade[p]), values: h.of(`latency_ms.${p}`), width: p === "p50" ? 2 : 1.1, dash: p === "p99.9" ? [2, 3] : undefined, ...(i ? { band: { lo: h.of(`latency_ms.${fan[i - 1]}`), hi: h.of(`latency_ms.${p}`) } } : {}) })),
  },
  {
    title: "Time to first token", unit: "queue and prefill", metric: "ttft_ms.p95", format: ms, empty: "No time to first token in this range",
    explain: { what: "From the first byte in to the first token out: waiting in the engine's queue, and working through the prompt. It grows with load and with long prompts." },
    lines: (h) => [{ name: "p50", color: color(named.blue), values: h.of("ttft_ms.p50"), area: true }, { name: "p95", color: color(named.amber), values: h.of("ttft_ms.p95") }, { name: "p99", color: color(named.red), values: h.of("ttft_ms.p99"), dash: [4, 3], width: 1.3 }],
  },
  {
    title: "Inter-token time", unit: "decode, per token after the first", metric: "tpot_ms.p95", format: ms, empty: "No time per token in this range",
    explain: { what: "How long each token after the first took. It grows with the size of the batch; what people feel as the speed of writing." },
    lines: (h) => [{ name: "p50", color: color(named.blue), values: h.of("tpot_ms.p50"), area: true }, { name: "p95", color: color(named.amber), values: h.of("tpot_ms.p95") }, { name: "p99", color: color(named.red), values: h.of("tpot_ms.p99"), dash: [4, 3], width: 1.3 }],
  },
  {
    title: "Throughput", unit: "tokens per second", metric: "tokens.total", format: si, needsSome: true, empty: "No tokens in this range",
    explain: { what: "Prompt tokens that were read (prefill) and answer tokens that were written (decode), per second." },
    lines: (h) => [{ name: "prefill", color: color(named.violet), values: perSecond(h, h.of("tokens.prompt")), area: true }, { name: "decode", color: color(named.green), values: perSecond(h, h.of("tokens.completion")), area: true }],
  },
  {
    title: "Prompt cache", unit: "share of prompt tokens", format: percent, needsSome: true, empty: "No cached tokens in this range",
    explain: { what: "Prompt tokens that came from a cache, of all prompt tokens." },
    lines: (h) => [{ name: "cached", color: color(named.olive), values: ratio(h.of("tokens.cached"), h.of("tokens.prompt")), area: true }],
  },
];
