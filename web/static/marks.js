// Alerts and actions as flags on the charts and as what is under way.
import { ask, query } from "./ask.js";
import { shared } from "./chart.js";

const serious = (severity) => (severity === "critical" || severity === "page" ? "bad" : "warn");
export const about = (key = {}) => Object.values(key).filter(Boolean).join(", ");

// loadMarks asks for what fires now and for the alerts and responses of what a view shows, puts flags on the charts and returns both lists, the newest
// first. What a service does not answer is null, so that nobody takes it for none; more tells that there are more than was asked for.
export async function loadMarks(view) {
  const span = view.span(), past = view.from !== null, at = (t) => new Date(t * 1000).toISOString(), since = at(span.from - 86_400), until = past ? at(span.to) : null, limit = past ? 1000 : 200;
  const get = (name, q) => ask("GET", `/${name}?${query(q)}`).catch(() => null);
  const [a, firing, r, open] = await Promise.all([get("alerts", { since, until, limit }), get("alerts", { state: "firing", limit }), get("responses", { until, limit }), past ? get("responses", { limit: 100 }) : { responses: [] }]);
  const join = (name, by, ...got) => (got.includes(null) ? null : [...new Map(got.flatMap((x) => x[name]).filter((x) => !view.filters.model || !x.key?.model || x.key.model === view.filters.model).map((x) => [x.id, x])).values()].sort((x, y) => (x[by] < y[by] ? 1 : -1)));
  const alerts = join("alerts", "starts_at", a, firing), responses = join("responses", "proposed_at", r, open);
  const cut = (page, name, by) => Boolean(page?.next_cursor) && page[name].at(-1)[by] > at(span.from);
  shared.flags = [
    ...(alerts ?? []).filter((x) => x.state !== "pending").map((x) => ({ at: Date.parse(x.starts_at) / 1000, kind: serious(x.severity), title: x.rule, text: [about(x.key), x.annotations?.summary].filter(Boolean).join(" · "), alert: x })),
    ...(responses ?? []).filter((x) => x.applied_at).map((x) => ({ at: Date.parse(x.applied_at) / 1000, kind: "act", title: x.action, text: x.target, response: x })),
  ].filter((f) => f.at >= span.from - 3600).sort((x, y) => x.at - y.at);
  return { alerts, responses, more: cut(a, "alerts", "starts_at") || cut(r, "responses", "proposed_at") };
}
