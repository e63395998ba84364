// The panels below the map: services, partitions, groups, topics, streams, scheduler, rules, storage. Each is drawn from one look.
import { el, setText } from "../dom.js";
import { bytes, count, many, ms, percent, si, span, text } from "../format.js";
import { away, long } from "../scheduler/times.js";
import { moment } from "./words.js";

const n = (v) => (typeof v === "number" ? many(v) : "–");
const ago = (t) => (t ? away(t, Date.now()) : "–");
const states = { healthy: "good", degraded: "warn", unhealthy: "bad" };
const badge = (words, state) => el("span", { class: "badge", "data-state": state }, words);

// Panel draws when what it shows has changed, so that nothing flickers and a chosen text stays chosen.
class Panel {
  constructor(node, draw) { Object.assign(this, { node, draw, drawn: "" }); }
  show(f) {
    const [key, make] = this.draw(f), text = JSON.stringify(key);
    if (text === this.drawn) return;
    this.drawn = text;
    const held = this.node.querySelector(".table-scroll")?.scrollLeft ?? 0;
    this.node.replaceChildren(...[make()].flat());
    if (held) this.node.querySelector(".table-scroll").scrollLeft = held;
  }
}

const silent = (f, ...names) => el("p", { class: "calm" }, names.map((x) => f.faults[x]).find(Boolean) ?? "Not known.");
const table = (label, heads, rows, empty) => el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": label }, el("table", { class: "plain" },
  el("thead", {}, el("tr", {}, ...heads.map((h, i) => el("th", { scope: "col", class: i ? false : "left" }, h)))),
  el("tbody", {}, ...(rows.length ? rows : [el("tr", {}, el("td", { class: "nothing", colspan: heads.length }, empty))]))));
const row = (name, ...cells) => el("tr", {}, el("th", { scope: "row", class: "left", title: typeof name === "string" ? name : false }, name), ...cells.map((c) => (c instanceof Node && c.tagName === "TD" ? c : el("td", {}, c))));
const alarm = (words, state) => el("td", { class: state || false }, words);

