// Tests of the business board's modules: periods, days, forecasts, words.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const { daysOf, label, months, old, periodOf } = await load("business/period.js");
const series = await load("business/series.js");
const { Frame } = await load("frame.js");
const { found, nothing, ranked } = await load("business/findings.js");
const { funnelOf } = await load("business/worth.js");
const { nameOf, stepsOf } = await load("business/funnels.js");
const { choices } = await load("business/simulator.js");
const { onlyWhole } = await load("business/data.js");
const words = await load("business/words.js");
const at = (t) => Date.parse(t), now = at("2026-03-15T10:20:30Z"), DAY = 86400e3;
const short = (p) => [p.from, p.to, p.end, p.before.from, p.before.to].map((t) => new Date(t).toISOString().slice(0, 16));
for (const [from, to, live, before, want, days, month] of [
  // live: thirty days by day, a quarter of an hour by the minute
  ["2026-02-14T00:00Z", "2026-03-15T10:20:30Z", true, 30 * DAY, ["2026-02-14T00:00", "2026-03-15T10:21", "2026-03-16T00:00", "2026-01-15T00:00", "2026-02-13T10:21"], true],
  ["2026-03-15T10:05:30Z", "2026-03-15T10:20:30Z", true, 900e3, ["2026-03-15T10:05", "2026-03-15T10:21", "2026-03-15T10:21", "2026-03-15T09:50", "2026-03-15T10:05"], false],
  // months, of which the one before is as long as it was, and the running one ends ahead
  ["2026-02-01T00:00Z", "2026-03-01T00:00Z", false, 28 * DAY, ["2026-02-01T00:00", "2026-03-01T00:00", "2026-03-01T00:00", "2026-01-01T00:00", "2026-01-29T00:00"], true, "2026-02"],
  ["2026-03-01T00:00Z", "2026-04-01T00:00Z", false, 31 * DAY, ["2026-03-01T00:00", "2026-03-15T10:21", "2026-04-01T00:00", "2026-02-01T00:00", "2026-02-15T10:21"], true, "2026-03"],
  ["2026-03-01T00:00Z", "2026-03-03T12:00Z", false, 2.5 * DAY, ["2026-03-01T00:00", "2026-03-03T12:00", "2026-03-03T12:00", "2026-02-26T12:00", "2026-03-01T00:00"], false],
  ["2026-03-01T10:00Z", "2026-03-09T10:00Z", false, 7 * DAY, ["2026-03-01T10:00", "2026-03-09T10:00", "2026-03-09T10:00", "2026-02-22T10:00", "2026-03-01T10:00"], false],
]) {
  const p = periodOf({ from: at(from), to: at(to) }, live, before, now);
  assert.deepEqual([short(p), p.days, p.month], [want, days, month], `${from} ${to}`);
}
// addresses of older versions
assert.equal(old("?by=tenant&model=m", now), null);
assert.deepEqual(old("?days=7", now), { range: 7 * 86400 });
assert.deepEqual(old("?month=2026-02", now), { from: at("2026-02-01T00:00Z") / 1000, to: at("2026-03-01T00:00Z") / 1000 });
for (const [search, fault] of [["?days=x", '"x" days'], ["?days=0", '"0" days'], ["?month=2026-13", "not a month"], ["?month=x", "not a month"], ["?month=2026-04", "not begun"]]) assert.throws(() => old(search, now), (e) => e.message.includes(fault), search);
assert.equal(label({ from: at("2026-03-09T00:00Z"), to: at("2026-03-15T10:21Z") }), "2026-03-09 – 2026-03-15");
assert.equal(label({ from: 0, to: 1, month: "2026-02" }), "2026-02");
assert.deepEqual(months(now, "2020-01", 3), ["2026-03", "2026-02", "2026-01", "2020-01"]);

