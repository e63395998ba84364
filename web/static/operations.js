// The operations board: one stream in, everything on the page out of its state.
import { Cards } from "./cards.js";
import { Chart } from "./chart.js";
import { specs } from "./charts.js";
import { el, setText } from "./dom.js";
import { clock, percent, span, text } from "./format.js";
import { OTHER, modelName, place } from "./palette.js";
import { History } from "./series.js";
import { Stream } from "./stream.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);
const address = new URLSearchParams(location.search);
const stored = () => { try { return Number(localStorage.getItem("hxp-range")); } catch { return 0; } };
const view = {
  range: [300, 900].find((r) => r === (Number(address.get("range")) || stored())) ?? 300,
  model: address.get("model") ?? "",
  paused: null, // server time at which the picture was held
};

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const stream = new Stream(() => {
  const query = new URLSearchParams(view.model ? { model: view.model } : {});
  return `/stream/metrics?${query}`;
}, ["metrics"]);
const cards = new Cards($("cards"));
const charts = specs.map((spec) => new Chart(spec));
$("charts").append(...charts.map((c) => c.node));
const table = new Table($("models"), choose);
const known = new Set(); // models that were ever seen
let history = null;

// ---- what is shown

function range() {
  const now = view.paused ?? stream.now, end = now - (history?.step ?? 5);
  const to = calm.matches ? Math.floor(end / 5) * 5 : Math.floor(end);
  // an installation that has just begun is not shown as an empty picture with a rim
  const begins = Math.min(history?.begins ?? -Infinity, to - 60) - 5;
  return { from: Math.max(to - view.range, begins), to };
}

function draw() {
  const state = stream.state.metrics;
  if (!state || document.hidden) return;
  if (view.paused === null || !history) {
    history = new History(state.series);
    learn(Object.keys(state.models), Object.keys(history.models));
    welcome(state);
    cards.show(state, history, range());
    table.show(state, history, range().from);
    setText($("models-window"), `last ${Math.round(state.window.seconds / 60)} min`);
  }
  const r = range();
  for (const c of charts) c.show(history, r);
}

function welcome(state) {
  const some = state.overall.events > 0 || Object.values(state.series.points).some((p) => p[0] > 0) || Object.keys(state.series.system).length > 0;
  $("welcome").hidden = some || view.model !== "";
  $("board").hidden = !$("welcome").hidden;
}

function learn(...lists) {
  const before = known.size;
  for (const m of lists.flat()) known.add(m);
  place(known);
  if (known.size === before && $("model").options.length > 1) return;
  const names = [...known].filter((m) => m !== OTHER).sort();
  if (view.model && !known.has(view.model)) names.unshift(view.model);
  $("model").replaceChildren(el("option", { value: "" }, "All models"), ...names.map((m) => el("option", { value: m }, modelName(m))));
  $("model").value = view.model;
}

// ---- how true it is

function truth(message, state) {
  $("truth").hidden = !message.watermark;
  if (message.watermark) {
    const behind = stream.now - Date.parse(message.watermark) / 1000;
    setText($("watermark"), behind < 90 ? `Complete to ${clock(Date.parse(message.watermark) / 1000)}` : `Complete up to ${span(behind)} ago`);
    $("watermark").title = "Everything that happened before this time has been counted. Later events that come late are added where they belong.";
  }
  const badge = $("completeness"), share = state.completeness;
  setText(badge, share >= 0.99995 ? "100\u2009% counted" : `${text(percent(Math.min(share, 0.9999)))} counted`);
  badge.dataset.state = share >= 0.999 ? "good" : share >= 0.97 ? "warn" : "bad";
  badge.title = "Share of what was written that is in these numbers";
}

const words = { wait: "Connecting", lost: "Reconnecting", full: "All streams are taken, trying again" };
let said = "";
function pulse() {
  const age = stream.age / 1000;
  let state = stream.status, label = words[state];
  if (state === "live") {
    state = age < 3.5 ? "live" : age < 15 ? "warn" : "bad";
    label = state === "live" ? `Live · ${span(age)}` : `No news for ${span(age)}`;
  } else if (Number.isFinite(age)) label += ` · last news ${span(age)} ago`;
  if (view.paused !== null) { state = "paused"; label = `Paused at ${clock(view.paused)}`; }
  $("live").dataset.state = state;
  setText($("live-text"), label);
  const word = state === "live" ? "" : label.split(" · ")[0];
  if (word.split(" for ")[0] !== said) { said = word.split(" for ")[0]; setText($("announce"), said); }
}

// ---- what can be done

function remember() {
  const q = new URLSearchParams(location.search);
  if (view.model) q.set("model", view.model); else q.delete("model");
  q.set("range", view.range);
  window.history.replaceState(null, "", `?${q}`);
}

function setRange(seconds) {
  view.range = seconds;
  try { localStorage.setItem("hxp-range", seconds); } catch { /* it holds for this page */ }
  showRange();
  remember();
  redraw();
}
function showRange() {
  for (const b of document.querySelectorAll("[data-range]")) b.setAttribute("aria-pressed", String(Number(b.dataset.range) === view.range));
}

function choose(model) {
  view.model = view.model === model ? "" : model;
  $("model").value = view.model;
  remember();
  stream.open();
}

function pause() {
  view.paused = view.paused === null ? stream.now : null;
  $("pause").setAttribute("aria-pressed", String(view.paused !== null));
  setText($("pause-text"), view.paused === null ? "Pause" : "Resume");
  pulse();
  redraw();
}

let asked = 0;
function redraw() {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(draw);
}

stream.addEventListener("state", ({ detail: { message, state } }) => { truth(message, state); redraw(); });
stream.addEventListener("status", pulse);
document.addEventListener("visibilitychange", redraw);
setInterval(pulse, 500);
for (const b of document.querySelectorAll("[data-range]")) b.addEventListener("click", () => setRange(Number(b.dataset.range)));
$("pause").addEventListener("click", pause);
$("model").addEventListener("change", (e) => { view.model = ""; choose(e.target.value); });
addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, select, textarea, button, a, pre")) return;
  if (e.key === " ") { e.preventDefault(); pause(); }
});
showRange();
learn([]);

// ---- the first event

const example = `'{
  "event_type": "llm_request",
  "data": {"model": "mixtral-8x7b", "duration_ms": 842, "ttft_ms": 131,
           "prompt_tokens": 412, "completion_tokens": 96, "success": true}
}'`;
fetch("/config.json").then((r) => r.json()).then(({ ingest }) => {
  $("snippet").textContent = `curl ${ingest ?? `http://${location.hostname}:9099`}/events -H 'Content-Type: application/json' -d ${example}`;
}).catch(() => { $("snippet").closest(".snippet").hidden = true; });
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("snippet").textContent);
    setText($("copy"), "Copied");
  } catch {
    getSelection().selectAllChildren($("snippet")); // no permission: then by hand
    setText($("copy"), "Selected");
  }
  setTimeout(() => setText($("copy"), "Copy"), 2000);
});
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) setText($("zone"), ` (${zone})`);
