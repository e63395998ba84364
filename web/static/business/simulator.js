// The savings simulator: what the period would have cost, had another model served a share of the requests.
import { ask } from "../ask.js";
import { el, setText } from "../dom.js";
import { many, percent, text } from "../format.js";
import { wholeHours } from "./data.js";
import { instant } from "./period.js";
import { money, notice, whatFailed } from "./words.js";

const patience = 250; // ms that a slider rests before the question is asked

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

  // groups are those of /costs by model in a period.
  show(period, groups) {
    const models = groups.filter((g) => g.key.model && g.requests).map((g) => g.key.model);
    this.period = wholeHours(period);
    if (models.length < 2) { this.names = ""; this.node.replaceChildren(notice("Two models with requests in stored hours of the period are needed.")); return; }
    if (models.join() !== this.names) {
      const [dear, cheap] = [this.from.value, this.to.value], priced = groups.filter((g) => g.key.model && g.cost_usd > 0 && !g.unpriced_requests).map((g) => [g.key.model, g.cost_usd / g.requests]).sort((a, b) => a[1] - b[1]);
      for (const s of [this.from, this.to]) s.replaceChildren(...models.map((m) => el("option", { value: m }, m)));
      this.names = models.join();
      this.from.value = models.includes(dear) ? dear : priced.at(-1)?.[0] ?? models[0];
      this.to.value = models.includes(cheap) ? cheap : priced[0]?.[0] ?? models[1];
      if (this.to.value === this.from.value) this.to.value = models.find((m) => m !== this.from.value);
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
    if (this.from.value === this.to.value) { this.seen.replaceChildren(notice("Choose two different models.")); return; }
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    try {
      const a = await ask("POST", "/costs/whatif", { from: instant(this.period.from), to: instant(this.period.to), moves: [{ from: this.from.value, to: this.to.value, share: Number(this.share.value) / 100 }] }, signal);
      this.seen.replaceChildren(...outcome(a));
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
