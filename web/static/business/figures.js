// The key figures of the period against the period before, each with a small picture of its days.
import { el, figure, setText } from "../dom.js";
import { count, many, percent, score, text, usd } from "../format.js";
import { spark } from "../spark.js";
import { label } from "./period.js";
import { perThousand } from "./series.js";
import { change } from "./words.js";

// better: which way is good. note: what stands below the number. known: whether the answer for it is there.
const priced = (s) => Boolean(s.total), rated = (s) => Boolean(s.rated);
const cards = [
  { name: "Cost", known: priced, format: usd, of: (s) => s.total?.cost_usd, line: (s) => s.days?.cost, note: (s) => (s.total?.unpriced_requests ? "priced ones" : "") },
  { name: "Requests", known: priced, format: count, of: (s) => s.total?.requests, line: (s) => s.days?.requests },
  { name: "Cost per 1,000 requests", known: priced, format: usd, better: "down", of: (s) => s.total && perThousand(s.total), line: (s) => s.days?.perThousand },
  { name: "Per accepted answer", known: (s) => Boolean(s.accepted), format: usd, better: "down", of: (s) => perAccepted(s.accepted), note: (s) => (!s.accepted ? "" : s.accepted.judged ? `${many(s.accepted.judged)} judged` : s.rated?.ratings ? "after the first whole hour" : "nothing was judged") },
  { name: "Satisfaction", known: rated, format: score, better: "up", points: true, zero: false, of: (s) => s.rated?.score, line: (s) => s.days?.scores, note: (s) => (!s.rated ? "" : s.rated.ratings ? `of 5, ${text(count(s.rated.ratings))}` : "no ratings") },
  { name: "Unpriced requests", known: priced, format: count, better: "down", of: (s) => s.total?.unpriced_requests, line: (s) => s.days?.unpriced, alarm: (v) => (v > 0 ? "warn" : ""), note: (s) => (s.total?.unpriced_requests ? `${text(percent(s.total.unpriced_requests / s.total.requests))} of all` : "") },
];

// What an accepted answer costs over all models whose judged requests are priced.
function perAccepted(a) {
  const priced = a?.models.filter((m) => m.cost_usd !== null && m.accepted && !m.unpriced_requests) ?? [], sum = (name) => priced.reduce((all, m) => all + m[name], 0);
  return priced.length ? sum("cost_usd") / sum("accepted") : null;
}

export class Figures {
  constructor(node) {
    this.items = cards.map((card) => {
      const value = figure(), by = el("span", { class: "change" }), note = el("span", { class: "note" }), line = spark(160, 34, { area: true, className: "spark card-spark" });
      value.show(["", ""]);
      const box = el("article", { class: "card" }, el("h2", {}, card.name), el("p", { class: "card-value" }, value), el("p", { class: "card-foot" }, note, by), line);
      node.append(box);
      return { card, box, value, by, note, line };
    });
  }

  // is and was are {total, days, rated, accepted}, parts of which may be missing; days are columns of steps.
  show(period, is, was) {
    for (const { card, box, value, by, note, line } of this.items) {
      const v = card.of(is) ?? null, old = card.of(was) ?? null, moved = change(v, old, card.points);
      value.show(card.format(v));
      box.dataset.alarm = v === null ? "" : card.alarm?.(v) ?? "";
      setText(note, card.note?.(is) ?? "");
      setText(by, moved?.text ?? (!v || !card.known(was) ? "" : "new"));
      by.className = "change";
      if (card.better && Math.abs(moved?.by ?? 0) >= (card.points ? 0.05 : 0.01)) by.classList.add(moved.by < 0 === (card.better === "down") ? "good" : "worse");
      by.title = old === null ? "" : `${text(card.format(old))} in ${label(period.before)}`;
      line.show(card.line?.(is) ?? [], { zero: card.zero });
    }
  }
}
