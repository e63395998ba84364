// The business board: what it costs, what it is worth, what is ahead, and the documents about it.
import { query } from "./ask.js";
import { Board } from "./board.js";
import { el, setText } from "./dom.js";
import { between, many } from "./format.js";
import { loadMarks } from "./marks.js";
import { Capacity } from "./business/capacity.js";
import { accepted, budgets, capacity, costs, enough, findings, forecast, funnels, hourly, joins, newestHour, onlyWhole, own, range, steps } from "./business/data.js";
import { CostBySteps } from "./business/days.js";
import { Figures } from "./business/figures.js";
import { Findings } from "./business/findings.js";
import { Forecast } from "./business/forecast.js";
import { Funnels } from "./business/funnels.js";
import { Groups } from "./business/groups.js";
import { addMenusOf } from "./business/menus.js";
import { Month, Now } from "./business/now.js";
import { DAY, HOUR, daysOf, instant, label, monthOf, months, nameOfMonth, old, periodOf } from "./business/period.js";
import { Reports } from "./business/reports.js";
import { Own } from "./business/own.js";
import { costOfDays, linesOf, rated, sumOf } from "./business/series.js";
import { Simulator } from "./business/simulator.js";
import { Tokens } from "./business/tokens.js";
import { parts } from "./business/tree.js";
import { canWait, notice, whatFailed } from "./business/words.js";
import { Funnel, Satisfaction, funnelOf } from "./business/worth.js";
import { modelName } from "./palette.js";
import { write } from "./view.js";

const byId = (id) => document.getElementById(id);
const every = 5 * 60e3; // ms between looks by itself at what is stored
const past = 14; // days in front of the forecast
const ahead = 7; // days that the forecast of cost looks ahead
const longest = 720, spare = 26; // hours that can be foretold, and that the newest hours may be behind
const usual = 30 * 86_400; // s
const readable = 1e6; // requests of a period whose events are read without being asked for

// An address of an older version says the same in the words of the view.
function translate() {
  const fault = (words) => { byId("fault").hidden = !words; setText(byId("fault"), words && `${words} The last 30 days are shown.`); };
  const q = new URLSearchParams(location.search);
  try {
    const asked = old(location.search, Date.now());
    if (!asked) return;
    for (const name of ["days", "month"]) q.delete(name);
    history.replaceState(null, "", `?${write({ from: null, to: null, compare: q.get("compare"), zone: q.get("zone"), filters: Object.fromEntries(["model", "tenant"].map((d) => [d, q.get(d)])), ...asked }, q)}`);
  } catch (e) { fault(e.message); }
}
translate();

const wish = {
  metrics: ["requests", "errors", "unpriced_requests", "cost_usd", "tokens.prompt", "tokens.cached", "tokens.completion", "feedback.count", "feedback.satisfaction", "business.events", "business.value_usd"],
  by: "model", groupMetrics: ["requests", "feedback.count", "feedback.satisfaction"], limit: 24, points: 60,
  get step() { return board.view && periodNow().days ? DAY / 1000 : undefined; },
};
const board = new Board({ wish, load: steps, otherwise: usual, days: true, filters: ["model", "tenant"] });
const { view, stream } = board;
const figures = new Figures(byId("figures")), spent = new CostBySteps(byId("cost-days")), groups = new Groups(byId("groups"), view), changes = new Findings(byId("findings")), ways = new Funnels(byId("funnels"));
const requests = new Forecast(byId("forecast"), (chosen) => ("model" in chosen ? view.filter("model", chosen.model) : go(chosen))), plan = new Capacity(byId("capacity"), byId("capacity-note"), view);
const now = new Now(byId("now")), month = new Month(byId("month-chart"), el("div", { class: "budgets" }));
month.chart.head.querySelector(".unit").before(el("span", { class: "badge of-all", hidden: true }, "all models and tenants"));
const tokens = new Tokens(byId("tokens")), funnel = new Funnel(byId("funnel")), satisfied = new Satisfaction(byId("satisfaction"), view), simulator = new Simulator(byId("simulator"));
const gpus = new Own(byId("own-panel"), byId("own"), view);
const reports = new Reports(byId("reports"), byId("reports-note"), byId("reports-tools"));
let period, running = new AbortController(), timer;

