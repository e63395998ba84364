// The business board: what it costs, what it is worth, what is ahead, and the documents about it.
import { el, setText } from "./dom.js";
import { Capacity } from "./business/capacity.js";
import { accepted, budgets, capacity, costs, enough, findings, forecast, hourly, joins, newestHour, own, wholeHours } from "./business/data.js";
import { CostByDay } from "./business/days.js";
import { Figures } from "./business/figures.js";
import { Findings } from "./business/findings.js";
import { Forecast } from "./business/forecast.js";
import { Groups } from "./business/groups.js";
import { addMenus, keyboard } from "./business/menus.js";
import { Month, Now } from "./business/now.js";
import { DAY, HOUR, addressOf, daysOf, instant, label, months, nameOfMonth, periodOf } from "./business/period.js";
import { Reports } from "./business/reports.js";
import { Own } from "./business/own.js";
import { byDay } from "./business/series.js";
import { Simulator } from "./business/simulator.js";
import { Tokens } from "./business/tokens.js";
import { parts } from "./business/tree.js";
import { canWait, notice, whatFailed } from "./business/words.js";
import { Funnel, Satisfaction, funnelOf } from "./business/worth.js";
import { query } from "./ask.js";
import { Stream } from "./stream.js";

const byId = (id) => document.getElementById(id);
const every = 5 * 60e3; // ms between looks by itself
const past = 14; // days in front of the forecast
const ahead = 7; // days that the forecast of cost looks ahead
const longest = 720, spare = 26; // hours that can be foretold, and that the newest hours may be behind

const figures = new Figures(byId("figures")), costByDay = new CostByDay(byId("cost-days")), groups = new Groups(byId("groups")), changes = new Findings(byId("findings"));
const requests = new Forecast(byId("forecast"), (chosen) => go(chosen)), plan = new Capacity(byId("capacity"), byId("capacity-note"));
const stream = new Stream(() => "/stream?topics=metrics"); // before anything is asked: a browser opens six connections to a page's origin
const now = new Now(byId("now")), month = new Month(byId("month-chart"), el("div", { class: "budgets" }));
const tokens = new Tokens(byId("tokens")), funnel = new Funnel(byId("funnel")), satisfied = new Satisfaction(byId("satisfaction")), simulator = new Simulator(byId("simulator"));
const gpus = new Own(byId("own-panel"), byId("own"));
const reports = new Reports(byId("reports"), byId("reports-note"), byId("reports-tools"));
let period, running = new AbortController(), timer;

const chosen = () => { const q = new URLSearchParams(location.search); return { by: ["tenant", "user_id", "tree"].includes(q.get("by")) ? q.get("by") : "model", model: q.get("model") ?? "", ahead: ["2", "14"].includes(q.get("ahead")) ? q.get("ahead") : "7" }; };

// recent are the hours in front of a forecast, asked for once a beat.
let rows14;
const recent = () => { const hour = Math.floor(Date.now() / HOUR) * HOUR; return (rows14 ??= settled(hourly({ from: hour - past * DAY, to: hour }, "_all"))); };
const foretold = async (hours, signal) => (enough((await recent()).value ?? []) ? settled(forecast("cost_usd", "", Math.min(longest, hours), signal)) : { value: null });

const keys = (by) => (by === "tree" ? parts.join() : by);

// go changes what is shown, and the address with it.
function go(changes) {
  const was = period;
  history.pushState(null, "", addressOf(location.search, changes));
  read();
  if ("by" in changes && period.from === was.from && period.end === was.end) loadGroups();
  else if ("model" in changes || "ahead" in changes) loadForecast();
  else loadPeriod();
}

// read takes the period from the address and shows what is chosen.
function read() {
  const now = Date.now(), { by } = chosen();
  period = periodOf(location.search, now);
  setText(byId("when"), `${label(period)}, against ${label({ ...period.before, month: period.month && period.to === period.end ? nameOfMonth(period.before.from) : undefined })}`);
  byId("fault").hidden = !period.fault;
  setText(byId("fault"), period.fault ? `${period.fault} The last 30 days are shown.` : "");
  for (const b of document.querySelectorAll("[data-days]")) b.setAttribute("aria-pressed", String(period.days === Number(b.dataset.days)));
  for (const b of document.querySelectorAll("[data-by]")) b.setAttribute("aria-pressed", String(by === b.dataset.by));
  const select = byId("month");
  select.replaceChildren(el("option", { value: "" }, period.custom ? "Own period" : "Month"), ...months(now, period.month).map((m) => el("option", { value: m }, m)));
  select.value = period.month ?? "";
  const file = (format) => `/costs?${query({ from: instant(period.from), to: instant(period.to), group_by: format === "csv" ? keys(by) : null, format })}`;
  byId("exports").replaceChildren(...[["csv", "CSV"], ["focus", "FOCUS"]].map(([f, name]) => el("a", { class: "button small", href: file(f), download: true, title: f === "focus" ? "FOCUS 1.2, for tools of financial operations" : "All groups of this period" }, name)));
}