export const panels = {
  services: (f) => [[Object.values(f.health).map((h) => h && [h.status, h.checks]), f.faults, minute()], () => Object.entries(f.health).map(([name, h]) => service(name, h, f.faults[name]))],

  partitions: (f) => [[f.partitions, f.faults.performance, f.shared, tens()], () => (!f.partitions ? silent(f, "performance") : [table("Partitions", ["Partition", "Read by", "Moves", "Offset", "Lag", "Watermark", "Lake behind", "Late", "Counted again"], f.partitions.map(partition), "No partition is read yet."), ...shared(f)])],

  groups: (f) => [[f.groups, f.faults.groupList], () => (!f.groups ? silent(f, "groupList") : table("Consumer groups", ["Group", "State", "Members", "Lag"], f.groups.map((g) => row(g.id, badge(g.state, /stable/i.test(g.state) ? "good" : undefined), n(g.members.length), alarm(n(g.lag), g.lag > 1e4 ? "warn" : ""))), "No group has ever read here."))],

  topics: (f) => [[f.topics, f.faults.topics], () => (!f.topics ? silent(f, "topics") : table("Topics", ["Topic", "Messages", "A second", "Size", "Kept for", "Room used"], [...f.topics.topics].sort((a, b) => a.internal - b.internal || (b.bytes ?? 0) - (a.bytes ?? 0)).map(topic), "There is no topic."))],

  streams: (f) => [[f.streams, f.speed, f.faults.streams], () => (!f.streams ? silent(f, "streams") : [facts(
    ["Server-sent events", `${n(f.streams.sse.connected)} of ${n(f.streams.sse.limit)}, ${n(f.streams.sse.total)} since the start`],
    ["WebSocket", `${n(f.streams.websocket.connected)} of ${n(f.streams.websocket.limit)}, ${n(f.streams.websocket.total)} since the start`],
    ["Ready to sent, p50 · p99", f.speed?.messages_per_second ? `${text(ms(f.speed.latency_ms.p50))} · ${text(ms(f.speed.latency_ms.p99))}` : "–"],
    ["Encoding, p50 · p99", f.speed?.messages_per_second ? `${micro(f.speed.encode_us.p50)} · ${micro(f.speed.encode_us.p99)}` : "–"],
    ["Going out", f.speed ? `${text(si(f.speed.messages_per_second))} messages/s, ${bytes(Math.round(f.speed.bytes_per_second))}/s` : "–"],
    ["Ticks put together", n(f.streams.conflated)], ["Happenings dropped", n(f.streams.dropped)], ["Clients cut as too slow", n(f.streams.slow_clients_closed)]),
  table("Topics of the streams", ["Topic", "Readers", "A second"], f.streams.topics.map((t) => row(t.name, n(t.subscribers), text(si(t.rate_per_second)))), "No topic.")])],

  scheduler: (f) => [[f.dags, f.runs, f.aggregation, f.faults.dags, minute()], () => (!f.dags ? silent(f, "dags") : table("DAGs", ["DAG", "State", "Last run", "Took", "Next"], f.dags.dags.map((d) => dag(d, f)), "There is no DAG."))],

  rules: (f) => [[f.ruleGroups, f.judging, f.rules, f.inPlace, f.stopped, f.pending, f.told, f.untold, f.waysOff, f.droppedWork], () => [facts(
    ["Rules", f.rules ? `${n(f.rules.rules.filter((r) => r.enabled).length)} on, ${n(f.rules.rules.filter((r) => !r.enabled).length)} off` : "–"],
    ["Time of a judgement", f.judging === null ? "–" : micro(f.judging * 1e6)], ["Groups kept apart", n(f.ruleGroups)], ["Memory", bytes(f.meter.value("rules_bytes"))],
    ["Clock of the rules", f.rulesLag === null ? "–" : `${span(f.rulesLag)} behind`], ["Dropped or not written", n(f.droppedWork)], ["Changes in place", n(f.inPlace)], ["Kill switch", f.stopped === null ? "–" : f.stopped ? badge("on", "warn") : "off"],
    ["Messages to people", f.pending === null ? "–" : `${n(f.pending)} waiting${f.pending ? `, the oldest for ${long(f.oldest)}` : ""}, ${n(f.told)} sent, ${n(f.untold)} failed`], ["Receivers that are gone", n(f.waysOff)])]],

  "rule-costs": (f) => [[f.ruleCosts, f.decided], () => [table("What rules cost", ["Rule", "Core", "Judged a second", "Each", "Groups", "Memory", "Decisions"], f.ruleCosts.slice(0, most).map((r) => ruleCost(r, f.decided)), "No rule is judged yet."), ...(f.ruleCosts.length > most ? [el("p", { class: "calm" }, `${n(f.ruleCosts.length - most)} cheaper ones are not shown.`)] : [])]],

  storage: (f) => [[f.lakeLag, f.buffered, f.loose, f.brokerBytes, f.batches, f.answers, f.registry, f.connections, f.kept, f.health["batch-processing-api"], f.aggregation, minute()], () => facts(
    ["Broker", f.brokerBytes === null ? (f.kept ? `${bytes(f.kept)} in topics` : "not ours") : `${bytes(f.brokerBytes)} on disk, ${n(f.batches)} batches in memory`],
    ["Brokers answer in", f.answers === null ? "–" : text(ms(f.answers * 1000))],
    ["Schema registry", f.registry === null ? "–" : f.registry.asked ? `${n(f.registry.asked)} asked, ${n(f.registry.refused)} refused, ${n(f.registry.failed)} failed` : "nobody asked"],
    ["Connections", n(f.connections)],
    ["Deleted by retention", n(f.meter.value("hxp_broker_deleted_records_total"))],
    ["Lake", f.meter.value("lake_files_total") === null ? "–" : `${n(f.meter.value("lake_rows_total") ?? 0)} rows, ${bytes(f.meter.value("lake_bytes_total") ?? 0)} in ${n(f.meter.value("lake_files_total"))} files since the start`],
    ["Lake, not published yet", f.lakeLag === null ? "–" : `${n(f.lakeLag)} records, ${bytes(f.buffered)} in memory`],
    ["Hours to compact", n(f.loose)],
    ["Publishing takes", f.meter.mean("lake_publish_seconds") === null ? "–" : text(ms(f.meter.mean("lake_publish_seconds") * 1000))],
    ["Database", f.health["batch-processing-api"]?.checks.store?.detail ?? "–"],
    ["Hour made last in SQL", f.aggregation?.detail.hourly.last_interval ? moment(f.aggregation.detail.hourly.last_interval.start) : "none yet"],
    ["Hours to redo", n(f.aggregation?.detail.hourly.dirty ?? null)])],
};

export const makePanels = (byId) => Object.entries(panels).map(([id, draw]) => new Panel(byId(id), draw));

