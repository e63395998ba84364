// Tests of charts without a picture, and of other panels: what they need of a page stands here.
import assert from "node:assert/strict";
import { load } from "./load.mjs";

class Element {
  constructor() { Object.assign(this, { children: [], attributes: {}, on: {}, dataset: {}, style: { setProperty() {} }, classList: { add() {}, toggle() {} }, words: "" }); }
  get textContent() { return this.words + this.children.map((c) => c.textContent ?? c).join(""); }
  set textContent(words) { Object.assign(this, { words, children: [] }); }
  append(...all) { this.children.push(...all); }
  replaceChildren(...all) { this.textContent = ""; this.append(...all); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, f) { this.on[name] = f; }
  getBoundingClientRect() { return {}; }
  querySelector() { return null; }
  remove() {}
  matches() { return false; }
  contains() { return false; }
  focus() { document.activeElement = this; }
  all() { return this.children.flatMap((c) => (c.all ? [c, ...c.all()] : [])); }
}
const heard = {}, page = new Element(), named = {}, margins = new Set();
Object.assign(globalThis, {
  addEventListener(name, f) { (heard[name] ??= []).push(f); }, removeEventListener() {}, matchMedia: () => ({ matches: false, addEventListener() {} }), location: { origin: "http://localhost" }, setTimeout() {}, innerWidth: 900, innerHeight: 900, scrollX: 0, scrollY: 0,
  document: { createElement: () => new Element(), documentElement: new Element(), body: page, getElementById: (id) => (named[id] ??= new Element()) }, ResizeObserver: class { observe() {} },
  IntersectionObserver: class { constructor(_, o) { margins.add(o?.rootMargin); } observe() {} },
});
const press = (node, name, keys = {}) => node.all().find((n) => n.on.click && n.textContent.startsWith(name)).on.click(keys);

// ---- a name that is pressed in one legend is shown alone in all charts that tell it apart, and the focus stays on it

const { Chart, shared } = await load("chart.js");
const history = { times: [0, 10], step: 10 }, chart = (names, apart = "host") => {
  const c = new Chart({ title: "T", unit: "", apart, format: (v) => [String(v), ""], empty: "none", lines: () => names.map((name) => ({ name, color: "#000000", values: [1, 2] })) });
  c.show(history, { from: 0, to: 20 });
  return c;
};
const one = chart(["a", "b"]), more = chart(["a", "b", "c"]), mean = chart(["mean of all"]), models = chart(["a", "b"], "model");
const on = (c) => c.legend.children.filter((n) => n.attributes["aria-pressed"] === "true").map((n) => n.children[1].textContent);
press(one.legend, "a");
assert.deepEqual([one, more, mean, models].map(on), [["a"], ["a"], ["mean of all"], ["a", "b"]]);
assert.equal(document.activeElement, one.legend.children[0]);
press(more.legend, "c", { shiftKey: true });
assert.deepEqual([one, more].map(on), [["a"], ["a", "c"]]);
press(mean.legend, "mean");
assert.deepEqual([one, more, mean].map(on), [["a"], ["a", "c"], ["mean of all"]]);
press(more.legend, "a");
press(more.legend, "a");
assert.deepEqual([one, more].map(on), [["a", "b"], ["a", "b", "c"]]);

// what is said in place of a picture stays until something else comes
more.say("Looking");
shared.flags = [{}];
for (const f of heard.themechange) f();
press(one.legend, "a");
assert.equal(more.empty.textContent, "Looking");
more.show({ ...history }, { from: 0, to: 20 });
assert.equal(more.empty.hidden, true);
assert.ok([...margins].every((m) => parseInt(m) > 100)); // who reads a legend below its plot reads what is now

// ---- what a menu cannot do is told

const { addMenu } = await load("panel.js");
const { Refused } = await load("ask.js"), head = new Element();
addMenu({ title: "Slowest", head, call: () => { throw new Refused(422, { detail: "Single requests cannot be chosen by host." }); } });
press(head, "⋯");
press(page, "Copy API call");
assert.equal(named.toasts.textContent, "Single requests cannot be chosen by host.");

// ---- the strip says that it looks, and then what it found

