// The menus of the panels that hold no chart: their tables as files, the calls that they stand on, and what their numbers mean.
import { query } from "../ask.js";
import { addMenus } from "../panel.js";
import { within } from "./slowest.js";

// addMenusOf puts them there. view is what is shown, band() the part of the distribution that was chosen, by() what is compared, knees() the newest capacity analysis.
export function addMenusOf(view, band, by, knees) {
  const single = (more) => `/correlations?${query({ ...within(view, band()), ...more })}`, sample = () => single({ order: "sample", limit: 1000 });
  const overall = () => { const { from, to } = view.span(); return `/analytics?${query({ window: Math.max(1, Math.round(to - from)), at: new Date(Math.ceil(to) * 1000).toISOString(), ...view.narrow, group_by: by() })}`; };
  const points = () => ({ columns: ["model", "metric", "requests a second", "ms", "within the objective"], rows: (knees()?.saturation ?? []).flatMap((s) => s.points.map((p) => [s.model, s.metric, p.load, p.value, p.good ? "yes" : "no"])) });
  addMenus({
    phases: { path: sample, what: "Where the time of successful requests goes, by the length of their prompt: waiting for a place in the batch, prefill until the first token, decode after it.", unit: "ms, means", error: "Means of an even sample of at most 1,000 requests that are remembered.", fresh: "With each refresh of the board." },
    versus: { path: overall, what: "Models, or versions of prompts, over the whole range. The best of each column is marked.", error: "Percentiles are within 1 % of the exact ones; counts, sums and means are exact.", fresh: "With each refresh of the board." },
    pair: { path: sample, what: "Two of them against each other: each point is one quantile, above the line the one that is compared is slower. The table holds their difference by the length of the prompt, with its 95 % interval.", unit: "ms", error: "The intervals are made of ranks and need no assumption about the form of the distribution.", fresh: "With each refresh of the board." },
    slow: { path: () => single({ order: "slowest", limit: 15 }), what: "The slowest requests that are remembered, of the range or of the chosen part of the distribution. Each opens its joined record: what gateway, engine, user and business told of it.", fresh: "With each refresh of the board." },
    knees: { path: () => "/capacity/analysis", table: points, what: "Load against latency, a point for each window of at most a minute. The knee is the load from which latency grows faster than load; beyond the dashed line the objective is missed.", error: "The band around the knee is its interval.", fresh: "With each run of capacity analysis." },
  }, () => view.link());
}