const tens = () => Math.floor(Date.now() / 5e3), minute = () => Math.floor(Date.now() / 60e3);
const micro = (v) => (typeof v !== "number" ? "–" : v < 1000 ? `${v < 9.95 ? v.toFixed(1) : Math.round(v)}\u2009µs` : text(ms(v / 1000)));
const facts = (...pairs) => el("dl", { class: "facts" }, ...pairs.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));

function service(name, h, fault) {
  const checks = Object.entries(h?.checks ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return el("article", { class: "service", id: `health-${name}` },
    el("header", {}, el("h3", {}, name), badge(h?.status ?? "silent", states[h?.status] ?? "bad")),
    el("p", { class: "unit" }, h ? `${h.version}, up ${long(h.uptime_seconds < 60 ? h.uptime_seconds : Math.floor(h.uptime_seconds / 60) * 60)}` : fault ?? "It does not answer."),
    el("ul", {}, ...checks.map(([check, c]) => el("li", {}, el("span", { class: "state-dot", "data-state": states[c.status], role: "img", "aria-label": c.status }), el("span", {}, el("strong", {}, check), ` ${c.detail}`)))),
    el("p", { class: "service-links" }, el("a", { href: `/services/${name}/metrics`, target: "_blank" }, "Metrics")));
}

function partition(p) {
  const behind = p.watermark ? Math.max(0, Math.round((Date.now() - Date.parse(p.watermark)) / 1000)) : null;
  const name = el("span", {}, p.topic, el("small", {}, ` ${p.partition}`));
  return row(name, p.owner ?? "–", p.moves ? el("td", { title: `the last ${p.folded_here ? "to this instance" : "to another instance"}, at ${moment(p.moved_at)}` }, `${n(p.moves)}, ${ago(p.moved_at)}`) : "0", n(p.offset), alarm(n(p.lag), p.lag > 1e4 ? "warn" : ""), p.idle ? badge("idle") : behind === null ? "–" : `${long(Math.max(1, behind))} ago`, n(p.lakeLag), n(p.late),
    alarm(p.lost ? `${n(p.lost)} lost` : n(p.counting_again ?? 0), p.lost ? "bad" : ""));
}

// How often the group has shared the partitions out, and what came of it.
const times = (v) => (v === 1 ? "once" : `${n(v)} times`);
const shared = ({ shared: [groups, moves] }) => (groups === null ? [] : [el("p", { class: "calm" }, `Shared out among the instances ${times(groups)} since this one began; ${moves ? `numbers moved ${times(moves)}` : "nothing moved"}.`)]);

function topic(t) {
  const used = t.retention_bytes > 0 && typeof t.bytes === "number" ? t.bytes / (t.retention_bytes * t.partitions) : null;
  const bar = used === null ? el("span", { class: "unit" }, "no limit") : el("span", { class: "meter", title: `${bytes(t.bytes)} of ${bytes(t.retention_bytes * t.partitions)}` }, el("span", { class: "meter-bar" }, el("span", {})), text(percent(used)));
  if (used !== null) bar.querySelector(".meter-bar > span").style.width = `${Math.min(100, 100 * used)}%`;
  const name = el("span", {}, t.name, ...(t.differs?.length ? [" ", el("span", { class: "badge", "data-state": "warn", title: t.differs.map((d) => `${d.setting} is ${d.has}, configured is ${d.configured}`).join("; ") }, "differs")] : []));
  return row(name, text(count(t.messages)), t.events_per_second === null ? "–" : text(si(t.events_per_second)), bytes(t.bytes), t.retention_ms > 0 ? long(t.retention_ms / 1000) : "ever", bar);
}

function dag(d, f) {
  const run = f.runs?.runs.find((r) => r.dag_id === d.dag_id), good = { success: "good", failed: "bad" };
  const state = d.disabled ? badge("disabled") : d.paused ? badge("paused", "warn") : run ? badge(run.state, good[run.state]) : badge("waiting");
  const took = run?.started_at && run.ended_at ? long((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000) : "–";
  return row(d.dag_id, state, run ? ago(run.ended_at ?? run.started_at ?? run.created_at) : "never", took, d.next_run && !d.paused ? ago(d.next_run) : "–");
}

const most = 25; // rules whose cost is shown
const ruleCost = (r, decided) => row(r.rule, text(percent(r.busy)), text(si(r.looks)), typeof r.each === "number" ? micro(r.each * 1e6) : "–", n(r.groups), bytes(r.bytes), n(decided[r.rule] ?? 0));
