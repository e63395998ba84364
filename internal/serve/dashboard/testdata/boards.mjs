// Tests of what the boards share, as far as it needs no browser.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const { View, offered, read, write, ranges } = await load("view.js");
const { csv } = await load("csv.js");
const { exhaustion, rate, seconds, state } = await load("operations/budget.js");
const { Frame, lifetime, rangeURL } = await load("frame.js");
const { between, moment, setZone } = await load("format.js");

// an address and what it says are one: whatever is read is written again, and what makes no sense is as if it were not there
for (const [search, want] of [
  ["", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: {} }],
  ["?range=3600&model=m&tenant=t%20t&compare=week&zone=utc", { range: 3600, from: null, to: null, compare: "week", zone: "utc", filters: { model: "m", tenant: "t t" }, without: {} }],
  ["?from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z&model=a%26b", { range: 900, from: 1772359200, to: 1772362800, compare: "", zone: "local", filters: { model: "a&b" }, without: {} }],
  ["?from=2026-03-01T10:00:00%2B02:00&to=2026-03-01T11:00:00Z", { range: 900, from: 1772352000, to: 1772362800, compare: "", zone: "local", filters: {}, without: {} }],
  ["?from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:05Z", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: {} }],
  ["?from=2026-03-01T10:00:00Z", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: {} }],
  ["?from=yesterday&to=now&range=-1&compare=toString&zone=mars&colour=red", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: {} }],
  ["?without=model:a:b&without=model:c&without=model:c&without=host:h&without=nothing:x&without=tenant:&without=", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: { model: ["a:b", "c"], tenant: ["no tenant named"], host: ["h"] } }],
  ["?without=model:&without=model:__other__", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: { model: ["no model named", "other models"] } }], // as the services call them
  ["?from=1990-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&range=1e99", { range: 900, from: null, to: null, compare: "", zone: "local", filters: {}, without: {} }],
]) {
  const view = read(search);
  assert.deepEqual(view, want, search);
  assert.deepEqual(read(`?${write(view, search)}`), want, `${search}, written and read`);
}
assert.equal(write(read("?without=model:a:b&without=host:h"), "?without=tenant:old&days=7"), "days=7&range=900&without=model%3Aa%3Ab&without=host%3Ah");
assert.equal(write(read("?model=m"), "?days=7&model=old"), "days=7&model=m&range=900");
// a filter is offered where the windows keep it apart from what is asked for anyway
for (const [kept, using, want] of [
  [[], [], []], [["model+tenant"], [], ["model", "tenant"]], [["model+tenant"], ["model"], ["model", "tenant"]], [["model+tenant", "host", "user_id"], ["model"], ["model", "tenant"]], [["model+tenant", "host"], [], ["model", "tenant", "host"]],
  [["model+tenant", "model+host", "tenant+user_id"], ["model"], ["model", "tenant", "host"]], [["model+tenant", "model+host"], ["host", "model"], ["model", "host"]], [["model+tenant", "host"], ["host", "model"], []],
]) assert.deepEqual(offered(kept, using), want);
// what is left out has one name, that of the legends, wherever it is chosen and whatever a service calls it
Object.assign(globalThis, { addEventListener() {}, location: { search: "?model=__other__", hash: "" }, history: { pushState: (_, __, address) => { location.search = address; } } });
const view = new View(() => 0, 900), odd = `a:b&c=d#e'"%41 <i>`;
view.leaveOut("model", "__other__");
view.leaveOut("tenant", odd);
view.leaveOut("tenant", odd);
assert.deepEqual([view.filters, view.without, read(location.search).without], [{}, ...Array(2).fill({ model: ["other models"], tenant: [odd] })]);
assert.deepEqual([{ model: "__other__" }, { model: "other models" }, { tenant: odd }, { model: "m", tenant: null }, {}].map((of) => view.lets(of)), [false, false, false, true, true]);
view.filter("tenant", odd); // alone, so not left out
view.leave("model", []);
assert.deepEqual([view.filters, view.without, read(location.search).filters], [{ tenant: odd }, {}, { tenant: odd }]);

for (const [seconds] of ranges) assert.equal(read(`?range=${seconds}`).range, seconds);

assert.equal(csv({ names: ["p50", 'a "b", c'], rows: [[1772359200, 1.5, null], [1772359260, 0, 3]] }), 'time,p50,"a ""b"", c"\r\n2026-03-01T10:00:00Z,1.5,\r\n2026-03-01T10:01:00Z,0,3\r\n');
assert.equal(csv({ columns: ["a", "b"], rows: [["x\ny", undefined]] }), 'a,b\r\n"x\ny",\r\n');
// what a stranger named is never a formula, in a head neither; a number stays one
assert.equal(csv({ columns: ["+a", "b"], rows: [['=HYPERLINK("x")', -1.5], ["@a", "-1"], ["\t=1", "\r=1"], ["|a", "%a"], ["a=b", "\n=1"]] }), `'+a,b\r\n"'=HYPERLINK(""x"")",-1.5\r\n'@a,'-1\r\n'\t=1,"'\r=1"\r\n'|a,'%a\r\na=b,"'\n=1"\r\n`);
assert.equal(csv({ names: ["=1"], rows: [[1772359200, -2]] }), "time,'=1\r\n2026-03-01T10:00:00Z,-2\r\n");

