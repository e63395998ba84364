// Pages of metrics in Prometheus' text format, and how fast their counters grow. Nothing here knows the page or the clock.
const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const label = /(\w+)="((?:\\.|[^"\\])*)"/g;

// parse reads a page: name → [{labels, value}].
export function parse(text) {
  const out = new Map();
  for (const row of text.split("\n")) {
    const [, name, labels = "", value] = line.exec(row) ?? [];
    if (!name) continue; // a comment
    const sample = { labels: Object.fromEntries([...labels.matchAll(label)].map(([, k, v]) => [k, v.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))])), value: number(value) };
    if (out.has(name)) out.get(name).push(sample);
    else out.set(name, [sample]);
  }
  return out;
}

const number = (text) => ({ "+Inf": Infinity, "-Inf": -Infinity })[text] ?? Number(text);

const SPAN = 15; // seconds that a rate is the mean of
const KEPT = 60; // seconds of pages that are kept

// Meter keeps the pages of the last minute.
export class Meter {
  constructor() { this.looks = []; } // {at (s), pages}

  // take adds the pages of all services at one moment.
  take(at, pages) {
    this.looks.push({ at, pages });
    while (this.looks[0].at < at - KEPT) this.looks.shift();
  }

  // value is the newest sum of a metric over everything that has the labels, null when nobody tells it.
  value(name, labels) { return sum(this.looks.at(-1), name, labels); }

  // rate is how much a counter grew a second; null as long as there is one look only, or after a restart.
  rate(name, labels) {
    const now = this.looks.at(-1), then = this.#before();
    const [a, b] = [sum(then, name, labels), sum(now, name, labels)];
    return a === null || b === null || b < a ? null : (b - a) / (now.at - then.at);
  }

  // mean of what a histogram was told since a look before, else since the start.
  mean(name) {
    const now = this.looks.at(-1), then = this.#before();
    const [s, n] = ["_sum", "_count"].map((end) => (sum(now, name + end) ?? 0) - (sum(then, name + end) ?? 0));
    if (n > 0) return s / n;
    const all = sum(now, `${name}_count`);
    return all ? sum(now, `${name}_sum`) / all : null;
  }

  // by is the newest value for each value of a label.
  by(name, of) {
    const out = {};
    for (const s of samples(this.looks.at(-1), name)) out[s.labels[of]] = (out[s.labels[of]] ?? 0) + s.value;
    return out;
  }

  #before() {
    const now = this.looks.at(-1);
    return now && (this.looks.find((l) => l.at >= now.at - SPAN && l !== now) ?? null);
  }
}

const samples = (look, name) => (look ? look.pages.flatMap((p) => p.get(name) ?? []) : []);

function sum(look, name, labels = {}) {
  const some = samples(look, name).filter((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v));
  return some.length ? some.reduce((all, s) => all + s.value, 0) : null;
}
