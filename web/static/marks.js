// Alerts, actions and deployments as flags on the charts and as what is under way.
import { ask, query } from "./ask.js";
import { shared } from "./chart.js";

const crowd = 60; // flags beyond which charts have those of warnings no more
let looks = 0; // an answer that comes behind that of a later question puts up no flags

const serious = (severity) => (severity === "critical" || severity === "page" ? "bad" : "warn");
export const about = (key = {}) => Object.values(key).filter(Boolean).join(", ");

// read reads a list page by page, so many of them at most, and says whether there is more. What a service does not answer is null, so that nobody
// takes it for none.
async function read(name, q, pages = 1) {
  const list = [];
  for (let n = 0, cursor; n < pages; n++) {
    const a = await ask("GET", `/${name}?${query({ ...q, cursor })}`).catch(() => null);
    if (!a && !n) return null;
    list.push(...(a?.[name] ?? []));
    cursor = a?.next_cursor;
    if (!cursor) return { list, more: !a };
  }
  return { list, more: true };
}

// loadMarks asks for what fires now, the alerts that were on at some time of what a view shows, and the responses and deployments of that time, puts
// flags on the charts and returns the lists, the newest first. more tells that there are more than were read.
export async function loadMarks(view) {
  const mine = ++looks, span = view.span(), past = view.from !== null, at = (t) => new Date(t * 1000).toISOString(), since = at(span.from), until = past ? at(span.to) : null, [limit, pages] = past ? [1000, 5] : [200, 1];
  const [a, firing, r, open, d] = await Promise.all([
    read("alerts", { on_since: since, until, limit }, pages), read("alerts", { state: "firing", limit }), read("responses", { until, limit }), past ? read("responses", { limit: 100 }) : { list: [] },
    read("deployments", { since, until, model: view.filters.model, limit }, pages),
  ]);
  const join = (by, ...got) => (got.includes(null) ? null : [...new Map(got.flatMap((x) => x.list).filter((x) => !view.filters.model || !x.key?.model || x.key.model === view.filters.model).map((x) => [x.id, x])).values()].sort((x, y) => (x[by] < y[by] ? 1 : -1)));
  const alerts = join("starts_at", a, firing), responses = join("proposed_at", r, open), deployments = d && d.list;
  const all = [
    ...(alerts ?? []).filter((x) => x.state !== "pending").map((x) => ({ at: Date.parse(x.starts_at) / 1000, kind: serious(x.severity), title: x.rule, text: [about(x.key), x.annotations?.summary].filter(Boolean).join(" · ") })),
    ...(responses ?? []).filter((x) => x.applied_at).map((x) => ({ at: Date.parse(x.applied_at) / 1000, kind: "act", title: x.action, text: x.target })),
    ...(deployments ?? []).map((x) => ({ at: Date.parse(x.at) / 1000, kind: "deploy", title: x.title, text: words(x), name: (x.version || x.model || x.title).slice(0, 24) })),
  ].filter((f) => f.at >= span.from - 3600).sort((x, y) => x.at - y.at);
  const flags = all.length > crowd ? all.filter((f) => f.kind !== "warn") : all;
  if (mine === looks && JSON.stringify(flags) !== JSON.stringify(shared.flags)) shared.flags = flags; // charts are drawn anew for others
  return { alerts, responses, deployments, more: Boolean(a?.more || d?.more || r?.more && Date.parse(r.list.at(-1).proposed_at) / 1000 > span.from) };
}

// words say what was put to work.
export const words = (d) => [[d.model, d.version].filter(Boolean).join(" "), d.text].filter(Boolean).join(" · ");
