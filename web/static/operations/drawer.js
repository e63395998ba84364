// What is known of one model: its failures of late, the slowest of its requests, and what was done about it.
import { ask, explain, query } from "../ask.js";
import { el } from "../dom.js";
import { clock, ms, text } from "../format.js";
import { modelName } from "../palette.js";
import { record, viewer } from "../request.js";
import { button, sheet } from "../ui.js";

// concerns tells whether a response was for a model: by what fired, or by what was to be changed. A model may begin as another does.
export const concerns = (r, model) => [r.key?.model, r.target, ...Object.values(r.with ?? {})].includes(model);

// openModel shows a model, or what of it is on one host.
export async function openModel(model, view, responses, host) {
  const choose = (words, act) => button(words, "", () => { box.close(); act(); });
  const body = el("div", { class: "drawer" }, el("p", { class: "wait" }, "Looking…"));
  const { box } = sheet(host ? `${model} on ${host}` : model, el("div", { class: "form-end" }, choose("Leave this model out", () => view.leaveOut("model", modelName(model))), choose("Show this model alone", () => view.filter("model", model))), body);
  box.classList.add("wide-sheet");
  try {
    const [a, address] = await Promise.all([ask("GET", `/correlations?${query({ model, limit: 1000 })}`), viewer()]), failed = a.correlations.filter((c) => c.request?.success === false && (!host || c.request.host === host)).slice(0, 50);
    const done = (responses ?? []).filter((r) => concerns(r, model)).slice(0, 20);
    body.replaceChildren(
      el("h3", {}, host ? `Failures on ${host}, among the newest ${a.correlations.length} requests of the model` : `Failures among its newest ${a.correlations.length} requests`), failed.length ? el("ul", { class: "plain-list" }, ...failed.map((c) => line(c, c.request.error_type ?? c.request.status_code ?? "failed", address))) : el("p", { class: "hint" }, "None."),
      el("h3", {}, "Actions"), done.length ? el("ul", { class: "plain-list" }, ...done.map((r) => el("li", {}, el("time", {}, clock(Date.parse(r.updated_at) / 1000)), ` ${r.action} ${r.target}: ${r.state}`))) : el("p", { class: "hint" }, "Nothing was done about this model."));
  } catch (e) { body.replaceChildren(el("p", { class: "form-error" }, explain(e))); }
}

function line(c, what, address) {
  const d = c.request, open = el("details", {}, el("summary", {}, el("time", {}, clock(Date.parse(c.request.timestamp) / 1000)), ` ${what}`, typeof d.duration_ms === "number" ? ` after ${text(ms(d.duration_ms))}` : "", el("small", {}, ` ${c.request_id}`)));
  open.addEventListener("toggle", () => { if (open.open && open.childElementCount === 1) open.append(...record(c, address)); });
  return el("li", {}, open);
}
