// Sending letters again: a patch, a look at what would become of them, and the deed.
import { el, setText } from "../dom.js";
import { many } from "../format.js";
import { button, field, sheet, toast } from "../ui.js";
import { ask, explain } from "../ask.js";
import { good, outcome, sum } from "./words.js";

export const patchField = () => el("textarea", { rows: 4, spellcheck: "false", placeholder: '{ "data": { "duration_ms": 90 } }', "aria-label": "Patch" });
export const patchHint = "A JSON merge patch (RFC 7396): what it names is set, null takes away, the rest stays. Leave it empty to send the letter as it is.";

// The patch that was typed; throws what is wrong with it.
export function patchOf(area) {
  const text = area.value.trim();
  if (!text) return undefined;
  let patch;
  try { patch = JSON.parse(text); } catch (e) { throw new Error(`The patch is not JSON: ${e.message}`); }
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) throw new Error("The patch is not a JSON object.");
  return patch;
}

// One request after another until everything that a filter finds was looked at. A dry run is content with the first.
export async function redrive(which, patch, dry, progress = () => {}) {
  const total = { counts: {}, results: [], error: "" };
  for (let cursor = ""; ;) {
    const r = await ask("POST", "/dead-letters/redrive", { ...which, patch, dry_run: dry, cursor, ...(dry && which.filter ? { limit: 1000 } : {}) });
    for (const [o, n] of Object.entries(r.counts)) total.counts[o] = (total.counts[o] ?? 0) + n;
    total.results.push(...r.results);
    total.error ||= r.error ?? "";
    progress(total);
    if (!r.next_cursor || r.error || dry) { total.more = Boolean(r.next_cursor); return total; }
    cursor = r.next_cursor;
  }
}

// What became of letters, or would.
export function outcomeOf(r, dry) {
  const bad = r.results.filter((x) => !good(x.outcome)), all = Object.values(r.counts).reduce((a, b) => a + b, 0), fine = Object.entries(r.counts).filter(([o]) => good(o)).reduce((n, [, k]) => n + k, 0);
  const node = el("div", { class: "outcome", role: "status", "data-state": fine === all && !r.error ? "good" : "bad" });
  const only = r.results.length === 1 ? r.results[0] : null;
  node.append(el("div", {}, only ? sentence(only) : `${sum(r.counts)}${r.more && dry ? ", and there are more" : ""}`));
  if (r.error) node.append(el("div", {}, r.error));
  if (!only && bad.length) node.append(el("ul", {}, ...bad.slice(0, 50).map((x) => el("li", {}, `${x.id}: ${[outcome(x.outcome), x.pointer, x.detail].filter(Boolean).join(", ")}`))));
  if (only?.event) node.append(el("pre", {}, JSON.stringify(only.event, null, 2)));
  return node;
}

function sentence(x) {
  if (x.outcome === "valid") return `Would be taken into ${x.topic} as:`;
  if (x.outcome === "redriven") return `Sent to ${x.topic}, partition ${x.partition}, offset ${x.offset}${x.duplicate ? ". It was there before, so nothing was added" : ""}.`;
  return [outcome(x.outcome).replace(/^./, (c) => c.toUpperCase()), x.pointer, x.detail].filter(Boolean).join(": ");
}

// The sheet for several letters.
export function redriveSheet(which, n, done) {
  const patch = patchField(), wrong = el("p", { class: "form-error", role: "alert" }), seen = el("div");
  const { box, form } = sheet(n === 1 ? "Send a letter again" : `Send ${many(n)} letters again`, field("Patch for each of them", patch, patchHint), wrong, seen);
  const look = button("Preview", "", () => run(true)), send = el("button", { class: "button primary", type: "submit" }, "Send again");
  form.append(el("div", { class: "form-end" }, look, send));
  async function run(dry) {
    setText(wrong, "");
    look.disabled = send.disabled = true;
    try {
      const r = await redrive(which, patchOf(patch), dry, (total) => seen.replaceChildren(outcomeOf(total, dry)));
      seen.replaceChildren(outcomeOf(r, dry));
      if (!dry) {
        toast(sum(r.counts));
        done();
        if (!r.error && r.results.every((x) => good(x.outcome))) box.close();
      }
    } catch (e) {
      setText(wrong, e.status === undefined ? e.message : explain(e));
    } finally {
      look.disabled = send.disabled = false;
    }
  }
  form.addEventListener("submit", (e) => { e.preventDefault(); run(false); });
}
