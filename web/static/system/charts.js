// What the windows and the store tell of any span: what came in, how much of it is counted, and how the hosts were.
import { count, percent, percentOf100, si } from "../format.js";
import { color, named } from "../palette.js";
import { calm, perSecond } from "../series.js";

const kinds = [["requests", "requests", named.blue], ["feedback", "feedback.count", named.green], ["business events", "business.events", named.pink], ["samples of hosts", "system.samples", named.amber]];
const hosts = [["CPU", "cpu_usage", named.blue], ["memory", "memory_usage", named.violet], ["GPU", "gpu_usage", named.green], ["GPU memory", "gpu_memory_usage", named.pink]];

const whole = Array.from({ length: 9 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat(); // marks of what is counted

export const wish = { metrics: [...kinds.map(([, m]) => m), "late_events", ...hosts.map(([, m]) => `system.${m}`)], points: 240 };

// The share of what of each step has passed that is counted.
const counted = (h) => h.completeness.map((v, i) => { const passed = h.watermark ? Math.min(1, (h.watermark - h.times[i]) / h.step) : 1; return passed < 0.1 ? null : Math.min(1, v / passed); });

export const specs = [
  {
    title: "Events", unit: "per second, by kind", format: si, needsSome: true, empty: "No events in this range", wide: true,
    explain: { what: "Events that happened in each step and are counted, divided by its length. Duplicates count once." },
    lines: (h) => kinds.map(([name, m, c]) => ({ name, color: color(c), values: perSecond(h, h.of(m)), area: m === "requests" })),
  },
  {
    title: "Counted", unit: "share of what was written", format: percent, top: 1, empty: "Nothing is known of this range",
    explain: { what: "How much of what was written of each step is in the numbers of the boards.", error: "Exact for what the windows hold; 1 for stored hours." },
    lines: (h) => [{ name: "counted", color: color(named.green), values: counted(h), area: true }],
  },
  {
    title: "Late events", unit: "by step", format: count, steps: whole, needsSome: true, empty: "No event was late",
    explain: { what: "Events that came after the time for them was over. They are added where they belong.", error: "Exact." },
    lines: (h) => [{ name: "late", color: color(named.red), values: h.of("late_events"), area: true }],
  },
  {
    title: "Hosts", unit: "mean of all", format: percentOf100, top: 100, empty: "No host has told of itself in this range", wide: true,
    explain: { what: "How busy hosts are and how full their memory is, as they report it: the mean of all samples over a minute or one step, whichever is longer." },
    lines: (h) => hosts.map(([name, m, c]) => ({ name, color: color(c), values: calm(h, h.gauge(m), h.of("system.samples")) })).filter((l) => l.values.some((v) => v !== null)),
  },
];
