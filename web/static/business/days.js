// Cost by day: what was, and what is foretold with its band.
import { Chart } from "../chart.js";
import { setText } from "../dom.js";
import { usd } from "../format.js";
import { color, named } from "../palette.js";
import { NOON, ofDays } from "./axis.js";
import { DAY } from "./period.js";
import { dayForecast, expected } from "./series.js";
import { money } from "./words.js";

export class CostByDay {
  constructor(node) {
    this.chart = new Chart({
      title: "Cost by day", unit: "", format: usd, gap: DAY / 500, x: ofDays, empty: "…",
      lines: (h) => [
        { name: h.partial ? "cost, today so far" : "cost", color: color(named.blue), values: h.cost, bars: true },
        ...(h.next ? [{ name: "forecast", color: color(named.violet), values: h.next.p50, band: h.next, dash: [5, 3], width: 2 }] : []),
      ],
    });
    this.chart.node.classList.add("tall");
    this.note = this.chart.node.querySelector(".unit");
    node.append(this.chart.node);
  }

  // days are the starts of the days that are drawn; points is the hourly forecast of cost, or null. empty is said where there is nothing to draw;
  // whole names the period whose total is told, when all of its days are drawn.
  show(days, cost, points, now, note, empty, whole) {
    this.chart.spec.empty = empty;
    setText(this.note, note);
    const today = days.findIndex((t) => t <= now && now < t + DAY);
    const next = points?.length ? dayForecast(points, days, now, today < 0 ? 0 : cost[today]) : null;
    const history = { times: days.map((t) => t / 1000 + NOON), step: DAY / 1000, cost, next, partial: today >= 0 && cost[today] !== null };
    const sum = next && expected(cost, next);
    if (sum && whole) setText(this.note, `${note}. ${whole} will cost about ${money(sum.p50)}, between ${money(sum.lo)} and ${money(sum.hi)}`);
    this.chart.show(history, { from: days[0] / 1000, to: (days.at(-1) + DAY) / 1000 });
  }
}
