// The forecast of requests with its band, and how good it would have been in the past.
import { Chart } from "../chart.js";
import { el } from "../dom.js";
import { amount, percent, text } from "../format.js";
import { color, named } from "../palette.js";
import { ofHours } from "./axis.js";
import { HOUR } from "./period.js";
import { joined } from "./series.js";
import { notice, number } from "./words.js";

export class Forecast {
  // pick is called with what was chosen: {model} or {ahead}.
  constructor(node, pick) {
    this.chart = new Chart({
      title: "Forecast of requests", unit: "an hour", format: amount, gap: (3 * HOUR) / 1000, x: ofHours, empty: "…",
      lines: (h) => [
        { name: "requests", color: color(named.blue), values: h.was, area: true },
        ...(h.p50.some((v) => v !== null) ? [{ name: "forecast", color: color(named.violet), values: h.p50, band: h, dash: [5, 3], width: 2 }] : []),
      ],
    });
    this.chart.node.classList.add("tall");
    this.model = el("select", { onchange: (e) => pick({ model: e.target.value }) });
    this.ahead = el("select", { onchange: (e) => pick({ ahead: e.target.value }) }, ...[["2", "2 days ahead"], ["7", "7 days ahead"], ["14", "14 days ahead"]].map(([v, t]) => el("option", { value: v }, t)));
    this.chart.node.querySelector("header").append(el("span", { class: "panel-tools" },
      el("label", { class: "select" }, el("span", { class: "visually-hidden" }, "Model"), this.model), el("label", { class: "select" }, el("span", { class: "visually-hidden" }, "How far"), this.ahead)));
    this.words = el("div", { class: "forecast-words", id: "proof" });
    node.append(this.chart.node, el("aside", { class: "panel proof" }, el("header", { class: "panel-head" }, el("h2", { id: "proof-title" }, "How good is it?")), this.words));
  }

  choose(models, model, ahead) {
    const names = [...new Set([...models, ...(model ? [model] : [])])].sort();
    if (this.model.dataset.names !== names.join("\n")) {
      this.model.dataset.names = names.join("\n");
      this.model.replaceChildren(el("option", { value: "" }, "All models"), ...names.map((n) => el("option", { value: n }, n)));
    }
    this.model.value = model;
    this.ahead.value = ahead;
  }

  // rows are hours of a span as they were; answer is that of /forecasts, or null when there is none.
  show(rows, answer, empty, span) {
    this.chart.spec.empty = empty;
    this.answer = answer;
    const h = joined(rows, answer?.points ?? []);
    this.chart.show({ ...h, step: HOUR / 1000 }, h.times.length > 1 ? { from: h.times[0], to: h.times.at(-1) } : { from: span.from / 1000, to: span.to / 1000 });
  }

  // table is what was found when it was tried on the past.
  table() {
    const b = this.answer?.backtest;
    return { columns: ["what", "value"], rows: b ? [["MASE", b.mase], ["MASE of one season before", b.mase_seasonal_naive], ["coverage of the band", b.coverage], ["tries", b.origins], ["made of", this.answer.method]] : [] };
  }

  say(words, again) { this.words.replaceChildren(notice(words, again)); }

  // proof tells the backtest in words.
  proof(answer) {
    const b = answer.backtest;
    if (!b?.origins) { this.say("The forecast was not tried on the past: there is too little of it."); return; }
    this.words.replaceChildren(
      ...(typeof b.mase !== "number" ? [] : [fact(rounded(b.mase), "MASE", typeof b.mase_seasonal_naive === "number" ? `The size of its errors; smaller is better. Taking the value of one season before has ${rounded(b.mase_seasonal_naive)}.` : "The size of its errors; below 1 they are smaller than those of taking the value of one season before.")]),
      fact(text(percent(b.coverage ?? null)), "coverage", "So many past hours fell into the band that was foretold for them. 95\u2009% is what it promises."),
      fact(number(b.origins), b.origins === 1 ? "try" : "tries", "From so many moments of the past it was asked, each time knowing only what was before."),
      ...(answer.method ? [el("p", { class: "method" }, `Made of: ${answer.method}`)] : []),
      ...(answer.warnings?.length ? [el("ul", { class: "warnings" }, ...answer.warnings.map((w) => el("li", {}, typeof w === "string" ? w : w.detail ?? JSON.stringify(w))))] : []));
  }
}

const rounded = (v) => number(Math.round(v * 1000) / 1000);
const fact = (value, name, meaning) => el("div", { class: "fact" }, el("p", {}, el("strong", {}, value), el("span", {}, ` ${name}`)), el("small", {}, meaning));
