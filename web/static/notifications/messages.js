// Messages to receivers: what was sent, and what waits and why.
import { el } from "../dom.js";
import { many, span } from "../format.js";
import { draw, time } from "./list.js";

const states = { sent: "good", waiting: "warn", failed: "bad" };

// withOld adds those that have waited for so long that they are not among the newest any more.
export function withOld(newest, waiting) {
  const known = new Set(newest.map((m) => m.id));
  return [...newest, ...waiting.filter((m) => !known.has(m.id))];
}

export class Messages {
  constructor(node, note) { Object.assign(this, { node, note, state: "" }); }

  show(messages) {
    this.messages = messages;
    const some = messages.filter((m) => !this.state || m.status === this.state);
    draw(this.node, [some, this.state, Math.floor(Date.now() / 30_000)], () => (some.length ? some.map((m) => this.#row(m)) : [el("p", { class: "wait" }, this.state ? "No message is so." : "Nobody was told anything yet.")]));
  }

  #row(m) {
    const ended = m.status !== "waiting", tries = m.attempts === 1 ? "one try" : `${many(m.attempts)} tries`;
    const next = m.held_back ? `held back by ${m.held_back}` : m.next_at && Date.parse(m.next_at) > Date.now() ? `next try in ${span((Date.parse(m.next_at) - Date.now()) / 1000)}` : "is being tried";
    return el("article", { class: "told-row", "data-state": m.status },
      el("p", { class: "told-what" }, el("span", { class: "badge", "data-state": states[m.status] }, m.status), ` ${m.title}`),
      el("p", { class: "told-text" }, `${m.receiver} by ${m.channel} · `, time(m.ended_at ?? m.created_at), ` · ${tries}${m.uncertain_attempts ? `, ${m.uncertain_attempts} of them cut before the answer` : ""}${m.reason === "news" ? "" : ` · ${m.reason}`}${ended ? "" : ` · ${next}`}`),
      ...(m.error ? [el("p", { class: "told-text told-error" }, m.error)] : []));
  }
}
