// Money now, today and this month: live figures, what is foretold of the rest, and how the budget stands.
import { Chart } from "../chart.js";
import { el, figure, setText } from "../dom.js";
import { percent, si, text, usd } from "../format.js";
import { color, named } from "../palette.js";
import { ofDays } from "./axis.js";
import { DAY } from "./period.js";
import { dayForecast, expected, running } from "./series.js";
import { money } from "./words.js";

const cards = [["now", "Cost now", "an hour, last minute"], ["today", "Today", "UTC, so far"], ["month", "This month", "so far"], ["requests", "Requests", "per second"], ["tokens", "Tokens", "per second"]];

export class Now {
  constructor(node) {
    this.items = Object.fromEntries(cards.map(([id, name, note]) => {
      const value = figure(), foot = el("span", { class: "note" }, note, el("span", { class: id === "today" || id === "month" ? "of-all" : "of-live", hidden: true }, " · of all")), more = el("p", { class: "more-note" });
      value.show(["", ""]);
      node.append(el("article", { class: `card now-${id}` }, el("h2", {}, name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, foot), more));
      return [id, { value, foot, more }];
    }));
  }

  // live shows the state of the stream.
  live(s) {
    const { recent, rates } = s, cost = recent.overall.cost_usd, requests = recent.overall.requests, tokens = recent.overall.tokens;
    this.#say("now", usd(typeof cost === "number" ? (cost * 3600) / recent.seconds : null), recent.overall.unpriced_requests ? `${text(percent(recent.overall.unpriced_requests / requests))} of the requests have no price` : typeof cost === "number" && requests ? `${money((cost / requests) * 1000)} per 1,000 requests` : "no priced requests");
    this.#say("requests", si(rates.requests_per_second), requests ? `${text(percent(recent.overall.error_rate))} errors` : "none in the last minute");
    this.#say("tokens", si(rates.prompt_tokens_per_second + rates.completion_tokens_per_second), tokens.prompt ? `${text(percent(tokens.prompt / tokens.total))} in, of which ${text(percent(tokens.cached / tokens.prompt))} cached` : "none in the last minute");
  }

  // spent shows today and this month: sums of /costs by day, and what the days to come add, or null.
  spent({ today, month, day, end, lack }) {
    const range = (e, what) => (e ? `about ${money(e.p50)} by ${what} (${money(e.lo)} to ${money(e.hi)})` : lack ?? "");
    this.#say("today", usd(today), range(day, "midnight"));
    this.#say("month", usd(month), range(end, "its end"));
  }

  #say(id, value, more) {
    this.items[id].value.show(value);
    setText(this.items[id].more, more);
  }
}

// Month is the month so far as a running sum, how it is likely to go on, and the budget that it is held against.
export class Month {
  constructor(node, list) {
    this.list = list;
    this.chart = new Chart({
      title: "This month", unit: "running sum", format: usd, gap: DAY / 500, x: ofDays, empty: "…",
      lines: (h) => [
        { name: "spent", color: color(named.blue), values: h.spent, area: true, width: 2 },
        ...(h.next ? [{ name: "forecast", color: color(named.violet), values: h.next.p50, band: h.next, dash: [5, 3], width: 2 }] : []),
        ...(h.budget ? [{ name: "budget", color: color(named.red), values: h.budget, dash: [2, 3], width: 1.6 }] : []),
      ],
    });
    this.chart.node.classList.add("tall");
    node.append(this.chart.node);
    this.chart.node.append(list);
  }

  // days are the starts of all days of the month, cost what each has cost; points the hourly forecast; budgets the answer of /costs/budgets.
  show({ days, cost, points, now, budgets, empty }) {
    const today = days.findIndex((t) => t <= now && now < t + DAY), next = points?.length ? dayForecast(points, days, now, cost[today] ?? 0) : null;
    const whole = budgets?.budgets.find((b) => !b.model && !b.tenant), at = [days[0], ...days.map((t) => t + DAY)].map((t) => t / 1000);
    const spent = running(cost).map((v, i) => (i > today ? null : v)), sums = next && ahead(spent, next, today), first = spent.findIndex((v) => v !== null);
    const line = [null, ...spent];
    if (first >= 0) line[first] = 0; // the sum begins where the first cost does
    this.chart.spec.empty = empty;
    this.chart.show({ times: at, step: DAY / 1000, spent: line, next: sums && Object.fromEntries(Object.entries(sums).map(([k, v]) => [k, [null, ...v]])), budget: whole && at.map(() => whole.budget_usd) }, { from: at[0], to: at.at(-1) });
    this.list.replaceChildren(...(!budgets ? [] : budgets.budgets.length ? budgets.budgets.map(budget) : [el("p", { class: "hint-line" }, "No budget is set. ", el("code", {}, "costs.budgets"), " in batch-processing-api.yaml sets some.")]));
    return { day: next && today >= 0 ? at1(next, today) : null, end: next ? expected(cost, next) : null };
  }
}

const at1 = (next, i) => (next.p50[i] === null ? null : { p50: next.p50[i], lo: next.lo[i], hi: next.hi[i] });

// The running sum goes on from what was spent before today.
function ahead(spent, next, today) {
  const before = today > 0 ? spent[today - 1] ?? 0 : 0;
  return Object.fromEntries(["p50", "lo", "hi"].map((name) => [name, running(next[name].slice(today)).map((v) => (v === null ? null : v + before))]).map(([name, tail]) => [name, [...spent.slice(0, today).map((v, i) => (i === today - 1 ? v : null)), ...tail]]));
}

const words = { within: "within", may_breach: "may be passed", will_breach: "will be passed", breached: "passed", insufficient_data: "too little data to foretell" }, states = { within: "good", may_breach: "warn", will_breach: "bad", breached: "bad" };

function budget(b) {
  const bar = el("span", { class: "budget-bar", role: "img", "aria-label": `${text(percent(b.used_ratio))} used` }, el("span", { class: "budget-used" }));
  bar.firstChild.style.width = `${Math.min(100, 100 * b.used_ratio)}%`;
  bar.dataset.state = states[b.state] ?? "";
  if (typeof b.expected_usd === "number") {
    const mark = el("span", { class: "budget-mark" });
    mark.style.left = `${Math.min(100, (100 * b.expected_usd) / b.budget_usd)}%`;
    bar.append(mark);
  }
  const of = b.model ? `model ${b.model}` : b.tenant ? `tenant ${b.tenant}` : "everything";
  return el("div", { class: "budget", title: b.why || false },
    el("p", {}, el("strong", {}, b.name), el("span", { class: "unit" }, of), el("span", { class: "badge", "data-state": states[b.state] }, words[b.state] ?? b.state)), bar,
    el("p", { class: "unit" }, `${money(b.spent_usd)} of ${money(b.budget_usd)}${typeof b.expected_usd === "number" ? `, likely ${money(b.expected_usd)} (${money(b.lo_usd)} to ${money(b.hi_usd)})` : ""}${b.breach_on ? `; spent on ${b.breach_on.slice(0, 10)}` : ""}`));
}
