// Tests of the modules that need no browser.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const { merge } = await load("patch.js");
const { History, coarse, perSecond, placed, ratio, stack, trailing } = await load("series.js");
const format = await load("format.js");
const times = await load("scheduler/times.js");

// RFC 7396, appendix A
for (const [target, patch, want] of [
  [{ a: "b" }, { a: "c" }, { a: "c" }], [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }], [{ a: "b" }, { a: null }, {}], [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }], [{ a: "c" }, { a: ["b"] }, { a: ["b"] }], [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }], [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]], [{ a: "b" }, ["c"], ["c"]], [{ a: "foo" }, null, null], [{ a: "foo" }, "bar", "bar"], [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }], [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]) assert.deepEqual(merge(structuredClone(target), patch), want);

const h = new History({
  step: 5, columns: ["requests", "x"], points: { 100: [10, null], 110: [20, 3] }, system_columns: ["gpu"], system: { 110: [0.5] }, model_columns: ["requests"], models: { m: { 110: [4] } },
});
assert.deepEqual(h.times, [100, 105, 110]);
assert.deepEqual(h.of("requests", 0.2), [2, null, 4]);
assert.deepEqual(h.of("x"), [null, null, 3]);
assert.deepEqual(h.gauge("gpu", 100), [null, null, 50]);
assert.deepEqual(h.model("m", "requests"), [0, 0, 4]);
assert.deepEqual(h.model("absent", "requests", 1, null), [null, null, null]);
assert.deepEqual(new History({ step: 5, columns: [], points: {} }).times, []);
assert.deepEqual(stack([[1, 2], [10, null], [100, 3]]), [[111, 5], [110, 3], [100, 3]]);
assert.deepEqual(stack([[1, null], [10, null]]), [[11, null], [10, null]]);
assert.deepEqual(perSecond({ times: [0, 60, 120, 180], step: 60, watermark: 150 }, [60, null, 60, 60]), [1, null, 2, null]); // half of the third step has passed
assert.deepEqual(perSecond({ times: [0, 10, 20, 30], step: 10, watermark: 25 }, [10, null, 10, 10]), [1, null, null, null]); // of a short one it is not known what has
assert.deepEqual(perSecond({ times: [0, 10], step: 10 }, [10, 5]), [1, 0.5]);
const at = (step, ...times) => ({ step, times });
assert.deepEqual(placed(at(20, 1000, 1020, 1040, 1060), at(60, 300, 360), 700), [0, 0, 0, 1]); // where only longer steps are left, each is drawn for its whole length
assert.deepEqual(placed(at(5, 100, 105, 110), at(5, 45, 50, 55), 50), [1, 2, 3]); // what was before has ended: nothing lies at 3
assert.deepEqual(placed(at(5, 100, 105), at(5, 93, 98), 6.999), [0, 1]); // steps that do not meet: the one that covers most
assert.deepEqual(placed(at(5, 100), at(5), 50), [NaN]);
assert.deepEqual(ratio([1, 0, 5], [2, 0, null]), [0.5, null, null]);
assert.deepEqual(trailing([1, 2, null, 4], 2), [1, 3, 2, 4]);
assert.deepEqual(coarse([9, 1, 3, null, 5], 2), [2, 5]);

const { text, tick, si, count, ms, percent, usd, amount, span } = format;
for (const [got, want] of [
  [text(si(null)), "–"], [text(si(NaN)), "–"], [text(si(0)), "0"], [text(si(0.4)), "0.40"], [text(si(12.34)), "12.3"], [text(si(999.6)), "1,000"], [text(si(12_345)), "12.3\u2009k"], [text(si(1.2e6)), "1.20\u2009M"],
  [text(count(99_999)), "99,999"], [text(ms(0.5)), "0.5\u2009ms"], [text(ms(842.4)), "842\u2009ms"], [text(ms(1930)), "1.93\u2009s"], [text(ms(999.9)), "1.00\u2009s"], [text(ms(99_949)), "99.9\u2009s"], [text(ms(99_951)), "100\u2009s"], [text(ms(125_000)), "125\u2009s"], [text(ms(599_499)), "599\u2009s"], [text(ms(600_000)), "10.0\u2009min"],
  [tick(amount, 0.25), "0.25"], [tick(amount, 0.5), "0.5"], [text(amount(2.25)), "2.3"], [text(amount(3)), "3"], [text(percent(0.0285)), "2.85\u2009%"], [text(percent(1)), "100\u2009%"], [text(percent(0)), "0\u2009%"], [text(usd(80.614)), "$80.61"], [text(usd(0)), "$0"], [text(amount(83)), "83"], [text(amount(2.5)), "2.5"],
  [tick(percent, 0.25), "25\u2009%"], [tick(ms, 0), "0"], [tick(ms, 1500), "1.5\u2009s"], [tick(si, 50), "50"], [tick(si, 100), "100"], [tick(si, 0.075), "0.075"], [tick(si, 0.005), "0.005"], [tick(si, 112_500), "112.5\u2009k"], [tick(percent, 0.00125), "0.125\u2009%"], [tick(ms, 1e6), "16.7\u2009min"], [text(si(0.075)), "0.08"], [tick(si, 12_500), "12.5\u2009k"], [span(0.84), "0.8\u2009s"], [span(125), "2\u2009min"],
]) assert.equal(got, want);

const { away, interval, long, moment, took } = times;
for (const [got, want] of [
  [interval("2026-03-04T11:00:00Z", "2026-03-04T12:00:00Z"), "2026-03-04 11:00–12:00"], [interval("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"), "2026-03-04"],
  [interval("2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"), "2026-03-01 – 2026-03-07"], [interval("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"), "2026-02"], [interval("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"), "2025-12"],
  [interval("2026-03-04T11:00:00Z", "2026-03-04T13:00:00Z"), "2026-03-04 11:00 – 2026-03-04 13:00"], [interval("2026-03-04T23:00:00Z", "2026-03-05T00:00:00Z"), "2026-03-04 23:00–00:00"],
  [long(null), "–"], [long(0), "1\u2009ms"], [long(0.412), "0.4\u2009s"], [long(59.4), "59\u2009s"], [long(59.6), "1\u2009min"], [long(185), "3\u2009min 5\u2009s"], [long(119.7), "2\u2009min"], [long(7440), "2\u2009h 4\u2009min"], [long(3599), "59\u2009min 59\u2009s"], [long(3599.6), "1\u2009h"], [long(7 * 86400), "7 days"],
  [away("2026-03-04T12:12:00Z", "2026-03-04T12:00:00Z"), "in 12\u2009min"], [away("2026-03-04T09:00:00Z", "2026-03-04T12:00:00Z"), "3\u2009h ago"], [moment("2026-03-04T09:05:07.9Z"), "2026-03-04 09:05:07"], [moment(null), "–"],
  [took({ started_at: null }, "2026-03-04T09:00:00Z"), null], [took({ started_at: "2026-03-04T09:00:00Z", ended_at: null }, "2026-03-04T09:00:05Z"), 5],
]) assert.equal(got, want);

// how a number differs from what it was fits its card, however little that was
const { tellChange } = await load("cards.js");
const told = (was, is, how = {}) => { const node = {}; tellChange(node, was, is, how); return node.textContent; };
assert.deepEqual([told(100, 109.94), told(100, 175), told(100, 20), told(0.0001, 5), told(0, 5), told(0.01, 0.031, { points: true }), told(100, 100.5)],
  ["▲ 9.9\u2009%", "▲ 75\u2009%", "▼ 80\u2009%", "▲ > 999\u2009%", "", "▲ 2.1\u2009pt", "steady"]);