const chosen = () => { const q = new URLSearchParams(location.search); return { by: ["tenant", "user_id", "tree"].includes(q.get("by")) ? q.get("by") : "model", ahead: ["2", "14"].includes(q.get("ahead")) ? q.get("ahead") : "7" }; };
const periodNow = () => { const { from, to } = view.span(); return periodOf({ from: from * 1000, to: to * 1000 }, view.from === null && view.held === null, view.before() * 1000, Date.now()); };

// recent are the hours in front of a forecast, asked for once a beat.
let rows14;
const recent = () => { const hour = Math.floor(Date.now() / HOUR) * HOUR; return (rows14 ??= settled(hourly({ from: hour - past * DAY, to: hour }, "_all"))); };
const foretold = async (hours, signal) => (enough((await recent()).value ?? []) ? settled(forecast("cost_usd", view.filters.model ?? "", Math.min(longest, hours), signal)) : { value: null });

const keys = (by) => (by === "tree" ? parts.join() : by);

// go changes what is chosen beside the view, and the address with it.
function go(changes) {
  const q = new URLSearchParams(location.search);
  for (const [name, v] of Object.entries(changes)) v ? q.set(name, v) : q.delete(name);
  history.pushState(null, "", `?${q}`);
  read();
  if ("by" in changes) loadGroups();
  else loadForecast();
}

// read takes the period from the view and shows what is chosen.
function read() {
  const t = Date.now(), { by } = chosen();
  period = periodNow();
  const words = (p) => (period.days || period.month ? label(p) : between(p.from / 1000, p.to / 1000, 60));
  setText(byId("when"), `${words(period)}, against ${words({ ...period.before, month: period.month && period.to === period.end ? nameOfMonth(period.before.from) : undefined })}`);
  for (const b of document.querySelectorAll("[data-by]")) b.setAttribute("aria-pressed", String(by === b.dataset.by));
  for (const n of document.querySelectorAll(".of-all")) n.hidden = !view.narrowed;
  for (const n of document.querySelectorAll(".of-live")) n.hidden = !view.narrow.without.length && Object.keys(view.filters).every((f) => f === "model"); // by which the stream is narrowed
  picked.replaceChildren(el("option", { value: "" }, "Month"), ...months(t, period.month).map((m) => el("option", { value: m }, m)));
  picked.value = period.month ?? "";
  const file = (format) => `/costs?${query({ from: instant(period.from), to: instant(period.to), ...view.narrow, group_by: format === "csv" ? keys(by) : null, format })}`;
  byId("exports").replaceChildren(...[["csv", "CSV"], ["focus", "FOCUS"]].map(([f, name]) => el("a", { class: "button small", href: file(f), download: true, title: f === "focus" ? "FOCUS 1.2, for tools of financial operations" : "All groups of this period" }, name)));
}

// What is known of the period and of the one before, drawn again with each answer that comes.
let is = {}, was = {}, worth = {};
const totals = ["requests", "feedback.count", "feedback.satisfaction"];
const ratedOf = (frame) => frame.all["feedback.count"] && rated(frame.of("feedback.satisfaction"), frame.of("feedback.count"));

// loadPeriod asks for everything that hangs on the period.
async function loadPeriod() {
  running.abort();
  running = new AbortController();
  const { signal } = running, mine = period, { filters, narrow } = view;
  [is, was, worth] = [{}, {}, {}];
  if (board.frame) framed();
  const later = (into, name, promise, of = (v) => v) => settled(promise).then(({ value }) => { if (!signal.aborted && value) { into[name] = of(value); draw(mine); } return value; });
  const model = (a) => ({ ...a, models: a.models.filter((m) => (!filters.model || m.model === filters.model) && view.lets({ model: modelName(m.model) })) });
  const judged = (span) => (Object.keys({ ...filters, ...view.without }).some((f) => f !== "model") || span.to - span.from < DAY ? Promise.resolve(null) : accepted(span, signal)); // it is kept by model and whole hours
  await Promise.all([loadTotal(signal), loadGroups(signal),
    later(was, "total", costs(mine.before, "", narrow, signal), (a) => a.total), later(was, "rated", range(mine.before, totals, narrow, signal), ratedOf),
    loadMarks(view).then(() => { if (!signal.aborted && board.frame) drawSteps(); }),
    later(is, "accepted", judged(mine), model), later(was, "accepted", judged(mine.before), model), later(worth, "joins", joins(signal))]);
  if (signal.aborted) return;
  if (!board.frame) board.addEventListener("frame", () => ready(), { once: true });
  else ready();
  if (Math.floor(mine.from / HOUR) === Math.floor(mine.to / HOUR)) return; // no whole hour
  settled(own(mine, signal)).then(({ value }) => { if (!signal.aborted) gpus.show(value ?? null); });
}