// loadPeriod asks for everything that hangs on the period, and shows each figure as soon as it is there.
async function loadPeriod() {
  running.abort();
  running = new AbortController();
  const { signal } = running, mine = period, at = daysOf(mine.from, mine.to), is = {}, was = {};
  const take = (into, names) => (got) => {
    if (signal.aborted) return got;
    Object.assign(into, names(got.value));
    figures.show(mine, is, was, at);
    return got;
  };
  const total = settled(costs(mine, "day", signal)).then(take(is, (a) => a && { total: a.total, days: byDay(a.groups, at) }));
  const others = [
    settled(costs(mine.before, "", signal)).then(take(was, (a) => a && { total: a.total })), loadGroups(signal), loadSimulator(mine, signal),
    settled(hourly(mine, "_all", signal)).then(take(is, (rows) => ({ rows }))), settled(hourly(mine.before, "_all", signal)).then(take(was, (rows) => ({ rows }))),
    settled(accepted(mine, signal)).then(take(is, (a) => a && { accepted: a })), settled(accepted(mine.before, signal)).then(take(was, (a) => a && { accepted: a })),
  ];
  const { value, error } = await total;
  if (signal.aborted) return;
  drawDays(mine, is.days, error, signal);
  tokens.show(value?.groups ?? [], value?.total, at, error ? whatFailed(error, "tokens") : "No requests in this period");
  welcome(mine, error ? null : value.total.requests, signal);
  const worth = askWorth(mine, signal);
  loadWorth(mine, is, signal, worth);
  await Promise.all(others);
  if (signal.aborted) return;
  loadWorth(mine, is, signal, worth); // again, with who accepted what
  settled(own(mine, signal)).then(({ value }) => { if (!signal.aborted) gpus.show(value ?? null); });
  loadFindings(mine, signal); // they read most, so they come last
}

const askWorth = (mine, signal) => Promise.all([settled(joins(signal)), settled(hourly(mine, "*", signal))]);

// loadWorth draws the funnel and the satisfaction of models from what is there, and what is asked for them alone.
async function loadWorth(mine, is, signal, worth = askWorth(mine, signal)) {
  const [joined, rows] = await worth;
  if (signal.aborted) return;
  funnel.show(funnelOf(is.total, is.accepted, is.rows), joined.value);
  if (rows.error) satisfied.say(whatFailed(rows.error, "satisfaction"), canWait(rows.error) ? () => loadWorth(mine, is, signal) : null);
  else satisfied.show(rows.value, is.accepted);
}

async function loadSimulator(mine, signal) {
  const got = await settled(costs(wholeHours(mine), "model", signal));
  if (!signal.aborted) simulator.show(mine, got.value?.groups ?? []);
}

// loadMonth shows this month and today, whatever period is chosen, and draws again with each answer that comes.
async function loadMonth() {
  const t = Date.now(), span = periodOf(`?month=${nameOfMonth(t)}`, t), days = daysOf(span.from, span.end), today = days.findIndex((d) => d <= t && t < d + DAY), got = {};
  const take = (name) => (answer) => {
    got[name] = answer;
    if (!got.spent) return;
    const { value, error } = got.spent, cost = byDay(value?.groups ?? [], days).cost;
    const sums = month.show({ days, cost, points: got.next?.value?.points, now: t, budgets: got.limits?.value, empty: error ? whatFailed(error, "costs") : "Nothing was spent this month" });
    now.spent({ today: cost[today], month: value?.total.cost_usd ?? null, ...sums, lack: got.next ? "too little data to foretell the rest" : "" });
  };
  await Promise.all([settled(costs(span, "day")).then(take("spent")), foretold(Math.ceil((span.end - t) / HOUR) + spare).then(take("next")), settled(budgets()).then(take("limits"))]);
}

const settled = (promise) => promise.then((value) => ({ value }), (error) => ({ error }));

