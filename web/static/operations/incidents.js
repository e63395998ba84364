// What is wrong now, what is proposed or done about it, and the buttons to decide.
import { el, refill, setText } from "../dom.js";
import { clock, many, moment, span } from "../format.js";
import { about } from "../marks.js";
import { button, facts, sheet } from "../ui.js";
import { openDecision, openTaking, openTrial } from "./decide.js";

const most = 12; // that are shown at first, the gravest
const grave = { critical: 0, page: 0, warning: 1, ticket: 1 };
const verbs = { proposed: [["approve", "Approve", "primary"], ["dismiss", "Dismiss", ""]], applied: [["revert", "Revert", ""]], verified: [["revert", "Revert", ""]] };

export class Incidents {
  // again: called when something was decided
  constructor(node, note, again) { Object.assign(this, { node, note, again, drawn: "", most }); }

  // told: the firing alerts as those know them who tell people, with who has acknowledged each; null where nobody tells people.
  show({ alerts, responses }, told) {
    if (alerts === null && responses === null) { this.drawn = ""; setText(this.note, ""); refill(this.node, el("p", { class: "wait" }, "Alerts cannot be asked for here.")); return; }
    const firing = (alerts ?? []).filter((a) => a.state === "firing").sort((a, b) => (grave[a.severity] ?? 2) - (grave[b.severity] ?? 2) || b.starts_at.localeCompare(a.starts_at));
    const open = (responses ?? []).filter((r) => r.state in verbs), free = open.filter((r) => !firing.some((a) => a.id === r.alert));
    Object.assign(this, { firing, free, told });
    setText(this.note, firing.length ? `${many(firing.length)} firing` : "nothing fires");
    const key = JSON.stringify([firing.map((a) => [a.id, a.value, toldOf(a, told)?.acknowledgedBy]), open.map((r) => [r.id, r.state, r.phase]), (firing.length || open.length) && Math.floor(Date.now() / 15_000)]);
    if (key === this.drawn) return;
    this.drawn = key;
    const items = [...firing.map((a) => this.#alert(a, toldOf(a, told), open.filter((r) => r.alert === a.id))), ...free.map((r) => el("article", { class: "incident" }, this.#response(r)))];
    refill(this.node, ...(items.length ? [...items.slice(0, this.most), ...(items.length > this.most ? [el("p", { class: "more-incidents" }, button(`Show ${many(items.length - this.most)} more`, "", () => { this.most = Infinity; this.#again(); }, "small"))] : [])] : [el("p", { class: "calm" }, el("span", { class: "tick", "aria-hidden": "true" }, "✓"), el("span", {}, "No alert fires, and nothing waits for a decision."))]));
  }

  table() {
    return { columns: ["severity", "alert", "whose", "since", "value", "limit", "who has it"], rows: (this.firing ?? []).map((a) => [a.severity, a.rule, about(a.key), moment(Date.parse(a.starts_at) / 1000), a.value, a.threshold, toldOf(a, this.told)?.acknowledgedBy ?? "nobody"]).concat((this.free ?? []).map((r) => [r.state, r.action, r.target, moment(Date.parse(r.updated_at) / 1000), null, null, null])) };
  }

  #alert(a, told, responses) {
    const age = span((Date.now() - Date.parse(a.starts_at)) / 1000), severity = grave[a.severity] === 0 ? "bad" : "warn";
    return el("article", { class: "incident", "data-state": severity, "data-of": a.id },
      el("header", {}, el("span", { class: "badge", "data-state": severity }, a.severity), el("button", { class: "link", type: "button", onclick: () => openAlert(a) }, a.rule), el("time", { datetime: a.starts_at, title: moment(Date.parse(a.starts_at) / 1000) }, `for ${age}`)),
      el("p", { class: "incident-text" }, [about(a.key), a.annotations?.summary ?? `${short(a.value)} where ${short(a.threshold)} is the limit`].filter(Boolean).join(" · ")), ...(told ? [this.#owner(a, told)] : []), ...responses.map((r) => this.#response(r)));
  }

  // Who has it, or the button to take it.
  #owner(a, told) {
    const by = told.acknowledgedBy;
    return el("p", { class: "incident-owner" }, by ? el("span", {}, el("strong", {}, by), " has it") : el("span", {}, "Nobody has it"), button(by ? "Take over" : "Take", "", () => openTaking(a.rule, told, () => this.#again()), "small"));
  }

  #again() {
    this.drawn = "";
    this.again();
  }

  #response(r) {
    return el("div", { class: "response", "data-of": r.id }, el("span", { class: "response-text" }, el("strong", {}, r.action), ` ${r.target}`, el("small", {}, r.state === "proposed" ? `proposed${r.expires_at ? `, until ${clock(Date.parse(r.expires_at) / 1000)}` : ""}` : `${r.state} ${clock(Date.parse(r.updated_at) / 1000)}`)),
      el("span", { class: "response-act" }, ...(r.state === "proposed" ? [button("Dry run", "", () => openTrial(r, () => this.#again()), "small")] : []), ...verbs[r.state].map(([verb, name, kind]) => button(name, "", () => openDecision(r, verb, name, () => this.#again()), `small ${kind}`))));
  }
}

// toldOf finds an alert among those that people are told of.
export const toldOf = (a, told) => told?.find((x) => x.labels.alertname === a.rule && (x.labels.severity ?? "") === a.severity && Date.parse(x.startsAt) === Date.parse(a.starts_at) && Object.entries(a.key ?? {}).every(([k, v]) => (x.labels[k] ?? "") === v));

const short = (v) => (typeof v === "number" ? String(Number(v.toPrecision(3))) : "–");

export function openAlert(a) {
  sheet(a.rule, facts([
    ["State", `${a.state}, ${a.severity}`], ["Whose", about(a.key)], ["Since", moment(Date.parse(a.starts_at) / 1000)], ["Until", a.ends_at && moment(Date.parse(a.ends_at) / 1000)],
    ["Value", `${short(a.value)}, limit ${short(a.threshold)}`], ["Says", a.annotations?.summary], ["Stands out", a.top?.slice(0, 5).map((t) => `${t.field} ${t.value}: ${Math.round(t.share * 100)} % of ${t.of}`).join("; ")],
    ["Runbook", a.annotations?.runbook ?? a.annotations?.runbook_url], ["Requests", a.request_ids?.slice(0, 10).join(", ")],
  ]));
}
