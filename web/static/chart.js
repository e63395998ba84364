// A card with a chart: title, unit, lines with a legend that tells the value under the crosshair, or the newest one. The charts of a board
// share the crosshair, the tooltip, the brush and the flags.
import uPlot from "./vendor/uplot/uPlot.js";
import { el, setText } from "./dom.js";
import { between, clock, day, isUTC, minute, text, tick } from "./format.js";
import { css, grey, mix, scale } from "./palette.js";
import { placed } from "./series.js";
import { hideTip, showTip } from "./tooltip.js";

const sync = uPlot.sync("hxp");
const GAP = 45; // seconds without a value over which a line is still drawn through
const PATIENCE = 8; // pixels by which a picture moves without news: it moves with them, if they come
const HATCH = 7; // between the strokes over what is not complete

// What all charts of a page share: the flags on them, who hears of a brush, and where it began: the others only follow it; who hears of what is left out.
export const shared = { flags: [], brushed: null, brush: null, left: null };
const charts = []; // of the page

// The axis of time, of any length: uPlot finds the splits, the words are those of the whole page.
const HOUR = 3600, DAY = 86_400;
const live = {
  joint: true, // charts on it share the crosshair, the brush and the flags
  incrs: [5, 15, 30, 60, 120, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 60 * DAY, 91 * DAY],
  values(u, splits, axis, space, step) {
    const edge = u.bbox.width / devicePixelRatio - 20 * u.unit, long = u.scales.x.max - u.scales.x.min > 1.2 * DAY;
    return splits.map((t) => (u.valToPos(t, "x") > edge ? "" : step >= DAY || long && minute(t) === "00:00" ? day(t) : step % 60 && t % 60 ? clock(t) : minute(t)));
  },
  at: (t, step) => between(t, t + step, step),
};
const zoned = (t) => (isUTC() ? uPlot.tzDate(new Date(t * 1000), "Etc/UTC") : new Date(t * 1000));