const two = daysOf(at("2026-03-01T00:00Z"), at("2026-03-02T05:00Z"));
assert.deepEqual(two, [at("2026-03-01T00:00Z"), at("2026-03-02T00:00Z")]);
assert.deepEqual(series.costOfDays([{ key: { day: "2026-03-02" }, cost_usd: 3 }], two), [null, 3]);
assert.equal(series.perThousand({ cost_usd: null, requests: 4, unpriced_requests: 4 }), null);
assert.deepEqual([series.sumOf([null, 2, null, 0.5]), series.sumOf([null, null])], [2.5, null]);
const line = (metric, values, key = {}) => ({ metric, values, key });
const frame = new Frame({ from: two[0] / 1000, step: 86400, completeness: [1, 0.5], watermark: null, sources: [], series: [
  line("cost_usd", [null, 3]), line("requests", [0, 1500]), line("unpriced_requests", [0, 500]), line("feedback.count", [1, 3]), line("feedback.satisfaction", [5, 3]),
  line("feedback.count", [1, 0], { model: "m" }), line("feedback.satisfaction", [5, null], { model: "m" }), line("feedback.count", [0, 0], { model: "n" }), line("feedback.satisfaction", [null, null], { model: "n" })] });
assert.deepEqual(series.linesOf(frame), { cost: [null, 3], requests: [0, 1500], unpriced: [0, 500], perThousand: [null, 3], scores: [5, 3] });
assert.deepEqual(series.rated(frame.of("feedback.satisfaction"), frame.of("feedback.count")), { score: 3.5, ratings: 4 });
assert.deepEqual(series.satisfactionByModel(frame), [{ model: "m", score: 5, ratings: 1, lo: 5, hi: 5 }]);

// before the first hour is stored nobody says that nothing was judged; nor of a period too short for whole hours, nor under filters of what has none
const steps = (...of) => funnelOf({ requests: 10, errors: 1 }, ...of).map((s) => [s.n, s.about]);
assert.deepEqual(steps({ models: [] }, { ratings: 4 }, { events: 2, value: 5 }, false).slice(2), [[null, "after the first whole hour"], [null, "after the first whole hour"], [2, "joined or not"]]);
assert.deepEqual(steps({ models: [] }, { ratings: 0 }, null, false).slice(1), [[9, "without an error"], [0, "by a user, in the hour of the request"], [0, "a thumb up, or 4 or 5 of 5"], [null, "they name no model and no tenant"]]);
assert.deepEqual(steps(null, { ratings: 4 }, null, true)[2], [null, "told of a day or more"]);
assert.deepEqual(steps({ models: [{ judged: 3, accepted: 2 }, { judged: 1, accepted: 1 }] }, { ratings: 4 }, null, false).slice(2, 4).map(([n]) => n), [4, 3]);

const hours = (from, n, v) => Array.from({ length: n }, (_, i) => ({ t: new Date(at(from) + i * 3600e3).toISOString(), p50: v, lo: v - 1, hi: v + 2 }));
const half = at("2026-03-02T12:30Z"), three = daysOf(at("2026-03-01T00:00Z"), at("2026-03-04T00:00Z"));
assert.deepEqual(series.dayForecast(hours("2026-03-02T12:00Z", 36, 10), three, half, 7), { p50: [null, 7 + 115, 240], lo: [null, 7 + 103.5, 216], hi: [null, 7 + 138, 288] });
assert.deepEqual(series.dayForecast(hours("2026-03-02T12:00Z", 20, 10), three, half, 7).p50, [null, 122, null]); // a day that is foretold in part is not foretold
assert.deepEqual(series.expected([5, 7, null], series.dayForecast(hours("2026-03-02T12:00Z", 36, 10), three, half, 7)), { p50: 5 + 122 + 240, lo: 5 + 110.5 + 216, hi: 5 + 145 + 288 });
assert.equal(series.expected([5, 7, null], series.dayForecast(hours("2026-03-02T12:00Z", 20, 10), three, half, 7)), null);
const joint = series.joined([{ timestamp: "2026-03-01T00:00:00Z", requests: 4 }, { timestamp: "2026-03-01T02:00:00Z", requests: 6 }], hours("2026-03-01T03:00Z", 1, 8));
assert.deepEqual([joint.was, joint.p50, joint.hi], [[4, 0, 6, null], [null, null, 6, 8], [null, null, 6, 10]]);
assert.deepEqual(series.joined([], []).times, []);

