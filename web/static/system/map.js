// The map of the pipeline: its places, and what goes over each way between them.
import { el, setText } from "../dom.js";
import { bytes, count, many, ms, percent, si, span, text } from "../format.js";
import { away } from "../scheduler/times.js";

const n = (v) => (typeof v === "number" ? many(Math.round(v)) : "–");
const each = (v) => (typeof v === "number" ? `${text(si(v))}/s` : "–");
const some = (v, words, state = "warn") => (v > 0 ? [{ words: `${text(count(v))} ${words}`, state }] : []);
const health = (f, name) => ({ healthy: "good", degraded: "warn", unhealthy: "bad" })[f.health[name]?.status] ?? "bad";
const ago = (t) => (t ? away(t, Date.now()) : "never");

// Places: what is said of each as [name, value], and how it is.
const places = {
  ingest: { name: "Ingest", about: "kafka-api", to: "#health-kafka-api", state: (f) => (f.held > 0 ? "warn" : health(f, "kafka-api")), facts: (f) => [["waiting on disk", n(f.held)], ["taking in", bytes(f.flying)]] },
  topics: { name: "Topics", about: "broker", to: "#topics-title", state: (f) => (f.refused > 0 ? "bad" : health(f, "kafka-api")), facts: (f) => [["topics", n(f.topicCount)], ["on disk", bytes(f.brokerBytes ?? f.kept)]] },
  stream: { name: "Stream", about: "event-processing-api", to: "#partitions-title", state: (f) => health(f, "event-processing-api"), facts: (f) => [["late", n(f.late)], ["duplicates", n(f.duplicates)]] },
  windows: { name: "Windows", about: "panes in memory", to: "#partitions-title", state: (f) => (f.completeness === null ? undefined : f.completeness < 0.97 ? "bad" : f.completeness < 0.999 ? "warn" : "good"), facts: (f) => [["counted", text(percent(f.completeness))], ["being joined", n(f.joining)]] },
  screens: { name: "Screens", about: "data-streaming-api", to: "#streams-title", state: (f) => (f.limit && f.clients >= f.limit ? "bad" : health(f, "data-streaming-api")), facts: (f) => [["clients", f.limit ? `${n(f.clients)} of ${n(f.limit)}` : "–"], ["cut, too slow", n(f.streams?.slow_clients_closed)]] },
  dead: { name: "Dead letters", about: "refused, with reasons", to: "#letters-title", state: (f) => (f.open === null ? undefined : f.open ? "warn" : "good"), facts: (f) => [["open", n(f.open)], ["sent again", n(f.letters?.redriven)]] },
  lake: { name: "Lake", about: "raw events", to: "#storage-title", state: (f) => (f.lakeFailures === null ? undefined : health(f, "batch-processing-api")), facts: (f) => [["in memory", bytes(f.buffered)], ["loose hours", n(f.loose)]] },
  batch: { name: "Batch", about: "hours to months in SQL", to: "#scheduler-title", state: (f) => (f.aggregation?.hourly === "failed" ? "bad" : health(f, "batch-processing-api")), facts: (f) => [["hourly", f.aggregation?.hourly ?? "–"], ["last", ago(f.aggregation?.detail.hourly.last_success)]] },
  rules: { name: "Rules", about: "alerts and anomalies", to: "#rules-title", state: (f) => (f.droppedWork > 0 ? "warn" : f.rulesLag === null ? undefined : "good"), facts: (f) => [["groups", n(f.ruleGroups)], ["behind", typeof f.rulesLag === "number" ? span(f.rulesLag) : "–"]] },
  responses: { name: "Responses", about: "what is done about them", to: "#rules-title", state: (f) => (f.stopped > 0 || f.oldest > 300 ? "warn" : f.inPlace === null ? undefined : "good"), facts: (f) => [["in place", f.stopped ? "stopped" : n(f.inPlace)], ["messages waiting", n(f.pending)]] },
};

