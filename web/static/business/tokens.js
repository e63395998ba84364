// Tokens by day: written, read anew, and read from a cache. They lie on each other.
import { Chart } from "../chart.js";
import { setText } from "../dom.js";
import { percent, si, text } from "../format.js";
import { color, named } from "../palette.js";
import { stack } from "../series.js";
import { NOON, ofDays } from "./axis.js";
import { DAY } from "./period.js";
import { tokensByDay } from "./series.js";

const parts = [["out", "out", named.green], ["cached", "in, cached", named.sky], ["fresh", "in", named.violet]];

export class Tokens {
  constructor(node) {
    this.chart = new Chart({
      title: "Tokens by day", unit: "", format: si, gap: DAY / 500, x: ofDays, empty: "…", needsSome: true,
      lines(h, off) {
        const shown = parts.map(([id, name]) => (off?.has(name) ? h[id].map((v) => (v === null ? null : 0)) : h[id])), sums = stack(shown);
        return parts.map(([id, name, c], i) => ({ name, color: color(c), values: h[id].map((v, k) => (v === null ? null : sums[i][k])), shown: h[id], bars: true }));
      },
    });
    this.note = this.chart.node.querySelector(".unit");
    this.chart.node.classList.add("tall");
    node.append(this.chart.node);
  }

  show(groups, total, days, empty) {
    this.chart.spec.empty = empty;
    const t = total?.tokens;
    setText(this.note, t?.prompt ? `${text(percent(t.cached / t.prompt))} of what was read came from a cache` : "");
    this.chart.show({ times: days.map((d) => d / 1000 + NOON), step: DAY / 1000, ...tokensByDay(groups, days) }, { from: days[0] / 1000, to: (days.at(-1) + DAY) / 1000 });
  }
}