assert.equal(words.withNumbers("ceil(peak_rps × 2 ÷ peak)", { peak: 3, peak_rps: 1234.5 }), "ceil(1,234.5 × 2 ÷ 3)");
for (const [got, want] of [
  [words.change(110, 100).text, "▲ 10\u2009%"], [words.change(99, 100).text, "▼ 1.0\u2009%"], [words.change(100.01, 100).text, "unchanged"], [words.change(4, 3.5, true).text, "▲ 0.50"], [words.change(5, 0), null], [words.change(null, 5), null],
  [words.days(1), "1 day"], [words.days(23.44), "23 days"], [words.days(2.26), "2.3 days"], [words.money(0.0034), "$0.0034"], [words.money(0.000000002), "$0.000000002"], [words.money(-3.5), "\u2212$3.50"], [words.money(null), "–"],
]) assert.equal(got, want);

const finding = (text, more) => ({ text, ...more });
assert.deepEqual(ranked([{ findings: [finding("saves little", { saving_usd_month: 4 }), finding("each week", {}), finding("old", { at: "2026-03-01T00:00:00Z" })] }, { findings: [finding("each week", {}), finding("saves", { saving_usd_month: 9 }), finding("new", { at: "2026-03-05T00:00:00Z" })] }]).map((f) => f.text),
  ["new", "old", "each week", "saves", "saves little"]);
(await load("format.js")).setZone("utc");
// what was not as usual in live numbers is told among them, in words, and for how long
const odd = { metric: "ttft_ms.p50", key: { model: "m" }, annotations: { summary: "ttft_ms.p50 of m is above the usual: 900, usually 100" }, value: 900, threshold: 100, confidence: 0.99, starts_at: "2020-03-04T10:00:00Z" };
assert.deepEqual(found({ ...odd, ends_at: "2020-03-04T10:05:00Z" }), { kind: "anomaly", at: odd.starts_at, text: `${odd.annotations.summary}; for 5\u2009min from 4 Mar 2020, 10:00 on.`, evidence: { value: 900, usual: 100, confidence: 0.99 } });
assert.equal(found({ ...odd, annotations: {}, confidence: null }).text, "ttft_ms.p50 of m was not as usual; since 4 Mar 2020, 10:00.");
assert.match(nothing([{ findings: [] }]), /No number was out of the ordinary/);
assert.match(nothing([{ findings: [] }, { hours_with_data: 300 }]), /Nothing changed notably/);

assert.deepEqual(series.running([null, 2, null, 3, null, null]), [null, 2, 2, 5, null, null]);
const spent = (tenant, feature, model, cost_usd, requests = 1) => ({ key: { tenant, feature, model }, cost_usd, requests, unpriced_requests: cost_usd === null ? requests : 0 });
const branches = series.tree([spent("a", null, "m", 1), spent("b", null, "m", 2), spent("b", null, "n", 3), spent("a", null, "n", null)], ["tenant", "feature", "model"]);
assert.deepEqual(branches.map((b) => [b.value, b.cost_usd, b.requests, b.unpriced_requests, b.children.map((c) => [c.part, c.value, c.cost_usd])]), [["b", 5, 2, 0, [["model", "n", 3], ["model", "m", 2]]], ["a", 1, 2, 1, [["model", "m", 1], ["model", "n", null]]]]);
assert.deepEqual(series.tree([], ["tenant"]), []);
assert.deepEqual(series.pareto([{ cost_usd: 6 }, { cost_usd: 3 }, { cost_usd: 1 }, { cost_usd: null }], 10), { few: 2, all: 3, share: 0.9, sums: [0.6, 0.9, 1] });
assert.equal(series.pareto([{ cost_usd: null }], null), null);
const near = (got, want) => assert.ok(Math.abs(got - want) < 5e-4, `${got} is not ${want}`);
const share = series.wilson(8, 10); // Wilson 1927: 0.490 to 0.943
near(share.lo, 0.4902); near(share.hi, 0.9433);
assert.equal(series.wilson(0, 0), null);
assert.deepEqual(series.scoreInterval(5, 3), { lo: 5, hi: 5 });
near(series.scoreInterval(3, 100).lo, 3 - 1.96 * 0.2);
assert.equal(nothing([{ hours_with_data: 24 }, { hours_with_data: 20 }]), "24 hours of this period have data, too few to tell a change by: that takes ten days. No saving was found.");
assert.equal(nothing([{ hours_with_data: 0 }]), "No hour of this period has data, too few to tell a change by: that takes ten days.");
assert.equal(nothing([{ hours_with_data: 700 }]), "Nothing changed notably, and no saving was found.");

