// One look at everything: what each service says of itself, all at the same time. What does not answer is null, and why stands in faults.
import { Refused, ask, explain, lost } from "../ask.js";
import { parse } from "./metrics.js";

export const services = ["kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api", "scheduler"];

const most = 20; // groups that are looked at whole

const questions = {
  performance: "/analytics/performance", topics: "/topics?limit=1000", groupList: "/consumer-groups?limit=1000", streams: "/streams/status", speed: "/streams/performance",
  aggregation: "/aggregation/status", dags: "/dags", runs: "/runs?limit=50", rules: "/rules?limit=1000", letters: "/dead-letters/summary",
};

// look hands on what has come as soon as that is enough for the key figures and the map.
export async function look(early, signal) {
  const faults = {}, out = { health: Object.fromEntries(services.map((s) => [s, null])), pages: [], faults, groups: null, ...Object.fromEntries(Object.keys(questions).map((q) => [q, null])) };
  const get = async (name, f) => { try { return await f(); } catch (e) { if (e.name === "AbortError") throw e; faults[name] = explain(e); return null; } };
  const asked = Object.fromEntries(Object.entries(questions).map(([name, path]) => [name, get(name, () => ask("GET", path, undefined, signal)).then((a) => { out[name] = a; })]));
  const healths = services.map(async (s) => { out.health[s] = await get(s, () => health(s, signal)); });
  Promise.all([asked.performance, asked.topics, asked.streams, asked.letters, ...healths]).then(() => { if (early) early(out); });
  await Promise.all([
    ...Object.values(asked), ...healths,
    ...services.map(async (s) => { const page = await get(`${s} metrics`, () => metrics(s, signal)); if (page) out.pages.push(page); }),
  ]);
  if (out.groupList) out.groups = await Promise.all(out.groupList.groups.slice(0, most).map((g) => get("groups", () => ask("GET", `/consumer-groups/${encodeURIComponent(g.id)}`, undefined, signal)).then((whole) => whole ?? { ...g, members: [], partitions: [] })));
  out.at = performance.now() / 1000;
  return out;
}

// A service that is ill answers 503 with its report, and that report is what is wanted.
async function health(service, signal) {
  const res = await fetch(`/services/${service}/health`, { signal, cache: "no-store", headers: { Accept: "application/json" } }).catch(lost), body = await res.json().catch(lost);
  if (!body?.checks) throw new Refused(res.status, body);
  return body;
}

async function metrics(service, signal) {
  const res = await fetch(`/services/${service}/metrics`, { signal, cache: "no-store" }).catch(lost);
  if (!res.ok) throw new Refused(res.status, await res.json().catch(lost));
  return parse(await res.text());
}
