// What the looks say, in numbers that panels show. Absent is null.
import { Meter } from "./metrics.js";

const GROUP = { windows: "hxp-event-processing", lake: "hxp-batch-processing" };
const inputs = ["llm-requests", "user-feedback", "system-metrics", "business-events"];

// Facts are made of one look after another; counters become rates.
export class Facts {
  constructor() { this.meter = new Meter(); }

  take(look) {
    this.meter.take(look.at, look.pages);
    const m = this.meter, { performance: p, streams, letters } = look;
    const add = (...parts) => (parts.every((x) => x === null) ? null : parts.reduce((a, b) => a + (b ?? 0), 0));
    return {
      ...look, meter: m,
      taken: m.rate("ingest_events_total", { outcome: "accepted" }), rejected: m.rate("ingest_events_total", { outcome: "rejected" }), throttled: m.rate("ingest_throttled_total"),
      held: m.value("ingest_held_messages"), flying: m.value("ingest_in_flight_bytes"),
      written: rateOf(look.topics), kept: look.topics && sumOf(look.topics.topics, "bytes"), topicCount: look.topics?.topics.length ?? null,
      batches: m.value("hxp_broker_batches"), brokerBytes: m.value("hxp_broker_bytes"), connections: m.value("hxp_broker_connections"), refused: m.rate("hxp_broker_refused_writes_total"),
      counted: p?.events_per_second ?? null, behind: p?.consumer_lag ?? null, watermarkLag: p && p.events_total > 0 ? p.watermark_lag_seconds : null, late: p?.late_events ?? null, duplicates: p?.duplicates ?? null,
      future: p?.future_events ?? null, completeness: p?.completeness ?? null, processing: p?.processing_latency_ms?.p99 ?? null, cpu: p?.cpu_percent ?? null, memory: p?.memory_bytes ?? null,
      open: letters ? letters.total - letters.redriven : null,
      clients: streams && streams.sse.connected + streams.websocket.connected, limit: streams && streams.sse.limit + streams.websocket.limit,
      lakeRows: m.rate("lake_rows_total"), lakeLag: lag(look.groups, GROUP.lake), buffered: m.value("lake_buffered_bytes"), loose: m.value("lake_loose_folders"), lakeFailures: m.value("lake_failures_total"),
      joining: m.value("event_correlations_open"), ruleGroups: m.value("rules_groups"), judging: m.mean("rule_evaluation_seconds"), rulesLag: m.value("rules_lag_seconds"), decisions: m.rate("rules_decisions_total"),
      decided: m.by("rules_decisions_total", "rule"), ruleCosts: costsOf(m), inPlace: m.value("responses_in_place"), stopped: m.value("responses_kill_switch"),
      pending: m.value("hxp_notifications_pending"), oldest: m.value("hxp_notifications_oldest_pending_seconds"), told: m.value("hxp_notifications_total", { result: "sent" }), untold: m.value("hxp_notifications_total", { result: "failed" }), waysOff: m.value("hxp_notifications_ways_off"),
      droppedWork: add(m.value("rules_dropped_total"), m.value("rules_decisions_lost_total")),
      answers: m.mean("kafka_answer_seconds"), registry: registryOf(m),
      partitions: partitionsOf(look), shared: [m.value("event_processing_rebalances_total"), m.value("event_processing_partition_moves_total")],
    };
  }
}

// What was asked of the schema registry since the start, what it refused because it does not fit, and what it could not answer. Who asks for what is not
// there is told so, which is no error.
function registryOf(m) {
  if (m.value("hxp_http_requests_total") === null) return null;
  const of = (code) => m.where("hxp_http_requests_total", (l) => /^\/(subjects|schemas|compatibility|config|mode|contexts)(\/|$)/.test(l.route) && code.test(l.code));
  return { asked: of(/./), refused: of(/^4(?!04)/), failed: of(/^5/) };
}

// What each rule costs, the dearest first: judgements and time a second, groups and memory now.
function costsOf(m) {
  const [looks, spent, groups, bytes] = ["rule_judgements_total", "rule_judgement_seconds_total", "rule_groups", "rule_bytes"].map((n) => m.by(n, "rule"));
  return Object.keys(looks).map((rule) => ({ rule, looks: m.rate("rule_judgements_total", { rule }), busy: m.rate("rule_judgement_seconds_total", { rule }), each: looks[rule] ? spent[rule] / looks[rule] : null, groups: groups[rule], bytes: bytes[rule] }))
    .sort((a, b) => (b.busy ?? 0) - (a.busy ?? 0) || (a.rule < b.rule ? -1 : 1));
}

const rateOf = (t) => t && t.topics.filter((x) => inputs.includes(x.name)).reduce((sum, x) => sum + (x.events_per_second ?? 0), 0);
const sumOf = (list, name) => list.reduce((sum, x) => sum + (x[name] ?? 0), 0);
const lag = (groups, id) => groups?.find((g) => g.id === id)?.lag ?? null;

// Each input partition with who reads it, how far, and how far the lake has come.
export function partitionsOf({ performance, groups }) {
  if (!performance) return null;
  const of = (id) => groups?.find((g) => g.id === id), windows = of(GROUP.windows), lake = of(GROUP.lake);
  const owner = (p) => windows?.members.find((m) => m.assigned[p.topic]?.includes(p.partition))?.client_id ?? null;
  const lakeLag = (p) => lake?.partitions.find((x) => x.topic === p.topic && x.partition === p.partition)?.lag ?? null;
  return performance.partitions.map((p) => ({ ...p, owner: owner(p), lakeLag: lakeLag(p) }));
}

// The worst of what services say of themselves, and how many say so.
export function overall(health) {
  const states = Object.values(health), count = (s) => states.filter((h) => h?.status === s).length, silent = states.filter((h) => !h).length;
  if (silent) return { state: "bad", words: silent === 1 ? "1 service does not answer" : `${silent} services do not answer` };
  if (count("unhealthy")) return { state: "bad", words: `${count("unhealthy")} unhealthy` };
  if (count("degraded")) return { state: "warn", words: `${count("degraded")} degraded` };
  return { state: "good", words: "All services are well" };
}
