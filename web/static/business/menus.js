// The menus of the panels: their tables as files, the calls that they stand on, and what their numbers mean.
import { query } from "../ask.js";
import { addMenu, addMenus, curl } from "../panel.js";
import { wholeHours } from "./data.js";
import { nameOf } from "./groups.js";
import { instant } from "./period.js";

const exact = "Exact: sums of whole nano-USD, each request rated once, on arrival.", fresh = "Hours as they are stored; the running one from the windows, at once.";
const whole = "Whole hours as they are stored.", now = "With each look at the board.";

// addMenusOf puts them there; period tells what is shown.
export function addMenusOf({ cost, month, tokens, requests, groups, funnel, satisfied, ways, simulator, gpus, changes, plan, reports }, period, view) {
  const times = ({ from, to } = period()) => ({ from: instant(from), to: instant(to) }), span = (more) => query({ ...times(), ...view.narrow, ...more }), link = () => view.link();
  const chart = (c, path, explain) => { c.open = addMenu({ title: c.spec.title, unit: c.spec.unit, head: c.head, table: () => c.table(), canvas: () => c.plot?.ctx.canvas, link, call: () => curl(path()), explain }); };
  const foretold = () => `/forecasts?${query({ metric: "requests", model: view.filters.model })}`;
  chart(cost.chart, () => `/costs?${span({ group_by: "day" })}`, { what: "What the requests of each step cost; from five days on a step is a day (UTC), with what the days to come are likely to cost. Hatched: not over yet.", unit: "USD", error: `${exact} The band adds up those of the hours, so it is wider than 95 %.`, fresh });
  chart(month.chart, () => "/costs/budgets", { what: "What this calendar month (UTC) has cost up to each day, how it is likely to go on, and the budget without model and tenant.", unit: "USD, running sum", error: `${exact} The band adds up those of the hours.`, fresh });
  chart(tokens.chart, () => `/costs?${span({ group_by: "day" })}`, { what: "Tokens that were written (out), read anew (in) and read from a cache. Reasoning tokens are a part of those written.", unit: "tokens", error: "Exact, of requests that tell them.", fresh });
  chart(requests.chart, foretold, { what: "Requests of each hour, and how many the hours to come are likely to have.", unit: "requests an hour", error: "The band holds 95 % of the hours; how far that came true in the past stands beside it.", fresh });
  addMenus({
    groups: { table: () => costTable(groups), path: () => `/costs?${span({ group_by: groups.by ?? "model" })}`, what: "Cost of each group, the dearest first. Up to here: its share and those of all before it.", error: exact, fresh },
    funnel: { table: () => ({ columns: ["step", "number", "what it is"], rows: (funnel.steps ?? []).map((s) => [s.name, s.n, s.about]) }), path: () => `/costs/accepted?${span({})}`, what: "How many requests are answered without an error, judged by a user in their hour, and accepted: a thumb up, or 4 or 5 of 5 and no thumb down. Business events are counted whether they name a request or not.", error: "Exact counts.", fresh },
    funnels: { table: () => ways.table(), path: () => `/business-intelligence/funnels?${query(times())}`, what: "How many sessions, users or requests come to each step (business_intelligence.funnels): some of their events are the steps up to it, one after the other, and the last lies within the time of the funnel after the first. What began before the period is not known.", error: "Exact, of the raw events that are still there; each event counts once.", fresh: now },
    satisfaction: { table: () => satisfied.table(), path: () => `/range?${span({ metric: "feedback.count,feedback.satisfaction", group_by: "model", group_metric: "feedback.count,feedback.satisfaction" })}`, what: "The mean score of each model with the span that holds it with 95 %. No variance of scores is kept; one from 1 to 5 with this mean cannot be larger than (mean − 1)(5 − mean), which stands in for it.", error: "The span is at its widest.", fresh },
    simulator: { table: () => simulator.table(), path: () => "/costs/whatif", body: () => simulator.question(), what: "What the whole hours of the period would have cost, had another model answered a share of the requests of one, with as many tokens. A month: the same for 30 days. Whether its answers would have been as good is not asked.", unit: "USD", error: "Requests and tokens are counted exactly. The other model costs what the price book says now, without tiers, or else what a token of its own requests has cost.", fresh: whole },
    own: { table: () => gpus.table(), path: () => `/costs/self-hosted?${query(times(wholeHours(period())))}`, what: "What each pool of own GPUs costs, how much of that time they were busy, and what the tokens of its models cost when idle time is shared out among them (loaded).", unit: "USD", error: "Cost is exact for what is configured; how busy they were is the mean of their samples.", fresh: whole },
    findings: { table: () => changes.table(), path: () => `/business-intelligence/cost_optimization?${query(times())}`, what: "What changed beyond what chance explains, patterns, what was out of the ordinary in live numbers, and what could be saved, with the numbers behind each. The call tells one kind; performance_trends, user_behavior and capacity_planning are the others, and /anomalies tells of live numbers.", error: "Of the changes that are told, one in a hundred is expected to be none.", fresh: now },
    proof: { table: () => requests.table(), path: foretold, what: "How the same forecast would have done in the past, each time knowing only what was before.", fresh },
    capacity: { table: () => plan.table(), path: () => "/capacity/analysis", what: "What to change and why, with the formula and its numbers; how the machines were used, how requests grow, and the load at which an objective breaks.", error: "Each time that something lasts is told with its interval; recommendations with their confidence.", fresh: "With each run of capacity analysis." },
    reports: { table: () => reports.table(), path: () => "/reports/list", what: "The documents that were made, the newest first, by themselves or on request, with the period that each is about. Incomplete: not everything of the period was aggregated when it was made.", fresh: "With each look at the board; every three seconds while one is made." },
  }, link);
}

function costTable({ answer, by }) {
  const keys = by ?? "model";
  return { columns: [keys, "cost_usd", "requests", "errors", "unpriced_requests", "total_tokens"], rows: (answer?.groups ?? []).map((g) => [nameOf(keys, g.key), g.cost_usd, g.requests, g.errors, g.unpriced_requests, g.tokens.total]) };
}
