// Tests of modules that ask services or listen to a page: what they need of a browser stands here.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const heard = {}; // what was last listened to, by name of the event
globalThis.addEventListener = (name, f) => { heard[name] = f; };
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });

// ---- alerts, actions and deployments of a span

const { loadMarks } = await load("marks.js");
const { complete, shared } = await load("chart.js");
const time = (t) => new Date(t * 1000).toISOString().replace(".000Z", "Z");

// A service with lists by name; it answers as event-processing-api does, page by page. A list that is null is not to be had.
function serve(lists) {
  const asked = [], of = { alerts: "starts_at", responses: "proposed_at", deployments: "at" };
  globalThis.fetch = async (url) => {
    const { pathname, searchParams: q } = new URL(url, "http://localhost"), name = pathname.slice(1), by = of[name], list = name in lists ? lists[name] : [], t = (s) => Date.parse(s), begin = Number(q.get("cursor") ?? 0), end = begin + Number(q.get("limit"));
    asked.push(url);
    const fit = list?.filter((x) => (!q.get("state") || x.state === q.get("state")) && (!q.get("since") || t(x[by]) >= t(q.get("since"))) && (!q.get("until") || t(x[by]) < t(q.get("until"))) && (!q.get("on_since") || !x.ends_at || t(x.ends_at) >= t(q.get("on_since")))).sort((x, y) => t(y[by]) - t(x[by]));
    return { ok: Boolean(list), status: list ? 200 : 503, headers: new Map(), json: async () => (list ? { [name]: fit.slice(begin, end), next_cursor: fit.length > end ? String(end) : null } : {}) };
  };
  return asked;
}
const now = 1_772_359_200, then = now - 21 * 86_400, ids = (list) => list.map((x) => x.id);
const view = (from, to, fixed = true, filters = {}) => ({ from: fixed ? from : null, filters, span: () => ({ from, to }) });
const alert = (id, t, state = "resolved", key = {}, end = t + 600) => ({ id, rule: "r", state, key, starts_at: time(t), ends_at: state === "resolved" ? time(end) : null, severity: "critical" });
const response = (id, t) => ({ id, action: "a", target: "t", state: "applied", proposed_at: time(t), applied_at: time(t + 5) });
const deployment = (id, t, of = {}) => ({ id, at: time(t), kind: "event", title: "Release", text: "", model: "", version: "", ...of });

const later = Array.from({ length: 1500 }, (_, i) => alert(`later ${i}`, now - i)), acts = Array.from({ length: 150 }, (_, i) => response(`done ${i}`, now - i));
serve({
  alerts: [...later, alert("then", then + 60), alert("days before", then - 90_000, "resolved", {}, then + 30), alert("over before", then - 7200), alert("fires since", then - 90_001, "firing")],
  responses: [...acts, response("act", then + 120)], deployments: [deployment("later", now), deployment("put", then + 30, { model: "m", version: "v2", text: "faster" }), deployment("before", then - 1)],
});
let m = await loadMarks(view(then, then + 3600));
assert.deepEqual([ids(m.alerts), m.responses.at(-1).id, m.responses.length, ids(m.deployments), m.more], [["then", "days before", "fires since"], "act", 101, ["put"], false]); // however much came later, whenever it began
assert.deepEqual(shared.flags.slice(0, 3).map((f) => [f.at - then, f.kind, f.title, f.text, f.name]), [[30, "deploy", "Release", "m v2 · faster", "v2"], [60, "bad", "r", "", undefined], [125, "act", "a", "t", undefined]]);
const { flags } = shared;
await loadMarks(view(then, then + 3600));
assert.equal(shared.flags, flags); // nothing is drawn for the same ones

m = await loadMarks(view(now - 1600, now + 1));
assert.deepEqual([m.alerts.length, m.more], [1501, false]); // page by page
m = await loadMarks(view(now - 300, now + 1, false));
assert.deepEqual([m.alerts.length, m.responses.length, m.more], [201, 151, true]); // of 900 alerts the newest, and the one that fires
serve({ responses: acts });
m = await loadMarks(view(now - 100, now + 1, false));
assert.equal(m.more, false); // what is left out lies before the range

serve({ alerts: [alert("a", then + 1, "resolved", { model: "m" }), alert("b", then + 2, "resolved", { model: "n" }), alert("c", then + 3)] });
assert.deepEqual(ids((await loadMarks(view(then, then + 60, true, { model: "m" }))).alerts), ["c", "a"]);
serve({ alerts: null });
m = await loadMarks(view(then, then + 60));
assert.deepEqual([m.alerts, m.responses, m.deployments, m.more], [null, [], [], false]);
const asked = serve({});
await loadMarks(view(now - 60, now, false));
assert.ok(asked.length === 4 && !asked.some((u) => u.includes("until")), asked.join("\n")); // what is live has no end