// What stands below the figures is shown when it stands, all at once: nothing moves. Or late, with what is there by then, as the board then says.
const ready = () => { clearTimeout(patience); byId("board").classList.remove("unready"); loadSeen(); };
const patience = setTimeout(() => { byId("board").dataset.late = ""; ready(); }, 2500);

// loadTotal asks what the period has cost so far. Where the steps of the board are the period, they tell it.
async function loadTotal(signal) {
  const mine = period;
  if (view.live && !mine.days) return;
  const { value, error } = await settled(costs(mine, "", view.narrow, signal));
  if (signal.aborted) return;
  is.total = value?.total;
  draw(mine);
  welcome(mine, error ? null : value.total.requests, signal);
}

// framed takes the steps of the period that the board has asked for.
function framed() {
  const { frame } = board, narrowed = Object.keys(view.filters).length > 0;
  Object.assign(is, { days: linesOf(frame), rated: ratedOf(frame) });
  if (view.live && !period.days) is.total = Object.fromEntries(["cost_usd", "requests", "errors", "unpriced_requests"].map((m) => [m, sumOf(frame.of(m))]));
  worth.business = narrowed ? null : { events: sumOf(frame.of("business.events")), value: sumOf(frame.of("business.value_usd")) };
  draw(period);
  if (is.total) welcome(period, is.total.requests, running.signal);
  drawSteps();
  satisfied.show(frame, is.accepted);
}

function drawSteps() {
  drawCost(period, running.signal);
  tokens.show(board.frame);
}

function draw(mine) {
  figures.show(mine, is, was);
  funnel.show(funnelOf(is.total, is.accepted, is.rated, worth.business, mine.to - mine.from < DAY), worth.joins);
  if (board.frame && is.accepted) satisfied.show(board.frame, is.accepted);
}

async function loadSimulator(mine = onlyWhole(period), signal = running.signal) {
  if (!mine) { simulator.say("What another model would have cost is told of whole hours, and no hour of this period is over."); return; }
  const { value, error } = await settled(costs(mine, "model", {}, signal));
  if (signal.aborted) return;
  if (error) simulator.say(whatFailed(error, "costs"));
  else simulator.show(mine, value.groups);
}

// loadMonth shows this month and today, whatever period is chosen, and draws again with each answer that comes.
async function loadMonth() {
  const t = Date.now(), { from, to } = monthOf(nameOfMonth(t)), span = { from, to: Math.ceil((t + 1) / 60e3) * 60e3 }, days = daysOf(from, to), today = days.findIndex((d) => d <= t && t < d + DAY), got = {};
  const take = (name) => (answer) => {
    got[name] = answer;
    if (!got.spent) return;
    const { value, error } = got.spent, cost = costOfDays(value?.groups ?? [], days);
    const sums = month.show({ days, cost, points: got.next?.value?.points, now: t, budgets: got.limits?.value, empty: error ? whatFailed(error, "costs") : "Nothing was spent this month" });
    now.spent({ today: cost[today], month: value?.total.cost_usd ?? null, ...sums, lack: got.next ? "too little data to foretell the rest" : "" });
  };
  const next = async () => (enough((await recent()).value ?? []) ? forecast("cost_usd", "", Math.min(longest, Math.ceil((to - t) / HOUR) + spare)) : null);
  await Promise.all([settled(costs(span, "day", {})).then(take("spent")), settled(next()).then(take("next")), settled(budgets()).then(take("limits"))]);
}

const settled = (promise) => promise.then((value) => ({ value }), (error) => ({ error }));