// the hour that runs, from the windows, joins what is stored
const tokens = (n) => ({ prompt: n, completion: n, total: 2 * n, cached: 0, reasoning: 0 }), stats = (cost_usd, requests) => ({ cost_usd, requests, errors: 1, unpriced_requests: cost_usd === null ? requests : 0, tokens: tokens(requests) });
const past = { total: { ...stats(5, 10) }, groups: [{ key: { model: "m" }, ...stats(4, 6) }, { key: { model: null }, ...stats(1, 4) }], next_cursor: null };
const running = { overall: stats(2, 3), groups: [{ key: { model: "m" }, stats: stats(0.5, 1) }, { key: { model: "n" }, stats: stats(1.5, 1) }, { key: { model: "u" }, stats: stats(null, 1) }, { key: { model: "none" }, stats: stats(null, 0) }] };
const both = series.joinedCosts(past, running, "model", "2026-03-02");
assert.deepEqual([both.total.cost_usd, both.total.requests, both.total.tokens.total], [7, 13, 26]);
assert.deepEqual(both.groups.map((g) => [g.key.model, g.cost_usd, g.requests, g.unpriced_requests]), [["m", 4.5, 7, 0], ["n", 1.5, 1, 0], [null, 1, 4, 0], ["u", null, 1, 1]]);
assert.deepEqual(series.joinedCosts(null, running, "day", "2026-03-02").groups.map((g) => [g.key.day, g.cost_usd, g.requests]), [["2026-03-02", 2, 3]]);
assert.deepEqual(series.joinedCosts(past, running, "model,day", "2026-03-02").groups.find((g) => g.key.model === "n").key, { model: "n", day: "2026-03-02" });
assert.deepEqual(series.joinedCosts(null, { overall: stats(null, 0), groups: [] }, "", "2026-03-02"), { total: { ...stats(null, 0), errors: 1 }, groups: [], next_cursor: null });

// a funnel as it is told: nothing is said of the first step, nor of what nobody came to
const came = (step, subjects, share_of_first, share_of_step_before) => ({ step, subjects, share_of_first, share_of_step_before });
assert.deepEqual(stepsOf({ steps: [came("llm_request", 8, 1, 1), came("user_feedback", 4, 0.5, 0.5), came("business_event:order_paid", 1, 0.125, 0.25)] }).map((s) => [s.name, s.n, s.said]),
  [["Request", 8, ""], ["Feedback", 4, "50.0\u2009% of those before"], ["Order paid", 1, "25.0\u2009% of those before, 12.5\u2009% of the first"]]);
assert.deepEqual([stepsOf({ steps: [came("llm_request", 0, null, null), came("user_feedback", 0, null, null)] })[1].said, nameOf("business_event")], ["", "Business event"]);

// what another model would have cost is asked only where it can be told
const models = (...of) => of.map(([model, cost_usd, requests, unpriced_requests = 0]) => ({ key: { model }, cost_usd, requests, unpriced_requests }));
assert.deepEqual(choices(models(["dear", 9, 3], ["part", 9, 3, 1], ["cheap", 1, 2], ["none", null, 4, 4], [null, 5, 1], ["gone", 0, 0])), { from: ["dear", "cheap"], to: ["dear", "part", "cheap", "none"], dear: "dear", cheap: "cheap" });
assert.deepEqual(choices(models(["only", 9, 3], ["none", null, 4, 4])), { from: ["only"], to: ["only", "none"], dear: "only", cheap: "" });
assert.deepEqual(choices(models(["none", null, 4, 4], ["free", 0, 2])), { from: ["free"], to: ["none", "free"], dear: "free", cheap: "" });
const whole = (from, to) => { const s = onlyWhole({ from: at(from), to: at(to) }, now); return s && [s.from, s.to].map((t) => new Date(t).toISOString().slice(11, 16)).join(); };
assert.deepEqual([whole("2026-03-15T07:13Z", "2026-03-15T10:21Z"), whole("2026-03-15T08:00Z", "2026-03-15T09:00Z"), whole("2026-03-15T10:05Z", "2026-03-15T10:20Z"), whole("2026-03-15T09:50Z", "2026-03-15T10:15Z"), whole("2026-03-15T08:10Z", "2026-03-15T08:40Z")], ["08:00,10:00", "08:00,09:00", null, null, null]);
