// All DAGs: when each runs next, how its last runs went, and what can be done with it.
import { el, setText } from "../dom.js";
import { explain, get, logout, user } from "./api.js";
import { backfillForm, triggerForm } from "./forms.js";
import { away, bars, button, dagHash, interval, pauseSwitch, sign, stateWord, toast } from "./parts.js";

const every = { hourly: "every hour", daily: "every day", weekly: "every week", monthly: "every month" };

export function listView() {
  const note = el("span", { class: "badge" }), rows = new Map(), body = el("div", { class: "dags" }), leave = button("Log out", "", () => logout().catch((e) => toast(explain(e), "bad")));
  const node = el("div", {},
    el("div", { class: "bar" }, el("div", { class: "bar-title" }, el("h1", {}, "Scheduler"), note), leave),
    body);
  return {
    node, title: "Scheduler", every: () => 3000,
    async refresh() {
      const { now, dags, schedulers } = await get("/ui/overview");
      leave.hidden = !user;
      leave.title = user ? `Logged in as ${user}` : "";
      note.dataset.state = schedulers.alive ? "good" : "bad";
      setText(note, schedulers.alive > 1 ? `${schedulers.alive} instances` : schedulers.alive ? "running" : "not running");
      for (const d of dags) {
        if (!rows.has(d.dag_id)) { rows.set(d.dag_id, row(d)); body.append(rows.get(d.dag_id).node); }
        rows.get(d.dag_id).show(d, now);
      }
    },
  };
}

function row(d) {
  const toggle = pauseSwitch(d.dag_id), next = el("span", { class: "dag-next" }), runs = el("div", { class: "dag-runs" }), counts = el("div", { class: "dag-counts" });
  let current = d, drawn = "";
  const node = el("section", { class: "panel dag" },
    el("div", { class: "dag-name" },
      el("a", { class: "dag-link", href: dagHash(d.dag_id) }, d.dag_id),
      el("p", { class: "dag-when" }, `${every[d.period] ?? d.period} · `, el("code", {}, d.cron), " UTC"),
      next),
    runs, counts,
    el("div", { class: "dag-tools" }, toggle, button("Trigger", "play", () => triggerForm(current)), button("Backfill", "past", () => backfillForm(current))));
  return {
    node,
    show(dag, now) {
      current = dag;
      toggle.show(dag);
      setText(next, dag.disabled ? "" : dag.paused ? "nothing starts while it is paused" : dag.next_run_after ? `next ${away(dag.next_run_after, now)}${dag.next_start ? `, for ${interval(dag.next_start, dag.next_end)}` : ""}` : "");
      const key = JSON.stringify(dag.runs) + (dag.runs.some((r) => r.state === "running") ? now : "");
      if (key === drawn) return;
      runs.replaceChildren(dag.runs.length ? bars(dag.dag_id, [...dag.runs].reverse(), now) : el("p", { class: "dag-none" }, "No run yet"));
      counts.replaceChildren(...["success", "failed", "running", "queued"].filter((s) => dag.counts[s] || s === "success").map((s) =>
        el("span", { class: "dag-count", title: `${dag.counts[s]} runs: ${stateWord(s)}` }, sign(s, 14), String(dag.counts[s]))));
      drawn = key;
    },
  };
}
