// The alerts as people are told of them: in groups, with who has them and what holds them back.
import { ask } from "../ask.js";
import { el } from "../dom.js";
import { span } from "../format.js";
import { confirm, keep, named } from "../operations/decide.js";
import { field } from "../ui.js";
import { act, at, calm, draw, labels, links, time } from "./list.js";
import { openSilence } from "./silences.js";

const grave = { critical: "bad", page: "bad", error: "bad", warning: "warn", ticket: "warn" };
// What nobody has comes first, and of that what is grave.
const rank = (a) => ["firing", "acknowledged", "quiet", "inhibited", "silenced"].indexOf(stateOf(a)) * 3 + ["bad", "warn", undefined].indexOf(grave[a.labels.severity]);
const byRank = (a, b) => rank(a) - rank(b);
export const stateOf = (a) => (a.status.silencedBy.length ? "silenced" : a.status.inhibitedBy.length ? "inhibited" : a.status.mutedBy.length ? "quiet" : a.acknowledgedBy ? "acknowledged" : "firing");

// words tell how an alert stands: acknowledged by whom, silenced until when.
function words(a, silences) {
  const state = stateOf(a);
  if (state === "acknowledged") return `acknowledged by ${a.acknowledgedBy}`;
  if (state === "inhibited") return "held back by a graver alert";
  if (state === "quiet") return `not told in ${a.status.mutedBy.join(", ")}`;
  if (state === "firing") return state;
  const until = a.status.silencedBy.map((id) => silences.find((s) => s.id === id)?.endsAt).filter(Boolean).sort().at(-1);
  return until ? `silenced until ${at(until)}` : state;
}

export class Alerts {
  // again: called when something was changed
  constructor(node, again) { Object.assign(this, { node, again, wish: "", state: "" }); }

  show(groups, silences) {
    Object.assign(this, { groups, silences });
    const fits = (a) => (!this.state || stateOf(a) === this.state) && (!this.wish || JSON.stringify([a.labels, a.annotations, a.acknowledgedBy]).toLowerCase().includes(this.wish));
    const some = groups.map((g) => ({ ...g, alerts: g.alerts.filter(fits).sort(byRank) })).filter((g) => g.alerts.length).sort((a, b) => byRank(a.alerts[0], b.alerts[0]));
    const all = groups.some((g) => g.alerts.length), rest = some.length - 100;
    draw(this.node, [some.map((g) => [g.labels, g.receiver, g.alerts.map((a) => [a.fingerprint, a.startsAt, a.annotations, words(a, silences)])]), all, Math.floor(Date.now() / 30_000)], () => (some.length ? [...some.slice(0, 100).map((g) => this.#group(g)), ...(rest > 0 ? [el("p", { class: "wait" }, `${rest} more groups; the filter finds them.`)] : [])] : [all ? el("p", { class: "wait" }, "No alert fits.") : calm("No alert fires.")]));
  }

  #group(g) {
    return el("section", { class: "told-group" }, el("h3", {}, ...(Object.keys(g.labels).length ? labels(g.labels) : ["all together"]), el("span", { class: "unit" }, `to ${g.receiver.name}`)), ...g.alerts.slice(0, 200).map((a) => this.#alert(a, g)));
  }

  #alert(a, g) {
    const state = stateOf(a), name = a.labels.alertname ?? "alert", what = `${name} ${Object.entries(a.labels).filter(([k]) => !(k in g.labels) && k !== "alertname").map(([k, v]) => `${k} ${v}`).join(", ")}`;
    const badge = { firing: grave[a.labels.severity] ?? "warn", acknowledged: "good" }[state];
    return el("article", { class: "told-alert", tabindex: "-1", "data-alert": `${a.fingerprint} ${g.receiver.name}`, "data-state": state },
      el("header", {}, el("span", { class: "badge", "data-state": grave[a.labels.severity] }, a.labels.severity ?? "–"), el("strong", {}, name), ...labels(a.labels, ["alertname", "severity", ...Object.keys(g.labels)])),
      el("p", { class: "told-state" }, el("span", { class: "badge", "data-state": badge }, words(a, this.silences)), " since ", time(a.startsAt, span((Date.now() - Date.parse(a.startsAt)) / 1000)), ...links(a.annotations).flatMap((l) => [" · ", l])),
      ...(a.annotations.summary ? [el("p", { class: "told-text" }, a.annotations.summary)] : []),
      el("span", { class: "told-act" },
        ...(a.acknowledgedBy ? [] : [act("Acknowledge", a.fingerprint + g.receiver.name, `Acknowledge ${what}`, () => this.take(a))]), act("Silence", a.fingerprint + g.receiver.name, `Silence ${what}`, () => this.hush(a))));
  }

  take(a) {
    const name = named(), why = el("input", { type: "text", maxlength: "1000" });
    confirm(`Acknowledge: ${a.labels.alertname ?? "alert"}`, "Acknowledge", [el("p", { class: "sheet-text" }, "You look after it: nobody else is woken because of it, and everybody sees that you have it. Its end is told."), field("Your name", name), field("Remark", why)], async () => {
      keep(name.value.trim());
      await ask("POST", "/notifications/ack", { fingerprint: a.fingerprint, by: name.value.trim(), comment: why.value.trim() });
    }, this.again);
  }

  hush(a) {
    const { severity, class: kind, ...most } = a.labels; // the same trouble may become graver
    openSilence(most, this.again);
  }

  // held is the alert in which the focus is.
  get held() {
    const id = document.activeElement?.closest?.("[data-alert]")?.dataset.alert.split(" ")[0];
    return this.groups?.flatMap((g) => g.alerts).find((a) => a.fingerprint === id);
  }

  // move puts the focus on the next alert, or the one before.
  move(step) {
    const all = [...this.node.querySelectorAll("[data-alert]")], i = all.indexOf(document.activeElement?.closest?.("[data-alert]"));
    all[i < 0 ? 0 : Math.min(all.length - 1, Math.max(0, i + step))]?.focus();
  }
}
