// A part of the distribution that somebody chose, time by duration: what its requests have in common that the others of that time have not.
import { ask, explain, query } from "../ask.js";
import { el } from "../dom.js";
import { between, many, ms, percent, text } from "../format.js";
import { value } from "../pick.js";
import { sheet } from "../ui.js";
import { kept, within } from "./slowest.js";

const sampled = 1000; // requests of each side
const dimensions = ["model", "tenant", "prompt_version", "operation", "endpoint", "host", "user_id", "finish_reason", "error_type", "streaming"];
const lengths = [["up to 1,023", 1024], ["1,024 – 4,095", 4096], ["from 4,096", Infinity]];

// read takes a band from the query of an address, write puts it there.
export function read(search) {
  const [measure, ...n] = (new URLSearchParams(search).get("band") ?? "").split(","), [from, to, low, high] = n.map(Number);
  return n.length === 4 && n.every((v) => v !== "") && from < to && low >= 0 && low < high && ["latency_ms", "ttft_ms", "tpot_ms"].includes(measure) ? { measure, from, to, low, high } : null;
}
export function write(band, search) {
  const q = new URLSearchParams(search);
  if (band) q.set("band", [band.measure, Math.floor(band.from), Math.ceil(band.to), band.low.toPrecision(4), band.high.toPrecision(4)].join()); else q.delete("band");
  return q.toString();
}

export const words = (band) => `${text(ms(band.low))} – ${text(ms(band.high))}, ${between(band.from, band.to)}`;

// what a request says of itself, by dimension.
function facts(r) {
  const said = { ...r.metadata, ...r }, out = dimensions.filter((d) => said[d] !== undefined && said[d] !== null && said[d] !== "").map((d) => [d, String(said[d])]);
  if (typeof r.prompt_tokens === "number") out.push(["prompt tokens", lengths.find(([, below]) => r.prompt_tokens < below)[0]]);
  return out;
}

// standOut ranks values by how much more often those inside have them than those outside, at the same time.
export function standOut(inside, outside) {
  const rows = new Map();
  for (const [side, list] of [["in", inside], ["out", outside]]) for (const r of list) for (const [d, v] of facts(r)) {
    const key = `${d}\n${v}`, row = rows.get(key) ?? { dimension: d, value: v, in: 0, out: 0 };
    row[side]++;
    rows.set(key, row);
  }
  return [...rows.values()].map((r) => ({ ...r, a: r.in / (inside.length || 1), b: r.out / (outside.length || 1) })).filter((r) => r.in + r.out >= 5).sort((x, y) => Math.abs(y.a - y.b) - Math.abs(x.a - x.b)).slice(0, 14);
}

// openBand shows what stands out in a band.
export async function openBand(band, view) {
  const body = el("div", { class: "changed", "aria-live": "polite" }, el("p", { class: "wait" }, "Looking…")), { box } = sheet("What do they have in common?", el("p", { class: "sheet-text" }, words(band)), body);
  box.classList.add("wide-sheet");
  try {
    const of = (q) => ask("GET", `/correlations?${query({ ...within(view, band), at_least: undefined, below: undefined, ...q, order: "sample", limit: sampled })}`), edge = { at_least: band.low.toFixed(3), below: band.high.toFixed(3) };
    const [inside, faster, slower] = await Promise.all([of(edge), band.low > 0 ? of({ below: edge.at_least }) : null, of({ at_least: edge.below })]);
    const requests = (a) => (a?.correlations ?? []).map((c) => c.request).filter(Boolean), all = (a) => (a ? a.summary.open + a.summary.complete + a.summary.partial : 0), a = requests(inside), b = even([faster, slower].map((x) => [requests(x), all(x)])), rows = standOut(a, b);
    const named = (r) => [el("small", {}, r.dimension), " ", r.value], line = (r) => {
      const bar = el("span", { class: `change-bar ${r.a < r.b ? "down" : "up"}` });
      bar.style.width = `${Math.max(1, Math.abs(r.a - r.b) * 100)}%`;
      return el("tr", {}, el("th", { scope: "row", class: "left" }, ...(kept.includes(r.dimension) ? [value({ view, done: () => box.close() }, r.dimension, r.value, ...named(r))] : named(r))), el("td", {}, text(percent(r.a))), el("td", {}, text(percent(r.b))), el("td", { class: "bar-cell", "aria-hidden": "true" }, bar));
    };
    body.replaceChildren(el("p", { class: "sheet-text" }, `${many(all(inside))} requests lie in this part, ${many(all(faster) + all(slower))} of the same time beside it, as far as they are remembered; an even sample of ${many(a.length)} and ${many(b.length)} is compared.`),
      rows.length ? el("div", { class: "table-scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["Value", "Of these", "Of the others", ""].map((h, i) => el("th", { scope: "col", class: i ? false : "left" }, h)))), el("tbody", {}, ...rows.map(line)))) : el("p", { class: "wait" }, "Nothing is remembered of this part."));
  } catch (e) { body.replaceChildren(el("p", { class: "form-error" }, explain(e))); }
}

// even takes from several samples as many as each has a share of all: [[sample, how many there are]].
export function even(parts) {
  const sum = parts.reduce((n, [, all]) => n + all, 0), most = Math.min(sampled, ...parts.filter(([list, all]) => list.length < all).map(([list, all]) => Math.floor(list.length * sum / all)));
  return parts.flatMap(([list, all]) => list.slice(0, Math.ceil(most * all / (sum || 1))));
}