// Ways: how much goes over each, and what is held up or lost there.
const ways = {
  "ingest-topics": { rate: (f) => each(f.written), notes: (f) => [{ words: `HTTP ${each(f.taken)}` }, ...some(f.throttled, "throttled/s"), ...some(f.held, "held", "bad")], about: "events written, by whatever way in" },
  "topics-stream": { rate: (f) => each(f.counted), notes: (f) => [{ words: `lag ${n(f.behind)}`, state: f.behind > 1e4 ? "warn" : "" }], about: "records counted" },
  "stream-windows": { rate: (f) => (typeof f.watermarkLag === "number" ? span(f.watermarkLag) : "–"), notes: (f) => [{ words: "watermark lag" }, ...some(f.future, "from the future")], about: "how far the watermark is behind the clock" },
  "windows-screens": { rate: (f) => each(f.speed?.messages_per_second ?? null), notes: (f) => [{ words: `p99 ${text(ms(f.speed?.messages_per_second ? f.speed.latency_ms.p99 : null))}` }, ...some(f.streams?.conflated, "conflated", ""), ...some(f.streams?.dropped, "dropped", "bad")], about: "messages to clients" },
  "ingest-dead": { down: true, rate: (f) => each(f.rejected), notes: () => [{ words: "refused" }], about: "events refused on the way in" },
  "topics-lake": { down: true, rate: (f) => each(f.lakeRows), notes: (f) => [{ words: `lag ${n(f.lakeLag)}` }], about: "events published as Parquet" },
  "windows-rules": { down: true, rate: (f) => text(ms(f.judging === null ? null : f.judging * 1000)), notes: () => [{ words: "a judgement" }], about: "time that one judgement of all rules takes" },
  "lake-batch": { rate: (f) => n(f.aggregation?.detail.hourly.dirty ?? null), notes: () => [{ words: "hours to redo" }], about: "hours whose events changed after they were aggregated" },
  "rules-responses": { rate: (f) => each(f.decisions), notes: () => [{ words: "decisions" }], about: "decisions written to hxp-alerts" },
};

const order = ["ingest", "ingest-topics", "topics", "topics-stream", "stream", "stream-windows", "windows", "windows-screens", "screens", "ingest-dead", "dead", "topics-lake", "lake", "lake-batch", "batch", "windows-rules", "rules", "rules-responses", "responses"];

export class PipelineMap {
  constructor(node) {
    this.items = order.map((id) => (places[id] ? place(id, places[id]) : way(id, ways[id])));
    node.append(...this.items.map((i) => i.box));
  }

  show(f) {
    this.facts = f;
    for (const i of this.items) i.show(f);
  }

  // table tells of each place and each way what stands there.
  table() {
    const f = this.facts, of = (id) => (places[id] ? places[id].facts(f).map(([what, v]) => [places[id].name, what, v]) : [[ends(id), ways[id].about, ways[id].rate(f)], ...ways[id].notes(f).map((x) => [ends(id), "", x.words])]);
    return { columns: ["where", "what", "value"], rows: f ? order.flatMap(of) : [] };
  }
}

const ends = (id) => id.split("-").map((p) => places[p].name).join(" to ");

function place(id, p) {
  const dot = el("span", { class: "state-dot", role: "img" }), list = el("dl", {}), box = el("a", { class: `place at-${id}`, href: p.to }, el("span", { class: "place-head" }, dot, el("strong", {}, p.name)), el("small", {}, p.about), list);
  const rows = p.facts({ health: {} }).map(([name]) => { const v = el("dd"); list.append(el("dt", {}, name), v); return v; });
  return {
    box,
    show(f) {
      const state = p.state(f);
      dot.dataset.state = state ?? "";
      dot.setAttribute("aria-label", { good: "well", warn: "look at it", bad: "not well" }[state] ?? "not known");
      p.facts(f).forEach(([, v], i) => setText(rows[i], v));
    },
  };
}

function way(id, w) {
  const rate = el("strong"), notes = el("span", { class: "way-notes" });
  const box = el("p", { class: `way at-${id}${w.down ? " down" : ""}`, title: `${ends(id)}: ${w.about}` }, el("span", { class: "visually-hidden" }, `${ends(id)}: `), el("span", { class: "way-line", "aria-hidden": "true" }), rate, notes);
  return {
    box,
    show(f) {
      setText(rate, w.rate(f));
      const said = w.notes(f), key = JSON.stringify(said);
      if (key === notes.dataset.key) return;
      notes.dataset.key = key;
      notes.replaceChildren(...said.map((x) => el("span", { "data-state": x.state || undefined }, x.words)));
    },
  };
}
