// The system board: what was counted in any span, and how every part is now, out of one look at all services every few seconds. The dead letters
// look for themselves.
import { Board } from "./board.js";
import { Chart } from "./chart.js";
import { zoneName } from "./format.js";
import { setText } from "./dom.js";
import { loadMarks } from "./marks.js";
import { specs, wish } from "./system/charts.js";
import { Facts, overall } from "./system/facts.js";
import { Figures } from "./system/figures.js";
import "./system/letters.js";
import { look } from "./system/look.js";
import { PipelineMap } from "./system/map.js";
import { addMenusOf } from "./system/menus.js";
import { makePanels } from "./system/parts.js";
import { selfTestSheet } from "./system/selftest.js";
import { settingsSheet } from "./system/settings.js";
import { button } from "./ui.js";

const byId = (id) => document.getElementById(id);
const every = 5000, soon = 1000; // ms between looks; a rate needs two of them
const board = new Board({ wish, otherwise: 900, filters: [], health: () => byId("services-title").scrollIntoView({ behavior: "smooth", block: "center" }) });
const { view, bar } = board;
const facts = new Facts(), figures = new Figures(byId("figures")), map = new PipelineMap(byId("map")), panels = makePanels(byId);
byId("charts").append(...specs.map((spec) => board.add(new Chart(spec)).node));
let looks = 0, shown = null, timer;
addMenusOf(() => shown, map);

// beat looks at everything, again and again while the picture is not held.
async function beat() {
  clearTimeout(timer);
  const seen = view.held === null && await look(looks ? null : (some) => { if (!shown) show(facts.take(some), [figures, map]); });
  if (seen && view.held === null) show(shown = facts.take(seen), [figures, map, ...panels]);
  byId("board").classList.remove("unready"); // everything at once: nothing moves
  timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", beat, { once: true }) : beat()), ++looks < 3 ? soon : every);
}

function show(f, parts) {
  const { state, words } = overall(f.health);
  for (const part of parts) part.show(f);
  bar.setHealth(state, words);
}

// ---- alerts and actions on the charts

let watching;
async function watch() {
  clearTimeout(watching);
  watching = setTimeout(watch, 30_000);
  if (document.hidden) return;
  await loadMarks(view);
  board.draw();
}

byId("bar").querySelector(".bar-tools").append(button("Configuration", "", settingsSheet), button("Self-test", "check", selfTestSheet, "primary"));
view.addEventListener("change", () => { byId("now-only").hidden = view.from === null; watch(); });
byId("now-only").hidden = view.from === null;
const zone = () => { setText(byId("zone"), ` (${zoneName()})`); for (const p of panels) p.drawn = ""; if (shown) show(shown, panels); };
addEventListener("zonechange", zone);
zone();
board.refresh();
beat();
watch();
