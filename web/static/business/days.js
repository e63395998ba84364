// Cost by day, or by the steps of a shorter time: what was, and what is foretold of days with its band.
import { Chart } from "../chart.js";
import { setText } from "../dom.js";
import { span, usd } from "../format.js";
import { color, named } from "../palette.js";
import { shownDays } from "./axis.js";
import { DAY } from "./period.js";
import { dayForecast, expected } from "./series.js";
import { money } from "./words.js";

// How long a step is, in words.
export const each = (step) => (step === 86_400 ? "by day" : `each ${span(step).replace(".0", "")}`);

// stepped is a frame with its steps in the middle, as bars stand; add are further columns.
export const stepped = (frame, add) => ({ times: frame.times.map((t) => t + frame.step / 2), step: frame.step, completeness: frame.completeness, watermark: frame.watermark, middle: true, ...add(frame) });

// The span of steps, from the beginning of the first to the end of the last.
export const spanOf = (h) => ({ from: h.times[0] - h.step / 2, to: h.times.at(-1) + h.step / 2 });

export class CostBySteps {
  constructor(node) {
    this.chart = new Chart({
      title: "Cost", unit: "", format: usd, gap: DAY / 500, metric: "cost_usd", empty: "…",
      lines: (h) => [
        { name: "cost", color: color(named.blue), values: h.cost, bars: true, compare: true },
        ...(h.next ? [{ name: "forecast", color: color(named.violet), values: h.next.p50, band: h.next, dash: [5, 3], width: 2 }] : []),
      ],
    });
    this.chart.node.classList.add("tall");
    this.note = this.chart.node.querySelector(".unit");
    node.append(this.chart.node);
  }

  // days are the starts of the days of a period that has a forecast, those ahead with them, else null; points is the hourly forecast, or null.
  // whole names the period whose total is told, when all of its days are drawn.
  show(frame, earlier, { days = null, points = null, now, note, empty, whole }) {
    const h = stepped(frame, (f) => ({ cost: f.of("cost_usd") })), { spec } = this.chart;
    Object.assign(spec, { empty, x: frame.step === DAY / 1000 ? shownDays : undefined });
    let told = [each(frame.step), note].filter(Boolean).join("; ");
    if (days) {
      while (h.times.length < days.length) { h.times.push(h.times.at(-1) + h.step); h.cost.push(null); h.completeness = [...h.completeness, 1]; }
      const today = days.findIndex((t) => t <= now && now < t + DAY), next = points?.length ? dayForecast(points, days, now, today < 0 ? 0 : h.cost[today]) : null, sum = next && expected(h.cost.slice(0, days.length), next);
      h.next = next;
      if (sum && whole) told += `. ${whole} will cost about ${money(sum.p50)}, between ${money(sum.lo)} and ${money(sum.hi)}`;
    }
    setText(this.note, told);
    const before = earlier && { offset: earlier.offset, history: stepped(earlier.history, (f) => ({ cost: f.of("cost_usd") })) };
    this.chart.show(h, spanOf(h), before);
  }
}
