// Error budgets: how fast they burn, when they are gone, and how bad that is.

// seconds reads a duration as Go writes it.
export const seconds = (d) => { const n = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }; return [...String(d).matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)].reduce((a, [, v, u]) => a + Number(v) * (n[u] ?? 0.001), 0); };

// rate finds how fast the budget burns over about so many seconds.
export function rate(slo, wanted) {
  const all = slo.burn.flatMap((b) => [[seconds(b.long), b.rate], [seconds(b.short), b.short_rate]]);
  return all.find(([s]) => s === wanted)?.[1] ?? null;
}

// exhaustion says in how many seconds the budget is gone at the pace of the last hour: 0 when it is, null when it will not be.
export function exhaustion(slo, period) {
  const left = slo.budget.remaining_ratio, pace = rate(slo, 3600) ?? rate(slo, 21_600);
  if (left <= 0) return 0;
  return pace > 0 ? (left / pace) * period : null;
}

export const state = (s) => (s.budget.remaining_ratio <= 0 || s.burn.some((b) => b.holds && b.class === "page") ? "bad" : s.budget.remaining_ratio < 0.25 || s.burn.some((b) => b.holds) ? "warn" : "good");
