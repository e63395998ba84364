// Quantiles of samples, with intervals that need no assumption about their form.
const Z = 1.96; // two-sided 95 %
export const least = 20; // values below which an interval says nothing

// at is the quantile of values that rise, between neighbours in proportion.
export function at(sorted, q) {
  const i = q * (sorted.length - 1), k = Math.floor(i);
  return sorted[k] + (sorted[Math.min(k + 1, sorted.length - 1)] - sorted[k]) * (i - k);
}

// interval is where the quantile of all lies with 95 %, by the ranks of the sample: the number of values below it is binomial. null with too few.
export function interval(sorted, q) {
  const n = sorted.length, wide = Z * Math.sqrt(n * q * (1 - q)), lo = Math.floor(n * q - wide), hi = Math.ceil(n * q + wide);
  return n < least || lo < 0 || hi >= n ? null : { lo: sorted[lo], hi: sorted[hi] };
}

// difference is by how much the quantile of b lies above that of a, with an interval made of those of both (the square-and-add rule of Zou and Donner),
// and whether it is certain; null with too few values.
export function difference(a, b, q) {
  const x = interval(a, q), y = interval(b, q);
  if (!x || !y) return null;
  const p = at(a, q), r = at(b, q), lo = r - p - Math.hypot(r - y.lo, x.hi - p), hi = r - p + Math.hypot(y.hi - r, p - x.lo);
  return { a: p, b: r, by: r - p, lo, hi, certain: lo > 0 || hi < 0 };
}

// pairs are the quantiles of both against each other, as many as the smaller sample can tell apart.
export function pairs(a, b, most = 99) {
  const n = Math.min(most, a.length, b.length);
  return Array.from({ length: n }, (_, i) => { const q = (i + 0.5) / n; return { q, a: at(a, q), b: at(b, q) }; });
}

// Bands of prompts by their length in tokens.
export const bands = [["to 255", 0, 256], ["256 – 1,023", 256, 1024], ["1,024 – 4,095", 1024, 4096], ["from 4,096", 4096, Infinity]];
