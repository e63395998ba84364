// What is asked before something starts: a trigger with its interval, a backfill with its preview, and "are you sure".
import { el, setText } from "../dom.js";
import { field, sheet } from "../ui.js";
import { call, changed, dagPath, explain } from "./api.js";
import { backfillHash, button, date, interval, runHash, toast } from "./parts.js";

const at = (value, type) => el("input", { type, value: value ?? "", step: type === "datetime-local" ? 60 : false });
const utc = (input) => (input.value ? (input.type === "date" ? `${input.value}T00:00:00Z` : `${input.value.slice(0, 16)}:00Z`) : null);

export function confirm(title, text, word, yes) {
  const { box, form } = sheet(title, el("p", { class: "sheet-text" }, text));
  form.append(el("div", { class: "form-end" }, button("Not now", "", () => box.close()), el("button", { class: "button primary", type: "submit" }, word)));
  form.addEventListener("submit", () => yes());
}

const waits = (dag) => (dag.paused ? [el("p", { class: "notice" }, "The DAG is paused: what starts here waits until it is back on schedule.")] : []);

export function triggerForm(dag) {
  const kind = dag.period === "hourly" ? "datetime-local" : "date";
  const from = at("", kind), to = at("", kind), conf = el("textarea", { rows: 3, placeholder: "{}", spellcheck: "false" }), note = el("input", { maxlength: 1000 }), wrong = el("p", { class: "form-error", role: "alert" });
  const { box, form } = sheet(`Trigger ${dag.dag_id}`,
    el("p", { class: "sheet-text" }, "Without dates the last whole interval is run. Times are UTC."), ...waits(dag),
    el("div", { class: "fields" }, field("Interval from", from), field("to", to, "not included")),
    field("Conf", conf, "a JSON object that the run carries"), field("Note", note), wrong);
  form.append(el("div", { class: "form-end" }, button("Not now", "", () => box.close()), el("button", { class: "button primary", type: "submit" }, "Trigger")));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    let parsed = null;
    try {
      if (conf.value.trim()) parsed = JSON.parse(conf.value);
      if (parsed !== null && (typeof parsed !== "object" || Array.isArray(parsed))) throw new Error("it is no object");
    } catch (err) {
      setText(wrong, `Conf is not a JSON object: ${err.message}`);
      return;
    }
    try {
      const run = await call("POST", `${dagPath(dag.dag_id)}/dagRuns`, { logical_date: null, data_interval_start: utc(from), data_interval_end: utc(to), conf: parsed, note: note.value || null });
      box.close();
      toast("The run starts");
      location.hash = runHash(dag.dag_id, run.dag_run_id);
    } catch (err) {
      setText(wrong, explain(err));
    }
  });
}

// How many intervals of a preview are shown.
const most = 200;

export function backfillForm(dag) {
  const back = { hourly: 1, daily: 7, weekly: 28, monthly: 62 }[dag.period] ?? 7, today = Date.now();
  const from = at(date(today - back * 86400e3), "date"), to = at(date(today - 86400e3), "date");
  const again = el("select", {}, ...[["none", "leave it alone"], ["failed", "run it again if it failed"], ["completed", "run it again"]].map(([v, t]) => el("option", { value: v }, t)));
  const active = el("input", { type: "number", min: 1, value: 10 }), backwards = el("input", { type: "checkbox" }), wrong = el("p", { class: "form-error", role: "alert" }), preview = el("div", { class: "preview", "aria-live": "polite" });
  const start = el("button", { class: "button primary", type: "submit", disabled: true }, "Start");
  const { box, form } = sheet(`Backfill ${dag.dag_id}`,
    el("p", { class: "sheet-text" }, "Runs the intervals that start on these days, both included (UTC)."), ...waits(dag),
    el("div", { class: "fields" }, field("From", from), field("To", to)),
    el("div", { class: "fields" }, field("Where a run exists", again), field("Runs at the same time", active)),
    el("label", { class: "check" }, backwards, el("span", {}, "begin with the latest")),
    preview, wrong);
  form.append(el("div", { class: "form-end" }, button("Not now", "", () => box.close()), start));
  // The end of the day that was chosen belongs to the range, so its last hour does.
  const body = () => ({ dag_id: dag.dag_id, from_date: utc(from), to_date: to.value ? `${to.value}T23:59:59Z` : null, reprocess_behavior: again.value, max_active_runs: Number(active.value) || 1, run_backwards: backwards.checked });
  let asked = 0, timer;
  const look = async () => {
    const mine = ++asked;
    start.disabled = true;
    setText(wrong, "");
    if (!from.value || !to.value) { preview.replaceChildren(); return; }
    try {
      const plan = await call("POST", "/ui/backfills/plan", body());
      if (mine !== asked) return;
      start.disabled = plan.total === 0;
      setText(start, plan.total ? `Start ${plan.total} run${plan.total === 1 ? "" : "s"}` : "Nothing to do");
      preview.replaceChildren(previewOf(plan));
    } catch (err) {
      if (mine !== asked) return;
      preview.replaceChildren();
      setText(wrong, explain(err));
    }
  };
  for (const input of [from, to, again, active, backwards]) input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 150); });
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (start.disabled) return;
    start.disabled = true;
    try {
      const made = await call("POST", "/api/v2/backfills", body());
      box.close();
      changed();
      location.hash = backfillHash(dag.dag_id, made.id);
    } catch (err) {
      setText(wrong, explain(err));
      start.disabled = false;
    }
  });
  look();
}

function previewOf(plan) {
  const skipped = plan.runs.length - plan.total, shown = plan.runs.slice(0, most);
  return el("div", {},
    el("p", { class: "preview-sum" }, el("strong", {}, String(plan.total)), ` to run${skipped ? `, ${skipped} left alone` : ""}`),
    el("ol", {}, ...shown.map((r) => el("li", { class: `plan-${r.action}` }, el("span", {}, interval(r.data_interval_start, r.data_interval_end)), el("span", {}, r.action === "skip" ? r.reason || "left alone" : r.action === "rerun" ? "again" : "new"))),
      ...(plan.runs.length > most ? [el("li", {}, `and ${plan.runs.length - most} more`)] : [])));
}
