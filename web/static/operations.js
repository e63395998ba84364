// The operations board: is the service well right now, or was it then?
import { again, ask, explain, soon } from "./ask.js";
import { Board, STREAMED } from "./board.js";
import { Cards } from "./cards.js";
import { config } from "./config.js";
import { Chart } from "./chart.js";
import { specs } from "./charts.js";
import { setText } from "./dom.js";
import { clock, percent, span as spanOf, text, zoneName } from "./format.js";
import { loadMarks } from "./marks.js";
import { Classes } from "./operations/classes.js";
import { figures } from "./operations/data.js";
import { openModel } from "./operations/drawer.js";
import { Hosts } from "./operations/hosts.js";
import { Incidents } from "./operations/incidents.js";
import { addMenusOf } from "./operations/menus.js";
import { SLOs } from "./operations/slos.js";
import { Strip } from "./operations/strip.js";
import { Tail } from "./operations/tail.js";
import { place } from "./palette.js";
import { openRequest } from "./request.js";
import { History } from "./series.js";
import { Table } from "./table.js";

const $ = (id) => document.getElementById(id);
const wish = {
  metrics: ["requests", "errors", "latency_ms.p50", "latency_ms.p95", "latency_ms.p99", "ttft_ms.p50", "ttft_ms.p95", "ttft_ms.p99", "tokens.prompt", "tokens.completion", "feedback.count", "feedback.satisfaction", "cost_usd", "system.samples", "system.gpu_usage", "system.gpu_memory_usage", "system.kv_cache_usage", "system.requests_running", "system.requests_waiting"],
  by: "model", groupMetrics: ["requests", "errors", "latency_ms.p95"], limit: 8,
};

const board = new Board({ wish, otherwise: 900, search: openRequest, health: () => $("incidents").scrollIntoView({ behavior: "smooth", block: "center" }), ready: streamed });
const { view, stream, bar } = board;
const cards = new Cards($("cards")), table = new Table($("models"), view, (model) => openModel(model, view, marks.responses));
const slos = new SLOs($("slos"), $("slos-note"), view), incidents = new Incidents($("incidents"), $("incidents-note"), () => look()), strip = new Strip($("strip"), $("strip-head"), view);
const charts = specs.map((spec) => board.add(new Chart(spec)).node), classes = new Classes(board);
$("charts").append(...charts.slice(0, 2), classes.chart.node, ...charts.slice(2)); // beside the share of errors
const hosts = new Hosts($("hosts"), view, (model, host) => openModel(model, view, marks.responses, host));
new Tail($("tail"), board);
addMenusOf(view, slos, incidents);
$("board").classList.remove("unready");
let told = null; // what the stream told last, or when the picture was held, and of which filters
let marks = {}, figure = null; // alerts and responses: undefined until they were asked for, null where nobody answers

// now is the state that is shown and its history. One that is held is a copy: the stream goes on and writes into its own.
function now() {
  const of = JSON.stringify(view.filters), { metrics } = stream.state, mark = board.watermark;
  if (told?.of === of) return told;
  if (!metrics) return told = null;
  const state = view.held === null ? metrics : structuredClone(metrics), history = new History(state.series);
  history.completeness = history.times.map((t) => (mark === undefined || t + history.step <= mark ? 1 : 0));
  return told = { of, state, history };
}

// streamed is the history that the stream carries, where that is all that is asked for.
function streamed() {
  const fits = view.from === null && view.range <= STREAMED && Object.keys(view.filters).every((f) => f === "model") && !view.narrow.without.length;
  return fits ? now()?.history ?? null : null;
}

// ---- numbers

board.addEventListener("frame", async () => {
  if (board.frame instanceof History) { figure = null; return; }
  const { signal } = board.running;
  try { figure = await figures(view, signal); } catch (e) {
    if (e.name === "AbortError") return;
    figure = null;
    board.failed(explain(e));
  }
  board.draw();
});

board.addEventListener("tick", () => {
  const { frame } = board, live = stream.state.metrics, state = frame instanceof History ? now()?.state : figure;
  if (live) welcome(live);
  for (const id of ["cards", "models"]) $(id).classList.toggle("withheld", !frame || !state); // never those of other filters
  for (const of of [frame, board.earlier?.history, state]) place(Object.keys(of?.models ?? {})); // charts are drawn when there is a frame, and not again for a colour
  if (!frame || !state) return;
  const span = board.span;
  cards.show(state, frame, span);
  table.show(state, frame, span.from);
  strip.show(marks, span);
  setText($("models-window"), state.whole ? "whole range" : `last ${spanOf(state.window.seconds)}`);
  judge(live);
});