// drawCost shows the cost by steps at once, and again when there is a forecast of its days.
let foreseen = {}; // the forecast that was asked for last, by what it is of
async function drawCost(mine, signal) {
  const t = Date.now(), { frame, earlier } = board, empty = "No priced requests in this period", open = mine.days && t < mine.end;
  const show = (more) => spent.show(frame, earlier, { now: t, empty, ...more });
  if (!open || view.narrow.without.length || Object.keys(view.filters).some((f) => f !== "model") || frame.of("cost_usd").every((v) => v === null)) { show({}); return; } // a forecast is made of all, or of one model
  const days = daysOf(mine.from, mine.month ? mine.end : mine.end + ahead * DAY), key = `${mine.from} ${mine.end} ${view.filters.model} ${Math.floor(t / every)}`;
  if (foreseen.key !== key) {
    show({ days: daysOf(mine.from, mine.end), note: "USD" });
    foreseen = { key, answer: await foretold(Math.ceil((days.at(-1) + DAY - t) / HOUR) + spare, signal) };
    if (signal.aborted || frame !== board.frame) return;
  }
  const { value, error } = foreseen.answer, points = value?.points ?? null;
  show({ days, points, whole: mine.month, note: points?.length ? "USD; the band adds up those of the hours and is wider than 95\u2009%" : `USD; ${error ? whatFailed(error, "forecasts") : "no forecast: insufficient data"}` });
}

async function loadGroups(signal = running.signal) {
  const { by } = chosen(), mine = period;
  groups.wait(`${by} ${mine.from} ${mine.end} ${JSON.stringify(view.filters)}`);
  const got = await settled(costs(mine, keys(by), view.narrow, signal)), ours = () => !signal.aborted && by === chosen().by;
  if (!ours()) return;
  if (got.error) groups.say(whatFailed(got.error, "costs"), canWait(got.error) ? () => loadGroups() : null);
  else groups.show(by, got.value);
  if (got.error || !mine.days || !["model", "tenant"].includes(by) || !got.value.groups.length) return; // users by day would be read from every raw event
  const days = await settled(costs(mine, `${by},day`, view.narrow, signal));
  if (ours() && days.value) groups.days(by, daysOf(mine.from, mine.to), days.value.groups);
}

async function loadFindings(mine = period, signal = running.signal) {
  changes.wait(`${mine.from} ${mine.end}`, "Looking for changes…");
  const { error } = await settled(findings(mine, signal, (answers, all) => changes.show(answers, all)));
  if (error && !signal.aborted) changes.say(whatFailed(error, "findings"), canWait(error) ? () => loadFindings(mine, signal) : null);
}

// loadFunnels reads the events of the period, unless they are many: then somebody has to want it.
async function loadFunnels(wanted = false, mine = period, signal = running.signal) {
  const n = is.total?.requests;
  if (!wanted && n > readable) { ways.key = ""; ways.say(`Every event of the period is read for this, of ${many(n)} requests.`, () => loadFunnels(true), "Count them"); return; }
  ways.wait(`${mine.from} ${mine.end}`, "Counting…");
  const { value, error } = await settled(funnels(mine, signal));
  if (signal.aborted) return;
  if (error) ways.say(whatFailed(error, "funnels"), canWait(error) ? () => loadFunnels(true) : null);
  else ways.show(value);
}

let asked = 0;
async function loadForecast() {
  const turn = ++asked, { ahead: far } = chosen(), model = view.filters.model ?? "", hour = Math.floor(Date.now() / HOUR) * HOUR, span = { from: hour - past * DAY, to: hour };
  const [rows, list] = await Promise.all([model ? settled(hourly(span, model)) : recent(), settled(hourly({ from: hour - DAY, to: hour }, "*"))]);
  const answer = enough(rows.value ?? []) ? await settled(forecast("requests", model, Number(far) * 24)) : { value: {} };
  if (turn !== asked) return;
  requests.choose((list.value ?? []).map((r) => r.model).filter((m) => m !== "_all"), model, far);
  requests.show(rows.value ?? [], answer.value, rows.error ? whatFailed(rows.error, "hours") : `No whole hour with requests in the last ${past} days`, span);
  const failed = rows.error ?? answer.error;
  if (failed) requests.say(whatFailed(failed, rows.error ? "hours" : "forecasts"), canWait(failed) ? loadForecast : null);
  else if (!answer.value.points?.length) requests.say("Insufficient data: there are too few hours to foretell the next ones.");
  else requests.proof(answer.value);
}

async function loadCapacity() {
  const got = await settled(capacity());
  if (got.error) plan.say(whatFailed(got.error, "capacity"), canWait(got.error) ? loadCapacity : null);
  else plan.show(got.value);
}

