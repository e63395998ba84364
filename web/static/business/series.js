// Numbers by day from numbers by hour, and figures of a whole period. Nothing here knows the page or the clock.
import { DAY, HOUR } from "./period.js";

// sumOf adds up what is known; null when nothing is.
export const sumOf = (values) => values.reduce((all, v) => (v === null ? all : (all ?? 0) + v), null);

// costOfDays is what each day (their starts, ms) has cost, by groups of /costs; null where nothing is known.
export function costOfDays(groups, days) {
  const of = new Map(groups.map((g) => [Date.parse(`${g.key.day}T00:00:00Z`), g.cost_usd]));
  return days.map((t) => of.get(t) ?? null);
}

// linesOf are the columns of a frame that small pictures show.
export function linesOf(frame) {
  const column = (name) => frame.of(name), [cost, requests, unpriced] = [column("cost_usd"), column("requests"), column("unpriced_requests")];
  return { cost, requests, unpriced, perThousand: cost.map((v, i) => perThousand({ cost_usd: v, requests: requests[i], unpriced_requests: unpriced[i] })), scores: column("feedback.satisfaction") };
}

// perThousand is what a thousand priced requests cost.
export function perThousand({ cost_usd, requests, unpriced_requests }) {
  const priced = requests - unpriced_requests;
  return cost_usd === null || priced <= 0 ? null : (cost_usd / priced) * 1000;
}

// rated is the mean score of columns of steps, weighted by the number of ratings, with that number.
export function rated(scores, counts) {
  let sum = 0, n = 0;
  scores.forEach((v, i) => { if (v !== null && counts[i]) { sum += v * counts[i]; n += counts[i]; } });
  return { score: n ? sum / n : null, ratings: n };
}

// dayForecast adds up hourly points to days: {p50, lo, hi}. Of the hour that runs only what is still to come counts, and what the day has cost so
// far is added. A day of which an hour is not foretold is null.
export function dayForecast(points, days, now, soFar) {
  const at = new Map(points.map((p) => [Date.parse(p.t), p]));
  const column = (name) => days.map((start) => {
    if (start + DAY <= now) return null;
    let sum = start <= now ? soFar ?? 0 : 0;
    for (let t = start; t < start + DAY; t += HOUR) {
      const left = Math.min(1, (t + HOUR - now) / HOUR);
      if (left <= 0) continue;
      if (typeof at.get(t)?.[name] !== "number") return null;
      sum += at.get(t)[name] * left;
    }
    return sum;
  });
  return { p50: column("p50"), lo: column("lo"), hi: column("hi") };
}

// expected adds up what days have cost and what is foretold of the others: {p50, lo, hi}; null when a day is not foretold.
export function expected(cost, next) {
  const sum = (name) => cost.reduce((all, v, i) => (all === null || (next.p50[i] !== null && next[name][i] === null) ? null : all + (next[name][i] ?? v ?? 0)), 0);
  return next.p50.at(-1) === null ? null : { p50: sum("p50"), lo: sum("lo"), hi: sum("hi") };
}

// joinedCosts adds an answer of the windows, of one day, to one of /costs (or to none): the total, and the groups of by, the dearest first.
export function joinedCosts(past, live, by, day) {
  const parts = by ? by.split(",") : [], lines = new Map((past?.groups ?? []).map((g) => [JSON.stringify(parts.map((p) => g.key[p])), g]));
  const of = parts.some((p) => p !== "day") ? live.groups : parts.length ? [{ key: {}, stats: live.overall }] : [];
  for (const g of of) {
    if (!g.stats.requests) continue;
    const key = Object.fromEntries(parts.map((p) => [p, p === "day" ? day : g.key[p]])), id = JSON.stringify(parts.map((p) => key[p]));
    lines.set(id, plus(lines.get(id) ?? { key }, g.stats));
  }
  return { ...past, total: plus(past?.total, live.overall), groups: [...lines.values()].sort((a, b) => (b.cost_usd ?? -1) - (a.cost_usd ?? -1)), next_cursor: past?.next_cursor ?? null };
}

// plus adds two lines of numbers. A cost that neither tells stays null.
function plus(a, b) {
  const sum = (name, x = a, y = b) => (x?.[name] ?? 0) + (y?.[name] ?? 0), cost = a?.cost_usd ?? b.cost_usd ?? null;
  return { ...(a?.key ? { key: a.key } : {}), cost_usd: cost === null ? null : sum("cost_usd"), ...Object.fromEntries(["requests", "errors", "unpriced_requests"].map((n) => [n, sum(n)])),
    tokens: Object.fromEntries(["prompt", "completion", "total", "cached", "reasoning"].map((n) => [n, sum(n, a?.tokens, b.tokens)])) };
}