const slo = (remaining, ...burn) => ({ budget: { remaining_ratio: remaining }, burn });
const page = { class: "page", long: "1h", short: "5m", rate: 2, short_rate: 4, holds: false }, ticket = { class: "ticket", long: "24h", short: "6h0m", rate: 0.5, short_rate: 1, holds: false };
assert.equal(rate(slo(1, page, ticket), 3600), 2);
assert.equal(rate(slo(1, page, ticket), 21_600), 1);
assert.equal(rate(slo(1, page), 60), null);
assert.equal(seconds("720h"), 30 * 86_400);
assert.equal(seconds("1h30m"), 5400);
assert.equal(exhaustion(slo(0.5, page), 86_400), 21_600); // half of a day's budget at twice the pace
assert.equal(exhaustion(slo(-0.1, page), 86_400), 0);
assert.equal(exhaustion(slo(0.5, { ...page, rate: 0 }), 86_400), null);
assert.equal(exhaustion(slo(0.5, { ...page, rate: null }, ticket), 86_400), 43_200); // the hour says nothing, so the six hours do
for (const [s, want] of [[slo(1, page), "good"], [slo(0.2, page), "warn"], [slo(0, page), "bad"], [slo(0.9, { ...page, holds: true }), "bad"], [slo(0.9, { ...ticket, holds: true }), "warn"]]) assert.equal(state(s), want);

const frame = new Frame({
  from: 100, to: 130, step: 10, watermark: "2026-03-01T10:00:00Z", completeness: [1, 1, 0.5], sources: [],
  series: [{ metric: "requests", key: {}, values: [0, 4, 6] }, { metric: "system.gpu_usage", key: {}, values: [null, 50, null] }, { metric: "requests", key: { model: "m" }, values: [0, 4, null] }, { metric: "requests", key: { model: null }, values: [0, 0, 6] }],
});
assert.deepEqual(frame.times, [100, 110, 120]);
assert.deepEqual(frame.of("requests", 0.1), [0, 0.4, 0.6000000000000001]);
assert.deepEqual(frame.of("absent"), [null, null, null]);
assert.deepEqual(frame.gauge("gpu_usage"), [null, 50, null]);
assert.deepEqual(frame.model("m", "requests"), [0, 4, 0]);
assert.deepEqual(Object.keys(frame.models), ["m", ""]);
assert.equal(frame.begins, 110);
assert.equal(new Frame({ from: 0, to: 10, step: 10, completeness: [1], sources: [], series: [] }).begins, Infinity);
assert.equal(rangeURL({ metrics: ["a", "b"], by: "model", groupMetrics: ["a"], points: 10 }, { from: "x", to: "y", model: "m" }), "/range?from=x&to=y&model=m&metric=a%2Cb&group_by=model&group_metric=a&points=10");
assert.deepEqual([1, 15, 3600].map(lifetime), [5000, 7500, 60_000]);

setZone("utc");
const t = 1772359200, now = t + 3600; // 2026-03-01 10:00
for (const [got, want] of [[moment(t, 1, now), "10:00:00"], [moment(t, 60, now), "10:00"], [moment(t - 86_400, 60, now), "28 Feb, 10:00"], [moment(t, 86_400, now), "1 Mar"], [moment(t - 400 * 86_400, 60, now), "25 Jan 2025, 10:00"], [between(t, t + 60, 60).replace(/^.*, (?=\d\d:)/, ""), "10:00 – 10:01"], [between(t, t + 86_400, 86_400).slice(0, 5), "1 Mar"]]) assert.equal(got, want);

// ---- two versions against each other: by ranks, so that every number below can be counted on a ruler

const { at, bands, difference, interval, pairs } = await load("performance/quantiles.js");
const ruler = (n, from = 1) => Array.from({ length: n }, (_, i) => from + i);
assert.deepEqual([at([7], 0.95), at([1, 2, 3], 0.5), at([0, 10], 0.25)], [7, 2, 2.5]);
assert.deepEqual(interval(ruler(100), 0.5), { lo: 41, hi: 61 }); // 50 ± 1.96·√(100·¼) ranks
assert.deepEqual([interval(ruler(19), 0.5), interval(ruler(60), 0.95)], [null, null]); // too few for a bound
let d = difference(ruler(100), ruler(100, 31), 0.5);
assert.deepEqual([d.a, d.b, d.by, d.certain, d.lo > 0 && d.lo < 30 && d.hi > 30], [50.5, 80.5, 30, true, true]);
d = difference(ruler(100), ruler(100, 5), 0.5);
assert.deepEqual([d.by, d.certain, d.lo < 0], [4, false, true]); // four of a hundred is no difference yet
d = difference(ruler(100, 31), ruler(100), 0.5);
assert.deepEqual([d.by, d.certain, d.hi < 0], [-30, true, true]);
assert.equal(difference(ruler(100), ruler(10), 0.5), null);
const line = pairs(ruler(50), ruler(200, 1001));
assert.deepEqual([line.length, line.every((p) => p.a < p.b), line[0].q], [50, true, 0.01]); // as many as the smaller one has
assert.deepEqual(pairs([], ruler(5)), []);
for (const tokens of [0, 255, 256, 1023, 1024, 4096, 1e6]) assert.equal(bands.filter(([, low, high]) => tokens >= low && tokens < high).length, 1);