stream.addEventListener("state", ({ detail: { topic, message, state } }) => {
  if (topic !== "metrics" || view.held !== null) return;
  told = null;
  truth(message, state);
});

function truth(message, state) {
  $("truth").hidden = !message.watermark;
  if (message.watermark) {
    const at = board.watermark = Date.parse(message.watermark) / 1000, behind = stream.now - at;
    setText($("watermark"), behind < 90 ? `Complete to ${clock(at)}` : `Complete up to ${spanOf(behind)} ago`);
  }
  const badge = $("completeness"), share = state.completeness;
  setText(badge, share >= 0.99995 ? "100\u2009% counted" : `${text(percent(Math.min(share, 0.9999)))} counted`);
  badge.dataset.state = share >= 0.999 ? "good" : share >= 0.97 ? "warn" : "bad";
}

function judge(live) {
  const firing = (marks.alerts ?? []).filter((a) => a.state === "firing"), grave = firing.filter((a) => ["critical", "page"].includes(a.severity)).length, share = live?.completeness ?? 1;
  if (grave) bar.setHealth("bad", `${grave} critical`, "Alerts fire; the list is below");
  else if (share < 0.97) bar.setHealth("bad", "Numbers are behind", "Less than 97 % of what was written is counted");
  else if (firing.length) bar.setHealth("warn", `${firing.length} warning${firing.length > 1 ? "s" : ""}`, "Alerts fire; the list is below");
  else if (marks.alerts === undefined) bar.setHealth("wait", "Looking…");
  else if (marks.alerts === null) bar.setHealth("wait", "Alerts unknown", "The service that knows alerts does not answer here");
  else bar.setHealth("good", "All well", "No alert fires, and the numbers are whole");
}

// ---- alerts, actions, objectives

const look = again(watch, () => (view.live ? 5000 : 30_000));
async function watch() {
  if (document.hidden) return;
  config().then(tellHow, () => tellHow({}));
  const [found, objectives, told] = await Promise.all([loadMarks(view), ask("GET", "/slo").catch(() => null), ask("GET", "/api/v2/alerts").catch(() => null)]);
  marks = found;
  incidents.show(marks, told);
  if (objectives === null) slos.say("Objectives cannot be asked for here.");
  else slos.show(objectives.slos.filter((s) => view.lets(s.key) && (!view.filters.model || !s.key.model || s.key.model === view.filters.model)), objectives.slos.length);
  board.draw();
  const { dimensions } = await config().catch(() => ({}));
  if (!dimensions) return; // the next look asks again
  hosts.kept = dimensions;
  await Promise.allSettled([hosts.refresh(marks.responses ?? []), classes.refresh(dimensions)]); // they keep what they showed
}
view.addEventListener("change", ({ detail }) => {
  if (detail.includes("filters")) figure = null;
  if (detail.includes("held")) told = null;
  look();
});
stream.addEventListener("hello", () => { // what happens to alerts and responses is shown at once where the stream tells it
  const more = ["alerts", "responses"].filter((t) => stream.offers.includes(t) && !board.topics.has(t));
  for (const t of more) board.topics.add(t);
  if (more.length) stream.open();
});
stream.addEventListener("happening", ({ detail: { topic } }) => {
  if (topic === "alerts" || topic === "responses") look(soon);
});

// ---- the first event

function welcome(state) {
  const some = state.overall.events > 0 || Object.values(state.series.points).some((p) => p[0] > 0) || Object.keys(state.series.system).length > 0;
  $("welcome").hidden = some || Object.keys(view.filters).length > 0 || view.from !== null || view.range > STREAMED;
  $("board").hidden = !$("welcome").hidden;
}

const example = `'{
  "event_type": "llm_request",
  "data": {"model": "mixtral-8x7b", "success": true,
           "duration_ms": 842, "ttft_ms": 131,
           "prompt_tokens": 412, "completion_tokens": 96}
}'`;
function tellHow({ ingest }) {
  setText($("snippet"), `curl ${ingest ?? `http://${location.hostname}:9099`}/events \\
  -H 'Content-Type: application/json' -d ${example}`);
}
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
const zone = () => { if ($("zone")) setText($("zone"), ` (${zoneName()})`); };
addEventListener("zonechange", zone);
zone();
board.refresh();
look();
