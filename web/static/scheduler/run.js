// One run: what it did, how far it is, and its log as it is written.
import { el, setText } from "../dom.js";
import { call, get, runPath } from "./api.js";
import { confirm } from "./forms.js";
import { graph } from "./graph.js";
import { act, backfillHash, button, clock, dagHash, facts, interval, long, moment, over, progress, stateBadge, stateWord, took } from "./parts.js";

export function runView(dagID, runID) {
  const page = `/ui/dags/${encodeURIComponent(dagID)}/runs/${encodeURIComponent(runID)}`;
  const state = el("span"), title = el("h1", {}), tools = el("div", { class: "bar-tools" }), about = el("div"), picture = el("div", { class: "graph-holder" }), table = el("div"), alarm = el("p", { class: "notice bad-notice", hidden: true });
  const log = logPanel(page);
  let run, drawn = "", wantedTools = "";
  const node = el("div", {},
    el("div", { class: "bar" }, el("div", { class: "bar-title" }, title, state), tools), alarm,
    el("div", { class: "pair" },
      el("section", { class: "panel" }, el("header", { class: "panel-head" }, el("h2", {}, "Run")), about),
      el("section", { class: "panel" }, el("header", { class: "panel-head" }, el("h2", {}, "Tasks")), picture, table)),
    log.node);
  const clear = (failed) => act(() => call("POST", `${runPath(dagID, runID)}/clear`, { dry_run: false, only_failed: failed }), "The run starts again");
  const mark = (to) => act(() => call("PATCH", runPath(dagID, runID), { state: to }), `The run is marked as ${stateWord(to)}`);
  const showTools = () => {
    const key = `${run.state}`;
    if (key === wantedTools) return;
    wantedTools = key;
    tools.replaceChildren(...(over(run.state)
      ? [button("Run again", "again", () => confirm("Run all tasks again?", "What they made is made anew; the same events give the same bytes.", "Run again", () => clear(false)), "primary"),
        ...(run.state === "success" ? [] : [button("Only what failed", "again", () => clear(true)), button("Mark success", "check", () => confirm("Mark this run as success?", "Nothing is done; it only counts as done.", "Mark success", () => mark("success")))])]
      : [button("Cancel", "stop", () => confirm("Cancel this run?", "What it has stored stays.", "Cancel the run", () => act(() => call("POST", `${page}/cancel`), "The run is cancelled")))]));
  };
  return {
    node, title: runID, every: () => (run && over(run.state) ? 5000 : 1000), crumbs: [["Scheduler", "#/"], [dagID, dagHash(dagID)], [runID]],
    async refresh() {
      const answer = await get(page);
      run = answer.run;
      const key = JSON.stringify(answer.run) + (over(run.state) ? "" : answer.now);
      if (key !== drawn) {
        setText(title, interval(run.data_interval_start, run.data_interval_end));
        state.replaceChildren(stateBadge(run.state));
        alarm.hidden = !run.error;
        setText(alarm, run.error ?? "");
        about.replaceChildren(aboutRun(dagID, run, answer.now));
        const known = answer.dag.tasks.filter((t) => run.tasks.some((x) => x.task_id === t.task_id)).map((t) => ({ ...t, depends_on: (t.depends_on ?? []).filter((up) => run.tasks.some((x) => x.task_id === up)) }));
        picture.replaceChildren(graph(known.length > 0 ? known : run.tasks, // a run of one part of a task has no task of the DAG
          new Map(run.tasks.map((t) => [t.task_id, t.state])), (task) => log.choose(task)));
        table.replaceChildren(taskTable(run, answer.now));
        drawn = key;
      }
      showTools();
      log.tasks(run.tasks.map((t) => t.task_id));
      await log.refresh();
    },
  };
}

const by = { timetable: "its schedule", rest_api: "the API", cli: "the command line", ui: "this page", backfill: "a backfill", operator: "an operator" };

function aboutRun(dag, run, now) {
  const done = run.progress, bar = done?.total > 0 ? [el("div", { class: "progress-line pad" }, progress(done.done, done.total, "Progress"), el("span", {}, `${done.done} of ${done.total} ${done.unit}`))] : [];
  return el("div", {}, ...bar, facts([
    ["Interval", `${moment(run.data_interval_start)} – ${moment(run.data_interval_end)}`],
    ["Run id", el("code", {}, run.run_id)],
    ["Started by", `${by[run.triggered_by] ?? run.triggered_by ?? run.run_type}${run.triggering_user ? `, ${run.triggering_user}` : ""}`],
    ["Backfill", run.backfill_id ? el("a", { href: backfillHash(dag, run.backfill_id) }, `number ${run.backfill_id}`) : undefined],
    ["Due", moment(run.run_after)], ["Started", moment(run.started_at)], ["Ended", run.ended_at ? moment(run.ended_at) : undefined], ["Took", long(took(run, now))],
    ["Note", run.note], ["Conf", run.conf && Object.keys(run.conf).length ? el("pre", { class: "conf" }, JSON.stringify(run.conf, null, 2)) : undefined]]));
}

