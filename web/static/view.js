// What a board shows, as one thing that the address, the bar, the keys and the panels share: a span of time, live or fixed, filters, values that are left
// out, what it is compared with, and the zone of its times. Whoever opens the address sees the same.
import { OTHER, modelName } from "./palette.js";

export const ranges = [[300, "5 min"], [900, "15 min"], [3600, "1 hour"], [21_600, "6 hours"], [86_400, "24 hours"], [604_800, "7 days"], [2_592_000, "30 days"], [7_776_000, "90 days"], [31_536_000, "1 year"]];
// All that "What changed?" can name, those first that are chosen most: a filter that the address does not know would be lost.
export const dimensions = ["model", "tenant", "user_id", "endpoint", "operation", "host", "source", "prompt_version", "status_class", "error_type", "finish_reason", "gpu", "streaming", "session_id", "usage_source", "event_type", "thumbs", "business_event_type"];
export const comparisons = { "": "No comparison", previous: "Previous period", week: "Same time last week" };
// Whether the windows tell some dimensions apart together. kept: those that they keep apart, alone and in pairs joined by +.
export const covers = (kept, names) => kept.some((k) => names.every((n) => k.split("+").includes(n)));
// The dimensions that can narrow what is shown further, beside those that are in use.
export const offered = (kept, using, of = dimensions) => of.filter((d) => covers(kept, [...using, d]));
const DAY = 86_400, WEEK = 7 * DAY, shortest = 10, longest = 400 * 86_400;

const named = (dimension, name) => (dimension === "model" ? modelName(name) : name); // as it is left out: legends know no other name
const unnamed = (dimension) => `no ${dimension.replace("_id", "").replace("_", " ")} named`;
const asked = (dimension, name) => (dimension === "model" && name === modelName(OTHER) ? OTHER : name === unnamed(dimension) ? "" : name); // as the services call it
const instant = (seconds) => new Date(Math.round(seconds) * 1000).toISOString().replace(".000Z", "Z");

// read takes a view from the query of an address. What cannot be read is as if it were not there.
export function read(search, otherwise = 900) {
  const q = new URLSearchParams(search), time = (name) => { const t = Date.parse(q.get(name) ?? ""); return Number.isNaN(t) ? null : t / 1000; };
  let from = time("from"), to = time("to");
  if (from === null || to === null || to - from < shortest || to - from > longest) from = to = null;
  const range = Number(q.get("range"));
  return {
    range: range >= shortest && range <= longest ? Math.round(range) : otherwise, from, to,
    compare: Object.hasOwn(comparisons, q.get("compare") ?? "") ? q.get("compare") ?? "" : "",
    zone: q.get("zone") === "utc" ? "utc" : "local",
    filters: Object.fromEntries(dimensions.filter((d) => q.get(d)).map((d) => [d, q.get(d)])),
    without: Object.fromEntries(dimensions.map((d) => [d, [...new Set(q.getAll("without").filter((w) => w.startsWith(`${d}:`)).map((w) => named(d, w.slice(d.length + 1)) || unnamed(d)))]]).filter(([, names]) => names.length)),
  };
}

// write puts a view into a query; parameters of others stay.
export function write(view, search = "") {
  const q = new URLSearchParams(search), put = (name, value) => (value ? q.set(name, value) : q.delete(name));
  put("range", view.from === null && String(view.range));
  put("from", view.from !== null && instant(view.from));
  put("to", view.from !== null && instant(view.to));
  put("compare", view.compare);
  put("zone", view.zone === "utc" && "utc");
  for (const d of dimensions) put(d, view.filters[d]);
  q.delete("without");
  for (const [d, names] of Object.entries(view.without ?? {})) for (const n of names) q.append("without", `${d}:${n}`);
  return q.toString();
}