export class Chart {
  // spec: {title, unit, format, axis?, steps?, lines(history, off) → [{name, color, values, shown?, area?, stacked?, bars?, compare?: bars that are compared as a line, band?, dash?, width?}], zero?,
  // top?, wide?, needsSome?, gap?, x?, apart?, draw?, tip?, brushed?, empty}. shown are the values to tell where others are drawn; band is {lo, hi}, between which a
  // line lies; needsSome: a row of zeros counts as empty; x: the axis of time, {incrs | splits, values, at}; draw(u, chart) paints behind the lines;
  // brushed({from, to, low, high}) hears of a brush over values as well, if it is that high.
  constructor(spec) {
    this.spec = spec;
    charts.push(this);
    this.off = new Set(); // names of the lines that are switched off
    this.plot = null;
    this.lines = [];
    this.at = el("span", { class: "at" });
    this.legend = el("div", { class: "legend" });
    this.canvas = el("div", { class: "canvas" });
    this.empty = el("p", { class: "empty", hidden: true }, spec.empty);
    this.box = el("div", { class: "plot", tabindex: "0", role: "img", "aria-label": spec.title, onkeydown: (e) => this.#key(e), onmouseleave: hideTip }, this.canvas, this.empty);
    this.head = el("header", { class: "panel-head" }, el("h2", {}, spec.title), el("span", { class: "unit" }, spec.unit), this.at);
    this.node = el("section", { class: `panel chart${spec.wide ? " wide" : ""}`, "aria-label": spec.title }, this.head, this.box, this.legend);
    new ResizeObserver(() => this.#resize()).observe(this.box);
    new IntersectionObserver((seen) => { this.unseen = !seen.at(-1).isIntersecting; if (!this.unseen) this.#catchUp(); }, { rootMargin: "200px 0px 0px" }).observe(this.box); // below a plot that is scrolled past stands its legend
    for (const name of ["themechange", "zonechange"]) addEventListener(name, () => this.#anew());
  }

  // When a step begins; bars stand in its middle.
  #begin(i) { return this.history.times[i] - (this.history.middle ? this.history.step / 2 : 0); }

  get x() { return this.spec.x ?? live; }

  // How many pixels wide what moves is.
  get width() { return this.plot ? this.plot.bbox.width / devicePixelRatio : 1; }

  // Draws the history between range.from and range.to, unix seconds. earlier is what it is compared with, {history, offset in seconds}.
  // One that is out of sight, and has shown something, waits until it is looked at. What is new of the same source is told at once, and drawn when the
  // picture moves.
  show(history, range, earlier = null) {
    const still = earlier === this.earlier && shared.flags === this.flags && this.#still(range, history === this.history ? PATIENCE : 1), goesOn = history.source && history.source === this.history?.source;
    if (still && history === this.history) return;
    Object.assign(this, { history, range, earlier, flags: shared.flags });
    this.waits = Boolean(this.unseen && this.plot && this.empty.hidden);
    if (!this.waits) this.#draw(still && goesOn || this.unseen);
  }

  #catchUp() { if (this.waits) this.#draw(); }

  // Draws the same in another way. Where there is no line words stand, and stay.
  #anew() {
    this.#drop();
    if (this.lines.length) this.show(this.history, this.range, this.earlier);
  }

  // Whether a range lies less than so many pixels beside the one that is drawn: nobody sees that, unless the crosshair tells single points.
  #still({ from, to }, pixels = 1) {
    const { place, plot } = this;
    if (!plot) return !this.lines.length;
    const room = (pixels - 0.01) * (to - from) / this.width; // a step of time that is as long as a pixel moves it
    return typeof plot.cursor.idx !== "number" && Math.abs(to - place.to) < room && Math.abs(from - place.from) < room;
  }

  // still: the numbers alone, unless there is something else to see.
  #draw(still = false) {
    const { history, range } = this, lines = this.#outside(this.spec.lines(history, this.off)).concat(this.#before());
    const same = (this.plot ? this.axis === this.x : !lines.length) && lines.length === this.lines.length && lines.every((l, i) => l.name === this.lines[i].name && l.color === this.lines[i].color && !l.band === !this.lines[i].band);
    const any = this.spec.filled?.(history) ?? lines.some((l) => (l.shown ?? l.values).some((v, i) => v !== null && (v !== 0 || !this.spec.needsSome) && history.times[i] >= range.from - history.step));
    this.waits = still && same && any === this.empty.hidden;
    this.lines = lines;
    if (!this.waits) {
      this.empty.hidden = any;
      setText(this.empty, this.spec.empty);
      this.box.classList.toggle("is-empty", !any);
      if (!same) { this.#drop(); this.#build(); this.#legend(); }
      this.plot?.setData(this.#columns(), false);
      this.#put(range);
    }
    this.#values();
  }

  // Says in place of the picture why there is none; "" = there may be one.
  say(words) {
    if (!words) return;
    this.empty.hidden = false;
    setText(this.empty, words);
    this.box.classList.add("is-empty");
    this.lines = [];
    this.waits = false;
    this.#drop();
    this.legend.replaceChildren();
  }

  // Moves the time axis, by a pixel at least.
  move(range) {
    if (this.#still(range)) return;
    this.range = range;
    if (this.waits) this.#draw();
    else this.#put(range);
  }

  #put(range) {
    this.place = range;
    this.plot?.setScale("x", { min: range.from, max: range.to });
  }

  // What is left out of the whole board, no answer tells of; its name stays in the legend, to take it in again.
  #outside(lines) {
    const gone = this.spec.apart ? [...this.off].filter((name) => !lines.some((l) => l.name === name)) : [];
    return lines.concat(gone.map((name) => ({ name, color: grey(), values: this.history.times.map(() => null) })));
  }

  // The lines of the time before, drawn under those of now at the same place.
  #before() {
    if (!this.earlier) return [];
    const { history, offset } = this.earlier, place = placed(this.history, history, offset), moved = (values) => place.map((i) => values[i] ?? null);
    return this.spec.lines(history, this.off).filter((l) => !l.bars || l.compare).map((l) => ({
      name: `${l.name}, before`, color: l.color, values: moved(l.values), shown: l.shown && moved(l.shown), format: l.format, dash: [2, 3], width: 1, before: true,
    }));
  }

  // What is drawn: the lines, and behind them the edges of their bands.
  #columns() {
    return [this.history.times, ...this.lines.map((l) => l.values), ...this.lines.flatMap((l) => (l.band ? [l.band.hi, l.band.lo] : []))];
  }

  #drop() {
    this.plot?.destroy();
    this.plot = null;
  }

  #build() {
    const { width, height } = this.#size();
    if (!width || !this.lines.length) return;
    const { format, axis = format, steps, zero = true, top, gap = GAP, log } = this.spec, x = this.axis = this.x, banded = this.lines.filter((l) => l.band), joint = x.joint;
    const s = this.scale = scale(), font = `${11 * s}px ${css("--sans")}`, muted = css("--muted"), grid = css("--grid"), surface = css("--surface");
    this.plot = new uPlot({
      width, height, tzDate: zoned,
      padding: [8 * s, 8 * s, 0, 0],
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: {
        ...(joint ? { sync: { key: sync.key, setSeries: false } } : {}), drag: { x: joint, y: Boolean(this.spec.brushed), setScale: false }, y: false,
        points: { size: 7 * s, width: 2 * s, fill: (u, i) => (this.lines[i - 1] ? surface : "transparent"), stroke: (u, i) => this.lines[i - 1]?.color ?? "transparent" },
      },
      scales: {
        x: { time: true, auto: false, range: () => [this.range.from, this.range.to] },
        y: log ? { distr: 3, log: 10, range: (u, min, max) => this.spec.range?.(this.history) ?? [min, max] } : { range: (u, min, max) => bounds(min, max, zero, top) },
      },
      axes: [
        {
          stroke: muted, font, size: 26 * s, gap: 6 * s, space: 76 * s, grid: { show: false }, ticks: { show: false }, border: { show: true, stroke: grid, width: 1 },
          ...(x.splits ? { splits: x.splits } : { incrs: x.incrs }), values: x.values,
        },
        {
          stroke: muted, font, size: 50 * s, gap: 8 * s, space: 34 * s, ...(steps ? { incrs: steps } : {}), grid: { stroke: grid, width: 1 }, ticks: { show: false },
          values: (u, splits) => splits.map((v) => (v === null || !this.empty.hidden ? "" : axis === format ? tick(format, v) : text(axis(v)))),
          ...(this.spec.y ?? {}),
        },
      ],
      series: [{}, ...this.lines.map((l, i) => ({
        label: l.name, stroke: l.before ? `${l.color}99` : l.color, width: (l.width ?? 1.6) * s, dash: l.dash?.map((n) => n * s), show: !this.off.has(l.name.replace(/, before$/, "")),
        fill: l.bars ? l.color : l.stacked ? mix(l.color, 0.22) : l.area ? (u) => fade(u, l.color) : undefined,
        ...(l.bars ? { paths: uPlot.paths.bars({ size: [0.7, 40 * s], radius: 0.12 }) } : {}),
        gaps: (u, si, from, to, nulls) => nulls.filter(([a, b]) => u.posToVal(b, "x") - u.posToVal(a, "x") > Math.max(gap, 2.5 * (this.history.step ?? 0)) * devicePixelRatio),
        points: { show: !l.bars && !l.before, size: 3.5 * s, fill: l.color, width: 0, filter: (u, si) => lonely(u.data[si]) },
        order: i,
      })), ...banded.flatMap((l) => ["hi", "lo"].map(() => ({ width: 0, points: { show: false }, show: !this.off.has(l.name) })))],
      bands: banded.map((l, i) => ({ series: [this.lines.length + 1 + 2 * i, this.lines.length + 2 + 2 * i], fill: `${l.color}2b` })),
      hooks: {
        init: [(u) => { u.unit = s; }],
        setCursor: [(u) => { if (!this.unseen) this.#catchUp(); this.#values(); this.#tip(u); }],
        drawAxes: [(u) => this.spec.draw?.(u, this)],
        draw: [(u) => { if (joint) { hatch(u, this.history); flag(u, this.range); } }],
        setSelect: [(u) => this.#brushed(u)],
      },
    }, this.#columns(), this.canvas);
    this.plot.over.addEventListener("mousedown", () => { shared.brush = this; });
  }

  #brushed(u) {
    const { left, top, width, height } = u.select;
    if (width < 6) return;
    const from = u.posToVal(left, "x"), to = u.posToVal(left + width, "x"), high = u.posToVal(top, "y"), low = u.posToVal(top + height, "y");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (shared.brush !== this) return;
    hideTip();
    if (this.spec.brushed && height >= 12) this.spec.brushed({ from, to, low, high });
    else shared.brushed?.({ from, to, metric: this.spec.metric });
  }

  // The tooltip tells of the chart under the pointer; the others only move their crosshair.
  #tip(u) {
    const held = u.cursor.idx, over = u.over.matches(":hover") || document.activeElement === this.box && u.cursor.left >= 0;
    if (held === null || held === undefined || !over) return;
    const rect = u.over.getBoundingClientRect(), t = this.#begin(held);
    if (Number.isNaN(t)) return;
    const near = shared.flags.find((f) => Math.abs(u.valToPos(f.at, "x") - u.cursor.left) < 6);
    const rows = this.spec.tip?.(u, held, this) ?? this.lines.map((l) => ({ l, v: (l.shown ?? l.values)[held] })).filter(({ l, v }) => typeof v === "number" && !this.off.has(l.name)).sort((a, b) => b.v - a.v)
      .map(({ l, v }) => ({ name: l.name, color: l.color, dash: l.dash, value: text((l.format ?? this.spec.format)(v)) }));
    const whole = this.history.completeness?.[held] ?? 1;
    showTip({ x: rect.left + u.cursor.left, y: rect.top + (u.cursor.top ?? 10), head: this.x.at(t, this.history.step), rows, flag: near, note: whole < complete(this.history.completeness ?? []) ? "not complete yet" : "" });
  }

  #legend() {
    this.legend.replaceChildren();
    this.items = this.lines.map((l) => {
      const value = el("span", { class: "value" });
      if (l.before) return { value };
      const swatch = el("span", { class: `swatch${l.dash ? " dashed" : ""}`, "aria-hidden": "true" });
      swatch.style.setProperty("--c", l.color);
      const item = el("button", { type: "button", class: "item", "aria-pressed": String(!this.off.has(l.name)), title: `Show this alone${this.spec.apart ? ", on the whole board" : ""}; with Shift, add or remove it; with Alt, leave it out`, onclick: (e) => this.#toggle(l.name, e) },
        swatch, el("span", { class: "name" }, l.name), value);
      this.legend.append(item);
      return { item, value };
    });
  }

  // Switches off the lines of these names, and all others on.
  leave(off) {
    this.off = off;
    this.#anew(); // stacks change with what is shown
  }

  #toggle(name, { altKey, shiftKey }) {
    const tells = (c) => c.spec.apart === this.spec.apart && c.lines.some((l) => l.name === name), joint = this.spec.apart ? charts.filter(tells) : [this];
    const names = [...new Set(joint.flatMap((c) => c.lines.filter((l) => !l.before).map((l) => l.name)))], only = names.every((n) => (n === name) !== this.off.has(n));
    const off = altKey || shiftKey ? new Set(this.off) : new Set(only || names.length === 1 ? [] : names.filter((n) => n !== name));
    if (altKey || shiftKey) { if (!off.delete(name)) off.add(name); }
    if (this.spec.apart && shared.left) shared.left(this.spec.apart, names, [...off]);
    else for (const c of joint) c.leave(off);
    this.items[this.lines.findIndex((l) => l.name === name)]?.item.focus({ preventScroll: true }); // legends are made anew
  }

  // The values under the crosshair, else the newest that are known.
  #values() {
    if (!this.items) return;
    const hovered = this.plot?.cursor.idx, held = hovered !== null && hovered !== undefined;
    this.lines.forEach((l, i) => {
      const values = l.shown ?? l.values;
      setText(this.items[i].value, text((l.format ?? this.spec.format)(held ? values[hovered] : newest(values))));
    });
    const t = this.#begin(held ? hovered : this.history.times.length - 1);
    setText(this.at, held && t ? this.x.at(t, this.history.step) : "");
    if (!held) this.#describe();
  }

