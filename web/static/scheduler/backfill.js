// One backfill: how far it is, run by run, with what can be done about it.
import { el, setText } from "../dom.js";
import { call, get } from "./api.js";
import { confirm } from "./forms.js";
import { act, button, dagHash, date, facts, interval, minute, progress, runHash, stateBadge, stateWord } from "./parts.js";

export function backfillView(dag, id) {
  const state = el("span"), tools = el("div", { class: "bar-tools" }), about = el("div"), map = runMap(dag), rest = el("span", { class: "unit" });
  let b, drawn = "", wanted = "";
  const change = (word, text) => act(() => call("PUT", `/api/v2/backfills/${id}/${word}`), text);
  const node = el("div", {},
    el("div", { class: "bar" }, el("div", { class: "bar-title" }, el("h1", {}, `Backfill ${id}`), state), tools),
    el("section", { class: "panel" }, about),
    el("section", { class: "panel" }, el("header", { class: "panel-head" }, el("h2", {}, "Runs"), rest), map.node));
  return {
    node, title: `Backfill ${id}`, every: () => (b?.completed_at ? 10000 : 1000), crumbs: [["Scheduler", "#/"], [dag, dagHash(dag)], [`Backfill ${id}`]],
    async refresh() {
      b = await get(`/ui/backfills/${id}?runs=true`);
      const key = JSON.stringify(b);
      if (key === drawn) return;
      drawn = key;
      state.replaceChildren(b.paused && !b.completed_at ? el("span", { class: "badge", "data-state": "warn" }, "held") : stateBadge(b.state));
      const over = b.done + b.failed + b.cancelled, share = b.total ? Math.floor((over / b.total) * 100) : 100;
      map.show(b.runs ?? []);
      setText(rest, b.runs && b.runs.length < b.total ? `the first ${b.runs.length} of ${b.total}` : "");
      about.replaceChildren(
        el("div", { class: "big-progress" }, el("p", {}, el("strong", {}, `${share} %`), ` ${over} of ${b.total} runs ended`), progress(over, b.total, "Progress", b.failed + b.cancelled)),
        facts([["Intervals that start", `${minute(b.from)} – ${minute(b.to)}`], ["Succeeded", String(b.done)], ["Failed", String(b.failed)], ["Cancelled", b.cancelled ? String(b.cancelled) : undefined], ["Running", String(b.running)],
          ["Tasks", `${b.tasks.succeeded} done, ${b.tasks.running} running, ${b.tasks.waiting} waiting, ${b.tasks.failed} failed`], ["Where a run exists", { none: "it is left alone", failed: "it is run again if it failed", completed: "it is run again" }[b.reprocess]],
          ["At the same time", `${b.max_active_runs} runs`], ["Order", b.run_backwards ? "the latest first" : "the earliest first"], ["Asked for", `${minute(b.created_at)}${b.triggering_user ? ` by ${b.triggering_user}` : ""}`], ["Ended", b.completed_at ? minute(b.completed_at) : undefined]]));
      const want = `${b.paused}${!!b.completed_at}`;
      if (want === wanted) return;
      wanted = want;
      tools.replaceChildren(...(b.completed_at ? [] : [
        b.paused ? button("Go on", "play", () => change("unpause", "The backfill goes on"), "primary") : button("Hold", "pause", () => change("pause", "The backfill is held: no further run starts")),
        button("Cancel", "stop", () => confirm("Cancel this backfill?", "Runs that have ended stay; those that have not are cancelled.", "Cancel the backfill", () => change("cancel", "The backfill is cancelled")))]));
    },
  };
}

// A square for each run in the order of the intervals, hours in a strip for each day. Only what changed is touched: there may be thousands.
function runMap(dag) {
  const node = el("div", { class: "run-map" }), squares = new Map(), strips = new Map();
  const strip = (r) => {
    const day = date(r.data_interval_start);
    if (!strips.has(day)) {
      const hours = el("div", { class: "strip-hours" });
      strips.set(day, hours);
      node.classList.add("by-day");
      node.append(el("div", { class: "strip" }, el("span", {}, day), hours));
    }
    return strips.get(day);
  };
  const square = (r) => {
    const a = el("a", { href: runHash(dag, r.run_id) }), start = new Date(r.data_interval_start), hourly = new Date(r.data_interval_end) - start === 3600e3;
    if (hourly) a.style.gridColumnStart = start.getUTCHours() + 1;
    (hourly ? strip(r) : node).append(a);
    squares.set(r.run_id, a);
    return a;
  };
  return {
    node,
    show(runs) {
      for (const r of runs) {
        const a = squares.get(r.run_id) ?? square(r);
        if (a.dataset.state === r.state) continue;
        a.dataset.state = r.state;
        a.className = `s-${r.state}`;
        a.title = `${interval(r.data_interval_start, r.data_interval_end)}, ${stateWord(r.state)}`;
        a.setAttribute("aria-label", a.title);
      }
    },
  };
}