// running adds up values; null as long as nothing is known, and again from the first gap on.
export function running(values) {
  let sum = 0, known = false, over = false;
  return values.map((v, i) => {
    if (v === null && known && values.slice(i).every((x) => x === null)) over = true;
    if (v !== null) { known = true; sum += v; }
    return known && !over ? sum : null;
  });
}

// pareto tells how many of the dearest groups make most of the total: {few, all, share, sums}, where sums are the running shares.
export function pareto(groups, total, most = 0.8) {
  if (!total) return null;
  let sum = 0;
  const priced = groups.filter((g) => g.cost_usd > 0), sums = priced.map((g) => (sum += g.cost_usd) / total), i = sums.findIndex((s) => s >= most);
  return { few: i + 1, all: priced.length, share: i < 0 ? null : sums[i], sums };
}

// tree nests groups of /costs by the parts of their key, the dearest first; a part that no group has is left out.
export function tree(groups, parts) {
  const told = parts.filter((p) => groups.some((g) => g.key[p]));
  const build = (some, [part, ...rest]) => {
    if (!part) return [];
    const by = Map.groupBy ? Map.groupBy(some, (g) => g.key[part]) : some.reduce((m, g) => m.set(g.key[part], [...(m.get(g.key[part]) ?? []), g]), new Map());
    return [...by].map(([value, of]) => ({ part, value, ...added(of), children: build(of, rest) })).sort((a, b) => (b.cost_usd ?? -1) - (a.cost_usd ?? -1));
  };
  return build(groups, told);
}

function added(groups) {
  const priced = groups.filter((g) => g.cost_usd !== null), sum = (f) => groups.reduce((all, g) => all + f(g), 0);
  return { cost_usd: priced.length ? priced.reduce((all, g) => all + g.cost_usd, 0) : null, requests: sum((g) => g.requests), unpriced_requests: sum((g) => g.unpriced_requests) };
}

// wilson is the interval of a share, 95 %, that holds for small numbers too.
export function wilson(good, n, z = 1.96) {
  if (!n) return null;
  const p = good / n, d = 1 + (z * z) / n, mid = p + (z * z) / (2 * n), half = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return { p, lo: Math.max(0, (mid - half) / d), hi: Math.min(1, (mid + half) / d) };
}

// scoreInterval holds a mean of n scores from 1 to 5 with 95 %, at its widest: scores of this mean cannot be more spread than (m−1)(5−m).
export function scoreInterval(mean, n, z = 1.96) {
  const half = z * Math.sqrt(((mean - 1) * (5 - mean)) / n);
  return { lo: Math.max(1, mean - half), hi: Math.min(5, mean + half) };
}

// satisfactionByModel are the mean scores of the models of a frame, with their numbers and intervals, those with most scores first.
export function satisfactionByModel(frame) {
  return Object.keys(frame.models).map((model) => ({ model, ...rated(frame.model(model, "feedback.satisfaction", 1, null), frame.model(model, "feedback.count")) }))
    .filter((m) => m.ratings).map((m) => ({ ...m, ...scoreInterval(m.score, m.ratings) })).sort((a, b) => b.ratings - a.ratings);
}

// joined is one axis of hours with what was and what is foretold: {times (s), was, p50, lo, hi}. The forecast begins at the last known value.
export function joined(rows, points) {
  const was = new Map(rows.map((r) => [Date.parse(r.timestamp), r.requests])), next = new Map(points.map((p) => [Date.parse(p.t), p]));
  const all = [...was.keys(), ...next.keys()];
  if (!all.length) return { times: [], was: [], p50: [], lo: [], hi: [] };
  const first = Math.min(...all), last = Math.max(...all), out = { times: [], was: [], p50: [], lo: [], hi: [] };
  const lastKnown = was.size ? Math.max(...was.keys()) : -1;
  for (let t = first; t <= last; t += HOUR) {
    const p = next.get(t), joint = t === lastKnown && points.length > 0 && !p ? was.get(t) : null;
    out.times.push(t / 1000);
    out.was.push(was.has(t) ? was.get(t) : t <= lastKnown ? 0 : null); // an hour without a row had no requests
    for (const name of ["p50", "lo", "hi"]) out[name].push(p?.[name] ?? joint);
  }
  return out;
}
