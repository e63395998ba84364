// What changed: which values of which dimensions a change of a metric between two spans belongs to.
import { explain, sums } from "./ask.js";
import { el } from "./dom.js";
import { amount, between, ms, percent, text, usd } from "./format.js";
import { value } from "./pick.js";
import { sheet } from "./ui.js";

const metrics = { requests: ["Requests", amount], errors: ["Errors", amount], "latency_ms.p95": ["Latency p95", ms], "ttft_ms.p95": ["TTFT p95", ms], "tokens.total": ["Tokens", amount], cost_usd: ["Cost", usd], error_rate: ["Error rate", percent] };
const named = ({ dimension, value: v }) => [el("small", {}, dimension), " ", v ?? "none named"];
const iso = (t) => new Date(Math.round(t) * 1000).toISOString();

// openChanged compares a span with the one of the same length before it.
export function openChanged(span, view, first = "requests") {
  const length = span.to - span.from, before = { from: span.from - length, to: span.from };
  const body = el("div", { class: "changed", "aria-live": "polite" }), tabs = el("div", { class: "segments wrap", role: "group", "aria-label": "Metric" });
  let turn = 0;
  const show = async (metric) => {
    const mine = ++turn; // an answer that comes late is of another metric
    for (const b of tabs.children) b.setAttribute("aria-pressed", String(b.dataset.metric === metric));
    body.replaceChildren(el("p", { class: "wait" }, "Comparing…"));
    try {
      const a = await sums("/analytics/compare", { a: `${iso(before.from)}/${iso(before.to)}`, b: `${iso(span.from)}/${iso(span.to)}`, metric, limit: 40, without: view.narrow.without }), format = metrics[metric]?.[1] ?? amount;
      if (mine !== turn) return;
      const rows = a.contributions.filter((c) => c.contribution !== 0).slice(0, 14), largest = Math.max(1e-12, ...rows.map((c) => Math.abs(c.contribution)));
      const choice = (c) => (c.value === null ? el("span", { class: "link" }, ...named(c)) : value({ view, done: () => box.close() }, c.dimension, c.value, ...named(c)));
      const row = (c) => {
        const bar = el("span", { class: `change-bar ${c.contribution < 0 ? "down" : "up"}` });
        bar.style.width = `${Math.max(1, (Math.abs(c.contribution) / largest) * 100)}%`;
        return el("tr", {}, el("th", { scope: "row", class: "left" }, choice(c)),
          el("td", {}, text(format(c.a))), el("td", {}, text(format(c.b))), el("td", {}, `${c.change < 0 ? "−" : "+"}${text(format(Math.abs(c.change)))}`), el("td", { class: "bar-cell", "aria-hidden": "true" }, bar));
      };
      body.replaceChildren(el("p", { class: "sheet-text" }, `${metrics[metric]?.[0] ?? metric}: ${text(format(a.a.value))} before, ${text(format(a.b.value))} in this span.${a.untold ? ` ${a.untold.join(", ")}: not told apart together with what is left out.` : ""}`),
        rows.length ? el("div", { class: "table-scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["Whose", "Before", "Now", "Change", ""].map((h, i) => el("th", { scope: "col", class: i ? false : "left" }, h)))), el("tbody", {}, ...rows.map(row)))) : el("p", { class: "wait" }, "Nothing changed here."));
    } catch (e) { if (mine === turn) body.replaceChildren(el("p", { class: "form-error" }, explain(e))); }
  };
  tabs.append(...Object.entries(metrics).map(([m, [name]]) => el("button", { type: "button", "data-metric": m, "aria-pressed": "false", onclick: () => show(m) }, name)));
  const { box } = sheet("What changed?", el("p", { class: "sheet-text" }, `${between(span.from, span.to)}, against the same length before.`), tabs, body);
  box.classList.add("wide-sheet");
  show(first in metrics ? first : "requests");
}
