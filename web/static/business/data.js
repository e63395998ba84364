// What the page asks of the batch API.
import { Refused, ask, keeps, query, sums } from "../ask.js";
import { config } from "../config.js";
import { Frame, load, range as asRange } from "../frame.js";
import { covers } from "../view.js";
import { found } from "./findings.js";
import { DAY, HOUR, instant, nameOfDay } from "./period.js";
import { joinedCosts, sumOf } from "./series.js";

const most = 1000; // items a page

const stored = async ({ from, to }, by, filters, signal) => {
  keeps(filters, ["model", "tenant", "user_id", "prompt_version", "endpoint", "operation", "session_id", "host"], "Costs");
  return sums("/costs", { from: instant(from), to: instant(to), group_by: by, limit: by ? most : null, ...filters }, signal);
};
// apart tells whether the windows and stored hours know what some filters leave, by a dimension; else costs alone tell it, from raw events.
async function apart({ without, ...filters }, by) {
  const { dimensions: kept } = await config().catch(() => ({}));
  return !kept || covers(kept, [...Object.keys(filters), ...(["model", "tenant"].includes(by) ? [by] : [])]);
}

// steps are those of the board, by model where that is told.
export async function steps(wish, view, o) {
  if (await apart(view.filters, wish.by)) return load(wish, view, o);
  if (await apart(view.filters)) return load({ ...wish, by: undefined, groupMetrics: undefined, limit: undefined }, view, o);
  return costSteps(wish, view, o);
}

const columns = { requests: (g) => g.requests, errors: (g) => g.errors, unpriced_requests: (g) => g.unpriced_requests, cost_usd: (g) => g.cost_usd, "tokens.prompt": (g) => g.tokens.prompt, "tokens.cached": (g) => g.tokens.cached, "tokens.completion": (g) => g.tokens.completion };

// costSteps are the hours or days of a span as costs tell them.
async function costSteps({ step }, view, { before = 0, signal }) {
  const by = step * 1000 === DAY ? "day" : "hour", size = by === "day" ? DAY : HOUR, span = view.span(), from = Math.floor((span.from - before) * 1000 / size) * size, to = Math.ceil((span.to - before) * 1000 / size) * size;
  const { groups } = await stored({ from: Math.max(from, (span.from - before) * 1000), to: Math.min(to, Math.ceil(span.to - before) * 1000) }, by, view.narrow, signal), of = new Map(groups.map((g) => [Date.parse(g.key[by]), g])), times = Array.from({ length: (to - from) / size }, (_, i) => from + i * size);
  return new Frame({ from: from / 1000, step: size / 1000, completeness: times.map((t) => (t + size <= Date.now() ? 1 : 0)), sources: [], series: Object.entries(columns).map(([metric, value]) => ({ metric, key: {}, values: times.map((t) => (of.has(t) ? value(of.get(t)) : metric === "cost_usd" ? null : 0)) })) });
}

const told = ["", "day", "model", "tenant", "model,day", "tenant,day"]; // what the windows keep apart as well

// wholeHours is a span without the hour that runs, unless it lies in that hour alone. What reads it needs no raw events.
export function wholeHours(span, now = Date.now()) {
  const hour = Math.floor(now / HOUR) * HOUR;
  return span.to <= hour || span.from >= hour ? span : { ...span, to: hour };
}

// onlyWhole is a span from hour to hour, of what is over; null where that is no hour.
export function onlyWhole(span, now = Date.now()) {
  const from = Math.ceil(span.from / HOUR) * HOUR, to = Math.floor(Math.min(span.to, now) / HOUR) * HOUR;
  return from < to ? { from, to } : null;
}

// costs tells what a span has cost. The hour that runs comes from the windows, which know it at once, the others from where they are stored.
export async function costs(span, by, filters, signal) {
  const now = Date.now(), hour = Math.floor(now / HOUR) * HOUR;
  if (!await apart(filters, by.split(",")[0])) return stored(span, by, filters, signal);
  if (span.from % HOUR && costly.includes(by)) return ranged(span, by, filters, signal);
  if (span.to <= hour || !told.includes(by)) return stored(span, by, filters, signal);
  const from = Math.max(hour, span.from), seconds = Math.ceil((span.to - from) / 1000), group = by.split(",")[0];
  const live = sums("/analytics", { window: seconds, at: instant(from + seconds * 1000), group_by: ["model", "tenant"].includes(group) ? group : null, limit: most, ...filters }, signal);
  const [past, running] = await Promise.all([from > span.from ? stored({ ...span, to: from }, by, filters, signal) : null, live.catch((e) => { if (e.name === "AbortError") throw e; return null; })]);
  return running ? joinedCosts(past, running, by, nameOfDay(from)) : stored(span, by, filters, signal);
}

