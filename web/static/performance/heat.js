// Where durations lie over time: each column is a step, each row a bin of the sketch, darker where more requests are.
import { between, ms, text, tick } from "../format.js";
import { color, css, named, theme } from "../palette.js";

// Viridis, from nothing to most; on a light page it runs the other way, so that much is always what stands out.
const stops = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
const shades = Array.from({ length: 64 }, (_, i) => {
  const x = (i / 63) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(x)), f = x - k;
  return `rgb(${stops[k].map((v, c) => Math.round(v + (stops[k + 1][c] - v) * f)).join(" ")})`;
});

export const measures = { latency_ms: "Whole request", ttft_ms: "First token", tpot_ms: "Per token" };

// o: {measure() → its name, band() → the part that was chosen, {from, to, low, high} or null, brushed(band)}
export function heatSpec({ measure, band, brushed }) {
  const line = (h, p, l) => ({ name: p, values: h.of(`${measure()}.${p}`), color: color(named[l]), width: 1.4 });
  return {
    title: "Distribution of latency", unit: "requests by duration and time", metric: "latency_ms.p95", wide: true, log: true, format: ms, empty: "No durations in this range",
    explain: { what: "Each column is one step of time, each row a range of durations that grows by a fifth; the brighter, the more requests. A second band or a cloud above shows what a percentile hides. Drag over a part to see its requests and what they have in common; drag flat along the time to come closer." },
    brushed,
    y: { splits: (u) => marks(u.scales.y.min, u.scales.y.max), filter: (u, all) => all, values: (u, all) => all.map((v) => tick(ms, v)), grid: { show: false } },
    filled: (h) => (h.bins?.edges.length ?? 0) > 1,
    range: (h) => (h.bins?.edges.length > 1 ? wide(h.bins.edges[0], h.bins.edges.at(-1)) : [1, 1000]),
    lines: (h) => [line(h, "p50", "sky"), line(h, "p95", "amber"), line(h, "p99", "red")],
    draw(u, chart) { paint(u, chart.history); frame(u, band()); },
    tip(u, i, chart) {
      const { bins } = chart.history, value = u.posToVal(u.cursor.top, "y"), k = bins.edges.findIndex((e, n) => value >= e && value < (bins.edges[n + 1] ?? Infinity)), n = bins.counts[i]?.[k] ?? 0, all = bins.counts[i]?.reduce((a, b) => a + b, 0) ?? 0;
      return [
        ...(k >= 0 && k < bins.edges.length - 1 ? [{ name: `${text(ms(bins.edges[k]))} – ${text(ms(bins.edges[k + 1]))}`, color: shades[Math.min(63, Math.round(63 * depth(n, most(bins))))], value: `${n} of ${all}` }] : []),
        ...chart.lines.filter((l) => !l.before).map((l) => ({ name: l.name, color: l.color, value: text(ms(l.values[i])) })).reverse(),
      ];
    },
    table(chart) {
      const { bins, times, step } = chart.history;
      return { columns: ["time", ...bins.edges.slice(0, -1).map((e, k) => `${text(ms(e))} – ${text(ms(bins.edges[k + 1]))}`)], rows: times.map((t, i) => [between(t, t + step, step), ...bins.counts[i]]) };
    },
  };
}

// A span of durations of a decade at least: one bin alone is no wall of colour.
function wide(low, high) {
  const more = Math.max(1, Math.sqrt((10 * low) / high));
  return [low / more, high * more];
}

// Round values on a logarithmic axis.
function marks(low, high) {
  const out = [];
  for (let d = 10 ** Math.floor(Math.log10(low)); d <= high; d *= 10) for (const m of [1, 3]) if (d * m >= low && d * m <= high) out.push(d * m);
  return out;
}

// A line around the part that was chosen.
function frame(u, band) {
  if (!band) return;
  const { ctx, bbox } = u, x = (t) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(t, "x", true))), y = (v) => Math.min(bbox.top + bbox.height, Math.max(bbox.top, u.valToPos(v, "y", true))), left = x(band.from), top = y(band.high);
  ctx.save();
  ctx.strokeStyle = css("--text");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.strokeRect(left, top, x(band.to) - left, y(band.low) - top);
  ctx.restore();
}

const most = (bins) => (bins.most ??= Math.max(1, ...bins.counts.map((c) => Math.max(0, ...c))));
const depth = (n, top) => (n ? 0.12 + 0.88 * Math.sqrt(n / top) : 0);

// cells draws the bins with a pixel for each: where the time moves on, they are only put elsewhere.
function cells(bins) {
  const dark = theme() === "dark", top = most(bins), rows = bins.edges.length - 1;
  if (bins.cells?.dark === dark) return bins.cells;
  const picture = new OffscreenCanvas(bins.counts.length, rows), ctx = picture.getContext("2d");
  bins.counts.forEach((column, i) => column.forEach((n, k) => {
    if (!n) return;
    const d = depth(n, top);
    ctx.fillStyle = shades[Math.round(63 * (dark ? d : 1 - d * 0.92))];
    ctx.globalAlpha = dark ? 0.25 + 0.75 * d : 0.3 + 0.7 * d;
    ctx.fillRect(i, rows - 1 - k, 1, 1);
  }));
  return bins.cells = Object.assign(picture, { dark });
}

// Bins grow by a factor and the axis is logarithmic, so all rows are as high.
function paint(u, { bins, times, step }) {
  if (!bins || bins.edges.length < 2) return;
  const { ctx, bbox } = u, x = (t) => Math.round(u.valToPos(t, "x", true)), y = (v) => Math.round(u.valToPos(v, "y", true)), left = x(times[0]), top = y(bins.edges.at(-1));
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(cells(bins), left, top, x(times.at(-1) + step) - left, y(bins.edges[0]) - top);
  ctx.restore();
}
