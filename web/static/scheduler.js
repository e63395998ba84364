// The page of the scheduler: finds the view that the address names, and keeps it fresh while somebody looks.
import { explain } from "./scheduler/api.js";
import { backfillView } from "./scheduler/backfill.js";
import { dagView } from "./scheduler/dag.js";
import { listView } from "./scheduler/list.js";
import { crumbs, toast } from "./scheduler/parts.js";
import { runView } from "./scheduler/run.js";
import { el } from "./dom.js";
import { unescaped } from "./format.js";

const routes = [
  [/^\/?$/, () => listView()],
  [/^\/dags\/([^/]+)$/, (dag) => dagView(dag)],
  [/^\/dags\/([^/]+)\/runs\/([^/]+)$/, (dag, run) => runView(dag, run)],
  [/^\/dags\/([^/]+)\/backfills\/(\d+)$/, (dag, id) => backfillView(dag, id)],
];

const holder = document.getElementById("view");
let view, timer, turn = 0, lost = false;

function find(hash) {
  const path = hash.replace(/^#/, "");
  for (const [pattern, make] of routes) {
    const m = pattern.exec(path);
    if (m) return make(...m.slice(1).map(unescaped));
  }
  return { node: el("section", { class: "planned" }, el("h2", {}, "There is no such page"), el("p", {}, el("a", { href: "#/" }, "All DAGs"))), title: "Not found", refresh: async () => {} };
}

async function go() {
  const mine = ++turn;
  clearTimeout(timer);
  view?.close?.();
  view = find(location.hash);
  crumbs(view.crumbs ?? []);
  document.title = `${view.title} · hxp`;
  scrollTo(0, 0);
  await beat(mine, true);
}

// One look at the server. A view is shown when its first look is over, so that nothing jumps.
async function beat(mine, first) {
  try {
    await view.refresh();
    if (mine !== turn) return;
    if (lost) { lost = false; toast("Connected again"); }
    if (first) holder.replaceChildren(view.node);
  } catch (e) {
    if (mine !== turn) return;
    if (first) holder.replaceChildren(el("section", { class: "planned" }, el("h2", {}, e.status === 404 ? "Not found" : "This did not work"), el("p", {}, explain(e)), el("p", {}, el("a", { href: "#/" }, "All DAGs"))));
    else if (!lost) { lost = true; toast(explain(e), "bad"); }
    if (e.status === 404) return;
  }
  timer = setTimeout(() => (document.hidden ? wake(mine) : beat(mine, first && !holder.contains(view.node))), view.every?.() ?? 3000);
}

// A page in the background asks nothing until it is looked at again.
function wake(mine) {
  document.addEventListener("visibilitychange", () => mine === turn && beat(mine, false), { once: true });
}

// Whatever changes something looks again at once.
addEventListener("changed", () => { clearTimeout(timer); beat(turn, false); });
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" }); // on a phone it would lie beyond the edge
addEventListener("hashchange", go);
go();