  // What a screen reader says of the picture; not more often than every ten seconds.
  #describe() {
    if (performance.now() - (this.described ?? -1e9) < 10_000) return;
    this.described = performance.now();
    const now = this.lines.filter((l) => !l.before).map((l) => `${l.name} ${text((l.format ?? this.spec.format)(newest(l.shown ?? l.values)))}`);
    this.box.setAttribute("aria-label", `${this.spec.title}, ${this.spec.unit}: ${now.join(", ") || this.spec.empty}. Arrow keys move through time, Enter opens a table.`);
  }

  #key(e) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (e.key === "Enter" && this.open) { e.preventDefault(); this.open(); return; }
    if (e.key === "Escape") { this.plot?.setCursor({ left: -10, top: -10 }); hideTip(); return; }
    if (!(e.key in moves) || !this.plot) return;
    e.preventDefault();
    this.#catchUp();
    const times = this.history.times, first = Math.max(0, times.findIndex((t) => t >= this.range.from)), last = times.length - 1;
    const from = this.plot.cursor.idx ?? last;
    const i = Math.min(last, Math.max(first, from + moves[e.key] * (e.shiftKey ? 6 : 1)));
    this.plot.setCursor({ left: this.plot.valToPos(times[i], "x"), top: 10 });
  }

  #size() { return { width: Math.floor(this.box.clientWidth), height: Math.floor(this.box.clientHeight) }; }

  #resize() {
    const size = this.#size();
    if (!size.width) return;
    if (this.plot && this.scale === scale()) this.plot.setSize(size);
    else this.#anew();
  }

  // What the picture shows as a table: a head and rows, times in seconds.
  table() {
    this.#catchUp();
    const names = this.lines.map((l) => l.name), rows = this.history?.times.map((t, i) => [this.#begin(i), ...this.lines.map((l) => (l.shown ?? l.values)[i] ?? null)]).filter(([t]) => t >= this.range.from - this.history.step && t < this.range.to) ?? [];
    return { names, rows, formats: this.lines.map((l) => l.format ?? this.spec.format), step: this.history?.step ?? 1 };
  }
}

function newest(values) {
  for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null) return values[i];
  return null;
}

