// Decisions over an incident: who has it, what would be done, and what is.
import { ask, explain } from "../ask.js";
import { el, setText } from "../dom.js";
import { clock, span } from "../format.js";
import { button, facts, field, sheet, toast } from "../ui.js";

const effects = { approve: "The change is made at once, within its rails, and taken back when its lease ends or it does not help.", dismiss: "Nothing is changed. The alert stays.", revert: "What was changed is put back as it was." };

// The name of whoever decides here is asked for once.
const NAME = "hxp-name";
const known = () => { try { return localStorage.getItem(NAME) ?? ""; } catch { return ""; } };
export const keep = (name) => { try { localStorage.setItem(NAME, name); } catch { /* then it is asked for again */ } };
export const named = () => el("input", { type: "text", name: "by", maxlength: "200", autocomplete: "name", value: known() });

// confirm shows a form, and closes it once what it asks for is done; what is refused is told in it.
export function confirm(title, what, content, act, done) {
  const error = el("p", { class: "form-error" }), go = el("button", { class: "button primary", type: "submit" }, what);
  const { box, form } = sheet(title, ...content, error, el("div", { class: "form-end" }, go));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    go.disabled = true;
    try {
      await act();
      box.close();
      toast(`${what}: done.`);
      done();
    } catch (err) { setText(error, explain(err)); go.disabled = false; }
  });
}

// openTaking says who looks after an alert: nobody else is woken because of it.
export function openTaking(rule, told, done) {
  const name = named();
  confirm(`Take: ${rule}`, "Take", [el("p", { class: "sheet-text" }, "You look after it: nobody else is woken because of it, and everybody sees that you have it."), field("Your name", name)], async () => {
    const by = name.value.trim();
    keep(by);
    await ask("POST", "/notifications/ack", { fingerprint: told.fingerprint, by });
  }, done);
}

// openDecision lets a response be approved, dismissed or reverted.
export function openDecision(r, verb, name, done) {
  const why = el("textarea", { rows: 2, name: "reason" }), who = named();
  confirm(`${name}: ${r.action}`, name, [facts([["Target", r.target], ["Because", r.reason], ["Rule", r.rule]]), el("p", { class: "sheet-text" }, effects[verb]), field("Your name", who), field("Reason, for the audit log", why)], async () => {
    const by = who.value.trim();
    keep(by);
    await ask("POST", `/responses/${encodeURIComponent(r.id)}/${verb}`, { by: by || "dashboard", reason: why.value.trim() || null });
  }, done);
}

const verdicts = { apply: "It would be carried out", wait: "It would wait", refuse: "It would be refused" };

// openTrial shows what would become of a proposal, were it approved now.
export async function openTrial(r, done) {
  const { box, form } = sheet(`Dry run: ${r.action}`, el("p", { class: "wait" }, "Looking at the target…"));
  try {
    const x = await ask("POST", `/responses/${encodeURIComponent(r.id)}/dry-run`);
    form.lastChild.remove();
    form.append(
      el("p", { class: "verdict", "data-state": { apply: "good", wait: "warn" }[x.would] ?? "bad" }, el("strong", {}, verdicts[x.would] ?? x.would), el("span", {}, x.reason)),
      facts([["Target", r.target], ["With", Object.entries(r.with ?? {}).map(([k, v]) => `${k} = ${v}`).join(", ")], ["Takes out", x.takes], ["Stays", x.lease_seconds ? `at most ${span(x.lease_seconds)}, longer while the alert goes on` : "once done it cannot be taken back"], ["Rail", x.rail], ["Waits for", x.waits_for], ["Looked at", clock(Date.parse(x.at) / 1000)]]),
      ...(x.before === null ? [] : [el("p", { class: "sheet-text" }, "The target as it is now"), el("pre", { class: "conf", tabindex: "0" }, JSON.stringify(x.before, null, 2))]),
      el("p", { class: "sheet-text" }, "Nothing was changed, and nothing was recorded."),
      el("div", { class: "form-end" }, button("Approve…", "", () => { box.close(); openDecision(r, "approve", "Approve", done); }, "primary")));
  } catch (e) { form.lastChild.remove(); form.append(el("p", { class: "form-error" }, explain(e))); }
}
