// The savings simulator: what the period would have cost, had another model served a share of the requests.
import { Refused, ask } from "../ask.js";
import { el, setText } from "../dom.js";
import { many, percent, text } from "../format.js";
import { instant } from "./period.js";
import { money, notice, whatFailed } from "./words.js";

const patience = 250; // ms that a slider rests before the question is asked

// choices are what can be asked about: {from, to, dear, cheap}. Models whose requests all have a price can be moved, to any other; at first those of the
// dearest to the cheapest. What one costs of which no request has a price, nobody may know.
export function choices(groups) {
  const some = groups.filter((g) => g.key.model && g.requests), names = (list) => list.map((g) => g.key.model);
  const priced = some.filter((g) => g.cost_usd !== null && !g.unpriced_requests), by = names([...priced].sort((a, b) => a.cost_usd / a.requests - b.cost_usd / b.requests));
  return { from: names(priced), to: names(some), dear: by.at(-1), cheap: by.length > 1 ? by[0] : "" };
}

export class Simulator {
  constructor(node) {
    this.from = el("select", { "aria-label": "From model" });
    this.to = el("select", { "aria-label": "To model" });
    this.share = el("input", { type: "range", min: 1, max: 100, value: 30, "aria-label": "Share of the requests" });
    this.told = el("output", {}, "30\u2009%");
    this.seen = el("div", { class: "sim-outcome", "aria-live": "polite" });
    this.form = el("div", { class: "sim-form" },
      el("span", { class: "sim-words" }, "Move"), this.told, this.share, el("span", { class: "sim-words" }, "of the requests from"), el("span", { class: "select" }, this.from), el("span", { class: "sim-words" }, "to"), el("span", { class: "select" }, this.to));
    for (const input of [this.from, this.to, this.share]) input.addEventListener("input", () => this.#soon());
    this.node = node;
  }

  // question is what is asked, as it is posted.
  question() {
    if (!this.period) throw new Refused(422, { detail: "Of this period nothing can be asked." });
    return { from: instant(this.period.from), to: instant(this.period.to), moves: [{ from: this.from.value, to: this.to.value, share: Number(this.share.value) / 100 }] };
  }

  table() {
    const a = this.answer;
    return { columns: ["from", "to", "share", "requests", "basis", "cost_usd_before", "cost_usd_after", "saving_usd", "saving_usd_month"], rows: a ? a.moves.map((m) => [m.from, m.to, m.share, m.requests, m.basis, a.cost_usd_before, a.cost_usd_after, a.saving_usd, a.saving_usd_month]) : [] };
  }

  say(words) {
    this.names = "";
    this.answer = this.period = null;
    this.node.replaceChildren(notice(words));
  }

  // groups are those of /costs by model in whole hours, which are the period.
  show(period, groups) {
    const { from, to, dear, cheap } = choices(groups), names = JSON.stringify([from, to]);
    this.period = period;
    if (to.length < 2) { this.say("Two models with requests in whole hours of the period are needed."); return; }
    if (!from.length) { this.say("No model of the period has a price for all of its requests; PUT /prices sets prices for those to come."); return; }
    if (names !== this.names) {
      for (const [s, list, first] of [[this.from, from, dear], [this.to, to, cheap]]) {
        const was = s.value;
        s.replaceChildren(...(first ? [] : [el("option", { value: "" }, "another model")]), ...list.map((m) => el("option", { value: m }, m)));
        s.value = list.includes(was) ? was : first;
      }
      this.names = names;
      this.node.replaceChildren(this.form, this.seen);
    }
    this.#ask();
  }

  #soon() {
    setText(this.told, `${this.share.value}\u2009%`);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), patience);
  }

  async #ask() {
    this.running?.abort();
    this.answer = null;
    if (!this.to.value || this.from.value === this.to.value) { this.seen.replaceChildren(notice(this.to.value ? "Choose two different models." : "Choose the model that would answer.")); return; }
    const { signal } = (this.running = new AbortController());
    try {
      this.answer = await ask("POST", "/costs/whatif", this.question(), signal);
      this.seen.replaceChildren(...outcome(this.answer));
    } catch (e) {
      if (e.name !== "AbortError") this.seen.replaceChildren(notice(whatFailed(e, "what would have been")));
    }
  }
}

function outcome(a) {
  const [m] = a.moves, saves = a.saving_usd_month >= 0, most = Math.max(a.cost_usd_before, a.cost_usd_after);
  const bar = (name, v, kind) => { const b = el("span", { class: `sim-bar ${kind}` }); b.style.width = most ? `${(100 * v) / most}%` : "0"; return [el("dt", {}, name), el("dd", {}, b, el("span", {}, money(v)))]; };
  return [
    el("p", { class: "sim-sum" }, el("strong", { class: saves ? "good" : "worse" }, money(Math.abs(a.saving_usd_month))), ` a month ${saves ? "less" : "more"}${a.cost_usd_before ? `, ${text(percent(Math.abs(a.saving_usd) / a.cost_usd_before))} of everything` : ""}`),
    el("dl", { class: "sim-bars" }, ...bar("As it was", a.cost_usd_before, "was"), ...bar("With the move", a.cost_usd_after, saves ? "good" : "worse")),
    el("p", { class: "method" }, `${many(m.requests)} requests of the period move, with as many tokens. ${m.basis === "price" ? `${m.to} costs what the price book says now, without tiers.` : `${m.to} costs a token what its own requests of the period have cost.`} Whether its answers are as good is not asked; see satisfaction.`),
  ];
}
