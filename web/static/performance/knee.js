// Load against latency, with the load at which the objective breaks.
import { el, svg } from "../dom.js";
import { ms, si, text, tick } from "../format.js";
import { modelName } from "../palette.js";

const W = 460, H = 210, left = 52, bottom = 30, top = 12, right = 14, most = 3;

export function showKnees(node, note, answer) {
  const list = (answer.saturation ?? []).filter((s) => s.points.length >= 5).slice(0, most);
  note.textContent = list.length ? "windows of at most a minute; each point is one" : "";
  node.replaceChildren(...(list.length ? list.map(curve) : [el("p", { class: "wait" }, "There is too little data for a curve yet: it takes hours with different load.")]));
}

function curve({ model, metric, objective, knee, points }) {
  const xs = points.map((p) => p.load), ys = points.map((p) => p.value), maxX = Math.max(...xs) * 1.08, maxY = Math.max(objective * 1.3, quantile(ys, 0.98) * 1.1);
  const x = (v) => left + (v / maxX) * (W - left - right), y = (v) => top + (1 - Math.min(v, maxY) / maxY) * (H - top - bottom), words = [];
  const dots = points.map((p) => svg("circle", { cx: x(p.load).toFixed(1), cy: y(p.value).toFixed(1), r: 2.6, class: p.good ? "good" : "bad" }, svg("title", {}, `${text(si(p.load))} requests/s, ${text(ms(p.value))}`)));
  const label = (text_, attributes) => svg("text", { class: "tick-label", ...attributes }, text_);
  const ticks = round(maxX, 5).map((v) => label(tick(si, v), { x: x(v), y: H - 12, "text-anchor": "middle" })).concat(round(maxY, 3).map((v) => label(tick(ms, v), { x: left - 8, y: y(v) + 3, "text-anchor": "end" })));
  if (knee) words.push(`bends at ${text(si(knee.load))} requests/s (${text(si(knee.lo))} – ${text(si(knee.hi))})`); else words.push("no bend seen so far");
  return el("figure", { class: "knee" }, el("figcaption", {}, el("strong", {}, modelName(model)), ` ${metric}, ${words.join("")}`),
    svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${modelName(model)}: ${metric} against load, ${words.join("")}` },
      svg("line", { class: "frame", x1: left, y1: H - bottom, x2: W - right, y2: H - bottom }), ...ticks, svg("line", { class: "limit", x1: left, x2: W - right, y1: y(objective), y2: y(objective) }), label("objective", { x: W - right, y: y(objective) - 5, "text-anchor": "end" }),
      ...(knee ? [svg("rect", { class: "knee-band", x: x(knee.lo), width: Math.max(1, x(knee.hi) - x(knee.lo)), y: top, height: H - top - bottom }), svg("line", { class: "knee-line", x1: x(knee.load), x2: x(knee.load), y1: top, y2: H - bottom })] : []), ...dots));
}

// About n round values up to a largest one.
function round(most, n) {
  const size = 10 ** Math.floor(Math.log10(most / n)), step = [1, 2, 5, 10].map((m) => m * size).find((s) => most / s <= n + 1);
  return Array.from({ length: Math.floor(most / step) }, (_, i) => (i + 1) * step);
}

function quantile(values, p) { const s = [...values].sort((a, b) => a - b); return s[Math.min(s.length - 1, Math.floor(p * s.length))]; }