function taskTable(run, now) {
  return el("div", { class: "table-scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...["Task", "State", "Try", "Started", "Took"].map((h, i) => el("th", { scope: "col", class: i < 2 ? "left-cell" : false }, h)))),
    el("tbody", {}, ...run.tasks.flatMap((t) => [
      el("tr", {}, el("td", { class: "left-cell strong" }, t.task_id), el("td", { class: "left-cell" }, stateBadge(t.state)), el("td", {}, t.try_number ? `${t.try_number} of ${(t.max_tries ?? 0) + 1}` : "–"), el("td", {}, t.started_at ? `${clock(t.started_at)}` : "–"), el("td", {}, long(took(t, now)))),
      ...(t.error ? [el("tr", { class: "detail" }, el("td", { colspan: 5, class: "left-cell bad" }, el("div", { class: "detail-text" }, t.error)))] : []),
      ...(t.next_try_at && t.state === "up_for_retry" ? [el("tr", { class: "detail" }, el("td", { colspan: 5, class: "left-cell" }, el("div", { class: "detail-text" }, `next try at ${moment(t.next_try_at)}`)))] : []),
      ...(t.summary ? [el("tr", { class: "detail" }, el("td", { colspan: 5, class: "left-cell" }, el("div", { class: "detail-text" }, summary(t.summary))))] : [])]))));
}

// What a task found, as words: plain values only.
const summary = (s) => Object.entries(s).filter(([, v]) => v !== null && typeof v !== "object").map(([k, v]) => `${k.replaceAll("_", " ")} ${typeof v === "number" ? new Intl.NumberFormat("en").format(v) : v}`).join(" · ");

// The log: what is known stays, what is new is added below, and the end is followed until somebody scrolls up.
function logPanel(page) {
  const list = el("ol", { class: "log", tabindex: "0", "aria-label": "Log" }), follow = el("span", { class: "badge" }), choice = el("select", { onchange: () => reset() }, el("option", { value: "" }, "All tasks"));
  const copy = button("Copy", "", async () => { await navigator.clipboard.writeText([...list.querySelectorAll("li")].map((n) => n.dataset.text).join("\n")); });
  let known = 0, task = "", offered = "", generation = 0, following = true;
  list.addEventListener("scroll", () => { following = list.scrollTop + list.clientHeight >= list.scrollHeight - 24; });
  const node = el("section", { class: "panel" }, el("header", { class: "panel-head log-head" }, el("h2", {}, "Log"), follow, el("label", { class: "select" }, el("span", { class: "visually-hidden" }, "Task"), choice), copy), list);
  function reset() {
    task = choice.value;
    known = 0;
    generation++;
    list.replaceChildren();
    panel.refresh().catch(() => {}); // the next look of the page says what is wrong
  }
  const panel = {
    node,
    choose(id) { choice.value = id; reset(); },
    tasks(ids) {
      if (ids.join() === offered) return;
      offered = ids.join();
      choice.replaceChildren(el("option", { value: "" }, "All tasks"), ...ids.map((id) => el("option", { value: id }, id)));
      choice.value = task;
    },
    async refresh() {
      const mine = generation, answer = await get(`${page}/logs?after=${known}&task=${encodeURIComponent(task)}`);
      if (mine !== generation) return;
      if (answer.total < known) { known = 0; list.replaceChildren(); return; } // begun anew
      list.querySelector(".log-none")?.remove();
      list.append(...answer.lines.map(line));
      known = answer.total;
      if (!known) list.append(el("li", { class: "log-none" }, "Nothing was written yet"));
      if (following && answer.lines.length) requestAnimationFrame(() => { list.scrollTop = list.scrollHeight; }); // after the panel is in the page
      const live = !over(answer.state);
      follow.dataset.state = live ? "good" : "";
      setText(follow, live ? "live" : `${known} lines`);
    },
  };
  return panel;
}

function line(l) {
  const d = new Date(l.timestamp), time = `${clock(d)}:${String(d.getUTCSeconds()).padStart(2, "0")}.${String(d.getUTCMilliseconds()).padStart(3, "0")}`;
  return el("li", { class: `log-line l-${l.level}`, "data-text": `${l.timestamp} ${l.level} ${l.task_id ?? ""} ${l.event}` },
    el("time", { datetime: l.timestamp, title: l.timestamp }, time), el("span", { class: "log-level" }, l.level), el("span", { class: "log-task" }, l.task_id ?? "run"), el("span", { class: "log-text" }, l.event));
}