// ranged tells it of a part of an hour, which stored hours do not know: from the windows where they can, and the dearest groups apart.
const costly = ["", "model", "tenant"], metrics = ["cost_usd", "requests", "errors", "unpriced_requests", "tokens.prompt", "tokens.completion", "tokens.total", "tokens.cached", "tokens.reasoning"];
async function ranged(span, by, filters, signal) {
  const frame = await range(span, metrics, filters, signal, by && { by, groupMetrics: metrics, limit: 24 });
  const line = (of) => {
    const [cost_usd, requests, errors, unpriced_requests, ...tokens] = metrics.map((m) => sumOf(of(m)));
    return { cost_usd, requests: requests ?? 0, errors: errors ?? 0, unpriced_requests: unpriced_requests ?? 0, tokens: Object.fromEntries(tokens.map((v, i) => [metrics[i + 4].slice(7), v ?? 0])) };
  };
  const groups = Object.keys(frame.models).map((v) => ({ key: { [by]: v || null }, ...line((m) => frame.model(v, m, 1, null)) })).filter((g) => g.requests);
  return { total: line((m) => frame.of(m)), groups: groups.sort((a, b) => (b.cost_usd ?? -1) - (a.cost_usd ?? -1)), next_cursor: null };
}

// range asks for what the steps of a span add up to.
export const range = async ({ from, to }, metrics, filters, signal, more) => {
  if (!await apart(filters, more?.by)) throw new Refused(422, { detail: "This is not told apart by what is chosen." });
  return asRange({ metrics, points: 60, ...more }, { from: instant(from), to: instant(to), ...filters }, signal);
};

// hourly reads the rows of hours, page by page.
export async function hourly({ from, to }, model, signal) {
  const rows = [];
  for (let cursor = null; ;) {
    const got = await ask("GET", `/aggregations/hourly?${query({ from: instant(from), to: instant(to), model, limit: most, cursor })}`, undefined, signal);
    rows.push(...got.rows);
    if (!got.next_cursor) return rows;
    cursor = got.next_cursor;
  }
}

const intelligence = ["performance_trends", "user_behavior", "cost_optimization", "capacity_planning"];

// findings asks for every kind, and for what was not as usual in live numbers, and hands on the answers each time that one has come, with whether that was
// the last. Kinds that are switched off do not count, unless all are. Where no whole day (UTC) lies within, no kind tells anything.
export async function findings(span, signal, show) {
  const told = [], kinds = Math.ceil(span.from / DAY) + 1 > Math.floor(span.to / DAY) ? [] : intelligence, questions = [...kinds.map((kind) => asked(`/business-intelligence/${kind}`, span, signal)), unusual(span, signal)];
  const some = () => told.some((a) => !kinds.length || a.hours_with_data !== undefined); // where no kind answers, anomalies alone are not all
  let left = questions.length;
  const all = await Promise.allSettled(questions.map(async (answer) => {
    try {
      told.push(await answer);
    } finally {
      left--;
      if (some() && !signal.aborted) show(told, left === 0);
    }
  }));
  if (!some()) throw all[0].reason;
}

const unusual = async ({ from, to }, signal) => ({ findings: (await ask("GET", `/anomalies?${query({ since: instant(from), until: instant(to), state: "firing,resolved", limit: 100 })}`, undefined, signal)).anomalies.map(found) });

const asked = (path, { from, to }, signal) => ask("GET", `${path}?${query({ from: instant(from), to: instant(to) })}`, undefined, signal);
export const accepted = (span, signal) => asked("/costs/accepted", wholeHours(span), signal);
export const own = (span, signal) => asked("/costs/self-hosted", wholeHours(span), signal);
export const funnels = (span, signal) => asked("/business-intelligence/funnels", span, signal);
export const budgets = (signal) => ask("GET", "/costs/budgets", undefined, signal);
export const joins = (signal) => ask("GET", "/correlations?limit=1", undefined, signal);
export const plans = () => Promise.all([ask("GET", "/reports/status"), ask("GET", "/dags"), ask("GET", "/reports/schedules")]);

// Hours that a forecast needs. Fewer are not asked about, so that a new installation is not answered with refusals.
const least = 8;

// enough tells whether hours are many enough to foretell the next ones.
export const enough = (rows) => rows.length > 0 && Date.parse(rows.at(-1).timestamp) - Date.parse(rows[0].timestamp) >= (least - 1) * HOUR;

export const forecast = (metric, model, hours, signal) => ask("GET", `/forecasts?${query({ metric, model, horizon_hours: hours, interval: 0.95 })}`, undefined, signal);
export const capacity = (signal) => ask("GET", "/capacity/analysis", undefined, signal);
export const newestHour = async (signal) => (await ask("GET", "/aggregation/status", undefined, signal)).detail.hourly.last_interval?.start ?? null;