export class View extends EventTarget {
  // now: tells the server's clock, seconds since the epoch. days: a live span of five days or more begins with a day (UTC).
  constructor(now, otherwise, days = false) {
    super();
    Object.assign(this, { now, otherwise, days });
    this.held = null; // the moment at which a live view was paused
    Object.assign(this, read(location.search, otherwise));
    addEventListener("popstate", () => { Object.assign(this, read(location.search, otherwise)); this.#tell(["range", "filters", "without", "compare", "zone"]); });
  }

  get live() { return this.from === null && this.held === null; }

  // What is shown now, seconds since the epoch.
  span() {
    if (this.from !== null) return { from: this.from, to: this.to };
    const to = this.held ?? this.now(), from = to - this.range;
    return { from: this.days && this.range >= 5 * DAY ? Math.floor(from / DAY + 1) * DAY : from, to };
  }

  // How far back lies what it is compared with; 0 = it is not compared.
  get offset() { return this.compare ? this.before() : 0; }
  before() { return this.compare === "week" ? WEEK : this.from === null ? this.range : this.to - this.from; }

  set(changes) {
    Object.assign(this, changes);
    if ("range" in changes && !("from" in changes)) this.from = this.to = this.held = null;
    if ("from" in changes) this.held = null;
    history[changes.quiet ? "replaceState" : "pushState"](null, "", `?${write(this, location.search)}${location.hash}`);
    this.#tell(Object.keys(changes));
  }

  filter(name, value) {
    const filters = { ...this.filters };
    if (value) filters[name] = value; else delete filters[name];
    this.set({ filters, ...(this.without[name]?.includes(value) ? { without: this.#out(name, this.without[name].filter((n) => n !== value)) } : {}) });
  }

  // Leaves values of a dimension out, these and no others.
  leave(dimension, names) { this.set({ without: this.#out(dimension, names) }); }
  #out(dimension, names) {
    const { [dimension]: was, ...without } = this.without;
    return names.length ? { ...without, [dimension]: names } : without;
  }

  // Leaves one more out. Who leaves out what is shown alone sees the others.
  leaveOut(dimension, name) {
    const { [dimension]: alone, ...filters } = this.filters;
    this.set({ without: this.#out(dimension, [...new Set([...this.without[dimension] ?? [], named(dimension, name)])]), ...(alone === name ? { filters } : {}) });
  }

  // Tells whether something is shown that has these values, {dimension: value}.
  lets(values) { return Object.entries(this.without).every(([d, names]) => !names.includes(named(d, values[d]))); }

  pause() {
    if (this.from !== null) { this.set({ range: this.range }); return; } // from a fixed span back to live
    this.held = this.held === null ? this.now() : null;
    this.#tell(["held"]);
  }

  // Moves by half a span; what would lie ahead is live again.
  shift(direction) {
    const { from, to } = this.span(), by = (to - from) / 2 * direction;
    if (to + by >= this.now() - 1) { if (this.from !== null) this.set({ range: Math.round(to - from) }); return; }
    this.set({ from: from + by, to: to + by });
  }

  // Half or twice as long. A live view ends now.
  zoom(factor) {
    const { from, to } = this.span(), length = Math.min(longest, Math.max(shortest, (to - from) * factor));
    if (this.from === null) { this.set({ range: Math.round(length) }); return; }
    const middle = (from + to) / 2, end = Math.min(middle + length / 2, this.now());
    this.set({ from: end - length, to: end });
  }

  // What narrows a question: the filters, and what is left out.
  get narrow() { return { ...this.filters, without: Object.entries(this.without).flatMap(([d, names]) => names.map((n) => `${d}:${asked(d, n)}`)) }; }

  get narrowed() { return Object.keys({ ...this.filters, ...this.without }).length > 0; }

  // The parameters that the services understand.
  query() {
    const { from, to } = this.span();
    return { from: instant(from), to: instant(Math.ceil(to)), ...this.narrow };
  }

  // An address that shows the same later.
  link() {
    const { from, to } = this.span();
    return `${location.origin}${location.pathname}?${write({ ...this, from, to }, location.search)}`;
  }

  #tell(what) { this.dispatchEvent(new CustomEvent("change", { detail: what })); }
}
