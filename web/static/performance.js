// The performance board: where does the time go?
import { ask, explain } from "./ask.js";
import { Board } from "./board.js";
import { Chart } from "./chart.js";
import { el, figure, setText } from "./dom.js";
import { ms, si, zoneName } from "./format.js";
import { loadMarks } from "./marks.js";
import { metrics, specs } from "./performance/charts.js";
import { heatSpec, measures } from "./performance/heat.js";
import { showKnees } from "./performance/knee.js";
import { showSlowest, slowest } from "./performance/slowest.js";
import { showVersus, versus } from "./performance/versus.js";
import { openRequest } from "./request.js";

const $ = (id) => document.getElementById(id);
const wish = { metrics, bins: "latency_ms", points: 240 };
const board = new Board({ wish, otherwise: 900, search: openRequest });
const { view } = board;

// ---- charts

const heat = board.add(new Chart(heatSpec(() => wish.bins)));
heat.node.classList.add("heat");
const choice = el("div", { class: "segments small", role: "group", "aria-label": "Measure" }, ...Object.entries(measures).map(([m, name]) => el("button", { type: "button", "aria-pressed": String(m === wish.bins), onclick: () => measure(m) }, name)));
heat.head.querySelector(".unit").after(choice);
$("charts").append(heat.node, ...specs.map((spec) => board.add(new Chart(spec)).node));

function measure(m) {
  wish.bins = m;
  [...choice.children].forEach((b, i) => b.setAttribute("aria-pressed", String(Object.keys(measures)[i] === m)));
  board.refresh();
}

// ---- key figures of the span

const figures = [
  ["TTFT p95", "first token", (s) => ms(s.ttft_ms.p95)], ["Inter-token p50", "decode", (s) => ms(s.tpot_ms.p50)], ["Latency p50", "whole request", (s) => ms(s.latency_ms.p50)], ["Latency p99", "whole request", (s) => ms(s.latency_ms.p99)],
  ["Prefill", "tokens per second", (s, n) => si(s.tokens.prompt / n)], ["Decode", "tokens per second", (s, n) => si(s.tokens.completion / n)],
].map(([name, note, of]) => {
  const value = figure();
  $("cards").append(el("article", { class: "card" }, el("h2", {}, name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, el("span", { class: "note" }, note))));
  value.show(["–", ""]);
  return { value, of };
});

$("board").classList.remove("unready");

// ---- what needs further questions

let by = "model", slow = null;
board.config.then(({ dimensions }) => { document.querySelector('[data-by="prompt_version"]').hidden = !dimensions.includes("prompt_version"); }).catch(() => {});
for (const b of document.querySelectorAll("[data-by]")) b.addEventListener("click", () => { by = b.dataset.by; for (const o of document.querySelectorAll("[data-by]")) o.setAttribute("aria-pressed", String(o === b)); compare(); });

async function compare(signal) {
  try {
    const a = await versus(by, view, signal);
    for (const { value, of } of figures) value.show(of(a.overall, a.window.seconds));
    showVersus($("versus"), by, a, (v) => view.filter(by, v));
    setText($("versus-note"), "of the whole range; the best of each column is marked");
  } catch (e) { if (e.name !== "AbortError") { $("versus").replaceChildren(); setText($("versus-note"), explain(e)); } }
}

async function slowOnes(signal) {
  try {
    slow = await slowest(view, signal);
    if (!$("slow").contains(document.activeElement)) showSlowest($("slow"), slow);
    setText($("slow-note"), `of the newest ${slow.of} that are remembered`);
  } catch (e) { if (e.name !== "AbortError") setText($("slow-note"), explain(e)); }
}

board.addEventListener("frame", async () => {
  const { signal } = board.running;
  await Promise.all([compare(signal), slowOnes(signal), loadMarks(view)]);
  board.draw();
});

async function knees() {
  try { showKnees($("knees"), $("knees-note"), await ask("GET", "/capacity/analysis")); } catch (e) { $("knees").replaceChildren(el("p", { class: "wait" }, explain(e))); }
}

const zone = () => { if ($("zone")) setText($("zone"), ` (${zoneName()})`); };
addEventListener("zonechange", zone);
zone();
board.refresh();
knees();
