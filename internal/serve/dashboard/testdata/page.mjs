// Tests of modules that ask services or listen to a page: what they need of a browser stands here.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const heard = {}; // what was last listened to, by name of the event
globalThis.addEventListener = (name, f) => { heard[name] = f; };
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });

// ---- alerts and actions of a span

const { loadMarks } = await load("marks.js");
const { shared } = await load("chart.js");
const time = (t) => new Date(t * 1000).toISOString().replace(".000Z", "Z");

// A service with alerts and responses by time of their beginning; it answers as event-processing-api does.
function serve(alerts, responses) {
  const asked = [];
  globalThis.fetch = async (url) => {
    const { pathname, searchParams: q } = new URL(url, "http://localhost"), name = pathname.slice(1), by = name === "alerts" ? "starts_at" : "proposed_at", all = name === "alerts" ? alerts : responses;
    asked.push(url);
    const fit = all?.filter((x) => (!q.get("state") || x.state === q.get("state")) && (!q.get("since") || Date.parse(x[by]) >= Date.parse(q.get("since"))) && (!q.get("until") || Date.parse(x[by]) < Date.parse(q.get("until")))).sort((x, y) => Date.parse(y[by]) - Date.parse(x[by]));
    const page = fit?.slice(0, Number(q.get("limit")));
    return { ok: Boolean(all), status: all ? 200 : 503, headers: new Map(), json: async () => (all ? { [name]: page, next_cursor: fit.length > page.length ? "more" : null } : {}) };
  };
  return asked;
}
const now = 1_772_359_200, then = now - 21 * 86_400, ids = (list) => list.map((x) => x.id);
const view = (from, to, fixed = true, filters = {}) => ({ from: fixed ? from : null, filters, span: () => ({ from, to }) });
const alert = (id, t, state = "resolved", key = {}) => ({ id, rule: "r", state, key, starts_at: time(t), severity: "critical" });
const response = (id, t) => ({ id, action: "a", target: "t", state: "applied", proposed_at: time(t), applied_at: time(t + 5) });

const later = Array.from({ length: 1500 }, (_, i) => alert(`later ${i}`, now - i)), acts = Array.from({ length: 150 }, (_, i) => response(`done ${i}`, now - i));
serve([...later, alert("then", then + 60), alert("that day", then - 7200), alert("long before", then - 90_000), alert("fires since", then - 90_000, "firing")], [...acts, response("act", then + 120)]);
let m = await loadMarks(view(then, then + 3600));
assert.deepEqual([ids(m.alerts), m.responses.at(-1).id, m.responses.length, m.more], [["then", "that day", "fires since"], "act", 101, false]); // however much came later
assert.deepEqual(shared.flags.map((f) => f.at - then).slice(0, 2), [60, 125]);

m = await loadMarks(view(now - 900, now + 1, false));
assert.deepEqual([m.alerts.length, m.responses.length, m.more], [201, 151, true]); // of 900 alerts the newest, and the one that fires
m = await loadMarks(view(now - 100, now + 1, false));
assert.equal(m.more, false); // what is left out lies before the range

serve([alert("a", then + 1, "resolved", { model: "m" }), alert("b", then + 2, "resolved", { model: "n" }), alert("c", then + 3)], []);
assert.deepEqual(ids((await loadMarks(view(then, then + 60, true, { model: "m" }))).alerts), ["c", "a"]);
serve(null, []);
m = await loadMarks(view(then, then + 60));
assert.deepEqual([m.alerts, m.responses, m.more], [null, [], false]);
const asked = serve([], []);
await loadMarks(view(now - 60, now, false));
assert.ok(asked.length === 3 && !asked.some((u) => u.includes("until")), asked.join("\n")); // what is live has no end

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