const many = (severity) => Array.from({ length: 61 }, (_, i) => ({ ...alert(`${severity} ${i}`, then + i), severity }));
serve({ alerts: [...many("warning"), alert("grave", then)], deployments: [deployment("put", then)] });
await loadMarks(view(then, then + 3600));
assert.deepEqual(shared.flags.map((f) => f.kind), ["bad", "deploy"]); // a crowd of warnings has no room
serve({ alerts: many("warning").slice(0, 60) });
await loadMarks(view(then, then + 3600));
assert.equal(shared.flags.length, 60);

serve({ deployments: [deployment("earlier", then)] });
const { fetch: quick } = globalThis;
let answer;
const awaited = new Promise((go) => { answer = go; });
globalThis.fetch = async (url) => { if (url.startsWith("/deployments")) await awaited; return quick(url); };
const slow = loadMarks(view(then, then + 3600, false));
serve({ deployments: [deployment("later", now)] });
await Promise.all([loadMarks(view(now, now + 3600)).then(answer), slow]);
assert.deepEqual(shared.flags.map((f) => f.at), [now]); // an answer to what was asked before puts up nothing

// ---- what passes as whole: a little that is behind belongs to the newest steps, and makes no other one incomplete

for (const [all, whole] of [[[1, 1, 0.4], 2], [[0.998, 0.998, 0.2], 2], [[0.9, 0.9, 0.1], 0], [[], 0], [[0, 0], 0]]) assert.equal(all.filter((v) => v >= complete(all)).length, whole, all.join());

// ---- who has an incident

const { toldOf } = await load("operations/incidents.js");
const fires = { rule: "busy", severity: "critical", key: { model: "m" }, starts_at: "2026-03-01T10:00:00Z" }, known = (labels, startsAt = "2026-03-01T10:00:00.000Z") => ({ labels: { alertname: "busy", severity: "critical", ...labels }, startsAt });
assert.equal(toldOf(fires, [known({ model: "n" }), known({ model: "m" }, "2026-03-01T09:00:00Z"), known({ model: "m", severity: "warning" }), known({ model: "m", extra: "x" })]).labels.extra, "x");
assert.equal(toldOf(fires, null), undefined);

// ---- the connection that pages share

const opened = [];
globalThis.EventSource = class { constructor(url) { this.url = url; this.on = {}; opened.push(this); } addEventListener(name, f) { this.on[name] = f; } close() { this.closed = true; } };
let clock = 0, sweep;
globalThis.setInterval = (f) => { sweep = f; };
performance.now = () => clock;
await load("stream-worker.js");
const page = () => { const told = [], port = { told, postMessage: (m) => told.push(m) }; heard.connect({ ports: [port] }); port.say = (data) => port.onmessage({ data }); return port; };
const tell = (data) => opened.at(-1).on.metrics({ data: JSON.stringify({ type: "snapshot", topic: "metrics", data }) });
const awake = page(), asleep = page();
for (const p of [awake, asleep]) p.say({ open: "/stream" });
tell(1);
assert.deepEqual([opened.length, asleep.told.length], [1, 3]);
clock = 200_000;
awake.say({ stay: "/stream" });
sweep();
tell(2);
assert.deepEqual([awake.told.length, asleep.told.length], [3, 3]); // it was silent for too long
asleep.say({ stay: "/stream" });
tell(3);
assert.deepEqual([opened.length, awake.told.length], [1, 4]);
assert.deepEqual(asleep.told.slice(3).map((m) => m.text && JSON.parse(m.text).data), [2, undefined, 3]); // what it missed, and what comes
clock = 400_000;
sweep();
assert.ok(opened[0].closed); // nobody is left
awake.say({ stay: "/stream" });
assert.equal(opened.length, 2);
awake.say({ close: true });
assert.ok(opened[1].closed);

// ---- keys and tabs

const { listen } = await load("keys.js");
const tab = (href) => ({ href, search: "", clicks: 0, click() { this.clicks++; }, closest() { return this; } }), tabs = [tab("http://localhost:1/"), tab("http://localhost:2/")];
globalThis.location = { search: "?a" };
globalThis.document = { querySelectorAll: () => tabs, querySelector: () => ({ addEventListener: (_, f) => { heard.tab = f; } }) };
listen({}, null);
const key = (k) => heard.keydown({ key: k, target: {}, preventDefault() {} });
key("2");
key("4"); // there is no such board
assert.deepEqual(tabs.map((a) => a.clicks), [0, 1]); // the tab itself knows the way, once
heard.tab({ target: tabs[1] });
assert.equal(tabs[1].search, "?a");
location.search = "";
heard.tab({ target: tabs[1] });
assert.equal(tabs[1].search, ""); // and nothing of what was shown before

