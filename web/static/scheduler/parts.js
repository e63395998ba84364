// What the views of the scheduler share: states and small pieces of the page.
import { el, setText, svg } from "../dom.js";
import { toast } from "../ui.js";
import { call, changed, dagPath, explain } from "./api.js";
import { interval, long, took } from "./times.js";

export * from "./times.js";
export { button, facts, icon, icons, toast } from "../ui.js";

const words = { success: "success", running: "running", queued: "queued", failed: "failed", cancelled: "cancelled", up_for_retry: "waits for a retry", upstream_failed: "not run: upstream failed" };
const glyphs = { success: "M3.6 8.4l3 3 5.8-6.4", failed: "M4.8 4.8l6.4 6.4m0-6.4l-6.4 6.4", running: "M6 4.2l5.6 3.8L6 11.8z", queued: "M5 8h.01M8 8h.01M11 8h.01", cancelled: "M4.5 8h7", up_for_retry: "M11.8 6.2A4.3 4.3 0 1 0 12.3 9M12 3.6v2.9H9.1", upstream_failed: "M8 11.8V4.6M5 7.4l3-3 3 3" };
export const stateWord = (s) => words[s] ?? s ?? "no status";
export const over = (s) => s === "success" || s === "failed" || s === "cancelled";

// A sign for a state: a form and a colour, so that neither is needed alone.
export function sign(state, size = 16) {
  return svg("svg", { class: `sign s-${state ?? "none"}`, viewBox: "0 0 16 16", width: `${size / 10}rem`, height: `${size / 10}rem`, "aria-hidden": "true" },
    svg("rect", { x: 0, y: 0, width: 16, height: 16, rx: 4 }), svg("path", { d: glyphs[state] ?? "" }));
}

export const stateBadge = (state) => el("span", { class: `state s-${state ?? "none"}` }, sign(state, 14), stateWord(state));

// Does something that changes the scheduler, says how it went, and lets the view look again.
export async function act(work, done) {
  try {
    const result = await work();
    if (done) toast(done);
    changed();
    return result;
  } catch (e) {
    toast(explain(e), "bad");
    return undefined;
  }
}

// The switch of a schedule.
export function pauseSwitch(dag) {
  const text = el("span", {}), node = el("button", { class: "switch", type: "button", role: "switch" }, el("span", { class: "knob", "aria-hidden": "true" }), text);
  node.show = (d) => {
    node.paused = d.paused;
    node.disabled = d.disabled;
    node.setAttribute("aria-checked", String(!d.paused && !d.disabled));
    node.title = d.disabled ? "Aggregation of this period is switched off in the configuration" : d.paused ? "Nothing starts by itself; switch on" : "Runs by its schedule; switch off";
    setText(text, d.disabled ? "switched off" : d.paused ? "paused" : "on schedule");
    node.setAttribute("aria-label", `Schedule of ${dag}: ${text.textContent}`);
  };
  node.addEventListener("click", () => {
    const paused = !node.paused;
    act(() => call("PATCH", `${dagPath(dag)}?update_mask=is_paused`, { is_paused: paused }), paused ? `${dag} is paused` : `${dag} runs by its schedule`);
  });
  return node;
}

// Bars of the last runs, the oldest first: as tall as they took, in the colour of their state.
export function bars(dag, runs, now, height = 36) {
  const seconds = runs.map((r) => took(r, now) ?? 0), most = Math.max(...seconds, 0.001);
  return el("div", { class: "bars", role: "list" }, ...runs.map((r, i) => {
    const bar = el("span", { class: `bar-fill s-${r.state}` });
    bar.style.height = `${Math.round(5 + (height - 5) * Math.sqrt(seconds[i] / most)) / 10}rem`;
    const label = `${interval(r.data_interval_start, r.data_interval_end)}, ${stateWord(r.state)}${r.started_at ? `, ${long(seconds[i])}` : ""}`;
    return el("a", { class: "bar-run", role: "listitem", href: runHash(dag, r.run_id), title: label, "aria-label": label }, bar);
  }));
}

export const dagHash = (dag) => `#/dags/${encodeURIComponent(dag)}`;
export const runHash = (dag, run) => `${dagHash(dag)}/runs/${encodeURIComponent(run)}`;
export const backfillHash = (dag, id) => `${dagHash(dag)}/backfills/${id}`;

// The way back: pairs of a text and an address.
export function crumbs(path) {
  const node = document.getElementById("crumbs");
  node.replaceChildren(...path.flatMap(([text, href], i) => [...(i ? [el("span", { "aria-hidden": "true" }, "/")] : []), href ? el("a", { href }, text) : el("span", {}, text)]));
  node.hidden = path.length === 0;
}

export function progress(done, total, label, failed = 0) {
  const share = total > 0 ? done / total : 0;
  const good = el("span", { class: "progress-good" }), bad = el("span", { class: "progress-bad" });
  good.style.width = `${(share - (total > 0 ? failed / total : 0)) * 100}%`;
  bad.style.width = `${total > 0 ? (failed / total) * 100 : 0}%`;
  return el("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": done, "aria-label": label }, good, bad);
}
