// Alerts and actions as flags on the charts and as what is under way.
import { ask, query } from "./ask.js";
import { shared } from "./chart.js";

const serious = (severity) => (severity === "critical" || severity === "page" ? "bad" : "warn");
export const about = (key = {}) => Object.values(key).filter(Boolean).join(", ");

// loadMarks asks for alerts and responses of a span, puts flags on the charts and returns both lists, the newest first. What a service does not
// answer is null, so that nobody takes it for none.
export async function loadMarks(span, model = "") {
  const ours = (x) => !model || !x.key?.model || x.key.model === model, since = new Date((span.from - 3600) * 1000).toISOString();
  const [a, r] = await Promise.all([ask("GET", `/alerts?${query({ since, limit: 200 })}`).catch(() => null), ask("GET", `/responses?${query({ limit: 100 })}`).catch(() => null)]);
  const alerts = a && a.alerts.filter(ours), responses = r && r.responses.filter(ours);
  shared.flags = [
    ...(alerts ?? []).filter((x) => x.state !== "pending").map((x) => ({ at: Date.parse(x.starts_at) / 1000, kind: serious(x.severity), title: x.rule, text: [about(x.key), x.annotations?.summary].filter(Boolean).join(" · "), alert: x })),
    ...(responses ?? []).filter((x) => x.applied_at).map((x) => ({ at: Date.parse(x.applied_at) / 1000, kind: "act", title: x.action, text: x.target, response: x })),
  ].filter((f) => f.at >= span.from - 3600).sort((x, y) => x.at - y.at);
  return { alerts, responses };
}
