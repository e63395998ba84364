// The menus of the panels: their tables as files, the calls that they stand on, and what their numbers mean.
import { addMenu } from "../panel.js";

const about = {
  partitions: ["/analytics/performance", "Each partition of the topics that events come in on: which member of the group reads it, up to which offset its events count in the windows, how many records lie behind that, and up to when nothing is expected any more (watermark). An idle partition holds no watermark back. Moves: how often it came to this instance from another one, or went to one, since this one runs. Lake behind is what is not published as Parquet yet."],
  topics: ["/topics", "What the broker keeps: messages, how many come a second, bytes, and for how long or up to which size they are kept. Differs: a setting is not as hxp is configured; the name tells which."],
  groups: ["/consumer-groups", "Who else reads, and how far behind. The positions of hxp's own groups are a courtesy to tools: hxp keeps its own in snapshots and in the database."],
  scheduler: ["/dags", "The batch work: how the last run of each DAG went, how long it took, and when the next is due."],
  streams: ["/streams/status", "Who follows live streams. Ticks are put together for a client that takes too long; happenings are never, and a client that still does not follow is cut with a reason."],
  storage: ["/aggregation/status", "What lies where, and what still has to be written, compacted or aggregated. What was written is counted since the process started."],
  "rule-costs": ["/services/event-processing-api/metrics", "Core: the share of a processor core that the judgements of a rule took in the last 15 s; each: the mean time of one judgement of one group since the rule was taken up. To fold events is shared by all rules and not in it. Decisions: since the process started."],
  rules: ["/rules", "How many rules watch, what watching costs, and what came of it: decisions, changes that are in place, messages to people."],
};

export function addMenus() {
  for (const [id, [path, what]] of Object.entries(about)) {
    const title = document.getElementById(`${id}-title`), node = document.getElementById(id);
    const table = () => {
      const cells = (row) => [...row.children].map((c) => c.textContent.trim()), of = node.querySelector("table");
      return of ? { columns: cells(of.tHead.rows[0]), rows: [...of.tBodies[0].rows].map(cells) } : { columns: [title.textContent], rows: [] };
    };
    const pairs = () => ({ columns: ["what", "value"], rows: [...node.querySelectorAll(".facts dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]) });
    addMenu({ title: title.textContent, unit: "", head: title.parentElement, table: () => (node.querySelector(".facts") ? pairs() : table()), link: () => `${location.origin}${location.pathname}${location.search}#${title.id}`, call: () => `curl '${location.origin}${path}'`, explain: { what, fresh: "Every five seconds." } });
  }
}
