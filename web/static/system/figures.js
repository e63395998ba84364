// The key figures of the pipeline, each with a small picture of the minutes that this page has been open.
import { el, figure, setText } from "../dom.js";
import { count, many, ms, percent, percentOf100, si, span, text } from "../format.js";
import { spark } from "../spark.js";

const KEPT = 120; // points of a picture
const late = (s) => (typeof s === "number" ? [...span(s).split("\u2009"), ""].slice(0, 2) : [null, ""]);
const size = (n) => (typeof n !== "number" ? [null, ""] : n >= 1e9 ? [(n / 1e9).toFixed(2), "GB"] : [(n / 1e6).toFixed(0), "MB"]);

const cards = [
  { name: "Events written", note: () => "per second, all ways in", format: si, of: (f) => f.written },
  { name: "Watermark lag", note: () => "behind the clock", format: late, of: (f) => f.watermarkLag, alarm: (v) => (v > 60 ? "warn" : "") },
  { name: "Not counted yet", note: () => "records, by the windows", format: count, of: (f) => f.behind, alarm: (v) => (v > 1e5 ? "bad" : v > 1e4 ? "warn" : "") },
  { name: "Processing p99", note: () => "from write to window", format: ms, of: (f) => f.processing },
  { name: "Dead letters", note: () => "open", format: count, of: (f) => f.open, alarm: (v) => (v > 0 ? "warn" : "") },
  { name: "Clients", note: (f) => (f.limit ? `of ${many(f.limit)} streams` : ""), format: count, of: (f) => f.clients, alarm: (v, f) => (v >= f.limit ? "bad" : v >= 0.9 * f.limit ? "warn" : "") },
  { name: "CPU", note: (f) => (f.memory ? `memory ${size(f.memory).join("\u2009")}` : ""), format: percentOf100, of: (f) => f.cpu, title: "of one core, since the start of the process" },
];

export class Figures {
  constructor(node) {
    this.items = cards.map((card) => {
      const value = figure(), note = el("span", { class: "note" }), line = spark(160, 34, { area: true, className: "spark card-spark" });
      const box = el("article", { class: "card", title: card.title }, el("h2", {}, card.name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, note), line);
      value.show(["", ""]);
      node.append(box);
      return { card, box, value, note, line, past: [] };
    });
  }

  show(f) {
    for (const { card, box, value, note, line, past } of this.items) {
      const v = card.of(f) ?? null, [n, unit] = card.format(v);
      value.show([n ?? "–", unit]);
      setText(note, card.note(f));
      box.dataset.alarm = v === null ? "" : card.alarm?.(v, f) ?? "";
      past.push(v);
      if (past.length > KEPT) past.shift();
      line.show(past);
    }
  }
}
