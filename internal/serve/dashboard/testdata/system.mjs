// Tests of the system board's modules: pages of metrics, rates, facts.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const { Meter, parse } = await load("system/metrics.js");
const { Facts, overall } = await load("system/facts.js");

const page = parse(`# HELP a_total what it is
# TYPE a_total counter
a_total{x="1",y="with \\"quotes\\", a comma and a }"} 5
a_total{x="2"} 7.5e1
b 0
h_sum 3
h_count 6
h_bucket{le="+Inf"} 6
`, ["a_total", "b", "h_sum", "h_count", "h_bucket"]);
assert.deepEqual(page.get("a_total"), [{ labels: { x: "1", y: 'with "quotes", a comma and a }' }, value: 5 }, { labels: { x: "2" }, value: 75 }]);
assert.deepEqual([page.get("b")[0].value, page.get("h_bucket")[0].labels.le, page.get("nothing")], [0, "+Inf", undefined]);

const names = ["a_total", "c", "h_sum", "h_count"], m = new Meter(names), some = (text) => parse(text, names);
assert.deepEqual([m.value("a_total"), m.rate("a_total"), m.mean("h"), m.by("a_total", "x")], [null, null, null, {}]);
m.take(100, [page]);
assert.deepEqual([m.value("a_total"), m.value("a_total", { x: "2" }), m.value("c"), m.rate("a_total"), m.mean("h"), m.by("a_total", "x")], [80, 75, null, null, 0.5, { 1: 5, 2: 75 }]);
m.take(110, [some("a_total 180\nh_sum 5\nh_count 7")]);
assert.deepEqual([m.rate("a_total"), m.mean("h")], [10, 2]);
m.take(112, [some("a_total 3")]);
assert.equal(m.rate("a_total"), null); // it began anew
for (let t = 113; t < 400; t++) m.take(t, [some(`a_total ${t}`)]);
assert.deepEqual([m.rate("a_total"), m.looks.length], [1, 61]);

assert.throws(() => m.value("d_total"), /d_total is not read/);
m.take(500, []); // nobody answered: what was known stays
assert.equal(m.value("a_total"), 399);

// nothing answers: everything is unknown, and nothing is 0
const silent = { at: 1, pages: [], health: { a: null, b: null }, faults: {}, performance: null, topics: null, groups: null, streams: null, letters: null };
for (const [name, v] of Object.entries(new Facts().take(silent))) if (typeof v === "number" && name !== "at") assert.fail(`${name} is ${v}`);
assert.deepEqual(overall(silent.health), { state: "bad", words: "2 services do not answer" });
assert.deepEqual(overall({ a: { status: "healthy" }, b: { status: "degraded" } }), { state: "warn", words: "1 degraded" });
assert.deepEqual(overall({ a: { status: "unhealthy" }, b: { status: "degraded" } }).state, "bad");
assert.deepEqual(overall({ a: { status: "healthy" } }).state, "good");

const seen = new Facts().take({
  ...silent, performance: { events_total: 0, watermark_lag_seconds: 7, events_per_second: 0, partitions: [{ topic: "t", partition: 1, offset: 5 }] },
  groups: [{ id: "hxp-event-processing", members: [{ client_id: "one", assigned: { t: [1] } }], partitions: [] }, { id: "hxp-batch-processing", lag: 3, members: [], partitions: [{ topic: "t", partition: 1, lag: 3 }] }],
});
assert.deepEqual(seen.partitions, [{ topic: "t", partition: 1, offset: 5, owner: "one", lakeLag: 3 }]);
assert.deepEqual([seen.watermarkLag, seen.lakeLag, seen.counted], [null, 3, 0]); // without an event there is no watermark

// what rules cost, the dearest now first; a rule that has just come has no rate yet
const costs = new Facts(), costPage = (n) => [parse(`rule_judgements_total{rule="a"} ${10 * n}\nrule_judgements_total{rule="b"} ${20 * n}\nrule_judgement_seconds_total{rule="a"} ${n / 100}\nrule_judgement_seconds_total{rule="b"} ${n / 10}\nrule_groups{rule="b"} 7\nrule_bytes{rule="b"} 900`)];
assert.deepEqual(costs.take({ ...silent, pages: costPage(1) }).ruleCosts.map((r) => [r.rule, r.looks, r.busy]), [["a", null, null], ["b", null, null]]);
assert.deepEqual(costs.take({ ...silent, at: 11, pages: costPage(3) }).ruleCosts.map((r) => [r.rule, r.looks, Math.round(r.busy * 1e4), r.each, r.groups, r.bytes]), [["b", 4, 200, 0.005, 7, 900], ["a", 2, 20, 0.001, undefined, undefined]]);

// what the schema registry was asked: who asks for what is not there is no error, and other routes are not its
assert.deepEqual([new Facts().take(silent).registry, new Facts().take(silent).answers], [null, null]);
const http = (route, code, n) => `hxp_http_requests_total{code="${code}",method="GET",route="${route}"} ${n}`;
const pages = [parse([http("/subjects", 200, 5), http("/subjects/{subject}/versions", 409, 2), http("/schemas/ids/{id}", 404, 7), http("/config", 422, 1), http("/subjects", 503, 3), http("/config.json", 500, 9), http("/topics", 400, 9), "kafka_answer_seconds_sum 0.02\nkafka_answer_seconds_count 10"].join("\n"))];
assert.deepEqual(new Facts().take({ ...silent, pages }).registry, { asked: 18, refused: 3, failed: 3 });
assert.equal(new Facts().take({ ...silent, pages }).answers, 0.002);

// how often partitions were shared out, and that nobody tells it
assert.deepEqual(new Facts().take(silent).shared, [null, null]);
assert.deepEqual(new Facts().take({ ...silent, pages: [parse("event_processing_rebalances_total 3\nevent_processing_partition_moves_total 2\n")] }).shared, [3, 2]);

// a service that does not answer is said in the words of who was asked, and is no mistake of the page
const { look } = await load("system/look.js");
globalThis.fetch = async () => ({ ok: false, status: 502, headers: new Headers(), json: async () => ({ detail: "it does not answer at 127.0.0.1:1" }) });
const { faults } = await look();
assert.deepEqual([faults.scheduler, faults["scheduler metrics"], faults.dags], Array(3).fill("it does not answer at 127.0.0.1:1"));
globalThis.fetch = async () => { throw new TypeError("Failed to fetch"); };
assert.deepEqual((await look()).faults.scheduler, "hxp does not answer. Is it running?");

// an axis of what is counted has whole marks: 2.5 would stand there as 3
const { specs } = await load("system/charts.js");
assert.ok(specs.filter((s) => s.format.name === "count").every((s) => s.steps?.every(Number.isInteger)));