// Indexes of values without a neighbour, which a line would not show.
function lonely(values) {
  const out = [];
  values.forEach((v, i) => { if (v !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) out.push(i); });
  return out;
}

function bounds(min, max, zero, top) {
  if (max === null || max === undefined || !Number.isFinite(max)) return [0, top ?? 1];
  if (top !== undefined) return [zero ? 0 : min, top];
  if (zero) return [0, max > 0 ? max * 1.12 : 1];
  const pad = (max - min || Math.abs(max) || 1) * 0.15;
  return [min - pad, max + pad];
}

// A fill that fades downwards.
function fade(u, color) {
  const { top, height } = u.bbox;
  if (!Number.isFinite(top + height) || height <= 0) return "transparent";
  const g = u.ctx.createLinearGradient(0, top, 0, top + height);
  g.addColorStop(0, `${color}30`);
  g.addColorStop(1, `${color}03`);
  return g;
}

// complete is how much of a step must be counted for it to pass as whole. What is behind is a little of every step, as far as the fast path can tell, and
// belongs to the newest: then they are as whole as the others. Much is missing everywhere.
export function complete(all) {
  const best = Math.max(...all, 0);
  return best < 0.97 ? 0.9995 : best - 0.0005;
}

// Strokes over the end of the picture that is not complete yet.
function hatch(u, history) {
  const whole = history.completeness, n = whole?.length ?? 0;
  let first = n;
  const enough = complete(whole ?? []);
  while (first > 0 && whole[first - 1] < enough) first--;
  if (first === n) return;
  const { ctx, bbox } = u, left = Math.max(bbox.left, u.valToPos(history.times[first] - (history.middle ? history.step / 2 : 0), "x", true)), right = bbox.left + bbox.width;
  if (left >= right) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.beginPath();
  const gap = HATCH * u.unit * devicePixelRatio;
  for (let x = left - bbox.height; x < right; x += gap) { ctx.moveTo(x, bbox.top + bbox.height); ctx.lineTo(x + bbox.height, bbox.top); }
  ctx.strokeStyle = `${css("--muted")}38`;
  ctx.lineWidth = devicePixelRatio;
  ctx.stroke();
  ctx.restore();
}

