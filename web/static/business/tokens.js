// Tokens by day, or by the steps of a shorter time: written, read anew, and read from a cache. They lie on each other.
import { Chart } from "../chart.js";
import { setText } from "../dom.js";
import { percent, si, text } from "../format.js";
import { color, named } from "../palette.js";
import { stack } from "../series.js";
import { shownDays } from "./axis.js";
import { each, spanOf, stepped } from "./days.js";
import { DAY } from "./period.js";
import { sumOf } from "./series.js";

const parts = [["out", "out", named.green], ["cached", "in, cached", named.sky], ["fresh", "in", named.violet]];
const columns = (f) => { const [all, cached] = [f.of("tokens.prompt"), f.of("tokens.cached")]; return { out: f.of("tokens.completion"), cached, fresh: all.map((v, i) => (v === null ? null : v - (cached[i] ?? 0))) }; };

export class Tokens {
  constructor(node) {
    this.chart = new Chart({
      title: "Tokens", unit: "", format: si, gap: DAY / 500, metric: "tokens.total", empty: "…", needsSome: true,
      lines(h, off) {
        const sums = stack(parts.map(([id]) => h[id]), parts.map(([, name]) => name), off);
        return parts.map(([id, name, c], i) => ({ name, color: color(c), values: h[id].map((v, k) => (v === null ? null : sums[i][k])), shown: h[id], bars: true }));
      },
    });
    this.note = this.chart.node.querySelector(".unit");
    this.chart.node.classList.add("tall");
    node.append(this.chart.node);
  }

  show(frame) {
    const [read, cached] = [sumOf(frame.of("tokens.prompt")), sumOf(frame.of("tokens.cached"))];
    Object.assign(this.chart.spec, { x: frame.step === DAY / 1000 ? shownDays : undefined, empty: "No tokens in this period" });
    setText(this.note, [each(frame.step), read ? `${text(percent(cached / read))} of what was read came from a cache` : ""].filter(Boolean).join("; "));
    const h = stepped(frame, columns);
    this.chart.show(h, spanOf(h));
  }
}
