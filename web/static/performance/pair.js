// Two models, or two versions of a prompt, against each other: their quantiles, and by how much they differ for prompts of each length.
import { ask, explain, query } from "../ask.js";
import { el, refill, setText, svg } from "../dom.js";
import { many, ms, text, tick } from "../format.js";
import { at, bands, difference, least, pairs } from "./quantiles.js";
import { measures } from "./heat.js";
import { within } from "./slowest.js";

const sampled = 1000; // requests of each
const fields = { latency_ms: "duration_ms", ttft_ms: "ttft_ms", tpot_ms: "tpot_ms" };

export class Pair {
  constructor(panel, view) {
    Object.assign(this, { panel, view, measure: "latency_ms", asked: 0 });
    const pick = (label, act) => el("select", { "aria-label": label, onchange: act });
    this.a = pick("Compared with", () => this.#ask());
    this.b = pick("What is compared", () => this.#ask());
    this.which = pick("Measure", () => { this.measure = this.which.value; this.#show(); });
    this.which.append(...Object.entries(measures).map(([m, name]) => el("option", { value: m }, name)));
    this.note = panel.querySelector(".unit");
    panel.querySelector(".panel-head").append(el("span", { class: "panel-tools" }, this.b, el("span", {}, "against"), this.a, this.which));
    this.body = panel.querySelector(".pair");
  }

  // offer gives the choice of what the table beside shows, the busiest first. by: model or prompt_version.
  async offer(by, values, signal) {
    const was = [this.a.value, this.b.value], changed = by !== this.by || values.join("\n") !== this.values?.join("\n");
    Object.assign(this, { by, values });
    if (changed) {
      for (const [i, s] of [this.a, this.b].entries()) {
        s.replaceChildren(...values.map((v) => el("option", { value: v }, v)));
        s.value = values.includes(was[i]) ? was[i] : values[Math.min(i, values.length - 1)] ?? "";
      }
    }
    this.panel.hidden = values.length < 2;
    if (!this.panel.hidden) await this.#ask(signal);
  }

  async #ask(signal) {
    const mine = ++this.asked, { view, by } = this;
    const of = (v) => ask("GET", `/correlations?${query({ ...within(view), [by]: v, order: "sample", limit: sampled })}`, undefined, signal);
    try {
      const [a, b] = await Promise.all([of(this.a.value), of(this.b.value)]);
      if (mine !== this.asked) return;
      this.samples = [a, b].map((x) => x.correlations.map((c) => c.request).filter((r) => r?.success === true));
      this.#show();
    } catch (e) {
      if (e.name === "AbortError" || mine !== this.asked) return;
      this.samples = null;
      refill(this.body);
      setText(this.note, explain(e));
    }
  }

  #values(side, low = 0, high = Infinity) {
    return this.samples[side].filter((r) => typeof r[fields[this.measure]] === "number" && (low === 0 && high === Infinity || r.prompt_tokens >= low && r.prompt_tokens < high)).map((r) => r[fields[this.measure]]).sort((x, y) => x - y);
  }

  #show() {
    if (!this.samples) return;
    const a = this.#values(0), b = this.#values(1);
    setText(this.note, `an even sample of ${many(a.length)} and ${many(b.length)} successful requests that are remembered of this range; differences with their 95 % interval`);
    const rows = [["all", 0, Infinity], ...bands].map(([name, low, high]) => this.#row(name, this.#values(0, low, high), this.#values(1, low, high)));
    refill(this.body, this.#picture(a, b), el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Difference by length of prompt" }, el("table", {},
      el("thead", {}, el("tr", {}, ...["Prompt tokens", "Requests", "p50", "Difference", "p95", "Difference"].map((h, i) => el("th", { scope: "col", class: i ? false : "left" }, h)))), el("tbody", {}, ...rows))));
  }

  #row(name, a, b) {
    const cells = [0.5, 0.95].flatMap((q) => {
      const d = difference(a, b, q);
      if (!d) return [el("td", {}, a.length && b.length ? `${text(ms(at(b, q)))} / ${text(ms(at(a, q)))}` : "–"), el("td", { class: "void", title: `It takes ${least} requests of each, and for high percentiles more` }, "too few")];
      const sign = (v) => `${v < 0 ? "−" : "+"}${text(ms(Math.abs(v)))}`;
      return [el("td", {}, `${text(ms(d.b))} / ${text(ms(d.a))}`), el("td", { class: d.certain ? (d.by < 0 ? "best" : "bad") : "", title: d.certain ? "The interval does not hold 0" : "The interval holds 0: they may as well be equal" }, sign(d.by), el("small", {}, `${sign(d.lo)} to ${sign(d.hi)}`))];
    });
    return el("tr", {}, el("th", { scope: "row", class: "left" }, name), el("td", {}, `${many(b.length)} / ${many(a.length)}`), ...cells);
  }

  // The quantiles of both against each other: on the line they are equal, above it the one that is compared is slower.
  #picture(a, b) {
    const W = 360, H = 300, left = 54, bottom = 40, top = 10, right = 14, points = pairs(a, b);
    const words = points.length ? `Quantiles of ${this.b.value} against those of ${this.a.value}: at the median ${text(ms(at(b, 0.5)))} against ${text(ms(at(a, 0.5)))}, at p95 ${text(ms(at(b, 0.95)))} against ${text(ms(at(a, 0.95)))}` : "";
    if (!points.length) return el("p", { class: "wait" }, "No successful request with this duration is remembered of both.");
    const all = points.flatMap((p) => [p.a, p.b]).filter((v) => v > 0), lo = Math.min(...all) * 0.9, hi = Math.max(...all) * 1.1, part = (v) => Math.log(Math.max(v, lo) / lo) / Math.log(hi / lo), x = (v) => left + part(v) * (W - left - right), y = (v) => top + (1 - part(v)) * (H - top - bottom);
    const label = (t, attributes) => svg("text", { class: "tick-label", ...attributes }, t), marks = rounds(lo, hi);
    return el("figure", { class: "knee qq" }, svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": words },
      ...marks.flatMap((v) => [svg("line", { class: "grid", x1: x(v), x2: x(v), y1: top, y2: H - bottom }), svg("line", { class: "grid", x1: left, x2: W - right, y1: y(v), y2: y(v) }), label(tick(ms, v), { x: x(v), y: H - bottom + 15, "text-anchor": "middle" }), label(tick(ms, v), { x: left - 7, y: y(v) + 3, "text-anchor": "end" })]),
      svg("line", { class: "frame", x1: x(lo), y1: y(lo), x2: x(hi), y2: y(hi) }), label(short(this.a.value), { x: (left + W - right) / 2, y: H - 6, "text-anchor": "middle" }), label(short(this.b.value), { x: 11, y: (top + H - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(top + H - bottom) / 2})` }),
      ...points.map((p) => svg("circle", { cx: x(p.a).toFixed(1), cy: y(p.b).toFixed(1), r: 2.4, class: p.b > p.a ? "bad" : "good" }, svg("title", {}, `p${Math.round(p.q * 1000) / 10}: ${text(ms(p.b))} against ${text(ms(p.a))}`)))));
  }
}

const short = (s) => (s.length > 34 ? `${s.slice(0, 33)}…` : s);

// Round values on a logarithmic axis, few enough to be read.
function rounds(lo, hi) {
  const out = [], wide = hi / lo > 60;
  for (let d = 10 ** Math.floor(Math.log10(lo)); d <= hi; d *= 10) for (const m of wide ? [1] : [1, 2, 5]) if (d * m >= lo && d * m <= hi) out.push(d * m);
  return out;
}
