// The menus of the panels: their tables as files, the calls that they stand on, and what their numbers mean.
import { addMenus } from "../panel.js";
import { services } from "./look.js";

const fresh = "Every five seconds.";

// addMenusOf puts them there; shown() are the facts of the last look, map is that of the pipeline.
export const addMenusOf = (shown, map) => addMenus({
  map: { table: () => map.table(), path: () => "/analytics/performance", what: "What comes in, where it goes and what is held up or lost on the way: each place with what it holds, each way with what goes over it. The call tells of the windows; places lead to the panels that tell the rest.", error: "Rates are differences of counters.", fresh },
  services: { table: () => ({ columns: ["service", "state", "version", "check", "of the check", "detail"], rows: Object.entries(shown()?.health ?? {}).flatMap(([name, h]) => (h ? Object.entries(h.checks).map(([check, c]) => [name, h.status, h.version, check, c.status, c.detail]) : [[name, "silent"]])) }), path: () => `/services/{${services}}/health`, what: "What each service says of itself: healthy, degraded where it works with something amiss, unhealthy where it does not, and each check behind that. One that does not answer is silent.", fresh },
  partitions: { path: () => "/analytics/performance", what: "Each partition of the topics that events come in on: which member of the group reads it, up to which offset its events count in the windows, how many records lie behind that, and up to when nothing is expected any more (watermark). An idle partition holds no watermark back. Moves: how often it came to this instance from another one, or went to one, since this one runs. Lake behind is what is not published as Parquet yet.", fresh },
  topics: { path: () => "/topics", what: "What the broker keeps: messages, how many come a second, bytes, and for how long or up to which size they are kept. Differs: a setting is not as hxp is configured; the name tells which.", fresh },
  groups: { path: () => "/consumer-groups", what: "Who else reads, and how far behind. The positions of hxp's own groups are a courtesy to tools: hxp keeps its own in snapshots and in the database.", fresh },
  scheduler: { path: () => "/dags", what: "The batch work: how the last run of each DAG went, how long it took, and when the next is due.", fresh },
  streams: { path: () => "/streams/status", what: "Who follows live streams. Ticks are put together for a client that takes too long; happenings are never, and a client that still does not follow is cut with a reason.", fresh },
  storage: { path: () => "/aggregation/status", what: "What lies where, and what still has to be written, compacted or aggregated. What was written is counted since the process started.", fresh },
  "rule-costs": { path: () => "/services/event-processing-api/metrics", what: "Core: the share of a processor core that the judgements of a rule took in the last 15 s; each: the mean time of one judgement of one group since the rule was taken up. To fold events is shared by all rules and not in it. Decisions: since the process started.", fresh },
  rules: { path: () => "/rules", what: "How many rules watch, what watching costs, and what came of it: decisions, changes that are in place, messages to people.", fresh },
  letters: { path: () => "/dead-letters", what: "Events that were refused, the newest first, with the reason and the place in them that it is about. Letters that were sent again are kept with what became of them.", fresh: "At once where a letter comes, else every few seconds." },
}, () => `${location.origin}${location.pathname}${location.search}`);