const band = await load("performance/band.js");
const part = { measure: "ttft_ms", from: 100, to: 160, low: 12.5, high: 300 };
assert.deepEqual(band.read(`?${band.write(part, "?model=m")}`), part);
assert.equal(band.write(null, "?band=x&model=m"), "model=m");
for (const bad of ["", "?band=", "?band=cost,1,2,3,4", "?band=ttft_ms,2,1,3,4", "?band=ttft_ms,1,2,4,3", "?band=ttft_ms,1,2,,4", "?band=ttft_ms,1,2,x,4", "?band=ttft_ms,1,2,3,4,5"]) assert.equal(band.read(bad), null, bad);
const slow = Array.from({ length: 10 }, () => ({ tenant: "a", model: "m", prompt_tokens: 5000 })), quick = Array.from({ length: 30 }, (_, i) => ({ tenant: i < 6 ? "a" : "b", model: "m", prompt_tokens: 10, metadata: { prompt_version: "v1" } }));
assert.deepEqual(band.standOut(slow, quick).map((r) => [r.dimension, r.value, r.a, r.b]).slice(0, 3).sort(), [["prompt tokens", "from 4,096", 1, 0], ["prompt tokens", "up to 1,023", 0, 1], ["prompt_version", "v1", 0, 1]]);
assert.equal(band.standOut(slow, quick).find((r) => r.value === "b").b, 0.8);
assert.equal(band.standOut(slow.slice(0, 4), []).length, 0); // four requests say nothing
assert.deepEqual(band.even([[quick, 3000], [slow, 10]]).length, 31); // of those beside it each side has the share that it has of all

const { outOfUse } = await load("operations/hosts.js");
const drain = { action: "drain", target: "gateway", endpoint: "gpu-1", with: { endpoint: "gpu-1", model: "m" }, key: {} };
assert.deepEqual([outOfUse([drain], "m", "gpu-1"), outOfUse([drain], "n", "gpu-1"), outOfUse([drain], "m", "gpu-2"), outOfUse([], "m", "gpu-1")], [drain, undefined, undefined, undefined]);

// a request leads to its trace where it has what the address asks for
const { traceOf } = await load("request.js");
const spanned = { event_id: `${"a1".repeat(16)}-${"0f".repeat(8)}`, request_id: "r/1 2" };
for (const [address, request, want] of [
  ["https://j.example/trace/{trace_id}", spanned, `https://j.example/trace/${"a1".repeat(16)}`], ["https://j.example/{trace_id}?at={span_id}", spanned, `https://j.example/${"a1".repeat(16)}?at=${"0f".repeat(8)}`],
  ["https://l.example/{request_id}", spanned, "https://l.example/r%2F1%202"], ["https://j.example/{trace_id}", { event_id: "of-a-gateway", request_id: "r" }, null], ["https://j.example/{trace_id}", {}, null], ["", spanned, null],
]) assert.equal(traceOf(address, request), want, address);

// gauges of machines that tell more and less often: the mean of a minute does not jump with who happened to tell
const { calm } = await load("series.js");
const told = [30, 10, 30, 10, 30, 10, null, 10], often = [9, 10, 9, 10, 9, 10, 0, 10];
assert.deepEqual(calm({ step: 30 }, told, often).map((v) => v && Math.round(v * 100) / 100), [30, 19.47, 19.47, 19.47, 19.47, 19.47, 10, 10]);
assert.deepEqual(calm({ step: 60 }, told, often), told); // steps of a minute are as they are
assert.deepEqual(calm({ step: 20 }, [1, 1, 4, null], [1, 1, 1, 0], true), [null, null, 2, 2.5]);

// ---- the colour of a model hangs on its name, not on who else is told of
const { readFileSync } = await import("node:fs"), palette = readFileSync(new URL("../../../../web/static/palette.js", import.meta.url), "utf8");
globalThis.document = { documentElement: { dataset: {} } };
const shown = [];
for (const models of [["mixtral-8x7b", "phi-3-mini"], ["", "hermes-2", "mixtral-8x7b", "openchat-3.5", "phi-3-mini"], ["phi-3-mini", "", "mixtral-8x7b"]]) {
  const { grey, modelColor, place } = await import(`data:text/javascript,${encodeURIComponent(`${palette}// ${shown.length}`)}`);
  place(models);
  assert.equal(new Set([grey(), ...models.map(modelColor)]).size, models.length + 1);
  shown.push(["mixtral-8x7b", "phi-3-mini"].map(modelColor).join());
  if (models.length > 4) { place(Array.from({ length: 20 }, (_, i) => `more ${i}`)); assert.notEqual(modelColor("more 19"), grey()); }
}
assert.equal(new Set(shown).size, 1);