// drawDays shows the cost by day at once, and again when the forecast is there.
async function drawDays(mine, days, error, signal) {
  const t = Date.now(), open = t < mine.end;
  if (error) { costByDay.show(daysOf(mine.from, mine.end), [], null, t, "", whatFailed(error, "costs")); return; }
  const end = !open ? mine.end : mine.days ? mine.end + ahead * DAY : mine.end, all = daysOf(mine.from, end);
  const cost = all.map((_, i) => days.cost[i] ?? null), empty = "No priced requests in this period";
  costByDay.show(all, cost, null, t, "USD", empty);
  if (!open || cost.every((v) => v === null)) return;
  const next = await foretold(Math.ceil((end - t) / HOUR) + spare, signal);
  if (signal.aborted) return;
  const points = next.value?.points ?? null;
  costByDay.show(all, cost, points, t, points?.length ? "USD; the band adds up those of the hours and is wider than 95\u2009%" : `USD; ${next.error ? whatFailed(next.error, "forecasts") : "no forecast: insufficient data"}`, empty, mine.month);
}

async function loadGroups(signal = running.signal) {
  const { by } = chosen(), mine = period;
  groups.wait(`${by} ${mine.from} ${mine.end}`);
  const got = await settled(costs(mine, keys(by), signal)), ours = () => !signal.aborted && by === chosen().by;
  if (!ours()) return;
  if (got.error) groups.say(whatFailed(got.error, "costs"), canWait(got.error) ? () => loadGroups() : null);
  else groups.show(by, got.value);
  if (got.error || !["model", "tenant"].includes(by) || !got.value.groups.length) return; // users by day would be read from every raw event
  const days = await settled(costs(mine, `${by},day`, signal));
  if (ours() && days.value) groups.days(by, daysOf(mine.from, mine.to), days.value.groups);
}

async function loadFindings(mine, signal) {
  changes.wait(`${mine.from} ${mine.end}`);
  const { error } = await settled(findings(mine, signal, (answers, all) => changes.show(answers, all)));
  if (error && !signal.aborted) changes.say(whatFailed(error, "findings"), canWait(error) ? () => loadFindings(mine, signal) : null);
}

let asked = 0;
async function loadForecast() {
  const turn = ++asked, { model, ahead: far } = chosen(), hour = Math.floor(Date.now() / HOUR) * HOUR, span = { from: hour - past * DAY, to: hour };
  const [rows, list] = await Promise.all([model ? settled(hourly(span, model)) : recent(), settled(hourly({ from: hour - DAY, to: hour }, "*"))]);
  const answer = enough(rows.value ?? []) ? await settled(forecast("requests", model, Number(far) * 24)) : { value: {} };
  if (turn !== asked) return;
  requests.choose((list.value ?? []).map((r) => r.model).filter((m) => m !== "_all"), model, far);
  requests.show(rows.value ?? [], answer.value, rows.error ? whatFailed(rows.error, "hours") : `No requests in the last ${past} days`, span);
  if (answer.error) requests.say(whatFailed(answer.error, "forecasts"), canWait(answer.error) ? loadForecast : null);
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
  if (signal.aborted) return;
  const month = newest.value && nameOfMonth(Date.parse(newest.value));
  const words = month && (Date.parse(newest.value) < mine.from || Date.parse(newest.value) >= mine.end) ? `No requests in ${label(mine)}. The newest aggregated hour is of ${month}.` : `No requests in ${label(mine)} yet. Numbers stand here as soon as events arrive: hxp simulate makes some, hxp replay sends recorded ones.`;
  const box = notice(words);
  box.id = "welcome";
  box.classList.add("panel");
  if (month && nameOfMonth(mine.from) !== month) box.append(el("button", { class: "button primary", type: "button", onclick: () => go({ month }) }, `Show ${month}`));
  byId("figures").before(box);
}

function beat() {
  clearTimeout(timer);
  rows14 = undefined;
  loadMonth();
  loadPeriod();
  loadForecast();
  loadCapacity();
  reports.load();
  reports.planned(byId("reports-plan"));
  timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", again, { once: true }) : again()), every);
}

function again() { read(); beat(); }

addMenus({ costByDay, month, tokens, requests, groups, funnel, satisfied }, () => period);
keyboard(() => period, go);
stream.addEventListener("state", ({ detail }) => { if (!document.hidden) now.live(detail.state); });
for (const b of document.querySelectorAll("[data-days]")) b.addEventListener("click", () => go({ days: b.dataset.days }));
for (const b of document.querySelectorAll("[data-by]")) b.addEventListener("click", () => go({ by: b.dataset.by }));
byId("month").addEventListener("change", (e) => go(e.target.value ? { month: e.target.value } : { days: "30" }));
addEventListener("popstate", again);
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
again();
