// The performance board: where does the time go?
import { ask, explain } from "./ask.js";
import { Board } from "./board.js";
import { tellChange } from "./cards.js";
import { Chart } from "./chart.js";
import { config } from "./config.js";
import { el, figure, refill, setText } from "./dom.js";
import { many, ms, si, zoneName } from "./format.js";
import { loadMarks } from "./marks.js";
import { openBand, read as readBand, words as bandWords, write as writeBand } from "./performance/band.js";
import { metrics, specs } from "./performance/charts.js";
import { heatSpec, measures } from "./performance/heat.js";
import { showKnees } from "./performance/knee.js";
import { Machines } from "./performance/machines.js";
import { addMenusOf } from "./performance/menus.js";
import { Pair } from "./performance/pair.js";
import { phases, showPhases } from "./performance/phases.js";
import { showSlowest, slowest } from "./performance/slowest.js";
import { earlier, showVersus, versus } from "./performance/versus.js";
import { openRequest } from "./request.js";

const $ = (id) => document.getElementById(id);
const wish = { metrics, bins: "latency_ms", points: 240 };
const board = new Board({ wish, otherwise: 900, search: openRequest });
const { view } = board;

// ---- charts

let band = readBand(location.search); // the part of the distribution that was chosen
if (band) wish.bins = band.measure;
const heat = board.add(new Chart(heatSpec({ measure: () => wish.bins, band: () => (band?.measure === wish.bins ? band : null), brushed: (b) => choose({ ...b, measure: wish.bins }) })));
heat.node.classList.add("heat");
const chosen = el("div", { class: "band-note", role: "status", hidden: true });
heat.node.append(chosen);
const choice = el("div", { class: "segments small", role: "group", "aria-label": "Measure" }, ...Object.entries(measures).map(([m, name]) => el("button", { type: "button", "aria-pressed": String(m === wish.bins), onclick: () => measure(m) }, name)));
heat.head.querySelector(".unit").after(choice);
const machines = new Machines(board);
$("charts").append(heat.node, ...specs.map((spec) => board.add(new Chart(spec)).node), ...machines.charts.map((c) => c.node));

// choose shows the requests of a part of the distribution, or of all of it again.
function choose(b) {
  band = b;
  history.replaceState(null, "", `?${writeBand(band, location.search)}${location.hash}`);
  tellBand();
  singleOnes();
  heat.plot?.redraw(false);
}

function tellBand() {
  chosen.hidden = !band;
  if (!band) return;
  const act = (words, onclick) => el("button", { class: "button small", type: "button", onclick }, words);
  chosen.replaceChildren(el("span", {}, `${measures[band.measure]}: ${bandWords(band)}`), act("What do they have in common?", () => openBand(band, view)), act("Its slowest", () => $("slow").scrollIntoView({ block: "center" })),
    act("Come closer", () => view.set({ from: band.from, to: band.to })), act("Show all", () => choose(null)));
}

function measure(m) {
  wish.bins = m;
  if (band && band.measure !== m) choose(null);
  [...choice.children].forEach((b, i) => b.setAttribute("aria-pressed", String(Object.keys(measures)[i] === m)));
  board.refresh();
}

// ---- key figures of the span

const seconds = (a) => a.window.seconds;
const figures = [
  ["TTFT p95", "first token", ms, (a) => a.overall.ttft_ms.p95, "down"], ["Inter-token p50", "decode", ms, (a) => a.overall.tpot_ms.p50, "down"], ["Latency p50", "whole request", ms, (a) => a.overall.latency_ms.p50, "down"],
  ["Latency p99", "whole request", ms, (a) => a.overall.latency_ms.p99, "down"], ["Prefill", "tokens per second", si, (a) => a.overall.tokens.prompt / seconds(a)], ["Decode", "tokens per second", si, (a) => a.overall.tokens.completion / seconds(a)],
].map(([name, note, format, of, better]) => {
  const value = figure(), change = el("span", { class: "change", title: "against the same length before" });
  $("cards").append(el("article", { class: "card" }, el("h2", {}, name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, el("span", { class: "note" }, note), change)));
  return { show(now, before) {
    value.show(format(now && of(now)));
    tellChange(change, before && of(before), now && of(now), { better, enough: Math.min(now?.overall.requests, before?.overall.requests) >= 50 });
  } };
});
for (const f of figures) f.show(null, null);

$("board").classList.remove("unready");

// ---- what needs further questions

const pair = new Pair($("pair"), view);
let by = "model", comparing = 0, slowing = 0; // the question that was asked last
for (const b of document.querySelectorAll("[data-by]")) b.addEventListener("click", () => { by = b.dataset.by; for (const o of document.querySelectorAll("[data-by]")) o.setAttribute("aria-pressed", String(o === b)); compare(); });

// choosable offers what can be compared: versions of prompts where the windows keep them apart.
async function choosable() {
  const { dimensions } = await config().catch(() => ({ dimensions: ["prompt_version"] })), b = document.querySelector('[data-by="prompt_version"]');
  b.hidden = b.parentNode.hidden = !dimensions.includes("prompt_version");
}

async function compare(signal) {
  const mine = ++comparing, of = by;
  try {
    const [a, before] = await Promise.all([versus(of, view, signal), earlier(view, signal)]);
    if (mine !== comparing) return;
    for (const f of figures) f.show(a, before);
    showVersus($("versus"), of, a, view);
    setText($("versus-note"), "of the whole range; the best of each column is marked");
    await pair.offer(of, a.groups.filter((g) => g.key[of] !== null && g.stats.requests > 0 && view.lets(g.key)).map((g) => g.key[of]), signal);
  } catch (e) {
    if (e.name === "AbortError" || mine !== comparing) return;
    for (const f of figures) f.show(null, null);
    $("versus").replaceChildren();
    setText($("versus-note"), explain(e));
    $("pair").hidden = true;
  }
}

// singleOnes shows what is told of single requests: of all, or of the chosen part.
async function singleOnes(signal) {
  const mine = ++slowing, part = band, of = part ? "of the chosen part, " : "";
  try {
    const [slow, sample] = await Promise.all([slowest(view, part, signal), phases(view, part, signal)]);
    if (mine !== slowing) return;
    showSlowest($("slow"), slow, view);
    setText($("slow-note"), `${of}of ${many(slow.of)} that are remembered`);
    setText($("phases-note"), `${of}means of an even sample of ${many(sample.length)} successful requests that are remembered${showPhases($("phases"), sample)}`);
  } catch (e) {
    if (e.name === "AbortError" || mine !== slowing) return;
    for (const id of ["slow", "phases"]) { refill($(id)); setText($(`${id}-note`), explain(e)); }
  }
}

board.addEventListener("frame", async () => {
  const { signal } = board.running;
  await Promise.all([choosable(), compare(signal), singleOnes(signal), machines.refresh(signal), loadMarks(view)]);
  board.draw();
});

const ofAll = () => { $("knees-all").hidden = !view.narrowed; };
view.addEventListener("change", ofAll);
ofAll();
let capacity = null;
async function knees() {
  try { showKnees($("knees"), $("knees-note"), capacity = await ask("GET", "/capacity/analysis")); } catch (e) { $("knees").replaceChildren(el("p", { class: "wait" }, explain(e))); }
}

const zone = () => { if ($("zone")) setText($("zone"), ` (${zoneName()})`); };
addEventListener("zonechange", zone);
zone();
tellBand();
choosable();
addMenusOf(view, () => band, () => by, () => capacity);
board.refresh();
knees();
