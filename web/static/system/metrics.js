// Pages of metrics in Prometheus' text format, and how fast their counters grow. Nothing here knows the page or the clock.
// families are what the board asks for; everything else of a page is passed over, which is most of it.
const families = [
  "ingest_events_total", "ingest_throttled_total", "ingest_held_messages", "ingest_in_flight_bytes",
  "hxp_http_requests_total", "kafka_answer_seconds_sum", "kafka_answer_seconds_count", "hxp_broker_batches", "hxp_broker_bytes", "hxp_broker_connections", "hxp_broker_refused_writes_total", "hxp_broker_deleted_records_total",
  "lake_rows_total", "lake_bytes_total", "lake_files_total", "lake_buffered_bytes", "lake_loose_folders", "lake_failures_total", "lake_publish_seconds_sum", "lake_publish_seconds_count",
  "event_processing_rebalances_total", "event_processing_partition_moves_total", "event_correlations_open", "rules_groups", "rules_bytes", "rules_lag_seconds", "rules_decisions_total", "rules_dropped_total", "rules_decisions_lost_total", "rule_evaluation_seconds_sum", "rule_evaluation_seconds_count",
  "rule_judgements_total", "rule_judgement_seconds_total", "rule_groups", "rule_bytes", "responses_in_place", "responses_kill_switch", "hxp_notifications_pending", "hxp_notifications_oldest_pending_seconds", "hxp_notifications_total", "hxp_notifications_ways_off",
];
const line = (names) => new RegExp(`^(${names.join("|")})(?:\\{(.*)\\})? (\\S+)`, "gm");
const label = /(\w+)="((?:\\.|[^"\\])*)"/g, ours = line(families);

// parse reads a page: name → [{labels, value}].
export function parse(text, names) {
  const out = new Map();
  for (const [, name, labels = "", value] of text.matchAll(names ? line(names) : ours)) {
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
  constructor(names = families) { Object.assign(this, { names: new Set(names), looks: [] }); } // {at (s), pages}

  // take adds the pages of all services at one moment.
  take(at, pages) {
    if (!pages.length) return; // nobody has answered yet
    this.looks.push({ at, pages });
    while (this.looks[0].at < at - KEPT) this.looks.shift();
  }

  // value is the newest sum of a metric over everything that has the labels, null when nobody tells it.
  value(name, labels) { return sum(this.looks.at(-1), this.#known(name), labels); }

  // rate is how much a counter grew a second; null as long as there is one look only, or after a restart.
  rate(name, labels) {
    const now = this.looks.at(-1), then = this.#before();
    const [a, b] = [sum(then, this.#known(name), labels), sum(now, name, labels)];
    return a === null || b === null || b < a ? null : (b - a) / (now.at - then.at);
  }

  // mean of what a histogram was told since a look before, else since the start.
  mean(name) {
    const now = this.looks.at(-1), then = this.#before();
    const [s, n] = ["_sum", "_count"].map((end) => (sum(now, this.#known(name + end)) ?? 0) - (sum(then, name + end) ?? 0));
    if (n > 0) return s / n;
    const all = sum(now, `${name}_count`);
    return all ? sum(now, `${name}_sum`) / all : null;
  }

  // by is the newest value for each value of a label.
  by(name, of) {
    const out = {};
    for (const s of samples(this.looks.at(-1), this.#known(name))) out[s.labels[of]] = (out[s.labels[of]] ?? 0) + s.value;
    return out;
  }

  // where is the newest sum of a metric over everything whose labels fit.
  where(name, fits) { return samples(this.looks.at(-1), this.#known(name)).reduce((all, s) => (fits(s.labels) ? all + s.value : all), 0); }

  #known(name) {
    if (!this.names.has(name)) throw new Error(`${name} is not read from pages of metrics; add it to families`);
    return name;
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
