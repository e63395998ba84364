// The menus of the panels that hold no chart: their tables as files, the calls that they stand on, and what their numbers mean.
import { query } from "../ask.js";
import { addMenus } from "../panel.js";

// addMenusOf puts them there; view is what is shown, slos and incidents tell their rows.
export function addMenusOf(view, slos, incidents) {
  const at = () => { const { from, to } = view.span(); return { at: new Date(Math.ceil(to) * 1000).toISOString(), window: Math.max(1, Math.round(to - from)), ...view.narrow }; };
  addMenus({
    slos: { table: () => slos.table(), path: () => "/slo", what: "Each objective over the period of its budget. Burns: how fast the budget was spent over the last hour and the last six; 1× spends it exactly over its period. Gone in: at the pace of the last hour.", error: "Counted exactly, by events, never from percentiles.", fresh: "Every five seconds; what fires is told at once." },
    incidents: { table: () => incidents.table(), path: () => "/alerts?state=firing", what: "Alerts that fire now, the gravest first, with who looks after each, and what is proposed or was done about it. A proposal can be tried without a change, approved or dismissed; what is in place can be taken back.", fresh: "At once." },
    models: { path: () => `/analytics?${query({ ...at(), group_by: "model" })}`, what: "Each model over the time that stands beside the title. Percentiles are of successful requests.", error: "Percentiles are within 1 % of the exact ones; counts, sums and means are exact.", fresh: "Every second while the picture is live." },
    hosts: { path: () => `/analytics?${query({ ...at(), window: 300, group_by: "host" })}`, what: "What each host carries: requests of each model, or what it tells of itself. A model that is kept from a host by a change in place is marked.", fresh: "Every five seconds." },
  }, () => view.link());
}