const { concerns } = await load("operations/drawer.js");
for (const [r, want] of [[{ key: { model: "gpt-4" } }, true], [{ key: { model: "gpt-4o" }, target: "gpt-4o", with: { model: "gpt-4o" } }, false], [{ key: {}, target: "gpt-4" }, true], [{ target: "router", with: { to: "gpt-4" } }, true], [{ target: "router" }, false]]) assert.equal(concerns(r, "gpt-4"), want);

const { unescaped } = await load("format.js");
assert.deepEqual(["a%20b", "%E0", "%", ""].map(unescaped), ["a b", "%E0", "%", ""]);

// ---- what is made anew under the focus

const { refill } = await load("dom.js");
const made = (title, of) => ({ dataset: {}, title, getAttribute: () => null, closest: () => of && { dataset: { of } }, focus() { document.activeElement = this; } });
const list = { ...made("list"), all: [], matches() { return this.pressed; }, scrollTop: 0, contains(n) { return n === this || this.all.includes(n); }, replaceChildren(...all) { this.all = all; this.scrollTop = 0; }, querySelectorAll() { return this.all; }, closest() { return this; } };
refill(list, made("Take", "a"), made("Take", "b"));
list.all[1].focus();
list.scrollTop = 30;
refill(list, made("Take", "c"), made("Take", "a"), made("Take", "b"));
assert.deepEqual([list.all.indexOf(document.activeElement), list.scrollTop], [2, 30]); // it has moved on, and what is new is there
refill(list, made("Take", "a"));
assert.equal(document.activeElement, list); // what had the focus is gone: it stays nearby
document.activeElement = null;
refill(list, made("Take", "a"));
assert.equal(document.activeElement, null); // and it is taken from nobody

// ---- looks at what changes, in a storm of news

const { again } = await load("ask.js");
const timers = new Map(), turns = async () => { for (let i = 0; i < 9; i++) await null; }, real = { setTimeout, clearTimeout };
globalThis.setTimeout = (f, ms) => { const id = {}; timers.set(id, [clock + ms, f]); return id; };
globalThis.clearTimeout = (id) => timers.delete(id);
const pass = async (ms) => { for (clock += ms; ;) { const due = [...timers].find(([, [at]]) => at <= clock); if (!due) return; timers.delete(due[0]); due[1][1](); await turns(); } };
let looks = 0, end = null;
clock = 0;
const look = again(() => { looks++; return end && new Promise((go) => { end = go; }); }, () => 5000);
look();
await pass(0);
assert.equal(looks, 1);
for (let i = 0; i < 100; i++) { look(300); await pass(50); } // five seconds of it
assert.ok(looks > 14 && looks < 18, `${looks}`); // none is put off, and none comes at once after another
looks = 0;
await pass(15_000);
await pass(5000);
assert.equal(looks, 2); // and without news as before
end = true;
look();
await pass(300);
assert.equal(looks, 3);
look();
await pass(20_000);
assert.equal(looks, 3); // one is under way
end();
await turns();
await pass(299);
assert.equal(looks, 3);
await pass(1);
assert.equal(looks, 4);
list.pressed = true;
refill(list, made("old"));
refill(list, made("new"));
await pass(1000);
assert.equal(list.all[0].title, "Take"); // a click is on its way
list.pressed = false;
await pass(100);
assert.equal(list.all[0].title, "new");
Object.assign(globalThis, real);

// ---- small pictures are touched where they show other values

let touched = 0;
document.createElementNS = () => ({ style: {}, append() {}, setAttribute(name) { if (name === "d") touched++; }, removeAttribute() {} });
const { spark } = await load("spark.js");
const small = spark(100, 20, { area: true });
touched = 0;
for (const values of [[1, 2, 3], [1, 2, 3], [1, 2, 4], [1], [1, 2, 4]]) small.show(values);
assert.equal(touched, 3 * 2); // the line and what is below it

// ---- requests of a view: a filter that cannot be kept is told, and never left out

