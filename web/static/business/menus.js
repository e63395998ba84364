// The menus of the panels and the keyboard of the board: tables, files, links, calls, and what numbers mean.
import { query } from "../ask.js";
import { addMenu } from "../panel.js";
import { nameOf } from "./groups.js";
import { instant } from "./period.js";

const call = (path) => () => `curl '${location.origin}${path()}'`;
const exact = "Exact: sums of whole nano-USD, each request rated once, on arrival.", fresh = "Hours as they are stored; the running one from the windows, at once.";

// addMenus puts menus into the heads of panels; period tells what is shown.
export function addMenus({ cost, month, tokens, requests, groups, funnel, satisfied, ways }, period, view) {
  const span = (more) => query({ from: instant(period().from), to: instant(period().to), ...view.filters, ...more }), link = () => view.link();
  const chart = (c, path, explain) => { c.open = addMenu({ title: c.spec.title, unit: c.spec.unit, head: c.head, table: () => c.table(), canvas: () => c.plot?.ctx.canvas, link, call: call(path), explain }); };
  chart(cost.chart, () => `/costs?${span({ group_by: "day" })}`, { what: "What the requests of each step cost; from five days on a step is a day (UTC), with what the days to come are likely to cost. Hatched: not over yet.", unit: "USD", error: `${exact} The band adds up those of the hours, so it is wider than 95 %.`, fresh });
  chart(month.chart, () => "/costs/budgets", { what: "What this calendar month (UTC) has cost up to each day, how it is likely to go on, and the budget without model and tenant.", unit: "USD, running sum", error: `${exact} The band adds up those of the hours.`, fresh });
  chart(tokens.chart, () => `/costs?${span({ group_by: "day" })}`, { what: "Tokens that were written (out), read anew (in) and read from a cache. Reasoning tokens are a part of those written.", unit: "tokens", error: "Exact, of requests that tell them.", fresh });
  chart(requests.chart, () => `/forecasts?${query({ metric: "requests" })}`, { what: "Requests of each hour, and how many the hours to come are likely to have.", unit: "requests an hour", error: "The band holds 95 % of the hours; how far that came true in the past stands beside it.", fresh });
  const panel = (id, node, table, path, what, error) => addMenu({ title: document.getElementById(id).textContent, unit: "", head: document.getElementById(id).parentElement, table: () => table(node), link, call: call(path), explain: { what, error, fresh } });
  panel("groups-title", groups, () => costTable(groups), () => `/costs?${span({ group_by: groups.by ?? "model" })}`, "Cost of each group, the dearest first. Up to here: its share and those of all before it.", exact);
  panel("funnel-title", funnel, ({ steps = [] }) => ({ columns: ["step", "number", "what it is"], rows: steps.map((s) => [s.name, s.n, s.about]) }), () => `/costs/accepted?${span({})}`, "How many requests are answered without an error, judged by a user in their hour, and accepted: a thumb up, or 4 or 5 of 5 and no thumb down. Business events are counted whether they name a request or not.", "Exact counts.");
  panel("funnels-title", ways, ({ answer }) => ({ columns: ["funnel", "step", "number", "share of the first", "share of the step before"], rows: (answer?.funnels ?? []).flatMap((f) => f.steps.map((s) => [f.name, s.step, s.subjects, s.share_of_first, s.share_of_step_before])) }), () => `/business-intelligence/funnels?${query({ from: instant(period().from), to: instant(period().to) })}`, "How many sessions, users or requests come to each step (business_intelligence.funnels): some of their events are the steps up to it, one after the other, and the last lies within the time of the funnel after the first. What began before the period is not known.", "Exact, of the raw events that are still there; each event counts once.");
  panel("satisfaction-title", satisfied, ({ models = [] }) => ({ columns: ["model", "score", "lowest", "highest", "scores"], rows: models.map((m) => [m.model, ...[m.score, m.lo, m.hi].map((v) => v.toFixed(3)), m.ratings]) }), () => `/range?${span({ metric: "feedback.count,feedback.satisfaction", group_by: "model", group_metric: "feedback.count,feedback.satisfaction" })}`, "The mean score of each model with the span that holds it with 95 %. No variance of scores is kept; one from 1 to 5 with this mean cannot be larger than (mean − 1)(5 − mean), which stands in for it.", "The span is at its widest.");
}

function costTable({ answer, by }) {
  const keys = by ?? "model";
  return { columns: [keys, "cost_usd", "requests", "errors", "unpriced_requests", "total_tokens"], rows: (answer?.groups ?? []).map((g) => [nameOf(keys, g.key), g.cost_usd, g.requests, g.errors, g.unpriced_requests, g.tokens.total]) };
}
