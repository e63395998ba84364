// Any span of time as columns for charts, from GET /range. It answers as a History of the live stream does, so charts ask both alike.
import { query, sums } from "./ask.js";

export class Frame {
  constructor(a) {
    this.step = a.step;
    this.wished = a.wished_step ?? a.step; // what would have been shown, were it told apart
    this.completeness = a.completeness;
    this.sources = a.sources;
    this.watermark = a.watermark ? Date.parse(a.watermark) / 1000 : null;
    this.times = a.completeness.map((_, i) => a.from + i * a.step);
    this.all = {};
    this.models = {}; // by value of the dimension that was asked for, the busiest first; "" = none is named
    for (const { metric, key, values } of a.series) {
      const [value] = Object.values(key);
      if (value === undefined) this.all[metric] = values;
      else (this.models[value ?? ""] ??= {})[metric] = values;
    }
    this.bins = a.bins ?? null;
    const counts = ["requests", "feedback.count", "system.samples"].map((m) => this.all[m]).filter(Boolean);
    const first = this.times.findIndex((_, i) => counts.some((c) => c[i] > 0));
    this.begins = first < 0 ? Infinity : this.times[first];
  }

  of(name, scale = 1) { return this.#scaled(this.all[name], scale, null); }
  gauge(name, scale = 1) { return this.of(`system.${name}`, scale); }
  model(name, column, scale = 1, absent = 0) { return this.#scaled(this.models[name]?.[column], scale, absent); }

  #scaled(values, scale, absent) {
    return this.times.map((_, i) => { const v = values?.[i]; return typeof v === "number" ? v * scale : absent; });
  }
}

// What a wish asks for: {metrics, by, groupMetrics, bins, points, step, limit}.
const asked = (wish, span) => ({ ...span, metric: wish.metrics?.join(), group_by: wish.by, group_metric: wish.groupMetrics?.join(), bins: wish.bins, points: wish.points, step: wish.step, limit: wish.limit });
export const rangeURL = (wish, span) => `/range?${query(asked(wish, span))}`;
export const range = async (wish, span, signal) => new Frame(await sums("/range", asked(wish, span), signal));

// load asks for the span of a view, or for what lies some seconds before it.
export async function load(wish, view, { before = 0, signal } = {}) {
  const q = view.query(), shifted = (t) => new Date(Date.parse(t) - before * 1000).toISOString();
  return range(wish, before ? { ...q, from: shifted(q.from), to: shifted(q.to) } : q, signal);
}

// How long a frame is good for, ms: until its newest step has moved on noticeably.
export const lifetime = (step) => Math.min(60_000, Math.max(5000, step * 500));
