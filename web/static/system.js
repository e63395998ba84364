// The system board: one look at all services every few seconds, and everything on the page out of it. The dead letters look for themselves.
import { setText } from "./dom.js";
import { listen } from "./keys.js";
import { button } from "./ui.js";
import { Facts, overall } from "./system/facts.js";
import { Figures } from "./system/figures.js";
import "./system/letters.js";
import { look } from "./system/look.js";
import { PipelineMap } from "./system/map.js";
import { addMenus } from "./system/menus.js";
import { makePanels } from "./system/parts.js";
import { selfTestSheet } from "./system/selftest.js";
import { settingsSheet } from "./system/settings.js";

const byId = (id) => document.getElementById(id);
const every = 5000, soon = 1000; // ms between looks; a rate needs two of them
const facts = new Facts(), figures = new Figures(byId("figures")), map = new PipelineMap(byId("map")), panels = makePanels(byId);
let looks = 0, heard = 0, timer;

async function beat() {
  clearTimeout(timer);
  const seen = await look(looks ? null : (some) => { if (!heard) show(facts.take(some), [figures, map]); });
  heard = performance.now();
  show(facts.take(seen), [figures, map, ...panels]);
  pulse();
  timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", beat, { once: true }) : beat()), ++looks < 3 ? soon : every);
}

function show(f, parts) {
  const { state, words } = overall(f.health);
  for (const part of parts) part.show(f);
  byId("overall").dataset.state = state === "good" ? "live" : state;
  setText(byId("overall-text"), words);
}

function pulse() {
  const age = (performance.now() - heard) / 1000;
  setText(byId("age"), heard ? `seen ${Math.round(age)}\u2009s ago` : "");
}

addMenus();
byId("tools-system").append(button("Self-test", "check", selfTestSheet, "primary"), button("Configuration", "", settingsSheet));
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
listen({ shift() {}, zoom() {}, pause() {}, set() {}, zone: "utc" }, null); // what is shown is now, so only the keys that all boards have work
setInterval(pulse, 1000);
beat();
