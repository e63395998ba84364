// The history of the state as columns for charts: one regular row of steps, null where nothing is known.
export class History {
  constructor(series) {
    this.source = series; // it stays the same while news of it come
    this.step = series.step;
    this.points = series.points;
    this.system = series.system ?? {};
    this.models = series.models ?? {};
    this.column = index(series.columns);
    this.systemColumn = index(series.system_columns);
    this.modelColumn = index(series.model_columns);
    const times = Object.keys(series.points).map(Number);
    const last = times.length ? times.reduce((a, b) => Math.max(a, b)) : 0;
    const first = times.length ? times.reduce((a, b) => Math.min(a, b)) : 0;
    this.times = [];
    for (let t = first; times.length && t <= last; t += this.step) this.times.push(t);
    // when the history begins to say something; Infinity when it never does
    const watched = ["requests", "feedback.count"].map((n) => this.column[n]);
    this.begins = this.times.find((t) => t in this.system || watched.some((i) => this.points[t]?.[i] > 0)) ?? Infinity;
  }

  // One column of all; scale multiplies (a count into a rate, a ratio into percent).
  of(name, scale = 1) { return this.#read(this.points, this.column[name], scale); }
  gauge(name, scale = 1) { return this.#read(this.system, this.systemColumn[name], scale); }

  // One column of one model; absent is 0 for counts.
  model(name, column, scale = 1, absent = 0) {
    const points = this.models[name] ?? {}, i = this.modelColumn[column];
    return this.times.map((t) => { const v = points[t]?.[i]; return typeof v === "number" ? v * scale : absent; });
  }

  #read(points, i, scale) {
    return this.times.map((t) => { const v = points[t]?.[i]; return typeof v === "number" ? v * scale : null; });
  }
}

const index = (names = []) => Object.fromEntries(names.map((n, i) => [n, i]));

// A count of each step as a rate per second. Of a step that runs, only what has passed counts; of one that has hardly begun nothing is known, nor of a
// short one: of it more is counted than the watermark says, which lies some seconds behind.
export function perSecond(h, values) {
  return values.map((v, i) => {
    const passed = h.watermark ? Math.min(1, (h.watermark - h.times[i]) / h.step) : 1;
    return v === null || passed < (h.step < 60 ? 1 : 0.1) ? null : v / (h.step * passed);
  });
}

// For each step of h, which one lay so many seconds before it. The steps of earlier may be longer: then one stands for several.
export const placed = (h, earlier, offset) => h.times.map((t) => Math.floor((t + h.step / 2 - offset - earlier.times[0]) / earlier.step));

// The ratio of two columns, null where the second is 0.
export const ratio = (a, b, scale = 1) => a.map((v, i) => (b[i] ? (v ?? 0) / b[i] * scale : null));

// The sum of each value and the n − 1 before it.
export function trailing(values, n) {
  let sum = 0;
  return values.map((v, i) => (sum += (v ?? 0) - (i >= n ? values[i - n] ?? 0 : 0)));
}

export const ofSpan = (h, seconds) => Math.max(1, Math.round(seconds / h.step)); // steps of about so many seconds

// The mean of a column over about a minute, by weights: where some tell more often than others, a short step has the mean of those that happened to tell.
// whole: nothing is said before a minute is over.
export function calm(h, values, weights, whole = false) {
  const n = ofSpan(h, 60);
  return values.map((_, i) => {
    if (whole && i < n - 1) return null;
    let sum = 0, all = 0;
    for (let k = Math.max(0, i - n + 1); k <= i; k++) {
      if (values[k] === null) continue;
      const w = weights[k] ?? 0;
      sum += values[k] * w;
      all += w;
    }
    return all ? sum / all : null;
  });
}

// Running sums from the last row to the first, for areas that lie on each other. Rows whose name is off take no room.
export function stack(all, names, off) {
  const rows = all.map((r, i) => (off?.has(names[i]) ? r.map((v) => (v === null ? null : 0)) : r)), sums = rows.map(() => null);
  let below = null;
  for (let i = rows.length - 1; i >= 0; i--) {
    below = sums[i] = rows[i].map((v, k) => (v === null && (below?.[k] ?? null) === null ? null : (v ?? 0) + (below?.[k] ?? 0)));
  }
  return sums;
}

// The mean of every n values, for small pictures: noise says nothing there.
export function coarse(values, n) {
  const out = [];
  for (let i = values.length % n; i < values.length; i += n) {
    const some = values.slice(i, i + n).filter((v) => v !== null);
    out.push(some.length ? some.reduce((a, b) => a + b, 0) / some.length : null);
  }
  return out;
}