const flagColors = { bad: "--bad", warn: "--warn", act: "--accent", deploy: "--text" };

// Flags of alerts, actions and deployments: a thin line, and a mark at its head, of another form for each.
function flag(u, range) {
  const { ctx, bbox } = u, unit = u.unit * devicePixelRatio, size = 4 * unit, roomy = bbox.width > 480 * unit;
  let free = -Infinity; // where the next name may begin
  ctx.save();
  ctx.font = `${10.5 * unit}px ${css("--sans")}`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  for (const f of shared.flags) {
    if (f.at < range.from || f.at > range.to) continue;
    const x = Math.round(u.valToPos(f.at, "x", true)) + 0.5;
    ctx.strokeStyle = ctx.fillStyle = css(flagColors[f.kind]);
    ctx.globalAlpha = 0.55;
    ctx.setLineDash((f.kind === "act" ? [2, 3] : f.kind === "deploy" ? [6, 3] : []).map((n) => n * unit));
    ctx.lineWidth = unit;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.beginPath();
    if (f.kind === "act") ctx.arc(x, bbox.top, size * 0.8, 0, 7);
    else if (f.kind === "deploy") { ctx.moveTo(x, bbox.top + size); ctx.lineTo(x + size, bbox.top); ctx.lineTo(x, bbox.top - size); ctx.lineTo(x - size, bbox.top); } // a diamond
    else { ctx.moveTo(x - size, bbox.top - size); ctx.lineTo(x + size, bbox.top - size); ctx.lineTo(x, bbox.top + size); }
    ctx.fill();
    if (f.name && roomy) { // on the side that has room
      const wide = ctx.measureText(f.name).width + 2 * size, left = x + wide < bbox.left + bbox.width ? x + size : x - wide + size;
      if (left > free) { ctx.fillText(f.name, left, bbox.top + size); free = left + wide; }
    }
  }
  ctx.restore();
}
