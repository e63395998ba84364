// One letter in a drawer: the reason, what it was, and sending it again.
import { el, setText } from "../dom.js";
import { bytes } from "../format.js";
import { button, facts, field, sheet, toast } from "../ui.js";
import { ask, explain } from "../ask.js";
import { outcomeOf, patchField, patchHint, patchOf, redrive } from "./redrive.js";
import { good, moment, sum } from "./words.js";

export async function openLetter(id, changed) {
  let l;
  try {
    l = await ask("GET", `/dead-letters/${encodeURIComponent(id)}`);
  } catch (e) {
    toast(explain(e), "bad");
    return;
  }
  const { box, form } = sheet(l.reason_code);
  box.classList.add("drawer");
  history.replaceState(null, "", `#${encodeURIComponent(id)}`); // what is open can be linked to
  box.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  form.append(why(l), facts(about(l)), block("Payload", bytes(l.payload_bytes), payload(l)));
  if (l.headers.length) form.append(block("Headers", "", el("pre", { class: "payload" }, l.headers.map((h) => `${h.name}: ${h.value}`).join("\n"))));
  if (l.state === "open" && !l.payload_sha256) again(l, form, box, changed);
  else if (l.state === "open") form.append(el("p", { class: "sheet-text" }, "Only the beginning of the payload was kept, so it cannot be sent again from here."));
}

const why = (l) => el("p", { class: "reason-text" }, ...(l.pointer ? [el("code", {}, l.pointer), " "] : []), l.reason);

const about = (l) => [
  ["Received", moment(l.received_at)], ["Topic", l.topic ?? "not known"],
  ["Place", l.offset === null ? "refused at the way in" : `partition ${l.partition}, offset ${l.offset}`],
  ["State", l.state === "redriven" ? `redriven, after ${l.redrive_count} ${l.redrive_count === 1 ? "try" : "tries"}` : l.redrive_count ? `open, tried ${l.redrive_count} times in vain` : "open"],
  ["Redrivable", l.redrivable_at ? `from ${moment(l.redrivable_at)} on` : null], ["Id", el("code", {}, l.id)],
];

const block = (title, note, content) => el("section", { class: "block" }, el("h3", {}, title, ...(note ? [el("small", {}, note)] : [])), content);

// JSON is laid out, with the faulty member marked; anything else is shown as it came.
function payload(l) {
  const text = l.payload_text ?? hex(l.payload_base64), node = el("pre", { class: "payload", tabindex: 0 });
  let value;
  try { value = JSON.parse(l.payload_text); } catch { /* shown as text */ }
  if (value === undefined || value === null || typeof value !== "object") { node.textContent = text; return node; }
  const lines = JSON.stringify(value, null, 2).split("\n"), at = lineOf(lines, l.pointer);
  node.append(...lines.flatMap((line, i) => [i === at ? el("mark", { class: "at" }, line) : line, i < lines.length - 1 ? "\n" : ""]));
  return node;
}

// The line of the member that a pointer names, looked for level by level.
function lineOf(lines, pointer) {
  if (!pointer) return -1;
  let from = 0, found = -1;
  for (const [depth, name] of pointer.slice(1).split("/").map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~")).entries()) {
    const start = `${"  ".repeat(depth + 1)}${JSON.stringify(name)}: `;
    found = lines.findIndex((line, i) => i >= from && line.startsWith(start));
    if (found < 0) return -1;
    from = found + 1;
  }
  return found;
}

function hex(base64) {
  const raw = atob(base64).slice(0, 4096);
  return [...raw].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join(" ").replace(/(.{47}) /g, "$1\n");
}

function again(l, form, box, changed) {
  const patch = patchField(), wrong = el("p", { class: "form-error", role: "alert" }), seen = el("div");
  const look = button("Preview", "", () => run(true)), send = el("button", { class: "button primary", type: "submit" }, "Send again");
  patch.placeholder = suggestion(l) || patch.placeholder;
  form.append(field("Patch", patch, patchHint), wrong, seen, el("div", { class: "form-end" }, look, send));
  async function run(dry) {
    setText(wrong, "");
    look.disabled = send.disabled = true;
    try {
      const r = await redrive({ ids: [l.id] }, patchOf(patch), dry);
      seen.replaceChildren(outcomeOf(r, dry));
      seen.scrollIntoView({ block: "nearest" });
      if (dry) return;
      changed();
      if (r.results.every((x) => good(x.outcome))) { toast(sum(r.counts)); box.close(); }
    } catch (e) {
      setText(wrong, e.status === undefined ? e.message : explain(e));
    } finally {
      look.disabled = send.disabled = false;
    }
  }
  form.addEventListener("submit", (e) => { e.preventDefault(); run(false); });
}

// A patch that takes the faulty member away, as an example.
function suggestion(l) {
  const path = l.pointer?.startsWith("/") ? l.pointer.slice(1).split("/").map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~")) : [];
  if (!path.length || path.some((p) => /^\d+$/.test(p)) || ["event_type", "timestamp"].includes(path[0]) || l.payload_text === null) return "";
  return JSON.stringify(path.reduceRight((inner, name) => ({ [name]: inner }), null), null, 2);
}
