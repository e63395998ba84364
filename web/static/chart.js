// A card with a chart: title, unit, lines with a legend that tells the value under the crosshair, or the newest one.
import uPlot from "./vendor/uplot/uPlot.esm.js";
import { el, setText } from "./dom.js";
import { clock, minute, text, tick } from "./format.js";
import { css, mix } from "./palette.js";

const sync = uPlot.sync("hxp");
const GAP = 45; // seconds without a value over which a line is still drawn through

// The axis of a range of minutes, in local time.
const live = {
  incrs: [5, 15, 30, 60, 120, 300],
  values: (u, splits) => splits.map((t) => (u.valToPos(t, "x") > u.bbox.width / devicePixelRatio - 20 ? "" : t % 60 ? clock(t) : minute(t))), // none that the edge would cut
  at: (t, step) => `${clock(t)} – ${clock(t + step)}`,
};

export class Chart {
  // spec: {title, unit, format, axis?, steps?, lines(history, off) → [{name, color, values, shown?, area?, stacked?, bars?, band?, dash?, width?}], zero?,
  // top?, wide?, needsSome?, gap?, x?, empty}. shown are the values to tell where others are drawn; band is {lo, hi}, between which a line lies;
  // needsSome: a row of zeros counts as empty; x: the axis of time, {incrs | splits, values, at}.
  constructor(spec) {
    this.spec = spec;
    this.off = new Set(); // names of the lines that are switched off
    this.plot = null;
    this.lines = [];
    this.at = el("span", { class: "at" });
    this.legend = el("div", { class: "legend" });
    this.canvas = el("div", { class: "canvas" });
    this.empty = el("p", { class: "empty", hidden: true }, spec.empty);
    this.box = el("div", { class: "plot", tabindex: "0", role: "img", "aria-label": spec.title, onkeydown: (e) => this.#key(e) }, this.canvas, this.empty);
    this.node = el("section", { class: `panel chart${spec.wide ? " wide" : ""}` },
      el("header", { class: "panel-head" }, el("h2", {}, spec.title), el("span", { class: "unit" }, spec.unit), this.at),
      this.box, this.legend);
    new ResizeObserver(() => this.#resize()).observe(this.box);
    addEventListener("themechange", () => { this.#drop(); if (this.history) this.show(this.history, this.range); });
  }

  // Draws the history between range.from and range.to, unix seconds.
  show(history, range) {
    Object.assign(this, { history, range });
    const lines = this.spec.lines(history, this.off);
    const same = this.plot && lines.length === this.lines.length && lines.every((l, i) => l.name === this.lines[i].name && l.color === this.lines[i].color && !l.band === !this.lines[i].band);
    this.lines = lines;
    const any = lines.some((l) => (l.shown ?? l.values).some((v, i) => v !== null && (v !== 0 || !this.spec.needsSome) && history.times[i] >= range.from));
    this.empty.hidden = any;
    setText(this.empty, this.spec.empty);
    this.box.classList.toggle("is-empty", !any);
    if (!same) { this.#drop(); this.#build(); this.#legend(); }
    this.plot?.setData(this.#columns(), false);
    this.move(range);
    this.#values();
  }

  // Moves the time axis.
  move(range) {
    this.range = range;
    this.plot?.setScale("x", { min: range.from, max: range.to });
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
    const { format, axis = format, steps, zero = true, top, gap = GAP, x = live } = this.spec, banded = this.lines.filter((l) => l.band);
    const font = `11px ${css("--sans")}`, muted = css("--muted"), grid = css("--grid"), surface = css("--surface");
    this.plot = new uPlot({
      width, height,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      focus: { alpha: 1 },
      cursor: {
        ...(x === live ? { sync: { key: sync.key, setSeries: false } } : {}), drag: { x: false, y: false }, y: false,
        points: { size: 7, width: 2, fill: (u, i) => (this.lines[i - 1] ? surface : "transparent"), stroke: (u, i) => this.lines[i - 1]?.color ?? "transparent" },
      },
      scales: {
        x: { time: true, auto: false, range: () => [this.range.from, this.range.to] },
        y: { range: (u, min, max) => bounds(min, max, zero, top) },
      },
      axes: [
        {
          stroke: muted, font, size: 26, gap: 6, space: 76, grid: { show: false }, ticks: { show: false }, border: { show: true, stroke: grid, width: 1 },
          ...(x.splits ? { splits: x.splits } : { incrs: x.incrs }), values: x.values,
        },
        {
          stroke: muted, font, size: 50, gap: 8, space: 34, ...(steps ? { incrs: steps } : {}), grid: { stroke: grid, width: 1 }, ticks: { show: false },
          values: (u, splits) => splits.map((v) => axis === format ? tick(format(v)) : text(axis(v))),
        },
      ],
      series: [{}, ...this.lines.map((l, i) => ({
        label: l.name, stroke: l.color, width: l.width ?? 1.6, dash: l.dash, show: !this.off.has(l.name),
        fill: l.bars ? l.color : l.stacked ? mix(l.color, 0.22) : l.area ? (u) => fade(u, l.color) : undefined,
        ...(l.bars ? { paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.12 }) } : {}),
        gaps: (u, si, from, to, nulls) => nulls.filter(([a, b]) => u.posToVal(b, "x") - u.posToVal(a, "x") > gap * devicePixelRatio),
        points: { show: !l.bars, size: 3.5, fill: l.color, width: 0, filter: (u, si) => lonely(u.data[si]) },
        order: i,
      })), ...banded.flatMap((l) => ["hi", "lo"].map(() => ({ width: 0, points: { show: false }, show: !this.off.has(l.name) })))],
      bands: banded.map((l, i) => ({ series: [this.lines.length + 1 + 2 * i, this.lines.length + 2 + 2 * i], fill: `${l.color}2b` })),
      hooks: { setCursor: [() => this.#values()] },
    }, this.#columns(), this.canvas);
  }

  #legend() {
    this.legend.replaceChildren();
    this.items = this.lines.map((l) => {
      const value = el("span", { class: "value" });
      const swatch = el("span", { class: `swatch${l.dash ? " dashed" : ""}`, "aria-hidden": "true" });
      swatch.style.setProperty("--c", l.color);
      const item = el("button", { type: "button", class: "item", "aria-pressed": String(!this.off.has(l.name)), title: "Show or hide this line; with Alt, show it alone", onclick: (e) => this.#toggle(l.name, e.altKey) },
        swatch, el("span", { class: "name" }, l.name), value);
      this.legend.append(item);
      return { item, value };
    });
  }

  #toggle(name, alone) {
    if (alone) {
      const only = this.lines.every((l) => (l.name === name) !== this.off.has(l.name));
      this.off = new Set(only ? [] : this.lines.map((l) => l.name).filter((n) => n !== name));
    } else if (!this.off.delete(name)) this.off.add(name);
    this.lines = []; // stacks change with what is shown
    this.show(this.history, this.range);
  }

  // The values under the crosshair, else the newest that are known.
  #values() {
    if (!this.items) return;
    const hovered = this.plot?.cursor.idx, held = hovered !== null && hovered !== undefined;
    this.lines.forEach((l, i) => {
      const values = l.shown ?? l.values;
      setText(this.items[i].value, text((l.format ?? this.spec.format)(held ? values[hovered] : newest(values))));
    });
    const t = this.history.times[held ? hovered : this.history.times.length - 1];
    setText(this.at, held && t ? (this.spec.x ?? live).at(t, this.history.step) : "");
    if (!held) this.#describe();
  }

  // What a screen reader says of the picture; not more often than every ten seconds.
  #describe() {
    if (performance.now() - (this.described ?? -1e9) < 10_000) return;
    this.described = performance.now();
    const now = this.lines.map((l) => `${l.name} ${text((l.format ?? this.spec.format)(newest(l.shown ?? l.values)))}`);
    this.box.setAttribute("aria-label", `${this.spec.title}, ${this.spec.unit}: ${now.join(", ") || this.spec.empty}. Arrow keys move through time.`);
  }

  #key(e) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (e.key === "Escape") { this.plot?.setCursor({ left: -10, top: -10 }); return; }
    if (!(e.key in moves) || !this.plot) return;
    e.preventDefault();
    const times = this.history.times, first = times.findIndex((t) => t >= this.range.from), last = times.length - 1;
    const from = this.plot.cursor.idx ?? last;
    const i = Math.min(last, Math.max(first, from + moves[e.key] * (e.shiftKey ? 6 : 1)));
    this.plot.setCursor({ left: this.plot.valToPos(times[i], "x"), top: 10 });
  }

  #size() { return { width: Math.floor(this.box.clientWidth), height: Math.floor(this.box.clientHeight) }; }

  #resize() {
    const size = this.#size();
    if (!size.width) return;
    if (this.plot) this.plot.setSize(size);
    else if (this.history) { this.lines = []; this.show(this.history, this.range); }
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
