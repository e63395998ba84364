// One DAG: its runs by task, its tasks in order, its backfills and what it is set to.
import { el, setText } from "../dom.js";
import { get } from "./api.js";
import { backfillForm, triggerForm } from "./forms.js";
import { graph } from "./graph.js";
import { away, backfillHash, button, clock, date, facts, interval, long, minute, pauseSwitch, progress, runHash, sign, stateBadge, stateWord, took } from "./parts.js";

const PAGE = 40, MOST = 200; // runs that are shown more at a time, and at most

export function dagView(id) {
  const toggle = pauseSwitch(id), next = el("span", { class: "dag-next" }), grid = el("div"), tasks = el("div", { class: "graph-holder" }), settings = el("div"), fills = el("div");
  const older = button("Older runs", "", () => { shown += PAGE; drawn = ""; dispatchEvent(new Event("changed")); }), count = el("span", { class: "unit" });
  let dag, shown = PAGE, drawn = "", drawnFills = "";
  const panel = (title, extra, ...content) => el("section", { class: "panel" }, el("header", { class: "panel-head" }, el("h2", {}, title), ...(extra ? [extra] : [])), ...content);
  const node = el("div", {},
    el("div", { class: "bar" },
      el("div", { class: "bar-title" }, el("h1", {}, id), next),
      el("div", { class: "bar-tools" }, toggle, button("Trigger", "play", () => triggerForm(dag), "primary"), button("Backfill", "past", () => backfillForm(dag)))),
    panel("Runs", count, grid),
    el("div", { class: "pair" }, panel("Tasks", null, tasks), panel("Settings", null, settings)),
    panel("Backfills", null, fills));
  return {
    node, title: id, every: () => 3000, crumbs: [["Scheduler", "#/"], [id]],
    async refresh() {
      const [answer, backfills] = await Promise.all([get(`/ui/dags/${encodeURIComponent(id)}/grid?limit=${shown}`), get(`/ui/backfills?limit=10&dag_id=${encodeURIComponent(id)}`)]);
      const first = !dag;
      dag = answer.dag;
      toggle.show(dag);
      setText(next, dag.paused ? "nothing starts while it is paused" : dag.next_run_after ? `next run ${away(dag.next_run_after, answer.now)}` : "");
      setText(count, `${answer.total} in all`);
      if (first) {
        tasks.replaceChildren(graph(dag.tasks));
        settings.replaceChildren(facts([["Schedule", `${dag.cron} (${dag.timezone})`], ["Next interval", dag.next_start && interval(dag.next_start, dag.next_end)], ["Missed runs", dag.catch_up === "all" ? "all are made up for" : "the latest is made up for"],
          ["Retries of a task", `${dag.retries}, ${long(dag.retry_delay_seconds)} apart`], ["Time limit of a run", long(dag.timeout_seconds)]]));
      }
      const key = JSON.stringify(answer.runs) + (answer.runs.some((r) => r.state === "running") ? answer.now : "");
      if (key !== drawn) {
        keepScroll(grid, gridOf(id, dag.tasks, [...answer.runs].reverse(), answer.now, answer.total > answer.runs.length && shown < MOST ? older : null));
        drawn = key;
      }
      const fillKey = JSON.stringify(backfills);
      if (fillKey !== drawnFills) {
        fills.replaceChildren(backfills.backfills.length ? backfillTable(id, backfills.backfills) : el("p", { class: "none" }, "No backfill yet. A backfill runs the DAG for intervals of the past."));
        drawnFills = fillKey;
      }
    },
  };
}

// Puts new content into a holder; what is scrolled to the newest run stays there, and so does where one looked before.
function keepScroll(holder, content) {
  const old = holder.querySelector(".grid-scroll"), left = old?.scrollLeft, end = !old || old.scrollLeft + old.clientWidth >= old.scrollWidth - 4;
  holder.replaceChildren(content);
  const now = holder.querySelector(".grid-scroll");
  if (now) requestAnimationFrame(() => { now.scrollLeft = end ? now.scrollWidth : left; });
}

// Runs from left to right, a line for each task. Above them how long each took.
function gridOf(dag, tasks, runs, now, older) {
  if (!runs.length) return el("p", { class: "none" }, "No run yet. It runs by its schedule, or when you trigger it.");
  const seconds = runs.map((r) => took(r, now) ?? 0), most = Math.max(...seconds, 0.001);
  const head = runs.map((r, i) => {
    const bar = el("span", { class: `bar-fill s-${r.state}` });
    bar.style.height = `${Math.round(4 + 44 * Math.sqrt(seconds[i] / most)) / 10}rem`;
    const text = `${interval(r.data_interval_start, r.data_interval_end)} · ${r.run_type}, ${stateWord(r.state)}${r.started_at ? `, ${long(seconds[i])}` : ""}`;
    return el("th", { scope: "col" }, el("a", { class: "grid-run", href: runHash(dag, r.run_id), title: text, "aria-label": text }, bar));
  });
  const lines = tasks.map((t) => el("tr", {}, el("th", { scope: "row" }, t.task_id), ...runs.map((r) => {
    const cell = r.tasks?.find((c) => c.task_id === t.task_id), state = cell?.state;
    const text = `${t.task_id}, ${interval(r.data_interval_start, r.data_interval_end)}: ${stateWord(state)}${cell?.try_number > 1 ? `, try ${cell.try_number}` : ""}`;
    return el("td", {}, el("a", { class: "grid-cell", href: `${runHash(dag, r.run_id)}`, title: text, "aria-label": text }, sign(state, 18)));
  })));
  const labels = runs.map((r, i) => el("td", { class: "grid-label" }, i % 8 === 0 ? el("span", {}, label(r)) : ""));
  return el("div", { class: "grid-scroll", tabindex: "0", role: "region", "aria-label": "Runs by task" },
    el("table", { class: "grid" }, el("thead", {}, el("tr", {}, el("th", { class: "grid-scale" }, el("span", {}, long(most)), ...(older ? [older] : [])), ...head)),
      el("tbody", {}, ...lines, el("tr", { class: "grid-labels" }, el("th", {}), ...labels))));
}

const label = (r) => (new Date(r.data_interval_end) - new Date(r.data_interval_start) <= 3600e3 ? `${date(r.data_interval_start).slice(5)} ${clock(r.data_interval_start)}` : date(r.data_interval_start));

function backfillTable(dag, list) {
  return el("div", { class: "table-scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...["Backfill", "State", "Progress", "Asked for", "Reprocess"].map((h, i) => el("th", { scope: "col", class: i === 2 ? "wide-cell left-cell" : "left-cell" }, h)))),
    el("tbody", {}, ...list.map((b) => el("tr", {},
      el("td", { class: "left-cell" }, el("a", { href: backfillHash(dag, b.id) }, `${minute(b.from)} – ${minute(b.to)}`)),
      el("td", { class: "left-cell" }, stateBadge(b.paused && !b.completed_at ? "queued" : b.state)),
      el("td", { class: "left-cell" }, el("div", { class: "progress-line" }, progress(b.done + b.failed + b.cancelled, b.total, "Progress", b.failed + b.cancelled), el("span", {}, `${b.done + b.failed + b.cancelled} of ${b.total}`))),
      el("td", { class: "left-cell" }, minute(b.created_at)),
      el("td", { class: "left-cell" }, b.reprocess))))));
}