// welcome says where to look when a period is empty: where the data are, or how to get some.
async function welcome(mine, n, signal) {
  byId("welcome")?.remove();
  if (n !== 0) return;
  const newest = await settled(newestHour(signal));
  if (signal.aborted || byId("welcome")) return;
  const month = newest.value && nameOfMonth(Date.parse(newest.value));
  const words = month && (Date.parse(newest.value) < mine.from || Date.parse(newest.value) >= mine.end) ? `No requests in ${label(mine)}. The newest aggregated hour is of ${month}.` : `No requests in ${label(mine)} yet. Numbers stand here as soon as events arrive: hxp simulate makes some, hxp replay sends recorded ones.`;
  const box = notice(words);
  box.id = "welcome";
  box.classList.add("panel");
  if (month && nameOfMonth(mine.from) !== month) box.append(el("button", { class: "button primary", type: "button", onclick: () => showMonth(month) }, `Show ${month}`));
  byId("figures").before(box);
}

// beat looks at what is stored, now and then while the view is live.
function beat() {
  clearTimeout(timer);
  rows14 = undefined;
  read();
  loadMonth();
  loadPeriod();
  for (const p of lower) p.stale = true;
  loadSeen();
  wait();
}

// wait comes back to it, even after a past that was looked at for long: it may be live by then.
function wait() {
  timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", beat, { once: true }) : view.live ? beat() : wait()), every);
}

// ---- what lies below waits until somebody comes near it

// A panel is shown when it and those above it stand, so nothing that is seen moves.
const lower = [["simulator", loadSimulator, true], ["findings", loadFindings, true], ["funnels", async () => { loadFunnels(); }, true], ["forecast", loadForecast], ["capacity", loadCapacity], ["reports", () => Promise.all([reports.load(), reports.planned(byId("reports-plan"))])]]
  .map(([id, load, ofPeriod]) => ({ node: byId(id), panel: byId(id).closest("section"), load, ofPeriod, stale: true, stands: false }));
const sight = new IntersectionObserver(() => loadSeen(), { rootMargin: "500px" });
for (const p of lower) { p.panel.classList.add("withheld"); sight.observe(p.panel); }

function loadSeen() {
  for (const p of lower) {
    if (!p.stale || byId("board").classList.contains("unready") || p.panel.getBoundingClientRect().top > innerHeight + 500) continue;
    p.stale = false;
    p.load().finally(() => { p.stands = true; for (const q of lower) { if (!q.stands) return; q.panel.classList.remove("withheld"); } });
  }
}

// ---- the month as a choice of the bar

const showMonth = (name) => { const { from, to } = monthOf(name); view.set({ from: from / 1000, to: to / 1000 }); };
const picked = el("select", { id: "month", onchange: () => (picked.value ? showMonth(picked.value) : view.set({ range: usual })) });
byId("bar").querySelector(".bar-tools").prepend(el("label", { class: "select month" }, el("span", { class: "visually-hidden" }, "Month"), picked));

addMenusOf({ cost: spent, month, tokens, requests, groups, funnel, satisfied, ways, simulator, gpus, changes, plan, reports }, () => period, view);
stream.addEventListener("state", ({ detail }) => { if (!document.hidden && view.held === null) now.live(detail.state); });
for (const b of document.querySelectorAll("[data-by]")) b.addEventListener("click", () => go({ by: b.dataset.by }));
board.addEventListener("frame", () => {
  const { days, end } = period;
  read();
  if (period.days !== days || period.end !== end) { beat(); return; } // another day has begun
  framed();
  loadTotal(running.signal);
});
addEventListener("zonechange", read);
view.addEventListener("change", ({ detail }) => {
  if (detail.includes("without")) { groups.anew(); if (board.frame) satisfied.show(board.frame, is.accepted); } // at once, before the sums have come
  if (!detail.some((what) => ["range", "from", "filters", "without", "compare", "held"].includes(what)) || (view.held !== null && detail.every((what) => what === "held"))) return; // a picture that is held still takes filters
  const other = detail.some((what) => what !== "without");
  if (other) board.failed("", true); // nothing of the time before stands under it
  read();
  loadPeriod();
  for (const p of lower) p.stale ||= other && (p.ofPeriod || detail.includes("filters"));
  loadSeen();
});
board.refresh();
beat();