const { within } = await load("performance/slowest.js");
const narrow = (filters) => ({ filters, span: () => ({ from: 0, to: 60 }) });
assert.deepEqual(within(narrow({ model: "m", tenant: "t" })), { model: "m", tenant: "t", from: "1970-01-01T00:00:00.000Z", to: "1970-01-01T00:01:00.000Z" });
assert.deepEqual(within(narrow({}), { measure: "ttft_ms", from: 10, to: 20, low: 1, high: 2 }), { from: "1970-01-01T00:00:10.000Z", to: "1970-01-01T00:00:20.000Z", measure: "ttft_ms", at_least: "1.000", below: "2.000" });
assert.throws(() => within(narrow({ model: "m", host: "gpu-01", user_id: "u" })), { status: 422, message: "Single requests cannot be chosen by host and user_id." });
const { costs, findings } = await load("business/data.js");
for (const [from, to, days] of [["10:00", "02T10:00", 0], ["00:00", "02T00:00", 1], ["10:00", "03T10:00", 1]]) { // a day that is none of the calendar is no day of findings
  const paths = [];
  globalThis.fetch = async (url) => { paths.push(url.split("?")[0]); return { ok: true, status: 200, headers: new Map(), json: async () => ({ findings: [], anomalies: [], hours_with_data: 1 }) }; };
  await findings({ from: Date.parse(`2026-03-01T${from}Z`), to: Date.parse(`2026-03-${to}Z`) }, new AbortController().signal, () => {});
  assert.equal(paths.filter((p) => p.startsWith("/business-intelligence/")).length, 4 * days);
}
await assert.rejects(costs({ from: 0, to: 60_000 * 60 }, "model", { model: "m", error_type: "timeout" }), { status: 422, message: "Costs cannot be chosen by error_type." });

// ---- messages that have waited for long are judged as well

const { withOld } = await load("notifications/messages.js");
assert.deepEqual(withOld([{ id: "c" }, { id: "b" }], [{ id: "b" }, { id: "a" }]).map((m) => m.id), ["c", "b", "a"]);

// ---- an answer that ends too soon

const { ask } = await load("ask.js");
const reply = (status, json) => { globalThis.fetch = async () => ({ ok: status < 300, status, headers: new Map(), json }); return ask("GET", "/"); };

// ---- what is left out: a service that cannot leave it out exactly is asked for all, once, and the page hears why

const { holding, query, sums } = await load("ask.js");
assert.equal(query({ a: 1, without: ["model:a", "tenant:"], b: null, c: "" }), "a=1&without=model%3Aa&without=tenant%3A");
const { fetch: before } = globalThis, sent = [];
let told = 0;
holding.changed = () => told++;
globalThis.fetch = async (url) => { sent.push(url); const no = url.includes("without=user"); return { ok: !no, status: no ? 422 : 200, headers: new Map(), json: async () => (no ? { detail: "wrong", errors: [{ pointer: "?without", detail: "not kept apart" }] } : { n: 1 }) }; };
for (const out of ["model:a", "user_id:u", "user_id:u"]) assert.deepEqual(await sums("/x", { window: 60, group_by: out.slice(0, 4), without: [out] }), { n: 1 });
assert.deepEqual(sent, ["/x?window=60&group_by=mode&without=model%3Aa", "/x?window=60&group_by=user&without=user_id%3Au", "/x?window=60&group_by=user", "/x?window=60&group_by=user"]);
assert.deepEqual([...holding.why.values(), told], ["not kept apart", 1]);
globalThis.fetch = async (url) => ({ ok: !url.includes("without"), status: url.includes("without") ? 422 : 200, headers: new Map(), json: async () => (url.includes("without") ? { detail: "reads too much", errors: [{ pointer: "?group_by", detail: "it takes too many raw events" }] } : { n: 2 }) });
assert.deepEqual([await sums("/costs", { without: ["model:a"] }), [...holding.why.values()].at(-1)], [{ n: 2 }, "it takes too many raw events"]); // which it does not without it
globalThis.fetch = async () => ({ ok: false, status: 422, headers: new Map(), json: async () => ({ detail: "wrong", errors: [{ pointer: "?metric" }] }) });
await assert.rejects(sums("/y", { without: ["model:a"] }), { status: 422 });
globalThis.fetch = before;

const fails = (e) => async () => { throw e; };
await assert.rejects(reply(200, fails(new DOMException("left", "AbortError"))), { name: "AbortError" }); // and no mistake of the page
await assert.rejects(reply(200, fails(new TypeError("cut"))), { status: 0, message: "hxp does not answer. Is it running?" });
assert.equal(await reply(204, fails(new SyntaxError("empty"))), null);
await assert.rejects(reply(502, fails(new SyntaxError("a page"))), { status: 502, message: "the service answered 502" });

// tokens are told per card where every machine tells its cards
const { cardsOf } = await load("performance/machines.js");
assert.deepEqual(cardsOf(["a", "b/c"], ["a/0", "a/1", "b/c/0", "d/0"]), { a: 2, "b/c": 1, d: 1 });
assert.deepEqual([cardsOf(["a", "b"], ["a/0"]), cardsOf([], ["a/0"]), cardsOf(["a"], [])], [null, null, null]);