const { Strip } = await load("operations/strip.js");
const node = new Element(), strip = new Strip(node, new Element()), span = { from: 0, to: 900 };
for (const [marks, want] of [[{}, "…"], [{ alerts: [], responses: [], deployments: [] }, "No alert and no change in this range"], [{ alerts: [], responses: null, deployments: [] }, "Alerts and actions cannot be asked for here"], [{ alerts: [], responses: [], deployments: [], more: true }, "More alerts and actions than can be told; choose a shorter range"]]) {
  strip.show(marks, span);
  assert.equal(node.textContent, want);
}

// ---- times of what waits for a decision are of the zone of the page, also while nothing fires; where nothing is told nothing is made anew

const { Incidents } = await load("operations/incidents.js");
const open = { id: "r", state: "applied", action: "drain", target: "m", updated_at: "2026-03-01T10:00:00Z" };
for (const responses of [[open], []]) {
  const list = new Element(), incidents = new Incidents(list, new Element()), { now } = Date;
  incidents.show({ alerts: [], responses }, null);
  const first = list.newest;
  Date.now = () => now() + 20_000;
  incidents.show({ alerts: [], responses }, null);
  Date.now = now;
  assert.equal(list.newest !== first, responses.length > 0);
}

// ---- a call is one word of a shell, whatever is filtered by or posted

const { curl } = await load("panel.js"), { query } = await load("ask.js");
assert.equal(curl(`/costs?${query({ model: "it's $(x)" })}`, { from: "it's" }), `curl 'http://localhost/costs?model=it%27s+%24%28x%29' -H 'Content-Type: application/json' -d '{"from":"it'\\''s"}'`);

// ---- the scores of models that are not told apart are of nobody whom the board could be narrowed to

const { Satisfaction } = await load("business/worth.js"), { Frame } = await load("frame.js");
const scores = (model) => [["feedback.count", 3], ["feedback.satisfaction", 4]].map(([metric, v]) => ({ metric, key: { model }, values: [v] }));
const rated = new Element(), satisfied = new Satisfaction(rated, { filters: {}, lets: () => true });
satisfied.show(new Frame({ from: 0, to: 10, step: 10, watermark: "1970-01-01T00:00:10Z", completeness: [1], sources: [], series: [...scores("m"), ...scores("__other__")] }), null);
assert.deepEqual(rated.all().filter((n) => n.attributes.class === "link").map((n) => n.textContent), ["m"]);
assert.ok(rated.textContent.includes("other models"));

// ---- what is left out of the slowest requests makes room for others, and is not called nothing

const { showSlowest, slowest } = await load("performance/slowest.js");
const slow = (model, n) => Array.from({ length: n }, (_, i) => ({ request_id: `${model} ${i}`, request: { model, timestamp: "2026-03-01T10:00:00Z", duration_ms: 10, success: true } }));
const hides = (...models) => ({ filters: {}, without: models.length ? { model: models } : {}, span: () => ({ from: 0, to: 60 }), lets: ({ model }) => !models.includes(model) });
for (const [view, limit] of [[hides(), "15"], [hides("big"), "300"]]) {
  let asked;
  globalThis.fetch = async (url) => { if (url.startsWith("/correlations")) asked = url; return { ok: true, status: 200, headers: new Map(), json: async () => ({ correlations: [], summary: { open: 0, complete: 0, partial: 0 } }) }; };
  await slowest(view);
  assert.equal(new URL(asked, "http://localhost").searchParams.get("limit"), limit);
}
for (const [list, view, want] of [[[...slow("big", 20), ...slow("small", 30)], hides("big"), /^Request.*small 0.*small 14(?!.*(big|small 15))/], [slow("big", 20), hides("big"), /The 20 slowest requests are all left out$/], [[], hides("big"), /No request with a duration/]]) {
  const table = new Element();
  showSlowest(table, { list, address: "" }, view);
  assert.match(table.textContent, want);
}

// ---- objectives that are not of what is shown have counted nevertheless

const { SLOs } = await load("operations/slos.js");
for (const [all, want] of [[2, "No objective is of what is shown."], [0, "No objective has counted anything yet."]]) {
  const panel = new Element();
  new SLOs(panel, new Element(), hides()).show([], all);
  assert.equal(panel.textContent, want);
}
