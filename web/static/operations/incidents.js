// What is wrong now, what is proposed or done about it, and the buttons to decide.
import { ask, explain } from "../ask.js";
import { el, setText } from "../dom.js";
import { clock, many, moment, span } from "../format.js";
import { about } from "../marks.js";
import { button, facts, field, sheet, toast } from "../ui.js";

const grave = { critical: 0, page: 0, warning: 1, ticket: 1 };
const verbs = { proposed: [["approve", "Approve", "primary"], ["dismiss", "Dismiss", ""]], applied: [["revert", "Revert", ""]], verified: [["revert", "Revert", ""]] };
const asks = { approve: "The change is made at once, within its rails, and taken back when its lease ends or it does not help.", dismiss: "Nothing is changed. The alert stays.", revert: "What was changed is put back as it was." };

export class Incidents {
  // again: called when something was decided
  constructor(node, note, again) { Object.assign(this, { node, note, again, drawn: "" }); }

  show({ alerts, responses }) {
    if (alerts === null && responses === null) { this.drawn = ""; this.node.replaceChildren(el("p", { class: "wait" }, "Alerts cannot be asked for here.")); return; }
    const firing = (alerts ?? []).filter((a) => a.state === "firing").sort((a, b) => (grave[a.severity] ?? 2) - (grave[b.severity] ?? 2) || b.starts_at.localeCompare(a.starts_at));
    const open = (responses ?? []).filter((r) => r.state in verbs), free = open.filter((r) => !firing.some((a) => a.id === r.alert));
    setText(this.note, firing.length ? `${many(firing.length)} firing` : "nothing fires");
    const key = JSON.stringify([firing.map((a) => [a.id, a.value]), open.map((r) => [r.id, r.state, r.phase]), Math.floor(Date.now() / 15_000)]);
    if (key === this.drawn || this.node.contains(document.activeElement) && this.drawn) return; // never under somebody's hand
    this.drawn = key;
    const items = [...firing.map((a) => this.#alert(a, open.filter((r) => r.alert === a.id))), ...free.map((r) => el("article", { class: "incident" }, this.#response(r)))];
    this.node.replaceChildren(...(items.length ? items.slice(0, 12) : [el("p", { class: "calm" }, el("span", { class: "tick", "aria-hidden": "true" }, "✓"), el("span", {}, "No alert fires, and nothing waits for a decision."))]));
  }

  #alert(a, responses) {
    const age = span((Date.now() - Date.parse(a.starts_at)) / 1000), severity = grave[a.severity] === 0 ? "bad" : "warn";
    return el("article", { class: "incident", "data-state": severity },
      el("header", {}, el("span", { class: "badge", "data-state": severity }, a.severity), el("button", { class: "link", type: "button", onclick: () => openAlert(a) }, a.rule), el("time", { datetime: a.starts_at, title: moment(Date.parse(a.starts_at) / 1000) }, `for ${age}`)),
      el("p", { class: "incident-text" }, [about(a.key), a.annotations?.summary ?? `${short(a.value)} where ${short(a.threshold)} is the limit`].filter(Boolean).join(" · ")), ...responses.map((r) => this.#response(r)));
  }

  #response(r) {
    return el("div", { class: "response" }, el("span", { class: "response-text" }, el("strong", {}, r.action), ` ${r.target}`, el("small", {}, r.state === "proposed" ? `proposed${r.expires_at ? `, until ${clock(Date.parse(r.expires_at) / 1000)}` : ""}` : `${r.state} ${clock(Date.parse(r.updated_at) / 1000)}`)),
      el("span", { class: "response-act" }, ...verbs[r.state].map(([verb, name, kind]) => button(name, "", () => this.#decide(r, verb, name), `small ${kind}`))));
  }

  #decide(r, verb, name) {
    const why = el("textarea", { rows: 2, name: "reason" }), error = el("p", { class: "form-error" }), go = el("button", { class: "button primary", type: "submit" }, name);
    const { box, form } = sheet(`${name}: ${r.action}`, facts([["Target", r.target], ["Because", r.reason], ["Rule", r.rule]]), el("p", { class: "sheet-text" }, asks[verb]), field("Reason, for the audit log", why), error, el("div", { class: "form-end" }, go));
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      go.disabled = true;
      try {
        await ask("POST", `/responses/${encodeURIComponent(r.id)}/${verb}`, { by: "dashboard", reason: why.value.trim() || null });
        box.close();
        toast(`${name}: done.`);
        this.drawn = "";
        this.again();
      } catch (err) { setText(error, explain(err)); go.disabled = false; }
    });
  }
}

const short = (v) => (typeof v === "number" ? String(Number(v.toPrecision(3))) : "–");

export function openAlert(a) {
  sheet(a.rule, facts([
    ["State", `${a.state}, ${a.severity}`], ["Whose", about(a.key)], ["Since", moment(Date.parse(a.starts_at) / 1000)], ["Until", a.ends_at && moment(Date.parse(a.ends_at) / 1000)],
    ["Value", `${short(a.value)}, limit ${short(a.threshold)}`], ["Says", a.annotations?.summary], ["Stands out", a.top?.slice(0, 5).map((t) => `${t.field} ${t.value}: ${Math.round(t.share * 100)} % of ${t.of}`).join("; ")],
    ["Runbook", a.annotations?.runbook ?? a.annotations?.runbook_url], ["Requests", a.request_ids?.slice(0, 10).join(", ")],
  ]));
}
